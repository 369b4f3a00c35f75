"""What can go wrong with the database, in sentences."""

from __future__ import annotations

import errno
import sqlite3

from inference.errors import DiskSpaceError, LarimarError


class StoreError(LarimarError):
    """The conversations cannot be read or written."""


_FULL = (
    "The disk is full, so what is said now cannot be kept. "
    "Make room: it is then written together with the next message."
)


def readable(error: BaseException) -> BaseException:
    """Return ``error``, or one with a sentence in its place when SQLite or the system raised it."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        primary = code & 0xFF if code is not None else None
        if primary == sqlite3.SQLITE_FULL:
            return _caused(DiskSpaceError(_FULL), error)
        if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return _caused(StoreError("The file with the conversations is damaged. Start Larimar again."), error)
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return _caused(
                StoreError(
                    "Another program, perhaps another Larimar, is using the file with the conversations. Close it, "
                    "then start this one again."
                ),
                error,
            )
        if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR):
            return _caused(
                StoreError("The file with the conversations cannot be written. Check the disk and its permissions."),
                error,
            )
        return _caused(StoreError("The conversations could not be read or written."), error)
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _caused(DiskSpaceError(_FULL), error)
        return _caused(StoreError(f"A file of the conversations could not be used: {error.strerror}."), error)
    return error


def is_passing(error: BaseException) -> bool:
    """Whether the same write may succeed later: the disk is full, or cannot be written at the moment."""
    code = getattr(error, "sqlite_errorcode", None) if isinstance(error, sqlite3.Error) else None
    passing = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY)
    return code is not None and code & 0xFF in passing


def is_about_writing(error: BaseException) -> bool:
    """Whether an error, or what caused it, says that the disk takes nothing: what is there may still be read."""
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF in (
            sqlite3.SQLITE_FULL,
            sqlite3.SQLITE_IOERR,
            sqlite3.SQLITE_READONLY,
            sqlite3.SQLITE_CANTOPEN,
            sqlite3.SQLITE_PERM,
        )
    if isinstance(error, OSError):
        return True
    return error.__cause__ is not None and is_about_writing(error.__cause__)


def _caused(sentence: LarimarError, cause: BaseException) -> LarimarError:
    sentence.__cause__ = cause
    return sentence
