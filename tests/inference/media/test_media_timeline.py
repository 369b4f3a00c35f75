"""Sound stands where the time stamps of its file put it, and the track that can be heard is heard."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.media.audio import SAMPLE_RATE, load_audio, probe_audio
from inference.media.mixing import MonoMixer
from inference.media.resampling import to_mono_16k
from inference.media.timeline import Timeline

RATE = 16_000
CODECS = {"mkv": "pcm_s16le", "webm": "libopus", "mp4": "aac", "mov": "aac", "ts": "mp2", "nut": "flac"}


def beep(seconds: float, rate: int = RATE, level: float = 0.5) -> NDArray[np.float32]:
    return (level * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def written(file: Path, pieces: list[tuple[float, NDArray[np.float32]]], codec: str) -> Path:
    """Write pieces of sound, each with the time at which it begins, beside pictures from 0 s on."""
    rate = 48_000
    with av.open(str(file), "w") as container:
        film = container.add_stream("mpeg4" if file.suffix != ".webm" else "libvpx", rate=5)
        film.width, film.height, film.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(format=sound.format, layout="mono", rate=rate)
        for number in range(5 * 12):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(film.encode(frame))
        container.mux(film.encode(None))
        for start, samples in pieces:
            wide = np.repeat(samples, rate // RATE)[np.newaxis]
            size = sound.codec_context.frame_size or 1024
            for first in range(0, wide.shape[1] - size, size):
                part = np.ascontiguousarray(wide[:, first : first + size])
                block = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
                block.sample_rate, block.pts, block.time_base = rate, None, Fraction(1, rate)
                for made in resampler.resample(block):
                    made.pts, made.time_base = round(start * rate) + first, Fraction(1, rate)
                    container.mux(sound.encode(made))
        container.mux(sound.encode(None))
    return file


def sounding(samples: NDArray[np.float32], step: float = 0.05) -> list[tuple[float, float]]:
    """Return from when to when, in seconds, there is sound."""
    size = int(step * SAMPLE_RATE)
    loud = np.abs(samples[: len(samples) // size * size].reshape(-1, size)).max(axis=1) > 0.1
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    return [(float(first) * step, float(last) * step) for first, last in edges.reshape(-1, 2)]


@pytest.mark.parametrize("kind", CODECS)
@pytest.mark.parametrize("pieces", [[(3.0, 1.0)], [(0.2, 1.0), (6.0, 1.0)], [(2.0, 0.5), (4.0, 0.5), (9.0, 1.0)]])
def test_late_sound_and_gaps_in_every_container(kind: str, pieces: list[tuple[float, float]], tmp_path: Path) -> None:
    file = written(tmp_path / f"a.{kind}", [(start, beep(long)) for start, long in pieces], CODECS[kind])
    heard = sounding(load_audio(file))
    expected = [(start, start + long) for start, long in pieces]
    assert heard == [pytest.approx(each, abs=0.16) for each in expected]
    info = probe_audio(file)
    assert info is not None
    assert info.seconds is not None
    assert expected[-1][1] - 0.2 <= info.seconds <= 12.5  # some containers state the length of the pictures only


@pytest.mark.parametrize(
    ("case", "begins"), [("late_sound.mp4", [4.0]), ("gap.webm", [0.05, 12.2]), ("phone.3gp", [4.0])]
)
def test_files_that_were_told_wrongly(case: str, begins: list[float], shared_data: Path) -> None:
    heard = sounding(load_audio(shared_data.parent / "cases" / case))
    starts = [start for start, _ in heard]
    for begin in begins:
        assert any(abs(start - begin) < 0.25 for start in starts), starts
    assert min(starts) >= min(begins) - 0.25


@pytest.mark.parametrize("case", ["two_tracks.mkv", "antiphase.flac"])
def test_what_looks_silent_and_is_not(case: str, shared_data: Path) -> None:
    assert np.abs(load_audio(shared_data.parent / "cases" / case)).max() > 0.1


def clock(start: int | None = 0, duration: int | None = None) -> Timeline:
    return Timeline(SimpleNamespace(start_time=start, duration=duration))


@settings(max_examples=200, deadline=None)
@given(
    start=st.none() | st.integers(-(10**15), 10**15),
    duration=st.none() | st.integers(-1, 10**18),
    stamps=st.lists(st.none() | st.floats(-1e12, 1e12) | st.floats(-5, 50), max_size=40),
    step=st.floats(1e-6, 10),
)
def test_whatever_time_stamps_say_silence_is_bounded(
    start: int | None, duration: int | None, stamps: list[float | None], step: float
) -> None:
    timeline = clock(start, duration)
    silence = 0.0
    for stamp in stamps:
        gap = timeline.silence_before(stamp)
        assert gap >= 0
        silence += gap
        timeline.passed(step)
    assert silence <= 6 * 3600 + 1
    if duration is not None and duration > 0:
        assert silence <= duration / 1e6 + 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.floats(0.11, 20), st.floats(0.01, 5)), min_size=1, max_size=20))
def test_true_time_stamps_are_kept(pieces: list[tuple[float, float]]) -> None:
    timeline, time, position = clock(), 0.0, 0.0
    for gap, long in pieces:
        time += gap
        position += timeline.silence_before(time)
        assert position == pytest.approx(time, abs=0.11)
        timeline.passed(long)
        time += long
        position += long


def test_small_errors_and_clocks_that_jump_leave_the_sound_as_it_is() -> None:
    timeline = clock(0, 10_000_000)
    jumps = [0.0, 1.06, 1.95, 3.0, 4.0 - 95_443.7, 5.0 - 95_443.7, 1e9, 1e9 + 1]
    for time in jumps:
        assert timeline.silence_before(time) == 0.0
        timeline.passed(1.0)


def test_another_track_is_heard_only_where_the_main_one_is_silent(tmp_path: Path) -> None:
    def tracks(name: str, *levels: float) -> Path:
        file = tmp_path / name
        with av.open(str(file), "w") as container:
            streams = [container.add_stream("pcm_s16le", rate=RATE, layout="mono") for _ in levels]
            for number in range(4):
                for stream, level in zip(streams, levels, strict=True):
                    values = (beep(0.25, level=level) * 32767).astype(np.int16)[np.newaxis]
                    block = av.AudioFrame.from_ndarray(values, format="s16", layout="mono")
                    block.sample_rate, block.pts, block.time_base = RATE, number * 4000, Fraction(1, RATE)
                    container.mux(stream.encode(block))
        return file

    for levels, heard in {(0.0, 0.3): 0.3, (0.2, 0.9): 0.2, (0.0, 0.1, 0.4): 0.4, (0.0, 0.0): 0.0}.items():
        peak = float(np.abs(load_audio(tracks("a.mkv", *levels))).max())
        assert peak == pytest.approx(heard, abs=0.01), levels


SPEECH = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ([SPEECH, -SPEECH], SPEECH),
        ([SPEECH, -0.99 * SPEECH], SPEECH),
        ([SPEECH, SPEECH], SPEECH),
        ([SPEECH, 0 * SPEECH], SPEECH / 2),
        ([SPEECH, np.roll(SPEECH, 800)], (SPEECH + np.roll(SPEECH, 800)) / 2),
        ([SPEECH, -SPEECH, 0 * SPEECH, 0 * SPEECH], SPEECH),
    ],
)
def test_channels_are_mixed_evenly_unless_they_cancel(
    channels: list[NDArray[np.float32]], expected: NDArray[np.float32]
) -> None:
    np.testing.assert_allclose(to_mono_16k(np.stack(channels, -1), RATE), expected, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=8), st.integers(1, 4), st.booleans())
def test_mixing_does_not_depend_on_blocks(blocks: list[int], channels: int, opposite: bool) -> None:
    sound = np.random.default_rng(1).normal(0, 0.2, (sum(blocks), channels)).astype(np.float32)
    if opposite and channels > 1:
        sound[:, 1:] = -sound[:, :1] / (channels - 1)
    whole = MonoMixer(RATE)
    expected = np.concatenate([whole.push(sound), whole.finish()])
    mixer, parts, position = MonoMixer(RATE), [], 0
    for block in blocks:
        parts.append(mixer.push(sound[position : position + block]))
        position += block
    parts.append(mixer.finish())
    np.testing.assert_array_equal(np.concatenate(parts), expected)
    assert len(expected) == len(sound)


def test_a_stream_may_change_its_channels() -> None:
    mixer = MonoMixer(RATE)
    parts = [mixer.push(SPEECH[:999]), mixer.push(np.stack([SPEECH[:999]] * 2, -1)), mixer.push(SPEECH[:10])]
    parts += [mixer.push(np.stack([SPEECH[:77]] * 6, -1)), mixer.finish()]
    expected = np.concatenate([SPEECH[:999], SPEECH[:999], SPEECH[:10], SPEECH[:77]])
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-7)
