"""Writes files for the user: whole or not at all, and nothing that was not meant.

A file is written beside its place under another name, reaches the disk, and only then takes its place. So what was
there before stays until there is something better, and a full disk or a lost connection costs nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from inference.errors import DiskSpaceError, OutputFileError
from inference.foreign_names import printable

_STREAMS: Final = {"/dev/stdout": 1, "/dev/stderr": 2}
_DESCRIPTORS: Final = ("/dev/fd/", "/proc/self/fd/")
_FULL: Final = frozenset((errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)))


def write_file(
    target: Path,
    content: bytes | str | Callable[[Path], object],
    *,
    inputs: Iterable[Path] = (),
    replace: bool = True,
) -> Path:
    """Write a file and return where it is.

    Args:
        target: the file, as the user named it. A link is followed to what it leads to. ``/dev/stdout``, ``/dev/null``
            and their like take what comes; every other pipe or device is refused.
        content: bytes, text for UTF-8, or what writes the file that it is given the path of.
        inputs: files that are read for it, which it must not take the place of.
        replace: whether a file that is there may be replaced: only one that the user named. Otherwise the next free
            name with a number is taken.

    Raises:
        OutputFileError: it cannot be written there; what was there is unchanged.
        DiskSpaceError: there is no room; the same.
        Exception: what ``content`` raises besides OSError; the same.
    """
    check_output(target, inputs)
    try:
        if (stream := _stream(target)) is not None:
            return _write_to_stream(target, stream, content)
        place = target.resolve() if target.is_symlink() else target
        return _write_beside(place, content, replace)
    except OSError as error:
        raise _not_written(target, error) from error


def check_output(target: Path, inputs: Iterable[Path] = ()) -> None:
    """Find out whether a file can be written, before hours of work go into it. Raises as :func:`write_file`."""
    if _stream(target) is not None:
        return
    try:
        status = _status(target)
        if status is None:
            folder = (target.resolve() if target.is_symlink() else target).parent
            if not folder.is_dir():
                raise OutputFileError(target, f"there is no folder {printable(str(folder))}")
            if not os.access(folder, os.W_OK | os.X_OK):
                raise OutputFileError(target, "nothing may be written into its folder")
            return
    except OSError as error:
        raise _not_written(target, error) from error
    for each in inputs:
        with contextlib.suppress(OSError):
            if os.path.samestat(status, each.stat()):
                raise OutputFileError(target, "it is what is read. Choose another name")
    if stat.S_ISDIR(status.st_mode):
        raise OutputFileError(target, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise OutputFileError(target, "it is a pipe or a device")
    if not os.access(target, os.W_OK):
        raise OutputFileError(target, "it is read-only")


def make_output_folder(folder: Path) -> None:
    """Make a folder for files that are written, if there is none. Raises :class:`OutputFileError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputFileError(folder, "it is a file, and a folder is needed") from error
    except (OSError, ValueError) as error:
        raise _not_written(folder, error) from error


def distinct_names(sources: Sequence[Path], suffix: str) -> list[str]:
    """Return the name of a file for each of ``sources``, all of them different, also where case does not count.

    A name is the source's own with ``suffix`` instead of its ending. Where several would be the same, their endings are
    kept, and where these are the same too, the folders say where each is from: ``r (x).txt``, ``r (y).txt``.
    """
    whole = [Path(os.path.abspath(source)) for source in sources]
    names = [source.stem or source.name for source in whole]
    for n in _equal(names):
        names[n] = whole[n].name
    for n in _equal(names):
        names[n] = _with_folders(whole, n)
    taken: set[str] = set()
    return [_unused(name, suffix, taken) for name in names]


def _equal(names: Sequence[str]) -> list[int]:
    keys = [_key(name) for name in names]
    return [n for n, key in enumerate(keys) if keys.count(key) > 1]


def _with_folders(paths: Sequence[Path], n: int) -> str:
    """Return the stem or name of a path, with as many of its folders as tell it from the others of this name."""
    path = paths[n]
    others = [each for each in paths if each != path and _key(each.stem) == _key(path.stem)]
    if not others:  # the same file twice
        return path.stem
    name = path.stem if all(_key(each.name) == _key(path.name) for each in others) else path.name
    folders = path.parent.parts[1:]
    for count in range(1, len(folders) + 1):
        if all(_key("/".join(each.parent.parts[1:][-count:])) != _key("/".join(folders[-count:])) for each in others):
            return f"{name} ({', '.join(folders[-count:])})"
    return name


def _unused(name: str, suffix: str, taken: set[str]) -> str:
    number, free = 2, f"{name}{suffix}"
    while _key(free) in taken:
        free = f"{name} {number}{suffix}"
        number += 1
    taken.add(_key(free))
    return free


def _key(name: str) -> str:
    """Return the same for names that a file system may take for the same."""
    return unicodedata.normalize("NFC", name).casefold()


def _status(target: Path) -> os.stat_result | None:
    """Return what is at ``target``, links followed; ``None`` where nothing is, or a link to nothing."""
    try:
        return target.stat()
    except FileNotFoundError:
        return None
    except ValueError as error:  # a null character in the name
        raise OSError(errno.EINVAL, "this is no name of a file") from error


def _stream(target: Path) -> int | None:
    """Return the descriptor behind ``/dev/stdout`` and its like; -1 for what may be opened though it is a device."""
    name = str(target)
    if sys.platform == "win32":
        return -1 if name.casefold() in ("nul", "con") else None
    if name in ("/dev/null", "/dev/tty", "/dev/full"):
        return -1
    for prefix in _DESCRIPTORS:
        if name.startswith(prefix) and name.removeprefix(prefix).isdecimal():
            return int(name.removeprefix(prefix))
    return _STREAMS.get(name)


def _write_to_stream(target: Path, descriptor: int, content: bytes | str | Callable[[Path], object]) -> Path:
    if callable(content):
        raise OutputFileError(target, "this kind of file needs a place on a disk")
    data = content.encode() if isinstance(content, str) else content
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    opened = os.open(target, os.O_WRONLY) if descriptor < 0 else os.dup(descriptor)
    with os.fdopen(opened, "wb") as out:
        out.write(data)
    return target


def _write_beside(place: Path, content: bytes | str | Callable[[Path], object], replace: bool) -> Path:
    unfinished = place.with_name(f".{secrets.token_hex(8)}.part")
    try:
        mode = stat.S_IMODE(place.stat().st_mode) if replace and place.exists() else None
        # the system's own rules decide who may read a new file
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        if callable(content):
            content(unfinished)
        else:
            unfinished.write_bytes(content.encode() if isinstance(content, str) else content)
        if mode is not None:
            with contextlib.suppress(OSError):
                unfinished.chmod(mode)
        _to_disk(unfinished)
        if replace:
            os.replace(unfinished, place)
        else:
            place = _into_free_place(unfinished, place)
        if os.name == "posix":
            with contextlib.suppress(OSError):
                _to_disk(place.parent)
        return place
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _into_free_place(unfinished: Path, wanted: Path) -> Path:
    number, place = 2, wanted
    while True:
        try:
            os.link(unfinished, place)
        except FileExistsError:
            place = wanted.with_name(f"{wanted.stem} {number}{wanted.suffix}")
            number += 1
            continue
        except OSError:  # a file system without links
            if os.path.lexists(place):
                place = wanted.with_name(f"{wanted.stem} {number}{wanted.suffix}")
                number += 1
                continue
            os.rename(unfinished, place)
        return place


def _to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _not_written(target: Path, error: OSError | ValueError) -> OutputFileError | DiskSpaceError:
    number = getattr(error, "errno", None)
    if number in _FULL:
        name = printable(target.name)
        return DiskSpaceError(f"There is too little room for {name}; nothing was written. Choose another disk.")
    return OutputFileError(target, (getattr(error, "strerror", None) or str(error)).rstrip("."))
