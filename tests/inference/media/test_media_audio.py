"""Recordings of all kinds to samples, features and clips; sound that is still coming in."""

from __future__ import annotations

import itertools
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_samples import float_wav, recording, tone, video, wav
from numpy.typing import NDArray

from inference.errors import MediaError
from inference.media.audio import (
    AudioFeatures,
    MonoResampler,
    PauseSplitter,
    audio_features,
    audio_soft_tokens,
    load_audio,
    load_clips,
    probe_audio,
    to_mono_16k,
)
from inference.media.log_mel import log_mel
from inference.media.streaming import feature_stream

SECOND = 16_000
PUBLISHED_COUNTS = {
    38_560: 60,
    48_000: 75,
    48_800: 76,
    99_360: 155,
    640_000: 750,
    480_000: 750,
    1_600: 3,
    8_000: 13,
    16_000: 25,
    145_840: 228,
}
"""Samples to soft tokens: other implementations' tests, and the placeholders of real checkpoints' runs."""


def speech(
    lengths: list[float], pauses: list[float], seed: int = 0
) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
    """Bursts of noise with pauses of faint hiss; also where the pauses are, in samples."""
    generator = np.random.default_rng(seed)
    parts: list[NDArray[np.float32]] = []
    gaps: list[tuple[int, int]] = []
    position = 0
    for length, pause in zip(lengths, pauses, strict=True):
        burst = generator.normal(0, 0.2, round(length * SECOND)) * np.abs(
            np.sin(np.arange(round(length * SECOND)) / 900)
        )
        hiss = generator.normal(0, 0.0005, round(pause * SECOND))
        parts += [burst.astype(np.float32), hiss.astype(np.float32)]
        gaps.append((position + len(burst), position + len(burst) + len(hiss)))
        position = gaps[-1][1]
    return np.concatenate(parts), gaps


@pytest.mark.parametrize("samples", PUBLISHED_COUNTS)
def test_published_counts(samples: int) -> None:
    assert audio_soft_tokens(samples) == PUBLISHED_COUNTS[samples]
    if samples <= 480_000:
        assert audio_features(np.zeros(samples, np.float32)).soft_tokens == PUBLISHED_COUNTS[samples]


def test_published_counts_of_the_unified_model() -> None:
    assert audio_soft_tokens(145_840, "unified") == 228
    assert audio_features(np.zeros(145_840, np.float32), "unified").values.shape == (228, 640)


@pytest.mark.parametrize(
    ("samples", "padded", "real"), [(1_600, 10, 9), (8_000, 50, 49), (16_000, 99, 99), (48_800, 305, 304)]
)
def test_published_frames(samples: int, padded: int, real: int) -> None:
    made = audio_features(tone(samples, SECOND))
    assert made.values.shape == (padded, 128)
    assert made.mask.sum() == real
    assert not made.values[~made.mask].any()


def test_silence_is_the_floor() -> None:
    values, _ = log_mel(np.zeros(SECOND, np.float32))
    np.testing.assert_allclose(values, np.log(0.001), rtol=1e-6)
    assert values.flat[0] == np.float32(-6.9077554)


def test_a_tone_is_in_its_band() -> None:
    values, _ = log_mel(np.sin(2 * np.pi * 1000 * np.arange(SECOND) / SECOND).astype(np.float32))
    loudest = values[10:-1].argmax(axis=1)
    mel = np.log10(1 + 1000 / 700) / np.log10(1 + 8000 / 700) * 129
    assert np.abs(loudest + 1 - mel).max() <= 1


@pytest.mark.parametrize("array", [np.zeros(9), np.zeros((9, 2), np.float32), np.zeros(480_001, np.float32)])
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"float32|30 seconds"):
        audio_features(array)


FORMATS = [
    ("a.wav", "pcm_s16le", 1e-4),
    ("a.wav", "pcm_f32le", 1e-6),
    ("a.aiff", "pcm_s24be", 1e-6),
    ("a.flac", "flac", 1e-4),
    ("a.mp3", "libmp3lame", 0.1),
    ("a.m4a", "aac", 0.1),
    ("a.ogg", "libopus", 0.1),
    ("a.webm", "libopus", 0.1),
    ("a.opus", "libopus", 0.1),
    ("a.mka", "pcm_s16le", 1e-4),
    ("a.m4a", "alac", 1e-4),
    ("a.mka", "aac", 0.1),
]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("name", "codec", "tolerance"), FORMATS)
def test_formats(name: str, codec: str, tolerance: float, channels: int, tmp_path: Path) -> None:
    rate = 48_000
    sound = tone(rate, rate)
    file = recording(tmp_path / name, sound if channels == 1 else np.stack([sound, sound], -1), rate, codec, channels)
    info = probe_audio(file)
    assert info is not None
    assert (info.rate, info.channels) == (rate, channels)
    loaded = load_audio(file)
    np.testing.assert_array_equal(loaded, load_audio(file.read_bytes()))
    expected = to_mono_16k(sound, rate)
    assert len(loaded) >= len(expected)  # lossy formats fill up their last block
    assert len(loaded) - len(expected) < 2000
    if (name, codec) == ("a.m4a", "aac"):
        # here the writer does not note that the first block only warms the decoder up
        expected = to_mono_16k(np.concatenate([np.zeros(1024, np.float32), sound]), rate)
    error = loaded[:15_000] - expected[:15_000]
    assert np.sqrt(np.square(error).mean()) < tolerance


