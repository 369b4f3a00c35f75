"""Prefixes of conversations: the one in the KV cache, others put aside in memory, others on disk.

One conversation is worked on at a time. Another one that is begun or gone back to takes its place; what it displaces
is put aside, as far as the bounds allow, and comes back by a copy instead of a computation.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final, Protocol

from inference.kv_cache import KVCache, Snapshot

_LOG: Final = logging.getLogger(__name__)

_LEAST_TOKENS: Final = 256
"""Fewer are computed again faster than they are worth keeping."""
_GAIN: Final = 64
"""So many more tokens must be had from a snapshot than from the cache before it is put back."""


class StoreLike(Protocol):
    """What the pool needs of :class:`inference.prefix_store.PrefixStore`."""

    def reach(self, ids: Sequence[int]) -> int:
        """Return how many leading tokens of ``ids`` the best file spares."""

    def load(self, ids: Sequence[int]) -> Snapshot | None:
        """Return the snapshot of the best file, ``None`` when it turns out to be damaged."""

    def save(self, snapshot: Snapshot) -> bool:
        """Write a snapshot, unless it is there; return whether it is there now."""


class PrefixPool:
    """Puts conversations aside and back.

    Args:
        cache: the decoder's.
        max_bytes: most memory for what is put aside; the longest unused goes first.
        store: keeps it beyond the end of the program; ``None``: nothing is written.
    """

    def __init__(self, cache: KVCache, max_bytes: int, store: StoreLike | None = None) -> None:
        self._cache = cache
        self._max_bytes = max_bytes
        self._store = store
        self._aside: list[Snapshot] = []
        """The one used last at the end."""
        self._saved = 0
        """Tokens of the cached conversation that are on disk."""

    def __len__(self) -> int:
        return len(self._aside)

    @property
    def nbytes(self) -> int:
        """Memory that the conversations take that were put aside."""
        return sum(snapshot.nbytes for snapshot in self._aside)

    def resume(self, ids: Sequence[int]) -> int:
        """Bring the cache to the longest prefix of ``ids`` that is known anywhere, and return its length."""
        reach = self._cache.reach(ids)
        snapshot = self._better_one(ids, reach)
        if snapshot is not None:
            self._put_aside()
            self._cache.restore(snapshot)
        elif reach < len(self._cache) // 2:
            self._put_aside()
        length = self._cache.resume(ids)
        self._saved = min(self._saved, length)
        return length

    def keep(self) -> None:
        """Write the cached conversation to disk, if there is a store and enough has been added since the last time."""
        if self._store is None or len(self._cache) - self._saved < _LEAST_TOKENS:
            return
        snapshot = self._snapshot()
        if snapshot is not None and self._store.save(snapshot):
            self._saved = len(self._cache)

    def flush(self) -> None:
        """Write to disk whatever is worth it: the program ends."""
        self.keep()
        for snapshot in self._aside:
            self._write(snapshot)

    def clear(self) -> None:
        """Forget what was put aside in memory."""
        self._aside.clear()

    def _better_one(self, ids: Sequence[int], reach: int) -> Snapshot | None:
        """Take out the snapshot that spares most, if any spares enough more than the cache does."""
        best, found = reach + _GAIN, None
        for snapshot in self._aside:
            if (length := self._cache.reach(ids, snapshot)) >= best:
                best, found = length + 1, snapshot
        if self._store is not None and self._store.reach(ids) >= best:
            stored = self._store.load(ids)
            if stored is not None and self._cache.reach(ids, stored) >= best:
                self._saved = len(stored.tokens)
                return stored
        if found is not None:
            self._saved = 0
            self._aside = [snapshot for snapshot in self._aside if snapshot is not found]
        return found

    def _put_aside(self) -> None:
        if len(self._cache) < _LEAST_TOKENS or (self._max_bytes <= 0 and self._store is None):
            return
        snapshot = self._snapshot()
        if snapshot is None:
            return
        kept = snapshot.tokens
        # what the new one holds as well needs no place of its own
        self._aside = [other for other in self._aside if other.tokens != kept[: len(other.tokens)]]
        self._aside.append(snapshot)
        while self._aside and self.nbytes > self._max_bytes:
            self._write(self._aside.pop(0))

    def _write(self, snapshot: Snapshot) -> None:
        if self._store is not None:
            self._store.save(snapshot)

    def _snapshot(self) -> Snapshot | None:
        try:
            return self._cache.snapshot()
        except MemoryError:
            _LOG.warning("too little memory to put a conversation aside")
            return None
