"""The file of the settings: read with care, written for its owner alone, kept aside where it is not understood."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from PySide6.QtCore import QSettings

from app.private_files import make_private_file, make_private_folder, private_opener, restrict
from inference.errors import ForeignFileError
from inference.foreign_files import read_bytes

log = logging.getLogger(__name__)

_BYTES_AT_MOST: Final = 1 << 20
_COPIES: Final = range(1, 6)
"""Numbers of the copies of files that were not understood; then the last one is replaced."""
_OBJECT: Final = re.compile(rb"@(?:Variant|DateTime|Rect|Size|Point)\(")
"""Values that Qt would build objects from, of whatever kind and size they say; none was written by us."""


@dataclass(frozen=True, slots=True)
class FoundSettings:
    """What a file of settings holds."""

    texts: Mapping[str, str] = field(default_factory=dict)
    damaged: bool = False
    """Whether the file as a whole could not be understood, or not be read."""


def read_settings(file: Path) -> FoundSettings:
    """Return the settings that are written in ``file``; none when there is no file, or none that can be understood."""
    try:
        content = read_bytes(file, _BYTES_AT_MOST)
        text = content.decode("utf-8")
    except ForeignFileError as error:
        there = file.parent.is_dir() and (not error.missing or file.is_symlink())
        if there:
            log.warning("The settings could not be read: %s", error)
        return FoundSettings(damaged=there)
    except UnicodeDecodeError:
        return FoundSettings(damaged=True)
    if "\0" in text or _OBJECT.search(content):
        return FoundSettings(damaged=True)
    stored = QSettings(str(file), QSettings.Format.IniFormat)
    texts = {key: str(stored.value(key, "")) for key in stored.allKeys()}
    return FoundSettings(
        texts, damaged=stored.status() is not QSettings.Status.NoError or (not texts and text.strip() != "")
    )


def write_settings(file: Path, texts: Mapping[str, str], outdated: tuple[str, ...]) -> None:
    """Write ``texts`` beside what else is in the file, except what is ``outdated``.

    Raises:
        OSError: that is not possible.
    """
    make_private_folder(file.parent)
    if file.is_symlink() and not file.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file))
    if file.exists() and not stat.S_ISREG(file.stat().st_mode):  # a pipe would wait for a reader for ever
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), str(file))
    make_private_file(file)  # what Qt then writes in its place has the same rights
    stored = QSettings(str(file), QSettings.Format.IniFormat)
    for key in outdated:
        stored.remove(key)
    for key, text in texts.items():
        stored.setValue(key, text)
    stored.sync()
    if stored.status() is not QSettings.Status.NoError:
        raise OSError(errno.EIO, "the file could not be written", str(file))
    restrict(file)


def keep_aside(file: Path, *, move: bool) -> Path | None:
    """Keep a file of settings that was not understood under another name.

    Args:
        file: the settings; or what stands in their place.
        move: whether nothing is to stay where it was.

    Returns:
        Where it is now; ``None`` where that failed, and for a link that leads nowhere, which stays: what it leads to
        may be on a disk that is not there today.
    """
    if file.is_symlink() and not file.exists():
        return None
    try:
        content = read_bytes(file, _BYTES_AT_MOST)
    except ForeignFileError:
        content = None
    name = _name_aside(file, content)
    try:
        if move:
            os.replace(file, name)
            restrict(name)
        elif content is not None:
            with open(name, "wb", opener=private_opener) as copy:
                copy.write(content)
    except OSError as error:
        log.warning("The settings could not be kept aside: %s", error.strerror)
        return None
    return name


def _name_aside(file: Path, content: bytes | None) -> Path:
    """Return the name of the copy that has this content already, else a free name, else the last one."""
    names = [file.with_name(f"{file.stem}-not-understood-{number}{file.suffix}") for number in _COPIES]
    for name in names:
        with contextlib.suppress(ForeignFileError):
            if content is not None and read_bytes(name, _BYTES_AT_MOST) == content:
                return name
    return next((name for name in names if not os.path.lexists(name)), names[-1])
