"""Whether the disk takes what the program wants to keep, and what to say when it does not.

The window opens all the same: what cannot be kept is forgotten when it closes, and it says so from the start.
"""

from __future__ import annotations

import errno
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from app.paths import Paths
from app.private_files import make_private_folder, private_opener

translate = QCoreApplication.translate  # the name that lupdate looks for

_PROBE = b"Larimar tries whether it can write here.\n" * 100
"""A few blocks: a full disk still takes names and the smallest of files."""


@dataclass(frozen=True, slots=True)
class Unkept:
    """What the disk does not take, and why."""

    conversations: str = ""
    """A sentence; empty when they are kept."""
    settings: str = ""
    """A sentence; empty when they are kept."""

    @property
    def words(self) -> str:
        """What to tell the user; empty when everything is kept."""
        if self.conversations and self.settings:
            reasons = " ".join(dict.fromkeys((self.conversations, self.settings)))
            return translate("Storage", "Nothing from this session will be saved. {reason}").format(reason=reasons)
        if self.conversations:
            words = translate("Storage", "Conversations will not be saved. {reason}")
            return words.format(reason=self.conversations)
        if self.settings:
            words = translate("Storage", "Changes to the settings will not be saved. {reason}")
            return words.format(reason=self.settings)
        return ""


def unkept(paths: Paths) -> Unkept:
    """Try to write into the folders of conversations and settings. Reads and writes the disk."""
    if paths.temporary:
        reason = translate("Storage", "You have no home folder. Set the variable HOME, then restart Larimar.")
        return Unkept(reason, reason)
    return Unkept(_problem(paths.data), _problem(paths.config) or _link_problem(paths.settings))


def _problem(folder: Path) -> str:
    try:
        make_private_folder(folder)
        probe = folder / f".{uuid.uuid4().hex}.part"
        try:
            with open(probe, "xb", opener=private_opener) as file:
                file.write(_PROBE)
                file.flush()
                os.fsync(file.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        return reason_words(folder, error)
    return ""


def _link_problem(file: Path) -> str:
    lost = file.is_symlink() and not file.exists()
    return reason_words(file, FileNotFoundError()) if lost else ""


def reason_words(folder: Path, error: OSError) -> str:
    """Return why nothing can be written into ``folder``, and what to do about it."""
    blocking = _blocking(folder)
    if blocking is not None:
        if blocking.is_symlink() and not blocking.exists():
            words = translate("Storage", "“{path}” is a broken link. Fix or delete it, then restart Larimar.")
        else:
            words = translate("Storage", "“{path}” is not a folder. Move it away, then restart Larimar.")
        return words.format(path=blocking)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        words = translate("Storage", "The disk that holds “{path}” is full. Free some space, then restart Larimar.")
    elif error.errno == errno.EROFS:
        words = translate("Storage", "The disk that holds “{path}” is read-only.")
    elif error.errno in (errno.EACCES, errno.EPERM):
        words = translate("Storage", "Larimar may not write to “{path}”. Change its permissions, then restart Larimar.")
    else:
        words = translate("Storage", "“{path}” cannot be written: {problem}.")
    return words.format(path=folder, problem=error.strerror or type(error).__name__)


def _blocking(folder: Path) -> Path | None:
    """Return what stands where ``folder``, or a folder above it, should be; ``None`` where nothing does."""
    for path in (folder, *folder.parents):
        try:
            if path.is_symlink() and not path.exists():
                return path
            if path.exists():
                return None if path.is_dir() else path
        except OSError:  # one above it may not be entered
            continue
    return None
