"""Opens the database: checks it, brings it to the present version with a backup before, and refuses what it must.

Nothing is altered in a database that is refused.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from app.private_files import make_private_file, make_private_folder, restrict
from app.store.errors import StoreError, readable
from app.store.schema import APPLICATION_ID, STEPS, Step
from app.store.search_index import optimize_search, register

log = logging.getLogger(__name__)

_MAGIC = b"SQLite format 3\x00"
_LOCK_SECONDS = 5.0
"""How long to wait for another program that is just closing the database."""
_COPIED_AT_MOST = 1 << 29
"""Bytes of a database that is read into memory because its disk takes nothing."""
_BACKUP_DAYS = 30
"""How long a backup is kept: long enough to notice, and what was deleted since does not stay for ever."""


def open_database(file: Path, steps: Sequence[Step] = STEPS) -> sqlite3.Connection:
    """Return a connection to the database in ``file``, made if there is none, for the calling thread.

    The connection is in autocommit mode and holds the file for itself until it is closed.

    Raises:
        StoreError: it is of a newer version, damaged, not ours, in use, or cannot be written.
    """
    try:
        make_private_folder(file.parent)
        _refuse_strange(file, len(steps))
        unclean = _size(file.with_name(file.name + "-wal")) > 0
        make_private_file(file)  # what SQLite puts beside it has the same rights
        for ending in ("-wal", "-shm", "-journal"):
            restrict(file.with_name(file.name + ending))
        _remove_unfinished_backups(file)
    except OSError as error:
        raise _cannot_open(file, error) from error
    try:
        connection = sqlite3.connect(file, isolation_level=None, timeout=_LOCK_SECONDS)
    except sqlite3.Error as error:
        sentence = readable(error)
        raise sentence from error
    try:
        _prepare(connection, file, steps, unclean)
    except sqlite3.Error as error:
        connection.close()
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise _damaged(file) from error
        sentence = readable(error)
        raise sentence from error
    except BaseException:
        connection.close()
        raise
    _forget_old_backups(file)
    return connection


def open_substitute(file: Path, steps: Sequence[Step] = STEPS, *, copied: bool) -> sqlite3.Connection:
    """Return a connection to a database in memory, in place of one that cannot be used: it ends with the program.

    Args:
        file: the database that cannot be used; it stays as it is.
        steps: as of :func:`open_database`.
        copied: whether to begin with what is in ``file``, as far as that can be read.
    """
    connection = sqlite3.connect(":memory:", isolation_level=None)
    if copied:
        try:
            _copy(file, connection)
            _prepare(connection, None, steps, unclean=True)
        except (sqlite3.Error, StoreError, OSError) as error:
            log.warning("What is on the disk could not be read either: %s", type(error).__name__)
            connection.close()
            connection = sqlite3.connect(":memory:", isolation_level=None)
        else:
            return connection
    _prepare(connection, None, steps, unclean=False)
    return connection


def _copy(file: Path, target: sqlite3.Connection) -> None:
    if not 0 < _size(file) <= _COPIED_AT_MOST:
        raise StoreError("There is nothing to copy.")
    # Immutable: no lock and no journal are written beside it, which the disk would not take.
    there = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        there.backup(target)
    finally:
        there.close()


def backup_of(file: Path, version: int) -> Path:
    """Return where the backup lies that was made before a database of ``version`` was changed."""
    return file.with_name(f"{file.stem}-backup-v{version}{file.suffix}")


def forget_in_backups(file: Path, ids: Sequence[str]) -> None:
    """Remove conversations from the copies that were made before the database was changed.

    A copy that cannot be changed is removed as a whole: what was deleted must not stay in it.
    """
    for backup in _backups(file):
        try:
            _forget_in(backup, ids)
        except sqlite3.Error as error:
            log.warning("A backup holds what was deleted and is removed: %s", type(error).__name__)
            with contextlib.suppress(OSError):
                for each in (backup, *backup.parent.glob(f"{backup.name}-*")):
                    each.unlink()


def _forget_in(backup: Path, ids: Sequence[str]) -> None:
    connection = sqlite3.connect(backup, isolation_level=None, timeout=_LOCK_SECONDS)
    try:
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        register(connection)
        connection.execute("BEGIN IMMEDIATE")
        removed = 0
        for one in ids:
            removed += connection.execute("DELETE FROM conversations WHERE id = ?", (one,)).rowcount
        if removed:
            optimize_search(connection)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _prepare(connection: sqlite3.Connection, file: Path | None, steps: Sequence[Step], unclean: bool) -> None:
    """Bring a database to the present version; one without a ``file`` is in memory and needs no backup."""
    register(connection)
    connection.text_factory = _text
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA temp_store = MEMORY")  # nothing of the conversations in files elsewhere
    version = _version(connection)  # takes the lock
    if version > len(steps):
        raise _newer(file or Path("memory"), version, len(steps))
    if version == 0:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # works before the first table only
    if unclean or 0 < version < len(steps):
        _check(connection, file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    if version < len(steps):
        _migrate(connection, file, version, steps)


def _text(stored: bytes) -> str:
    """Return a text of the database, which may be damaged."""
    return stored.decode("utf-8", "replace")


def _migrate(connection: sqlite3.Connection, file: Path | None, version: int, steps: Sequence[Step]) -> None:
    if version and file is not None:
        _back_up(connection, backup_of(file, version))
    for number in range(version + 1, len(steps) + 1):
        step = steps[number - 1]
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {step.sql}")
            if step.fill is not None:
                step.fill(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        log.info("The conversations are now of version %d", number)
    # The version must stand in the file itself, where a program of an older version looks first.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    make_private_file(unfinished)
    copy = sqlite3.connect(unfinished)
    try:
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    finally:
        copy.close()
    os.replace(unfinished, target)


def _remove_unfinished_backups(file: Path) -> None:
    for part in file.parent.glob(f"{file.stem}-backup-v*{file.suffix}.part*"):
        part.unlink(missing_ok=True)


def _backups(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"{file.stem}-backup-v*{file.suffix}"))


def _check(connection: sqlite3.Connection, file: Path | None) -> None:
    found = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found is None or found[0] != "ok":
        raise _damaged(file or Path("memory"))


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _refuse_strange(file: Path, newest: int) -> None:
    """Look at the header alone, which alters nothing, not even by a journal beside the file."""
    if os.path.lexists(file) and not file.is_file():
        raise _cannot_open(file, OSError(errno.EINVAL, "it is no file"))
    if _size(file) == 0:
        return
    with file.open("rb") as opened:
        header = opened.read(100)
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise _damaged(file)
    version, application = struct.unpack(">I", header[60:64])[0], struct.unpack(">I", header[68:72])[0]
    if application not in (0, APPLICATION_ID):
        raise StoreError(f"{file} is a database of another program. Move it away to keep conversations there.")
    if version > newest:
        raise _newer(file, version, newest)


def _forget_old_backups(file: Path) -> None:
    horizon = time.time() - _BACKUP_DAYS * 86400
    for backup in _backups(file):
        try:
            if backup.stat().st_mtime < horizon:
                backup.unlink()
        except OSError as error:
            log.warning("An old backup could not be removed: %s", error.strerror)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _newer(file: Path, version: int, newest: int) -> StoreError:
    return StoreError(
        f"Your conversations were written by a newer Larimar (format {version}; this one knows {newest}). "
        f"They were left untouched in {file}. Update Larimar to see them; until then nothing is kept."
    )


def _damaged(file: Path) -> StoreError:
    backups = _backups(file)
    older = f" {backups[-1].name} beside it is an older copy." if backups else ""
    return StoreError(
        f"The file with your conversations is damaged and was left as it is: {file}. Move it away to begin anew; "
        f"until then nothing is kept.{older}"
    )


def _cannot_open(file: Path, error: OSError) -> StoreError:
    return StoreError(f"The conversations in {file} cannot be opened: {error.strerror}. Until then nothing is kept.")
