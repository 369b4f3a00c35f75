"""What a conversion in a child process says, one line of JSON at a time: the language between it and the window."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, TextIO

_MARK: Final = "larimar-conversion"
_PAUSE: Final = 0.1
"""Seconds between two lines of one stage."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How far it is."""

    words: str
    fraction: float | None = None
    """Of this stage, 0 to 1; ``None``: nobody knows."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Needs:
    """Nothing was done: packages must be installed first, and the user has to agree."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It ended early; the sentence is for the user."""

    sentence: str


Report = Stage | Needs | Failed
_KINDS: Final[dict[str, type[Report]]] = {"stage": Stage, "needs": Needs, "failed": Failed}


class Reporter:
    """Writes reports to a stream; to stop is what the end of another stream means."""

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream or sys.stdout
        self._clock = clock
        self._last: tuple[str, float] = ("", 0.0)
        self.cancelled = False
        """Whether nobody listens any more."""

    def watch(self, stream: TextIO) -> None:
        """Take the end of ``stream`` for the wish to stop: it comes too when the window's process is killed."""

        def read() -> None:
            while stream.read(1):
                pass
            self.cancelled = True

        threading.Thread(target=read, name="larimar-conversion-watch", daemon=True).start()

    def show(self, stage: str, fraction: float | None = None, detail: str = "") -> None:
        """Report progress, not too often.

        Raises:
            KeyboardInterrupt: the conversion is to stop.
        """
        if self.cancelled:
            raise KeyboardInterrupt
        now = self._clock()
        if stage == self._last[0] and now - self._last[1] < _PAUSE and fraction != 1.0:
            return
        self._last = (stage, now)
        self.say(Stage(stage, fraction, detail))

    def say(self, report: Report) -> None:
        """Write a line."""
        kind = next(name for name, each in _KINDS.items() if isinstance(report, each))
        print(json.dumps({_MARK: kind, **asdict(report)}), file=self._stream, flush=True)


def read_report(line: str) -> Report | None:
    """Return what a line says; ``None`` when it is something else, of pip for example."""
    try:
        found: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict) or (kind := _KINDS.get(found.pop(_MARK, ""))) is None:
        return None
    try:
        return kind(**found)
    except TypeError:  # of another version
        return None
