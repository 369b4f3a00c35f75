"""Forgets what the engine kept of conversations on disk: it tells what was said in those that were deleted.

The engine still holds it, and writes it again when it ends: it is removed now and at the end of the program, or, if the
program is killed before, at the next start.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from app.paths import Paths


def forget_prefixes(paths: Paths, *, at_end: bool = False) -> None:
    """Remove the files; unless this is the end of the program, note that it must be done again."""
    mark = _mark(paths)
    if paths.prefixes.exists() and not at_end:
        with contextlib.suppress(OSError):
            mark.touch(mode=0o600)
    shutil.rmtree(paths.prefixes, ignore_errors=True)
    if at_end:
        with contextlib.suppress(OSError):
            mark.unlink(missing_ok=True)


def prefixes_are_forgotten(paths: Paths) -> bool:
    """Whether what there is should have been removed by the last run of the program."""
    return _mark(paths).exists()


def _mark(paths: Paths) -> Path:
    return paths.cache / "prefixes-forgotten"
