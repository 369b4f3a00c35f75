"""The KV cache's book-keeping: growth keeps what was written, windows move, going back forgets, marks bring back."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import kv_cache
from inference.errors import ContextFullError, OutOfMemoryError
from inference.kv_cache import ROLLBACK_MARGIN, CacheSpec, KVCache, Snapshot

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
    released = []
    cache.before_replacing.append(lambda: released.append(cache.capacity))
    generation = cache.generation
    assert cache.reserve(1)
    assert cache.capacity == 1024
    assert released == [512], "whoever has bound the old buffers lets them go before there are new ones"
    assert cache.generation > generation
    np.testing.assert_array_equal(cache.buffers[FULL].numpy()[:, :, :512], written)
    assert not cache.reserve(512)


def test_long_conversations_grow_by_a_quarter_and_to_what_is_expected() -> None:
    cache = linear(100_000)
    cache.reserve(513, expected=9000)
    assert cache.capacity == 9216
    cache.append(range(9216))
    cache.reserve(1)
    assert cache.capacity == 11776
    assert cache.nbytes == 11776 * 2 * 4 * 4


def test_too_little_memory_is_said_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = windowed()
    write(cache, list(range(500)))
    real = np.zeros

    def fail(shape: tuple[int, ...], dtype: object) -> np.ndarray:
        if shape[2] > 600:
            raise MemoryError
        return real(shape, dtype)

    monkeypatch.setattr(np, "zeros", fail)
    with pytest.raises(OutOfMemoryError, match="not enough memory"):
        cache.reserve(100)
    monkeypatch.undo()
    assert_consistent(cache, list(range(500)))
    write(cache, list(range(500, 700)))
    assert_consistent(cache, list(range(700)))


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


def test_a_mark_costs_nothing_until_its_rows_would_be_lost() -> None:
    cache = windowed()
    write(cache, list(range(200)))
    cache.mark()
    assert not cache._windows
    assert cache.reaches_by_mark(200)
    assert cache.reaches_by_mark(200 - ROLLBACK_MARGIN)
    assert not cache.reaches_by_mark(200 - ROLLBACK_MARGIN - 1)
    for start in range(200, 1000, 50):
        write(cache, list(range(start, start + 50)))
    assert len(cache._windows) == 1
    assert cache.reaches_by_mark(200)
    assert cache.resume([*range(200), -1]) == 200
    assert_consistent(cache, list(range(200)))


def test_windows_of_other_conversations_do_not_pile_up() -> None:
    cache = windowed()
    for conversation in range(20):
        cache.resume([*range(50), -conversation])
        write(cache, [*range(len(cache), 50), *[-conversation - 1] * 30])
        for _ in range(3):
            cache.mark()
            write(cache, [-conversation - 1] * 200)
        assert len(cache._windows) <= 4
    assert cache.resume([*range(50), 99]) == 50


def test_what_was_marked_and_taken_back_is_no_mark() -> None:
    cache = windowed()
    write(cache, list(range(200)))
    cache.mark()
    cache.roll_back(190)
    for _ in range(6):
        write(cache, [-1] * 100)
    assert cache.resume([*range(200), -2]) == 0


def test_the_shared_beginning_and_the_latest_place_are_the_marks_that_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_cache, "_WINDOW_BYTES", 2 * (WINDOW - 1 + ROLLBACK_MARGIN) * 4)
    cache = windowed()
    for start in range(0, 4000, 400):
        write(cache, list(range(start, start + 400)))
        cache.mark()
    write(cache, list(range(4000, 4400)))
    assert [cache.reach([*range(length), -1]) for length in (400, 800, 3200, 3600, 4000)] == [
        400, 400, 400, 3600, 4000,
    ]  # fmt: skip


@pytest.mark.parametrize("length", [3, 70, 300, 2500])
def test_a_snapshot_brings_everything_back(length: int) -> None:
    cache = windowed()
    for start in range(0, length, 100):
        write(cache, list(range(start, min(start + 100, length))))
        cache.mark()
    snapshot = cache.snapshot()
    cache.clear()
    assert cache.tokens == ()
    write(cache, [7] * 400)
    assert cache.reach([*range(length), -1], snapshot) == length
    assert cache.reach([*range(min(50, length)), -1], snapshot) == min(50, length)
    assert length < 2500 or cache.reach([*range(20), -1], snapshot) == 0
    cache.restore(snapshot)
    assert_consistent(cache, list(range(length)))
    if length == 2500:
        # the first mark and the latest come along
        assert cache.reach([*range(100), -1]) == 100
        assert cache.reach([*range(2400), -1]) == 2400
    write(cache, list(range(length, length + 300)))
    assert_consistent(cache, list(range(length + 300)))


def test_a_snapshot_of_another_model_is_refused() -> None:
    snapshot = windowed().snapshot()
    with pytest.raises(ValueError, match="does not fit"):
        linear(64).restore(snapshot)
    long = windowed()
    write(long, list(range(200)))
    with pytest.raises(ValueError, match="does not fit"):
        windowed(100).restore(long.snapshot())


def test_appending_without_room_is_a_mistake() -> None:
    cache = linear(4)
    with pytest.raises(ValueError, match="reserve"):
        cache.append(range(5))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_conversations_of_every_kind(seed: int) -> None:
    """Prompts that share prefixes, replies, drafts taken back, marks: whatever happens, the buffers hold the tokens."""
    draw = random.Random(seed)
    aside: list[Snapshot] = []
    cache, history = windowed(), [[draw.randrange(9) for _ in range(draw.randrange(1, 700))]]
    for _ in range(12):
        old = draw.choice(history)
        prompt = old[: draw.randrange(len(old) + 1)] + [draw.randrange(9) for _ in range(draw.randrange(1, 300))]
        if draw.random() < 0.3:
            aside.append(cache.snapshot())
        if aside and draw.random() < 0.3:
            cache.restore(draw.choice(aside))
        expected = cache.reach(prompt)
        reused = cache.resume(prompt)
        assert reused == expected <= len(prompt)
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


def test_a_view_is_the_front_of_its_buffer_and_stays_the_same_object_while_it_reaches() -> None:
    cache = windowed()
    cache.reserve(2000, expected=2000)
    first = cache.view(FULL, 1)
    assert first.shape() == [1, 1, 256, 1]
    first.numpy()[0, 0, 7, 0] = 42
    assert cache.buffers[FULL].numpy()[0, 0, 7, 0] == 42, "what is bound in place of the buffer writes into it"
    write(cache, list(range(255)))
    assert cache.view(FULL, 1) is first
    assert cache.view(FULL, 2).shape()[2] == 384, "a multiple of 128 rows, so that sums round alike"
    assert cache.view(FULL, 40).shape()[2] == 320, "many rows at once see no more than they must"
    assert cache.view(SLIDING, 5000) is cache.buffers[SLIDING], "nothing is saved where everything is seen"
    cache.reserve(5000)
    assert cache.view(FULL, 1).numpy()[0, 0, 7, 0] == 7, "views of buffers that were replaced are gone"
    assert linear(5000).view(FULL, 1).shape()[2] == 512, "the rows of several heads do not lie together"


def test_the_room_says_when_windows_move() -> None:
    cache = windowed()
    write(cache, list(range(100)))
    room, held = cache.room, cache.sliding_length
    write(cache, list(range(room)))
    assert (cache.room, cache.sliding_length) == (0, held + room)
    write(cache, [1])
    assert cache.sliding_length < held + room, "moved"
    assert cache.room > 1
    assert linear(5000).room == 5000
