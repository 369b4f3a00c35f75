"""Attachments as files named by their content: ``<folder>/<aa>/<sha256>/<name>``.

The same content is kept once, whatever it is called; each name that it came with is a hard link, so that other
programs can open an attachment under the name that its owner knows. All methods are for one background thread.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from app.private_files import make_private_folder, private_opener

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_INCOMING = "incoming"
_NAME_AT_MOST = 100
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
_RESERVED = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(1, 10))}
"""Names that Windows keeps for devices."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SIGNATURES = (
    (b"\x89PNG", "picture.png"),
    (b"\xff\xd8\xff", "picture.jpg"),
    (b"GIF8", "picture.gif"),
    (b"fLaC", "recording.flac"),
    (b"OggS", "recording.ogg"),
    (b"ID3", "recording.mp3"),
    (b"BM", "picture.bmp"),
)


class CopyCancelledError(Exception):
    """A copy was given up; nothing of it is left."""


class MediaFiles:
    """The files beside a database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, source: Path | bytes, cancelled: Callable[[], bool] = lambda: False) -> str:
        """Copy ``source`` here unless it is here, and return the reference ``"<sha256>/<name>"``.

        Raises:
            OSError: it cannot be read, or there is no room.
            CopyCancelledError: ``cancelled`` returned true.
        """
        name = safe_name(source.name if isinstance(source, Path) else name_for(source))
        incoming = self._folder / _INCOMING
        make_private_folder(incoming)
        unfinished = incoming / uuid.uuid4().hex
        try:
            digest = _write(source, unfinished, cancelled)
            home = self._home(digest)
            make_private_folder(home)
            target = home / name
            if not target.exists():
                twin = next((file for file in home.iterdir() if file.is_file()), None)
                if twin is None or not _linked(twin, target):
                    os.replace(unfinished, target)
        finally:
            unfinished.unlink(missing_ok=True)
        return f"{digest}/{name}"

    def path(self, reference: str) -> Path:
        """Return the file of a reference, whether it is there or not.

        Raises:
            ValueError: it is no reference.
        """
        digest, _, name = reference.partition("/")
        if not _DIGEST.fullmatch(digest) or name != safe_name(name):
            raise ValueError("no reference to a file of ours")
        return self._home(digest) / name

    def reference(self, source: Path | bytes) -> str | None:
        """Return the reference of a file that is among these; ``None`` for every other source."""
        if isinstance(source, bytes):
            return None
        try:
            inner = source.relative_to(self._folder).parts
        except ValueError:
            return None
        return f"{inner[1]}/{inner[2]}" if len(inner) == 3 and _DIGEST.fullmatch(inner[1]) else None

    def digests(self) -> Iterator[str]:
        """Yield the content of all files that are here."""
        if self._folder.is_dir():
            for shelf in self._folder.iterdir():
                if shelf.is_dir() and len(shelf.name) == 2:
                    yield from (home.name for home in shelf.iterdir() if _DIGEST.fullmatch(home.name))

    def remove(self, digest: str) -> None:
        """Remove what has this content, and what copying was interrupted."""
        home = self._home(digest)
        shutil.rmtree(home, ignore_errors=True)
        if home.exists():
            log.warning("An attachment that is not needed any more could not be removed")
            return
        with contextlib.suppress(OSError):  # others lie there
            home.parent.rmdir()

    def remove_unfinished(self) -> None:
        """Remove what copies were interrupted."""
        shutil.rmtree(self._folder / _INCOMING, ignore_errors=True)

    def _home(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest


def safe_name(name: str) -> str:
    """Return ``name`` as every file system takes it: no folders, no special characters, not too long."""
    cleaned = _NOT_IN_NAMES.sub("_", name).strip(" .") or "file"
    while len(cleaned.encode("utf-8", "replace")) > _NAME_AT_MOST:
        stem, dot, ending = cleaned.rpartition(".")
        cleaned = f"{stem[:-1]}{dot}{ending}" if stem and len(ending) < 12 else cleaned[:-1]
    if cleaned.partition(".")[0].upper() in _RESERVED:
        cleaned = f"_{cleaned}"
    return cleaned.encode("utf-8", "replace").decode("utf-8")


def name_for(data: bytes) -> str:
    """Return a name for bytes that came without one."""
    for signature, name in _SIGNATURES:
        if data.startswith(signature):
            return name
    if data[:4] == b"RIFF":
        return "picture.webp" if data[8:12] == b"WEBP" else "recording.wav"
    return "attachment"


def _write(source: Path | bytes, target: Path, cancelled: Callable[[], bool]) -> str:
    """Copy ``source`` to the new file ``target``, down to the disk, and return its SHA-256."""
    digest = hashlib.sha256()
    with open(target, "xb", opener=private_opener) as written:
        if isinstance(source, bytes):
            digest.update(source)
            written.write(source)
        else:
            with source.open("rb") as read:
                while chunk := read.read(_CHUNK):
                    if cancelled():
                        raise CopyCancelledError
                    digest.update(chunk)
                    written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
    return digest.hexdigest()


def _linked(twin: Path, target: Path) -> bool:
    try:
        os.link(twin, target)
    except OSError:
        return False
    return True
