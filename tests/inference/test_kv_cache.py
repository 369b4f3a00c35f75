"""The KV cache's book-keeping: growth keeps what was written, going back forgets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.errors import ContextFullError
from inference.kv_cache import CacheSpec, KVCache

SPECS = {"past_key_values.0.key": CacheSpec(2, 4, np.float32), "past_key_values.0.value": CacheSpec(2, 4, np.float32)}


def test_growth_keeps_what_was_written() -> None:
    cache = KVCache(SPECS, context_length=5000)
    assert cache.capacity == 512
    written = np.random.default_rng(0).standard_normal((1, 2, 512, 4)).astype(np.float32)
    cache.buffers["past_key_values.0.key"].update_inplace(written)
    cache.append(range(512))
    assert cache.reserve(1)
    assert cache.capacity == 1024
    for name, expected in (("key", written), ("value", 0)):
        buffer = cache.buffers[f"past_key_values.0.{name}"].numpy()
        assert buffer.shape == (1, 2, 1024, 4)
        np.testing.assert_array_equal(buffer[:, :, :512], expected)
    assert not cache.reserve(512)


def test_growth_stops_at_the_context_length() -> None:
    cache = KVCache(SPECS, context_length=700)
    cache.reserve(600)
    assert cache.capacity == 700
    cache.append(range(600))
    with pytest.raises(ContextFullError, match="700 tokens"):
        cache.reserve(101)
    assert not cache.reserve(100)


def test_a_short_context_needs_no_more_than_itself() -> None:
    assert KVCache(SPECS, context_length=64).capacity == 64


@given(cached=st.lists(st.integers(0, 3), max_size=12), wanted=st.lists(st.integers(0, 3), max_size=12))
def test_common_prefix(cached: list[int], wanted: list[int]) -> None:
    cache = KVCache(SPECS, context_length=64)
    cache.append(cached)
    length = cache.common_prefix(wanted)
    assert cached[:length] == wanted[:length]
    assert length in (len(cached), len(wanted)) or cached[length] != wanted[length]


def test_rolling_back() -> None:
    cache = KVCache(SPECS, context_length=64)
    cache.append([5, 6, 7])
    cache.roll_back(1)
    assert cache.tokens == (5,)
    with pytest.raises(ValueError, match="roll back"):
        cache.roll_back(2)


def test_appending_without_room_is_a_mistake() -> None:
    cache = KVCache(SPECS, context_length=4)
    with pytest.raises(ValueError, match="reserve"):
        cache.append(range(5))
