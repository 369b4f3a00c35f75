"""Larimar as a subprocess: started like a person starts it, watched through what it prints."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent.parent
DEADLINE_SECONDS = 120.0
"""After this long something hangs; far more than any step takes on a slow machine."""


class Program:
    """A running ``main.py``; ended with the ``with`` block."""

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str],
        before: Sequence[str] = (),
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [*before, sys.executable, str(ROOT / "main.py"), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            preexec_fn=prepare,
        )
        self._said = ""
        self._read_to = 0

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def said(self) -> str:
        """What has come in on standard error so far."""
        return self._said

    def interrupt(self) -> None:
        """Press Ctrl+C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it without a warning."""
        self._process.kill()

    def wait_for(self, words: str) -> None:
        """Return when ``words`` stand on standard error, after what was waited for before; fail when it ends first."""
        assert self._process.stderr is not None
        end = time.monotonic() + DEADLINE_SECONDS
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stderr, selectors.EVENT_READ)
            while (found := self._said.find(words, self._read_to)) < 0:
                assert selector.select(max(0.0, end - time.monotonic())), f"{words!r} never came in\n{self._said}"
                piece = os.read(self._process.stderr.fileno(), 65536)
                assert piece, f"it ended before {words!r} came in\n{self._said}"
                self._said += piece.decode()
        self._read_to = found + len(words)

    def wait(self) -> tuple[int, str]:
        """Return the exit code and all of standard error once the program has ended by itself."""
        _, rest = self._process.communicate(timeout=DEADLINE_SECONDS)
        return self._process.returncode, self._said + rest.decode()
