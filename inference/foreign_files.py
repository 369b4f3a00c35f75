"""Reads files that somebody else made: regular files only, and never more of them than was bargained for.

A folder from the net or on a stick can hold, in place of a file, a pipe that never says anything, a device that never
ends, a link to itself, or a file of any size. Each is refused here, with the reason, before anything is read.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Final

from inference.errors import ForeignFileError

_PIECE: Final = 1 << 20
# A pipe that was put in the file's place after it was looked at then opens at once. Windows has neither.
_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_KINDS: Final = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
)


def read_bytes(path: Path | str, most: int) -> bytes:
    """Return a file's content.

    Args:
        path: the file; links are followed.
        most: bytes that it may have.

    Raises:
        ForeignFileError: there is no such file, it is no regular file or larger than ``most``, or cannot be read. Its
            ``missing`` tells whether there is none.
    """
    check_file(path, most)
    try:
        descriptor = os.open(path, _FLAGS)
        with os.fdopen(descriptor, "rb") as stream:
            _check_status(path, os.fstat(descriptor), most)
            content = bytearray()
            # a file may grow, or, as those below /proc do, not tell its size
            while len(content) <= most and (piece := stream.read(min(_PIECE, most + 1 - len(content)))):
                content += piece
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if len(content) > most:
        raise _too_large(path, most)
    return bytes(content)


def check_file(path: Path | str, most: int | None = None) -> os.stat_result:
    """Return the status of a regular file, which is not opened for that.

    Raises:
        ForeignFileError: as :func:`read_bytes`.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    _check_status(path, status, most)
    return status


def decoded(content: bytes, source: object) -> str:
    """Return the text of a file in UTF-8, or in what its byte order mark says (UTF-8, UTF-16, UTF-32).

    Raises:
        ForeignFileError: it is no such text.
    """
    encoding = "utf-8-sig"
    if content.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        encoding = "utf-32"
    elif content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ForeignFileError(source, "is no text in UTF-8") from error


def read_text(path: Path | str, most: int) -> str:
    """Return a file's text; see :func:`read_bytes` and :func:`decoded`."""
    return decoded(read_bytes(path, most), path)


def _check_status(path: Path | str, status: os.stat_result, most: int | None) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for test, name in _KINDS if test(status.st_mode)), "is no file")
        raise ForeignFileError(path, kind)
    if most is not None and status.st_size > most:
        raise _too_large(path, most)


def _too_large(path: Path | str, most: int) -> ForeignFileError:
    size = f"{most >> 20} MB" if most >= 1 << 20 else f"{most >> 10} kB"
    return ForeignFileError(path, f"is larger than the {size} that such a file can have")


def _unreadable(path: Path | str, error: OSError | ValueError) -> ForeignFileError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return ForeignFileError(path, "does not exist", missing=True)
    if isinstance(error, ValueError):  # a null character in the name
        return ForeignFileError(path, "is no name of a file")
    if sys.platform == "win32" and isinstance(error, PermissionError) and Path(path).is_dir():
        return ForeignFileError(path, "is a folder")
    return ForeignFileError(path, f"cannot be read: {error.strerror or error}")
