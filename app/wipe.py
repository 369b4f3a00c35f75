"""Deletes everything that the program has written, for good."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from app.paths import Paths

log = logging.getLogger(__name__)


def files_of(paths: Paths) -> list[Path]:
    """Return the folders that exist of those that the program writes to."""
    return [path for path in dict.fromkeys((paths.data, paths.cache, paths.config, paths.logs)) if path.exists()]


def size_of(paths: Paths) -> int:
    """Return how many bytes there are to delete; reads the disk."""
    return sum(file.lstat().st_size for folder in files_of(paths) for file in folder.rglob("*") if not file.is_dir())


def wipe(paths: Paths) -> list[Path]:
    """Delete conversations, media, downloaded models, caches, logs and settings; return what could not be deleted.

    Everything that writes there must have been closed. What lies in the user's own folders (models that were added
    from elsewhere, the Hugging Face cache, files that were exported) stays.
    """
    left: list[Path] = []
    for folder in files_of(paths):
        shutil.rmtree(folder, onerror=lambda _call, path, _error: left.append(Path(path)))
    return [path for path in left if path.exists()]
