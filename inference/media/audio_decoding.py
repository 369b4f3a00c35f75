"""Sound of files and bytes: WAV, FLAC, MP3, Ogg, M4A, Opus, the sound track of a video, … as 16 kHz mono."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import MediaError
from inference.media.container import decoded_frames, frames_of_streams, opened_container, subject_of
from inference.media.log_mel import SAMPLE_RATE
from inference.media.resampling import MonoResampler
from inference.media.source import Source
from inference.media.timeline import Timeline, beginning, length

_KIND: Final = "recording"
_MAX_CHANNELS: Final = 64
_AUDIBLE: Final = 10 ** (-60 / 20)
"""Amplitude that a track has to reach somewhere to count as one with sound, of 1: what lies below is noise."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file says about its sound."""

    rate: int
    """Samples a second."""
    channels: int
    seconds: float | None
    """Length as the file states it, which need not be true; ``None`` when it does not."""


def probe_audio(source: Source) -> AudioInfo | None:
    """Return what a file says about its sound, or ``None`` when it has none (a silent video).

    Raises:
        MediaError: it cannot be read.
    """
    with opened_container(source, _KIND) as container:
        stream: Any = container.streams.best("audio")
        if stream is None:
            return None
        seconds = length(container)
        if stream.duration is not None and stream.time_base is not None:
            begins = float((stream.start_time or 0) * stream.time_base) - beginning(container)
            seconds = min(max(begins, 0.0) + float(stream.duration * stream.time_base), seconds or math.inf)
        return AudioInfo(stream.rate, stream.channels, seconds)


def decode_audio(source: Source) -> Iterator[NDArray[np.float32]]:
    """Yield the sound block by block, float32 [n] at 16 kHz mono, n ≥ 1; in memory is one block at a time.

    Every block stands where the time stamps of the file put it: what begins late, and gaps, are silence. Of several
    sound tracks it is the main one, or where that is silent throughout, the loudest. Damaged stretches are passed over,
    and a file that is cut off ends where it ends.

    Raises:
        MediaError: it cannot be read, holds no sound, or samples that are no numbers.
    """
    empty = True
    for block in _resampled(source):
        if len(block):
            empty = False
            yield block
    if empty:
        raise MediaError(f"{subject_of(source, _KIND)} holds no sound that can be decoded. Choose another {_KIND}.")


def _resampled(source: Source) -> Iterator[NDArray[np.float32]]:
    subject = subject_of(source, _KIND)
    track = _audible_track(source, subject)
    with opened_container(source, _KIND) as container:
        stream = next(stream for stream in container.streams.audio if stream.index == track)
        timeline = Timeline(container)
        rate, resampler = 0, None
        for frame in decoded_frames(container, stream):
            if frame.sample_rate != rate or resampler is None:  # chained streams may change it on the way
                if resampler is not None:
                    yield resampler.finish()
                rate, resampler = frame.sample_rate, MonoResampler(frame.sample_rate, subject)
            silence = round(timeline.silence_before(frame.time) * rate)
            while silence > 0:
                yield resampler.push(np.zeros(min(silence, rate), np.float32))
                silence -= rate
            timeline.passed(frame.samples / rate)
            yield resampler.push(_samples(frame, subject))
        if resampler is not None:
            yield resampler.finish()


def _audible_track(source: Source, subject: str) -> int:
    """Return the index of the stream to be heard: the main one unless it is silent and another is not."""
    with opened_container(source, _KIND) as container:
        main = container.streams.best("audio")
        if main is None:
            raise MediaError(f"{subject} has no sound. Choose a {_KIND}.")
        tracks = container.streams.audio
        if len(tracks) == 1:
            return int(main.index)
        peaks = {int(track.index): 0.0 for track in tracks}
        for index, frame in frames_of_streams(container, tracks):
            samples = _samples(frame, subject)
            if samples.size:
                peaks[index] = max(peaks[index], float(np.abs(samples).max()))
            if peaks[main.index] >= _AUDIBLE:
                return int(main.index)
        loudest = max(peaks, key=lambda index: peaks[index])
        return loudest if peaks[loudest] >= _AUDIBLE else int(main.index)


def load_audio(source: Source, *, limit_seconds: float = 3600.0) -> NDArray[np.float32]:
    """Decode a whole recording.

    Returns:
        float32 [n], 16 kHz mono, in [−1, 1] unless the file itself goes beyond.

    Raises:
        MediaError: it cannot be read, holds no sound, or is longer than ``limit_seconds``.
    """
    blocks, length = [], 0
    for block in decode_audio(source):
        blocks.append(block)
        length += len(block)
        if length > limit_seconds * SAMPLE_RATE:
            raise MediaError(
                f"{subject_of(source, _KIND)} is longer than {limit_seconds / 60:.3g} minutes. Cut it into parts."
            )
    return np.concatenate(blocks)


def _samples(frame: Any, subject: str) -> NDArray[np.float32]:
    """Return float32 [n, channels] of a decoded frame."""
    channels = len(frame.layout.channels)
    if not 1 <= channels <= _MAX_CHANNELS:
        raise MediaError(f"{subject} has {channels} channels, which cannot be mixed. Convert it to stereo first.")
    values: NDArray[Any] = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    samples: NDArray[np.float32] = values.astype(np.float32, copy=False)
    if values.dtype == np.uint8:
        samples = (samples - 128) / np.float32(128)
    elif values.dtype.kind != "f":
        samples = samples / np.float32(2.0 ** (8 * values.dtype.itemsize - 1))
    return samples
