"""The KV cache's book-keeping: growth keeps what was written, windows move, going back forgets, marks bring back."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import kv_cache
from inference.errors import ContextFullError
from inference.kv_cache import ROLLBACK_MARGIN, CacheSpec, KVCache

FULL, SLIDING = "past_key_values.0.key", "past_key_values.1.key"
WINDOW = 8


def linear(context_length: int) -> KVCache:
    return KVCache({FULL: CacheSpec(2, 4, np.float32)}, context_length)


def windowed(context_length: int = 100_000) -> KVCache:
    return KVCache({FULL: CacheSpec(1, 1, np.float32), SLIDING: CacheSpec(1, 1, np.float32, WINDOW)}, context_length)


def write(cache: KVCache, ids: list[int]) -> None:
    """Append tokens as the decoder does: rows behind the valid ones; a row holds its token."""
    cache.reserve(len(ids))
    for name, start in ((FULL, len(cache)), (SLIDING, cache.sliding_length)):
        if name in cache.buffers:
            cache.buffers[name].numpy()[0, 0, start : start + len(ids), 0] = ids
    cache.append(ids)


def assert_consistent(cache: KVCache, tokens: list[int]) -> None:
    """The buffers hold the tokens they should, the sliding ones at least the whole window."""
    assert list(cache.tokens) == tokens
    assert list(cache.buffers[FULL].numpy()[0, 0, : len(tokens), 0]) == tokens
    held = cache.sliding_length
    assert held >= min(len(tokens), WINDOW - 1)
    assert list(cache.buffers[SLIDING].numpy()[0, 0, :held, 0]) == tokens[len(tokens) - held :]


def test_growth_keeps_what_was_written() -> None:
    cache = linear(5000)
    assert cache.capacity == 512
    written = np.random.default_rng(0).standard_normal((1, 2, 512, 4)).astype(np.float32)
    cache.buffers[FULL].update_inplace(written)
    cache.append(range(512))
    assert cache.reserve(1)
    assert cache.capacity == 1024
    np.testing.assert_array_equal(cache.buffers[FULL].numpy()[:, :, :512], written)
    assert not cache.reserve(512)


def test_growth_stops_at_the_context_length() -> None:
    cache = linear(700)
    cache.reserve(600)
    assert cache.capacity == 700
    cache.append(range(600))
    with pytest.raises(ContextFullError, match="700 tokens"):
        cache.reserve(101)
    assert not cache.reserve(100)


def test_a_short_context_needs_no_more_than_itself() -> None:
    assert linear(64).capacity == 64
    assert windowed(64).buffers[SLIDING].shape()[2] == 64


def test_sliding_buffers_do_not_grow_with_the_conversation() -> None:
    cache = windowed()
    size = cache.buffers[SLIDING].shape()
    for start in range(0, 5000, 100):
        write(cache, list(range(start, start + 100)))
    assert cache.buffers[SLIDING].shape() == size
    assert_consistent(cache, list(range(5000)))


def test_a_chunk_larger_than_the_room_makes_room() -> None:
    cache = windowed()
    write(cache, list(range(300)))
    write(cache, list(range(300, 2000)))
    assert_consistent(cache, list(range(2000)))


@given(cached=st.lists(st.integers(0, 3), max_size=12), wanted=st.lists(st.integers(0, 3), max_size=12))
def test_common_prefix(cached: list[int], wanted: list[int]) -> None:
    cache = linear(64)
    cache.append(cached)
    length = cache.common_prefix(wanted)
    assert cached[:length] == wanted[:length]
    assert length in (len(cached), len(wanted)) or cached[length] != wanted[length]


def test_drafts_can_always_be_taken_back() -> None:
    cache = windowed()
    for token in range(3000):
        write(cache, [token])
        if token >= ROLLBACK_MARGIN:
            cache.roll_back(len(cache) - 16)
            write(cache, list(range(token - 15, token + 1)))
    assert_consistent(cache, list(range(3000)))


def test_what_has_left_the_window_cannot_be_rolled_back_to() -> None:
    cache = windowed()
    for start in range(0, 1000, 50):
        write(cache, list(range(start, start + 50)))
    with pytest.raises(ValueError, match="roll back"):
        cache.roll_back(100)
    with pytest.raises(ValueError, match="roll back"):
        cache.roll_back(1001)
    assert cache.resume(range(100)) == 0
    assert cache.tokens == ()


def test_a_mark_brings_the_window_back() -> None:
    cache = windowed()
    write(cache, list(range(400)))
    cache.mark()
    for start in range(400, 2000, 100):
        write(cache, list(range(start, start + 100)))
    # another reply to the same prompt, a few tokens of which are gone
    assert cache.resume([*range(396), -1, -2]) == 396
    assert_consistent(cache, list(range(396)))


def test_marks_are_dropped_when_they_take_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_cache, "_MARK_BYTES", 800)
    cache = windowed()
    for start in range(0, 4000, 400):
        write(cache, list(range(start, start + 400)))
        cache.mark()
    assert cache.resume([*range(800), -1]) == 0
    assert cache.resume([*range(800), -1]) == 0


def test_appending_without_room_is_a_mistake() -> None:
    cache = linear(4)
    with pytest.raises(ValueError, match="reserve"):
        cache.append(range(5))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_conversations_of_every_kind(seed: int) -> None:
    """Prompts that share prefixes, replies, drafts taken back, marks: whatever happens, the buffers hold the tokens."""
    draw = random.Random(seed)
    cache, history = windowed(), [[draw.randrange(9) for _ in range(draw.randrange(1, 700))]]
    for _ in range(12):
        old = draw.choice(history)
        prompt = old[: draw.randrange(len(old) + 1)] + [draw.randrange(9) for _ in range(draw.randrange(1, 300))]
        reused = cache.resume(prompt)
        assert reused <= len(prompt)
        assert_consistent(cache, prompt[:reused])
        position = reused
        while position < len(prompt):
            step = draw.randrange(1, 300)
            write(cache, prompt[position : position + step])
            position += step
        cache.mark()
        tokens = list(prompt)
        for _ in range(draw.randrange(60)):
            drafts = [draw.randrange(9) for _ in range(draw.randrange(1, 8))]
            write(cache, drafts)
            rejected = draw.randrange(len(drafts))
            cache.roll_back(len(cache) - rejected)
            tokens += drafts[: len(drafts) - rejected]
        assert_consistent(cache, tokens)
        history.append(tokens)
