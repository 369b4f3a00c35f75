"""Sound of files and bytes: WAV, FLAC, MP3, Ogg, M4A, Opus, the sound track of a video, … as 16 kHz mono."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import MediaError
from inference.media.container import decoded_frames, opened_container, subject_of
from inference.media.log_mel import SAMPLE_RATE
from inference.media.resampling import MonoResampler
from inference.media.source import Source

if TYPE_CHECKING:
    from av.container import InputContainer

_KIND: Final = "recording"
_MAX_CHANNELS: Final = 64


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
        stream = _sound(container)
        if stream is None:
            return None
        seconds = None
        if stream.duration is not None and stream.time_base is not None:
            seconds = float(stream.duration * stream.time_base)
        elif container.duration is not None:
            seconds = container.duration / 1e6
        return AudioInfo(stream.rate, stream.channels, seconds)


def decode_audio(source: Source) -> Iterator[NDArray[np.float32]]:
    """Yield the sound block by block, float32 [n] at 16 kHz mono, n ≥ 1; in memory is one block at a time.

    Damaged stretches are passed over, and a file that is cut off ends where it ends.

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
    with opened_container(source, _KIND) as container:
        stream = _sound(container)
        if stream is None:
            raise MediaError(f"{subject} has no sound. Choose a {_KIND}.")
        rate, resampler = 0, None
        for frame in decoded_frames(container, stream):
            if frame.sample_rate != rate or resampler is None:  # chained streams may change it on the way
                if resampler is not None:
                    yield resampler.finish()
                rate, resampler = frame.sample_rate, MonoResampler(frame.sample_rate, subject)
            yield resampler.push(_samples(frame, subject))
        if resampler is not None:
            yield resampler.finish()


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


def _sound(container: InputContainer) -> Any:
    return container.streams.best("audio")


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
