"""Deletes everything that the program has written, for good."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from pathlib import Path

from app.paths import Paths
from app.private_files import make_private_folder

log = logging.getLogger(__name__)

_MARK = "wipe-unfinished"


def files_of(paths: Paths) -> list[Path]:
    """Return the folders that exist of those that the program writes to."""
    return [path for path in dict.fromkeys((paths.data, paths.cache, paths.config, paths.logs)) if path.exists()]


def size_of(paths: Paths) -> int:
    """Return how many bytes there are to delete; reads the disk."""
    return sum(file.lstat().st_size for folder in files_of(paths) for file in folder.rglob("*") if not file.is_dir())


def is_unfinished(paths: Paths) -> bool:
    """Whether a :func:`wipe` was begun and the program ended before it was done."""
    return (paths.config / _MARK).exists()


def wipe(paths: Paths) -> list[Path]:
    """Delete conversations, media, downloaded models, caches, logs and settings; return what could not be deleted.

    Everything that writes there must have been closed. What lies in the user's own folders (models that were added
    from elsewhere, the Hugging Face cache, files that were exported) stays.

    A mark in the folder of the settings, which goes last, lets the next start finish what a killed program began.
    """
    try:
        make_private_folder(paths.config)
        (paths.config / _MARK).touch()
    except OSError as error:
        log.warning("That everything is to be wiped could not be noted: %s", error.strerror)
    left: list[Path] = []
    for folder in sorted(files_of(paths), key=lambda folder: folder == paths.config):
        _empty(folder, left)
    with contextlib.suppress(OSError):  # even where something is left: what is written from now on is wanted
        (paths.config / _MARK).unlink(missing_ok=True)
        paths.config.rmdir()
    return [path for path in left if os.path.lexists(path)]


def _empty(folder: Path, left: list[Path]) -> None:
    """Delete a folder with what is in it, except the mark; of a link to a folder, what is in that."""

    def could_not(_call: object, path: str, _error: object) -> None:
        left.append(Path(path))

    try:
        inside = list(folder.iterdir()) if folder.is_dir() else [folder]
    except OSError:
        left.append(folder)
        return
    for path in inside:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, onerror=could_not)
        elif path.name != _MARK:
            try:
                path.unlink(missing_ok=True)
            except OSError:
                left.append(path)
    with contextlib.suppress(OSError):  # the mark or something else is left in it, or it is a link
        folder.rmdir()