@settings(max_examples=30, deadline=None, database=None)
@given(
    st.sampled_from([8_000, 22_050, 44_100, 48_000, 192_000]),
    st.lists(st.integers(0, 5_000), max_size=12),
    st.integers(1, 8),
)
def test_resampling_in_blocks_is_resampling_at_once(rate: int, blocks: list[int], channels: int) -> None:
    sound = np.stack([tone(sum(blocks), rate, each) for each in range(channels)], -1)
    resampler, parts, position = MonoResampler(rate), [], 0
    for block in blocks:
        parts.append(resampler.push(sound[position : position + block]))
        position += block
    parts.append(resampler.finish())
    np.testing.assert_array_equal(np.concatenate(parts), to_mono_16k(sound, rate))


def test_resampling_keeps_speech_and_drops_what_would_fold_back() -> None:
    rate, time = 48_000, np.arange(48_000) / 48_000
    kept = to_mono_16k(np.sin(2 * np.pi * 3000 * time).astype(np.float32), rate)
    expected = np.sin(2 * np.pi * 3000 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(kept[200:-200], expected[200:-200], atol=1e-3)
    dropped = to_mono_16k(np.sin(2 * np.pi * 11_000 * time).astype(np.float32), rate)
    assert np.abs(dropped[200:-200]).max() < 1e-3


@pytest.mark.parametrize("rate", [0, 100, 10_000_000])
def test_impossible_rates_are_refused(rate: int) -> None:
    with pytest.raises(MediaError, match="samples a second"):
        MonoResampler(rate)


@settings(max_examples=40, deadline=None, database=None)
@given(st.lists(st.integers(0, 4_000), max_size=15), st.sampled_from(["tower", "unified"]))
def test_streamed_features_are_those_of_the_clip(blocks: list[int], layout: str) -> None:
    sound = tone(sum(blocks), SECOND)
    stream, position = feature_stream(layout), 0  # type: ignore[arg-type]
    parts: list[AudioFeatures] = []
    for block in blocks:
        parts.append(stream.push(sound[position : position + block]))
        position += block
    parts.append(stream.finish())
    whole = audio_features(sound, layout)  # type: ignore[arg-type]
    np.testing.assert_allclose(np.concatenate([part.values for part in parts]), whole.values, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(np.concatenate([part.mask for part in parts]), whole.mask)
    assert sum(part.soft_tokens for part in parts) == whole.soft_tokens


def test_a_stream_gives_frames_as_soon_as_they_are_complete() -> None:
    stream = feature_stream()
    assert len(stream.push(np.zeros(160, np.float32)).values) == 0
    assert len(stream.push(np.zeros(1, np.float32)).values) == 1
    assert len(stream.push(np.zeros(159, np.float32)).values) == 0
    assert len(stream.push(np.zeros(161, np.float32)).values) == 2


def test_a_microphone_at_48_khz_gives_the_features_of_the_recording() -> None:
    rate = 48_000
    sound = tone(3 * rate, rate)
    resampler, stream = MonoResampler(rate), feature_stream()
    parts = [stream.push(resampler.push(sound[at : at + 480])) for at in range(0, len(sound), 480)]
    parts += [stream.push(resampler.finish()), stream.finish()]
    whole = audio_features(load_audio(float_wav(sound, rate)))
    np.testing.assert_allclose(np.concatenate([part.values for part in parts]), whole.values, atol=1e-6, rtol=0)


def test_long_recordings_are_cut_in_their_pauses() -> None:
    generator = np.random.default_rng(5)
    sound, gaps = speech(list(generator.uniform(1, 9, 24)), list(generator.uniform(0.35, 1.2, 24)))
    clips = list(load_clips(float_wav(sound, SECOND)))
    assert len(clips) > len(sound) / SECOND / 30
    assert all(len(clip.samples) <= 30 * SECOND for clip in clips)
    np.testing.assert_array_equal(np.concatenate([clip.samples for clip in clips]), sound)
    for before, after in itertools.pairwise(clips):
        assert before.end == pytest.approx(after.start)
        cut = round(after.start * SECOND)
        assert any(start <= cut <= end for start, end in gaps), f"cut within speech at {after.start} s"
    assert clips[-1].end == pytest.approx(len(sound) / SECOND)


def test_the_longer_pause_wins() -> None:
    sound, gaps = speech([18, 4, 4, 10], [0.2, 1.0, 0.2, 0.1])
    clips = list(load_clips(float_wav(sound, SECOND)))
    assert len(clips) == 2
    assert gaps[1][0] < len(clips[0].samples) < gaps[1][1]


@settings(max_examples=40, deadline=None, database=None)
@given(st.lists(st.integers(0, 3 * SECOND), max_size=12), st.floats(2, 5), st.integers(0, 99))
def test_splitting_loses_nothing(blocks: list[int], longest: float, seed: int) -> None:
    sound = np.random.default_rng(seed).normal(0, 0.1, sum(blocks)).astype(np.float32)
    splitter, clips, position = PauseSplitter(longest), [], 0
    for block in blocks:
        clips += splitter.push(sound[position : position + block])
        position += block
    clips += splitter.finish()
    assert sum(len(clip.samples) for clip in clips) == len(sound)
    if clips:
        np.testing.assert_array_equal(np.concatenate([clip.samples for clip in clips]), sound)
        assert max(len(clip.samples) for clip in clips) <= longest * SECOND
    if len(clips) > 1:
        assert min(len(clip.samples) for clip in clips) >= SECOND / 2
    assert [round(clip.start * SECOND) for clip in clips] == list(np.cumsum([0, *(len(c.samples) for c in clips)])[:-1])


def test_up_to_thirty_seconds_stay_whole() -> None:
    clips = list(load_clips(wav(tone(30 * SECOND, SECOND), SECOND)))
    assert [(clip.start, clip.end) for clip in clips] == [(0.0, 30.0)]


def test_the_limit_of_a_whole_recording() -> None:
    content = wav(tone(2 * SECOND, SECOND), SECOND)
    assert len(load_audio(content, limit_seconds=2)) == 2 * SECOND
    with pytest.raises(MediaError, match=r"longer than 0.0167 minutes"):
        load_audio(content, limit_seconds=1)


def test_the_sound_track_of_a_video(tmp_path: Path) -> None:
    sound = tone(2 * SECOND, SECOND)
    loaded = load_audio(video(tmp_path / "a.mkv", 20, 10, sound=sound))
    assert np.sqrt(np.square(loaded[:30_000] - sound[:30_000]).mean()) < 0.1
    silent = video(tmp_path / "b.mp4", 20, 10)
    assert probe_audio(silent) is None
    with pytest.raises(MediaError, match=r"“b.mp4” has no sound"):
        load_audio(silent)


def test_a_wav_that_claims_ten_hours_is_as_long_as_it_is() -> None:
    content = bytearray(wav(tone(8_000, 8_000), 8_000))
    ten_hours = 10 * 3600 * 16_000
    content[4:8] = struct.pack("<I", ten_hours + 36)
    content[40:44] = struct.pack("<I", ten_hours)
    assert len(load_audio(bytes(content))) == 16_000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(bad: float, tmp_path: Path) -> None:
    sound = tone(5_000, SECOND)
    sound[4_000] = bad
    file = tmp_path / "nan.wav"
    file.write_bytes(float_wav(sound, SECOND))
    with pytest.raises(MediaError, match=r"“nan.wav” holds values that are no numbers"):
        load_audio(file)


def test_too_short_to_hear() -> None:
    with pytest.raises(MediaError, match="shorter than"):
        list(load_clips(wav(tone(100, SECOND), SECOND)))


def test_all_real_recordings(shared_data: Path) -> None:
    files = [*(shared_data / "sample").glob("*.wav"), *(shared_data / "fsdd").glob("*.wav")]
    assert len(files) > 2500
    for file in files:
        with wave.open(str(file)) as opened:
            seconds = opened.getnframes() / opened.getframerate()
        clips = list(load_clips(file))
        assert len(clips) == 1
        assert clips[0].end == pytest.approx(seconds, abs=2 / 8000)
        features = audio_features(clips[0].samples)
        assert features.soft_tokens == pytest.approx(seconds * 25, abs=1.01)
        assert np.isfinite(features.values).all()
