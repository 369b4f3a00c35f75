"""Sound that is encoded while it comes in: the soft tokens of the whole recording, within 1e-4."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import MediaError
from inference.graphs.audio import AudioState
from inference.graphs.session import RunCancelled
from inference.media.audio import audio_features, audio_soft_tokens, load_audio
from inference.media.prompt import MediaTokens, expand_prompt
from inference.messages import Audio
from inference.streaming_audio import StreamingAudioEncoder

pytestmark = pytest.mark.parity

TOLERANCE = 1e-4
SECOND = 16_000


def speech(samples: int, seed: int = 0) -> NDArray[np.float32]:
    """Return noise with pauses, as 16 bits hold it."""
    draw = np.random.default_rng(seed)
    loudness = 0.02 + 0.2 * np.abs(np.sin(np.arange(samples) / 9000))
    noise = draw.normal(0, 1, samples) * loudness
    return (np.clip(np.rint(noise * 32768), -32768, 32767) / 32768).astype(np.float32)


def pieces(samples: NDArray[np.float32], sizes: list[int]) -> list[NDArray[np.float32]]:
    """Cut samples into pieces of these sizes, over and over."""
    cut, start, index = [], 0, 0
    while start < len(samples):
        cut.append(samples[start : start + sizes[index % len(sizes)]])
        start, index = start + sizes[index % len(sizes)], index + 1
    return cut


def streamed(encoders: Any, samples: NDArray[np.float32], sizes: list[int]) -> tuple[Any, Audio]:
    live = StreamingAudioEncoder(encoders)
    for piece in pieces(samples, sizes):
        live.feed(piece)
    return live.finish(), live.recording


@pytest.fixture(scope="module")
def opened(encoders: Any) -> Any:
    """``opened(kind, precision)``: a model's encoders, whose cache the tests share."""
    return cache(lambda kind, precision="fp32": encoders(kind, precision).media_encoders())


def offline(encoders: Any, recording: Audio) -> Any:
    """Return what a recording becomes when nobody listened to it."""
    return encoders.media_encoders().encode(recording, CancelToken())


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    length=st.one_of(st.integers(161, 3000), st.integers(161, 3 * SECOND)),
    sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) > 200 * len(sizes)),
    kind=st.sampled_from(["e2b", "unified"]),
)
def test_pieces_of_any_size(encoders: Any, opened: Any, length: int, sizes: list[int], kind: str) -> None:
    samples = speech(length, seed=length)
    made, recording = streamed(opened(kind), samples, sizes)
    expected = offline(encoders(kind), recording)
    assert made.items == expected.items
    np.testing.assert_allclose(made.embeddings[0], expected.embeddings[0], atol=TOLERANCE)


@pytest.mark.parametrize("length", [161, 641, 7_680, 7_681, 7_682, 48_800, 30 * SECOND])
def test_against_transformers(encoders: Any, opened: Any, length: int) -> None:
    samples = speech(length)
    made, _ = streamed(opened("e2b"), samples, [1600])
    features = audio_features(samples)
    expected = encoders("e2b").audio_features(features.values[None], features.mask[None])[0]
    np.testing.assert_allclose(made.embeddings[0], expected, atol=TOLERANCE)


def test_every_part_needs_the_state(encoders: Any, opened: Any) -> None:
    """Otherwise the comparisons above would not notice if the state did nothing."""
    encoder = opened("e2b").audio
    frames = audio_features(speech(3 * SECOND)).values[:240]
    cancel = CancelToken()
    _, state = encoder.encode_next(frames[:192], None, cancel)
    expected, after = encoder.encode_next(frames[192:], state, cancel)
    assert (state.tokens, after.tokens) == (48, 60)
    rows = {"keys": slice(0, 12), "values": slice(12, 24), "convolution": slice(24, 28)}
    for name, part in rows.items():
        states = state.states.copy()
        states[:, :, part] = 0
        tokens, _ = encoder.encode_next(frames[192:], replace(state, states=states), cancel)
        assert np.abs(tokens - expected).max() > 0.01, name
    wrong_frames = AudioState(state.tokens, state.states, np.zeros_like(state.last_frames))
    assert np.abs(encoder.encode_next(frames[192:], wrong_frames, cancel)[0] - expected).max() > 0.01
    uncounted = replace(state, tokens=1)
    assert np.abs(encoder.encode_next(frames[192:], uncounted, cancel)[0] - expected).max() > 0.01


@pytest.mark.parametrize("precision", ["q8", "fp16"])
def test_coarser_graphs(encoders: Any, opened: Any, precision: str) -> None:
    made, recording = streamed(opened("e2b", precision), speech(5 * SECOND), [1000])
    np.testing.assert_allclose(
        made.embeddings[0], offline(encoders("e2b", precision), recording).embeddings[0], atol=TOLERANCE
    )


def test_a_graph_that_takes_clips_only_whole(encoders: Any, opened: Any) -> None:
    """Keys ahead, as no published model has them; or graphs that others made."""
    assert not opened("odd").audio.streams
    with pytest.raises(ValueError, match="only whole"):
        opened("odd").audio.encode_next(np.zeros((4, 128), np.float32), None, CancelToken())
    made, recording = streamed(opened("odd"), speech(SECOND), [1000])
    expected = offline(encoders("odd"), recording)
    assert made.items == expected.items
    assert not made.items[0].prefixes  # what a token is depends on what comes later
    np.testing.assert_allclose(made.embeddings[0], expected.embeddings[0], atol=TOLERANCE)


