"""Files and folders that only their owner may read: 0600 and 0700, also where they exist already.

On Windows the user's profile is private by its own access lists, and modes mean nothing: nothing is changed there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_POSIX = os.name == "posix"


def make_private_folder(folder: Path) -> None:
    """Make ``folder``, and what is missing above it, for the owner alone; one that exists is closed to others.

    Raises:
        OSError: it cannot be made.
    """
    missing = []
    each = folder
    while not each.exists() and each.parent != each:
        missing.append(each)
        each = each.parent
    for each in reversed(missing):
        each.mkdir(mode=FOLDER_MODE, exist_ok=True)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)  # raises where a file stands in the way
    restrict(folder)


def make_private_file(file: Path) -> None:
    """Make an empty file for the owner alone, or close one that exists to others; its content stays.

    Raises:
        OSError: it cannot be made.
    """
    os.close(private_opener(str(file), os.O_WRONLY | os.O_CREAT | os.O_APPEND))
    restrict(file)


def private_opener(path: str, flags: int) -> int:
    """Open a file for :func:`open`'s ``opener``: a new one is for the owner alone, and a pipe or device is none.

    Raises:
        OSError: it cannot be opened, or is no regular file.
    """
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), FILE_MODE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def restrict(path: Path) -> None:
    """Take from everybody else what rights they have to ``path``, if it is a file or folder and we may."""
    if not _POSIX:
        return
    with contextlib.suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
            wanted = stat.S_IMODE(mode) & FOLDER_MODE
            if wanted != stat.S_IMODE(mode):
                path.chmod(wanted)


def restrict_below(folder: Path, leaving: Iterable[Path] = ()) -> None:
    """Close everything in ``folder`` to others, except what is in the folders ``leaving``; follows no links."""
    if not _POSIX:
        return
    left = set(leaving)
    for place, folders, files in os.walk(folder):
        here = Path(place)
        restrict(here)
        folders[:] = [name for name in folders if here / name not in left and not (here / name).is_symlink()]
        for name in files:
            if not (here / name).is_symlink():
                restrict(here / name)
