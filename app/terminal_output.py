"""What the terminal shows: the answer, thoughts, and a line of progress."""

from __future__ import annotations

import shutil
import sys
from types import TracebackType
from typing import TextIO

from app.commands.streams import is_terminal, one_line, printable, tell


class AnswerPrinter:
    """Writes the answer piece by piece; to a terminal without the control characters that could steer it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._plain = is_terminal(stream)
        self._last = ""

    def write(self, text: str) -> None:
        """Show the next piece at once."""
        self._stream.write(printable(text) if self._plain else text)
        self._stream.flush()
        self._last = text[-1:] or self._last

    def end(self) -> None:
        """End the answer's last line, if there is one."""
        if self._last not in ("", "\n"):
            self.write("\n")


class ThoughtPrinter:
    """Writes thoughts: dimmed on a terminal, else with ``> `` before each line."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._dim = is_terminal(stream)
        self._last = "\n"
        self._open = False

    def write(self, text: str) -> None:
        """Show the next piece at once."""
        if not text:
            return
        if self._dim:
            shown = printable(text) if self._open else f"\x1b[2m{printable(text)}"
        else:
            shown = ("> " if self._last == "\n" else "") + text[:-1].replace("\n", "\n> ") + text[-1]
        self._open = True
        self._last = text[-1]
        tell(self._stream, shown)

    def end(self) -> None:
        """Close the thought, so that what follows stands apart from it."""
        if not self._open:
            return
        tell(self._stream, ("" if self._last == "\n" else "\n") + ("\x1b[0m" if self._dim else ""))
        self._open = False
        self._last = "\n"


class ProgressLine:
    """One line on standard error that is written over and over.

    Where standard error is no terminal nothing is shown, or with ``log_stages`` a line for each stage.
    """

    def __init__(self, *, log_stages: bool = False) -> None:
        self._live = is_terminal(sys.stderr)
        self._log_stages = log_stages
        self._stage = ""
        self._shown = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, stage: str, fraction: float | None = None, detail: str = "") -> None:
        """Say what is going on; ``fraction`` (0 to 1) is how much of it is done, ``detail`` how long it will take."""
        stage, detail = one_line(stage), one_line(detail)
        if not self._live:
            if self._log_stages and stage != self._stage:
                tell(sys.stderr, f"{stage} …\n")
            self._stage = stage
            return
        percent = "" if fraction is None else f" {fraction:.0%}"
        behind = f" ({detail})" if detail else ""
        shown = f"{stage}{percent}{behind} …"[: shutil.get_terminal_size().columns - 1]  # of two lines one would stay
        tell(sys.stderr, f"\r\x1b[2K\x1b[2m{shown}\x1b[0m")
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            tell(sys.stderr, "\r\x1b[2K")
            self._shown = False


def say(sentence: str) -> None:
    """Write a remark to standard error, on one line for each of its own."""
    dim, plain = ("\x1b[2m", "\x1b[0m") if is_terminal(sys.stderr) else ("", "")
    tell(sys.stderr, f"{dim}{printable(sentence)}{plain}\n")
