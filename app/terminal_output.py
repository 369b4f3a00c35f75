"""What the terminal shows: the answer, thoughts, and a line of progress."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TextIO


class AnswerPrinter:
    """Writes the answer piece by piece; to a terminal without the control characters that could steer it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._plain = stream.isatty()
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

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._dim = stream.isatty()
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
        self._stream.write(shown)
        self._stream.flush()

    def end(self) -> None:
        """Close the thought, so that what follows stands apart from it."""
        if not self._open:
            return
        self._stream.write(("" if self._last == "\n" else "\n") + ("\x1b[0m" if self._dim else ""))
        self._stream.flush()
        self._open = False
        self._last = "\n"


class ProgressLine:
    """One line on standard error that is written over and over.

    Where standard error is no terminal nothing is shown, or with ``log_stages`` a line for each stage.
    """

    def __init__(self, *, log_stages: bool = False) -> None:
        self._stream = sys.stderr
        self._live = self._stream.isatty()
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
        if not self._live:
            if self._log_stages and stage != self._stage:
                print(f"{stage} …", file=self._stream, flush=True)
            self._stage = stage
            return
        percent = "" if fraction is None else f" {fraction:.0%}"
        remark = f" ({detail})" if detail else ""
        self._stream.write(f"\r\x1b[2K\x1b[2m{stage}{percent}{remark} …\x1b[0m")
        self._stream.flush()
        self._shown = True

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._shown = False


def printable(text: str) -> str:
    """Return ``text`` without control characters (C0, DEL, C1) other than line feed and tab."""
    return "".join(letter for letter in text if letter in "\n\t" or not _is_control(letter))


def _is_control(letter: str) -> bool:
    return letter < " " or "\x7f" <= letter <= "\x9f"
