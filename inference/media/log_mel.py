"""Log-mel features of the audio towers (E2B, E4B): 100 frames a second, 128 bands, from 16 kHz mono.

A frame looks at 320 samples and moves on by 160; the first one begins 160 samples before the recording. The reference
asks for one sample more than it uses (a left-over of pre-emphasis, which is off), and pads to a multiple of 128
samples before it cuts, so that a last frame may appear that is masked out. Both are kept: the encoder counts frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE: Final = 16_000
BANDS: Final = 128
HOP: Final = 160
"""Samples between the beginnings of two frames: 10 ms."""
MAX_TOKENS: Final = 750

_WINDOW: Final = 320
_REACH: Final = _WINDOW + 1
"""Samples that must be there for a frame to count."""
LEFT_PADDING: Final = _WINDOW // 2
_FFT: Final = 512
_FLOOR: Final = 0.001
_MULTIPLE: Final = 128
_BLOCK: Final = 128
"""Frames worked on at a time, so that what is between them stays in the processor's cache."""


def frame_count(samples: int) -> int:
    """Return how many frames lie wholly within a recording."""
    return max(0, (samples + LEFT_PADDING - _REACH) // HOP + 1)


def padded_frame_count(samples: int) -> int:
    """Return how many frames the features have, the masked one included that padding may add."""
    return frame_count(-(-samples // _MULTIPLE) * _MULTIPLE)


def soft_token_count(samples: int) -> int:
    """Return how many embeddings the audio tower makes of a clip: one for 40 ms, at most 750."""
    frames = frame_count(samples)
    for _ in range(2):  # two convolutions of stride 2
        frames = (frames + 1) // 2
    return min(frames, MAX_TOKENS)


def log_mel(samples: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Compute the features of a whole clip.

    Args:
        samples: float32 [n], 16 kHz, mono.

    Returns:
        float32 [F, 128] and bool [F]: which frames count; the others are 0.
    """
    count, length = frame_count(len(samples)), padded_frame_count(len(samples))
    features = np.zeros((length, BANDS), np.float32)
    features[:count] = log_mel_frames(np.concatenate([np.zeros(LEFT_PADDING, np.float32), samples]), count)
    return features, np.arange(length) < count


def log_mel_frames(padded: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Compute ``count`` frames of a signal that carries its left padding already; float32 [count, 128]."""
    features = np.empty((max(count, 0), BANDS), np.float32)
    if count <= 0:
        return features
    window, triangles = _hann(), _triangles()
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: (count - 1) * HOP + 1 : HOP]
    for start in range(0, count, _BLOCK):
        magnitude = np.abs(np.fft.rfft(frames[start : start + _BLOCK] * window, n=_FFT, axis=-1))
        # A matrix product would wake the threads of BLAS, which costs several times what it gives.
        mel = np.add.reduceat(magnitude.T[triangles.bins] * triangles.weights, triangles.starts, axis=0)
        mel[triangles.empty] = 0
        features[start : start + _BLOCK] = np.log(mel + _FLOOR).T
    return features


@dataclass(frozen=True)
class _Triangles:
    """The filters without their zeros, band after band."""

    bins: NDArray[np.intp]
    """[k]."""
    weights: NDArray[np.float64]
    """[k, 1]."""
    starts: NDArray[np.intp]
    """[128]: where each band begins in the two."""
    empty: NDArray[np.bool_]
    """[128]: narrow low bands may fall between two bins."""


@cache
def _hann() -> NDArray[np.float32]:
    """Return the periodic Hann window, float32 [320]."""
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


@cache
def _triangles() -> _Triangles:
    filters = mel_filters().T
    bands, bins = np.nonzero(filters)
    starts = np.minimum(np.searchsorted(bands, np.arange(BANDS)), len(bins) - 1)
    return _Triangles(bins, filters[bands, bins][:, None], starts, np.asarray(~filters.any(axis=1)))


@cache
def mel_filters() -> NDArray[np.float64]:
    """Return triangles of height 1, evenly spaced on the HTK mel scale from 0 to 8 kHz; float64 [257, 128]."""
    highest = 2595.0 * np.log10(1.0 + (SAMPLE_RATE / 2) / 700.0)
    corners = 700.0 * (10.0 ** (np.linspace(0.0, highest, BANDS + 2) / 2595.0) - 1.0)
    bins = np.linspace(0, SAMPLE_RATE // 2, _FFT // 2 + 1)
    rising = (bins[:, None] - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - bins[:, None]) / np.diff(corners)[1:]
    return np.maximum(0.0, np.minimum(rising, falling))
