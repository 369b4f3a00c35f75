"""Standard input, output and error as a program finds them: closed, full, in another encoding."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import sys
from typing import Final, NoReturn, TextIO

_LOST: Final = frozenset(
    getattr(errno, name, errno.EPIPE) for name in ("ENOSPC", "EDQUOT", "EPIPE", "EIO", "EBADF", "EFBIG", "ESHUTDOWN")
)

_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]")


def prepare() -> None:
    """Make pipes and old consoles carry every language, and closed streams harmless.

    Where standard output is closed, writing to it raises OSError: what was asked for must not get lost unsaid.
    """
    if os.name == "posix":
        for descriptor in (0, 1, 2):
            # Otherwise the next file that is opened becomes standard output, and takes what libraries say there.
            with contextlib.suppress(OSError):
                _occupy(descriptor)
        if sys.stdout is None:
            sys.stdout = _Closed()
        if sys.stderr is None:  # print would write to standard output instead
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def lost_output(error: OSError) -> str:
    """Return the sentence for an error that means that nobody reads what is written; empty for any other."""
    if error.filename is not None or error.errno not in _LOST:
        return ""
    if error.errno in (errno.EPIPE, errno.ESHUTDOWN):
        return "The answer was not read to its end: the program that reads standard output ended."
    if error.errno == errno.EBADF:
        return "Standard output is closed, so there is no place for the answer."
    return f"The answer cannot be written to standard output: {error.strerror}."


def abandon() -> None:
    """Let go of standard output, so that the interpreter does not complain of it at its exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _occupy(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def tell(stream: TextIO | None, text: str) -> None:
    """Write a remark to a stream; where it is closed or full nobody is told, and no answer is lost for it."""
    if stream is not None:
        with contextlib.suppress(OSError, ValueError):
            stream.write(text)
            stream.flush()


def remark(sentence: str) -> None:
    """Write a sentence to standard error, on one line and without what steers a terminal."""
    tell(sys.stderr, f"{one_line(sentence)}\n")


def is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; one that is closed is none."""
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False


def one_line(text: str) -> str:
    """Return a sentence without what steers a terminal, and without line breaks that came with a foreign name."""
    return " ".join(printable(text).split("\n"))


def printable(text: str) -> str:
    """Return ``text`` without what steers a terminal: controls other than line feed and tab, turns of direction.

    Marks that belong to words and emoji (joiners, LRM and RLM) stay.
    """
    return _STEERING.sub("", text)


class _Closed(io.TextIOBase):
    """Standard output that is closed."""

    def write(self, text: str) -> NoReturn:
        """Raise OSError."""
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
