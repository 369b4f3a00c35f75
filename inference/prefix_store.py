"""Prefixes of conversations on disk, so that a conversation goes on after a restart without being read again.

One file a conversation, in numpy's own archive format, whose check sums tell damaged files. What a file holds are keys
and values, from which what was said can be made out: the folder and its files are for their owner alone, and nothing is
written unless the program was told to.
"""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.kv_cache import Snapshot, Window
from inference.prompt import common_prefix

_LOG: Final = logging.getLogger(__name__)

_SUFFIX: Final = ".npz"
_PARTIAL: Final = ".partial"
_LEAST_TOKENS: Final = 256
"""Shorter conversations are read again faster than they are worth a file."""
DEFAULT_BYTES: Final = 2 << 30

_TOKENS, _WINDOWS = "tokens", "windows"
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file, and what its snapshot can be gone on from."""

    path: Path
    tokens: tuple[int, ...]
    windows: tuple[tuple[int, int], ...]
    """Length and start of each window, the one at the end last."""


class PrefixStore:
    """Files with the prefixes of conversations, at most so many bytes of them; the longest unused goes first.

    A file that is missing, damaged, or was made by another model or version is as good as none. Nothing raises: what
    goes wrong is logged, without what was said.

    Args:
        folder: where; made when the first file is written. Several models may share it.
        identity: of everything that keys and values depend on: files of another identity are not read.
        window: of the sliding layers, 0 without any.
        max_bytes: of all files in the folder.
        allowed: whether it may still be written, asked each time: the user may change their mind while a model is
            loaded.
    """

    def __init__(
        self,
        folder: Path,
        identity: str,
        window: int,
        max_bytes: int = DEFAULT_BYTES,
        allowed: Callable[[], bool] | None = None,
    ) -> None:
        self._allowed = allowed or (lambda: True)
        self._root = folder
        self._folder = folder / blake2b(identity.encode(), digest_size=12).hexdigest()
        self._window = window
        self._max_bytes = max_bytes
        for partial in _files(folder, _PARTIAL):
            _remove(partial)
        self._entries = [entry for path in _files(self._folder, _SUFFIX) if (entry := _read_entry(path)) is not None]

    @property
    def nbytes(self) -> int:
        """Bytes of all files in the folder, those of other models too."""
        return sum(size for _, size, _ in self._sizes())

    def reach(self, ids: Sequence[int]) -> int:
        """Return how many leading tokens of ``ids`` the best file spares."""
        return max((self._reach(entry, ids) for entry in self._entries), default=0)

    def load(self, ids: Sequence[int]) -> Snapshot | None:
        """Return the snapshot of the best file, ``None`` when it is missing or damaged; it then is forgotten."""
        entry = max(self._entries, key=lambda entry: self._reach(entry, ids), default=None)
        if entry is None:
            return None
        try:
            snapshot = _read(entry)
            os.utime(entry.path)
        except (*_DAMAGE, MemoryError) as error:
            _LOG.warning("a saved conversation cannot be read (%s) and is not used", type(error).__name__)
            if not isinstance(error, MemoryError):
                self._forget(entry)
            return None
        return snapshot

    def save(self, snapshot: Snapshot) -> bool:
        """Write a snapshot, unless a file holds as much or that is no longer allowed; return whether one does now.

        Files of shorter versions of the same conversation are removed.
        """
        tokens = snapshot.tokens
        if len(tokens) < _LEAST_TOKENS or snapshot.nbytes > self._max_bytes or not self._allowed():
            return False
        if any(entry.tokens[: len(tokens)] == tokens for entry in self._entries):
            return True
        path = self._folder / f"{_digest(tokens)}{_SUFFIX}"
        partial = path.with_suffix(_PARTIAL)
        try:
            for folder in (self._root, self._folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(snapshot.nbytes)
            _write(partial, snapshot)
            if not self._allowed():  # any more: to write took a while
                _remove(partial)
                return False
            os.replace(partial, path)
        except OSError as error:
            _LOG.warning("a conversation cannot be saved: %s", error.strerror)
            _remove(partial)
            return False
        for entry in [entry for entry in self._entries if entry.tokens == tokens[: len(entry.tokens)]]:
            self._forget(entry)
        windows = tuple((len(window.tokens), window.start) for window in snapshot.windows)
        self._entries.append(_Entry(path, tokens, windows))
        self._make_room(0)
        return True

    def _reach(self, entry: _Entry, ids: Sequence[int]) -> int:
        common = common_prefix(entry.tokens, ids)
        if not self._window:
            return common
        reachable = [
            min(length, common)
            for length, start in entry.windows
            if start <= max(0, min(length, common) - (self._window - 1))
        ]
        return max(reachable, default=0)

    def _make_room(self, needed: int) -> None:
        """Remove the files that were not used for the longest time, of whichever model."""
        sizes = self._sizes()
        total = needed + sum(size for _, size, _ in sizes)
        for _, size, path in sorted(sizes):
            if total <= self._max_bytes:
                return
            _remove(path)
            self._entries = [entry for entry in self._entries if entry.path != path]
            total -= size

    def _sizes(self) -> list[tuple[int, int, Path]]:
        sizes = []
        for path in _files(self._root, _SUFFIX):
            try:
                status = path.stat()
            except OSError:
                continue
            sizes.append((status.st_mtime_ns, status.st_size, path))
        return sizes

    def _forget(self, entry: _Entry) -> None:
        self._entries.remove(entry)
        _remove(entry.path)


def clear_prefix_store(folder: Path) -> None:
    """Remove the saved prefixes of all conversations with all models."""
    for suffix in (_SUFFIX, _PARTIAL):
        for path in _files(folder, suffix):
            _remove(path)


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    try:
        yield from [path for path in folder.rglob(f"*{suffix}") if path.is_file()]
    except OSError:
        return


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _LOG.warning("a saved conversation cannot be removed: %s", error.strerror)


def _digest(tokens: Sequence[int]) -> str:
    return blake2b(np.asarray(tokens, np.int64).tobytes(), digest_size=16).hexdigest()


def _write(path: Path, snapshot: Snapshot) -> None:
    arrays: dict[str, NDArray[np.generic]] = {
        _TOKENS: np.asarray(snapshot.tokens, np.int64),
        _WINDOWS: np.array([(len(window.tokens), window.start) for window in snapshot.windows], np.int64),
        **{f"full/{name}": rows for name, rows in snapshot.rows.items()},
    }
    for index, window in enumerate(snapshot.windows):
        # a window's tokens are those of the conversation, as far as it goes
        arrays |= {f"window{index}/{name}": rows for name, rows in window.rows.items()}
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _read_entry(path: Path) -> _Entry | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            tokens = tuple(archive[_TOKENS].tolist())
            windows = tuple((int(length), int(start)) for length, start in archive[_WINDOWS].reshape(-1, 2))
        if path.stem == _digest(tokens) and all(0 <= start <= length <= len(tokens) for length, start in windows):
            return _Entry(path, tokens, windows)
    except (*_DAMAGE, MemoryError) as error:
        _LOG.warning("a saved conversation cannot be read (%s) and is not used", type(error).__name__)
    _remove(path)
    return None


def _read(entry: _Entry) -> Snapshot:
    """Read a whole file. Raises one of ``_DAMAGE`` when anything in it is not as it was written."""
    with entry.path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        groups: dict[str, dict[str, NDArray[np.generic]]] = {}
        for key in archive.files:
            if key not in (_TOKENS, _WINDOWS):
                group, name = key.split("/", 1)
                groups.setdefault(group, {})[name] = archive[key]
        tokens = tuple(archive[_TOKENS].tolist())
    if tokens != entry.tokens:
        raise ValueError("another conversation")
    rows = groups.pop("full", {})
    if any(each.shape[2] != len(tokens) for each in rows.values()):
        raise ValueError("rows are missing")
    windows = []
    for index, (length, start) in enumerate(entry.windows):
        held = groups[f"window{index}"]
        if any(each.shape[2] != length - start for each in held.values()):
            raise ValueError("rows are missing")
        windows.append(Window(tokens[:length], start, held))
    return Snapshot(tokens, rows, tuple(windows))
