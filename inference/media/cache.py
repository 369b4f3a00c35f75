"""Decoded features and soft tokens by content, so that the same picture is worked on once; bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from inference.media.source import Source, opened

_WHOLE: Final = 64 * 2**20
"""Files up to this size are hashed whole."""
_SAMPLE: Final = 4 * 2**20


class Sized(Protocol):
    """Anything that knows how much memory its arrays take; numpy's arrays do, and our features."""

    @property
    def nbytes(self) -> int:
        """Bytes."""
        ...


_Value = TypeVar("_Value", bound=Sized)


class ByteBoundedCache(Generic[_Value]):
    """Keeps what was used last, up to a number of bytes. Any thread may use it; values must not be changed."""

    def __init__(self, max_bytes: int) -> None:
        """Hold at most ``max_bytes``; a value that is larger is not kept at all."""
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, _Value] = OrderedDict()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> _Value | None:
        """Return the value and count it as just used, or ``None``."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: Hashable, value: _Value) -> None:
        """Keep a value, in place of an older one of that key; the longest unused ones make room."""
        size = value.nbytes
        with self._lock:
            old = self._values.pop(key, None)
            if old is not None:
                self._nbytes -= old.nbytes
            if size > self._max_bytes:
                return
            self._values[key] = value
            self._nbytes += size
            while self._nbytes > self._max_bytes:
                self._nbytes -= self._values.popitem(last=False)[1].nbytes

    def get_or_make(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        """Return the value, made now if it is not there. Two threads may both make it; errors are passed on."""
        value = self.get(key)
        if value is None:
            value = make()
            self.put(key, value)
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._nbytes = 0


def content_key(source: Source | NDArray[np.generic], kind: str = "file") -> str:
    """Return a short text that is the same for the same content, whatever the file is called.

    Files above 64 MB are told apart by length, time of change, beginning, middle and end. Add what else matters
    (budget, layout, model) to the key of a cache.

    Raises:
        MediaError: the file cannot be read.
    """
    digest = blake2b(digest_size=16)
    if isinstance(source, np.ndarray):
        digest.update(f"{source.dtype.str} {source.shape} ".encode())
        digest.update(np.ascontiguousarray(source).data)
    elif isinstance(source, bytes):
        digest.update(source)
    else:
        _hash_file(source, digest, kind)
    return digest.hexdigest()


def _hash_file(path: Path, digest: blake2b, kind: str) -> None:
    with opened(path, kind) as stream:
        status = path.stat()
        if status.st_size <= _WHOLE:
            while block := stream.read(_SAMPLE):
                digest.update(block)
            return
        digest.update(f"{status.st_size} {status.st_mtime_ns} ".encode())
        for position in (0, (status.st_size - _SAMPLE) // 2, status.st_size - _SAMPLE):
            stream.seek(position)
            digest.update(stream.read(_SAMPLE))
