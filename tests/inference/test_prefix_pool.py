"""Conversations put aside and brought back, in memory: which one, and within which bounds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from inference.kv_cache import CacheSpec, KVCache, Snapshot
from inference.prefix_pool import PrefixPool

FULL, SLIDING = "past_key_values.0.key", "past_key_values.1.key"


class Store:
    """A store that keeps its files in memory."""

    def __init__(self) -> None:
        self.saved: list[Snapshot] = []
        self.damaged = False

    def reach(self, ids: Sequence[int]) -> int:
        return max((make_cache().reach(ids, snapshot) for snapshot in self.saved), default=0)

    def load(self, ids: Sequence[int]) -> Snapshot | None:
        return None if self.damaged else max(self.saved, key=lambda snapshot: make_cache().reach(ids, snapshot))

    def save(self, snapshot: Snapshot) -> bool:
        self.saved.append(snapshot)
        return True


def make_cache() -> KVCache:
    specs = {FULL: CacheSpec(1, 1, np.float32), SLIDING: CacheSpec(1, 1, np.float32, 8)}
    return KVCache(specs, 100_000)


def read(cache: KVCache, pool: PrefixPool, prompt: list[int], reply: int = 0) -> int:
    """Bring the cache to a prompt as the language model does, and on by a reply; return what was not computed."""
    reused = pool.resume(prompt[:-1])
    for start in range(reused, len(prompt), 200):
        _write(cache, prompt[start : start + 200])
    cache.mark()
    for token in range(reply):
        _write(cache, [-token])
    held = cache.sliding_length
    assert cache.buffers[FULL].numpy()[0, 0, : len(cache), 0].tolist() == list(cache.tokens)
    assert cache.buffers[SLIDING].numpy()[0, 0, :held, 0].tolist() == list(cache.tokens)[len(cache) - held :]
    return reused


def _write(cache: KVCache, ids: list[int]) -> None:
    cache.reserve(len(ids))
    for name, start in ((FULL, len(cache)), (SLIDING, cache.sliding_length)):
        cache.buffers[name].numpy()[0, 0, start : start + len(ids), 0] = ids
    cache.append(ids)


def conversation(number: int, length: int = 1000) -> list[int]:
    return [number * 10_000 + position for position in range(length)]


SYSTEM = conversation(9, 300)


def test_going_back_to_a_conversation_reads_only_what_is_new() -> None:
    cache = make_cache()
    pool = PrefixPool(cache, 1 << 20)
    assert read(cache, pool, conversation(1), reply=500) == 0
    assert read(cache, pool, conversation(2), reply=500) == 0
    assert len(pool) == 1
    # the reply is not part of the history as it was said: its thought is gone
    assert read(cache, pool, [*conversation(1), -77, -78]) == 1000
    assert read(cache, pool, [*conversation(2), -77]) == 1000
    assert len(pool) == 1, "the one that is worked on is not kept twice"


def test_a_shared_system_prompt_is_read_once() -> None:
    cache = make_cache()
    pool = PrefixPool(cache, 1 << 20)
    read(cache, pool, SYSTEM)
    assert read(cache, pool, SYSTEM + conversation(1), reply=300) == 300
    assert read(cache, pool, SYSTEM + conversation(2), reply=300) == 300
    assert read(cache, pool, [*SYSTEM, *conversation(1), 5]) == 1300


@pytest.mark.parametrize("reply", [10, 900])
def test_another_try_is_no_other_conversation(reply: int) -> None:
    cache = make_cache()
    pool = PrefixPool(cache, 1 << 20)
    read(cache, pool, conversation(1), reply)
    assert read(cache, pool, conversation(1)) == 999
    assert len(pool) == 0


def test_the_longest_unused_goes_first() -> None:
    cache = make_cache()
    # 1,000 tokens and a window take 5.1 to 5.4 kB
    pool = PrefixPool(cache, 12_000)
    for number in range(1, 5):
        read(cache, pool, conversation(number))
        assert pool.nbytes <= 12_000
    assert len(pool) == 2
    assert [read(cache, pool, [*conversation(number), 5]) for number in (1, 3)] == [0, 1000]


def test_what_is_short_is_not_put_aside() -> None:
    cache = make_cache()
    pool = PrefixPool(cache, 1 << 20)
    read(cache, pool, conversation(1, 200))
    read(cache, pool, conversation(2))
    assert len(pool) == 0


def test_nothing_is_put_aside_without_room_for_it() -> None:
    cache = make_cache()
    pool = PrefixPool(cache, 0)
    read(cache, pool, conversation(1))
    read(cache, pool, conversation(2))
    assert (len(pool), pool.nbytes) == (0, 0)


def test_too_little_memory_for_a_copy_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = make_cache()
    pool = PrefixPool(cache, 1 << 20)
    read(cache, pool, conversation(1))

    def fail() -> Snapshot:
        raise MemoryError

    monkeypatch.setattr(cache, "snapshot", fail)
    assert read(cache, pool, conversation(2)) == 0
    assert len(pool) == 0


def test_what_leaves_memory_goes_to_the_store_and_comes_back() -> None:
    cache, store = make_cache(), Store()
    pool = PrefixPool(cache, 0, store)
    read(cache, pool, conversation(1), reply=400)
    assert not store.saved
    read(cache, pool, conversation(2))
    assert [snapshot.tokens[:1000] for snapshot in store.saved] == [tuple(conversation(1))]
    assert read(cache, pool, [*conversation(1), 5]) == 1000
    store.damaged = True
    assert read(cache, pool, [*conversation(2), 5]) == 0


def test_a_conversation_is_saved_when_enough_was_added() -> None:
    cache, store = make_cache(), Store()
    pool = PrefixPool(cache, 0, store)
    lengths = []
    for length in (200, 300, 400, 500, 600):
        read(cache, pool, conversation(1, length))
        pool.keep()
        lengths.append([len(snapshot.tokens) for snapshot in store.saved])
    assert lengths == [[], [300], [300], [300], [300, 600]]
    pool.flush()
    assert len(store.saved) == 2


def test_the_end_saves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    cache, store = make_cache(), Store()
    pool = PrefixPool(cache, 1 << 20, store)
    for number in (1, 2, 3):
        read(cache, pool, conversation(number))
    pool.flush()
    assert sorted(snapshot.tokens[0] for snapshot in store.saved) == [10_000, 20_000, 30_000]
