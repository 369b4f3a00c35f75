"""Takes what the user wrote on the command line out of the list of processes, which every user of a machine can read.

Linux and macOS show a process's arguments from its own memory, so they are overwritten there. Windows shows them to
the same user and to administrators alone, and has no place where a process could change them.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Final

_OPTIONS: Final = ("--ask", "--system", "--question")
"""Options whose value the user wrote; each may be shortened."""
_SHORTEST: Final = len("--a")
_COMMAND: Final = "ask"
"""The command all of whose values the user wrote."""
_ARG_START, _ARG_END = 45, 46
"""Where /proc/self/stat has the place of the arguments, counted behind the name of the program."""


def hide_private_text(arguments: Sequence[str]) -> None:
    """Overwrite the user's words among ``arguments``, those of this process behind the name of the program.

    Does nothing where that is not possible: the program is no worse for it than others.
    """
    spans = private_spans(arguments)
    if not spans:
        return
    with contextlib.suppress(OSError, ValueError, AttributeError, IndexError, ImportError):
        if sys.platform.startswith("linux"):
            _overwrite_linux(arguments, spans)
        elif sys.platform == "darwin":
            _overwrite_macos(arguments, spans)


def private_spans(arguments: Sequence[str]) -> dict[int, int]:
    """Return which of ``arguments`` hold words of the user, by number, and at which byte these begin."""
    spans: dict[int, int] = {}
    asks = False
    for number, argument in enumerate(arguments):
        name, equals, _ = argument.partition("=")
        if len(name) >= _SHORTEST and any(option.startswith(name) for option in _OPTIONS):
            if equals:
                spans[number] = len(os.fsencode(name)) + 1
            elif number + 1 < len(arguments):
                spans[number + 1] = 0
        elif asks and number not in spans and not argument.startswith("-"):
            spans[number] = 0
        elif argument == _COMMAND and number not in spans:
            asks = True
    return spans


def _overwrite_linux(arguments: Sequence[str], spans: dict[int, int]) -> None:
    import ctypes

    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    ours = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
    place = end - len(ours)
    if start <= 0 or place < start or ctypes.string_at(place, len(ours)) != ours:
        return
    for number, argument in enumerate(arguments):
        length = len(os.fsencode(argument))
        if number in spans:
            ctypes.memset(place + spans[number], 0, length - spans[number])
        place += length + 1


def _overwrite_macos(arguments: Sequence[str], spans: dict[int, int]) -> None:
    import ctypes

    libc = ctypes.CDLL(None)
    get = libc._NSGetArgv
    get.restype = ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))
    count = libc._NSGetArgc
    count.restype = ctypes.POINTER(ctypes.c_int)
    first = count().contents.value - len(arguments)
    for number, begin in spans.items():
        place = get().contents[first + number]
        text = os.fsencode(arguments[number])
        if first > 0 and place and ctypes.string_at(place, len(text)) == text:
            ctypes.memset(place + begin, 0, len(text) - begin)