@pytest.mark.parametrize("seconds", [30.2, 62.0])
def test_longer_than_a_clip(encoders: Any, opened: Any, seconds: float) -> None:
    made, recording = streamed(opened("e2b"), speech(int(seconds * SECOND)), [4000])
    expected = offline(encoders("e2b"), recording)
    assert len(made.embeddings) == len(expected.embeddings) > 1
    assert made.items == expected.items
    for tokens, reference in zip(made.embeddings, expected.embeddings, strict=True):
        np.testing.assert_allclose(tokens, reference, atol=TOLERANCE)


def test_little_is_left_at_the_end(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = opened("e2b").audio
    encode_next, frames = encoder.encode_next, []

    def counting(values: Any, *arguments: Any) -> Any:
        frames.append(len(values))
        return encode_next(values, *arguments)

    monkeypatch.setattr(encoder, "encode_next", counting)
    live = StreamingAudioEncoder(opened("e2b"))
    for piece in pieces(speech(30 * SECOND), [1600]):
        live.feed(piece)
    assert sum(frames) == 2976  # of 2999
    assert len(live.soft_tokens) == 744
    live.finish()
    assert sum(frames) == 2999


@pytest.mark.parametrize(("slow", "left"), [(set(), 3), ({3, 4, 6, 9}, 3), ({3, 4, 5}, 11)])
def test_one_slow_block_does_not_make_all_blocks_large(
    opened: Any, monkeypatch: pytest.MonkeyPatch, slow: set[int], left: int
) -> None:
    """Small blocks leave little at the end; large ones are for machines that are too slow for them."""
    encoder = opened("e2b").audio
    encode_next, frames, now = encoder.encode_next, [], [0.0]

    def timed(values: Any, *arguments: Any) -> Any:
        frames.append(len(values))
        lasts = len(values) / 100
        now[0] += lasts * (0.9 if len(frames) in slow else 0.1)
        return encode_next(values, *arguments)

    monkeypatch.setattr(encoder, "encode_next", timed)
    monkeypatch.setattr("inference.streaming_audio.time.perf_counter", lambda: now[0])
    live = StreamingAudioEncoder(opened("e2b"))
    for piece in pieces(speech(round(4.77 * SECOND)), [1600]):
        live.feed(piece)
    live.finish()
    assert frames[-1] // 4 == left


def test_the_recording_is_found_encoded(opened: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    encoders = opened("e2b")
    live = StreamingAudioEncoder(encoders)
    samples = speech(SECOND)
    live.feed(samples)
    made = live.finish()
    monkeypatch.setattr(encoders, "audio", None)
    assert encoders.encode(live.recording, CancelToken()) is made
    file = tmp_path / "kept.wav"
    file.write_bytes(live.recording.source)
    assert encoders.encode(Audio(file), CancelToken()) is made
    np.testing.assert_array_equal(load_audio(file), samples)


def test_the_prompt_of_what_was_heard_so_far_begins_the_whole_one(opened: Any) -> None:
    """So the language model may read it while the speaker goes on."""
    tokens = MediaTokens()

    def reuse_ids(media: Any) -> tuple[int, ...]:
        return expand_prompt([2, 5, tokens.audio, 106], [media.items], tokens).reuse_ids

    for kind in ("e2b", "unified"):
        live = StreamingAudioEncoder(opened(kind))
        assert live.so_far() is None
        samples = speech(6 * SECOND)
        heard = 4 * SECOND + 100  # in the middle of a soft token
        live.feed(samples[:heard])
        early = live.so_far()
        assert early is not None
        count = len(live.soft_tokens)
        assert len(load_audio(early.source)) < heard
        begun = opened(kind).encode(early, CancelToken())
        assert audio_soft_tokens(len(load_audio(early.source)), opened(kind).layout) == count >= 96
        live.feed(samples[heard:])
        whole = live.finish()
        np.testing.assert_allclose(begun.embeddings[0], whole.embeddings[0][:count], atol=TOLERANCE)
        assert reuse_ids(begun)[: 3 + count] == reuse_ids(whole)[: 3 + count]
        assert len(set(reuse_ids(whole)[3:-2])) == len(whole.embeddings[0])


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stops=st.lists(st.integers(0, 12), max_size=4))
def test_stopped_and_continued(opened: Any, encoders: Any, stops: list[int]) -> None:
    live = StreamingAudioEncoder(opened("e2b"))
    samples = speech(2 * SECOND + 77)
    for index, piece in enumerate(pieces(samples, [3000])):
        cancel = CancelToken()
        if index in stops:
            cancel.cancel()
        try:
            live.feed(piece, cancel)
        except RunCancelled:
            assert index in stops
    stopped = CancelToken()
    stopped.cancel()
    with pytest.raises(RunCancelled):
        live.finish(stopped)
    made = live.finish()
    expected = offline(encoders("e2b"), live.recording)
    assert made.items == expected.items
    np.testing.assert_allclose(made.embeddings[0], expected.embeddings[0], atol=TOLERANCE)


def test_too_little_to_hear(opened: Any) -> None:
    live = StreamingAudioEncoder(opened("e2b"))
    with pytest.raises(MediaError, match="nothing was heard"):
        live.finish()
    live = StreamingAudioEncoder(opened("e2b"))
    live.feed(np.zeros(100, np.float32))
    with pytest.raises(MediaError, match="shorter than a hundredth"):
        live.finish()
