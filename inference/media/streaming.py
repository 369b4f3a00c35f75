"""The features of sound that is still coming in, frame for frame those of the whole clip.

``MonoResampler`` brings a microphone's blocks to 16 kHz; a feature stream turns them into what the encoder takes.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.media.audio import FRAME_SAMPLES, AudioFeatures, audio_soft_tokens
from inference.media.image import Layout
from inference.media.log_mel import (
    BANDS,
    HOP,
    LEFT_PADDING,
    frame_count,
    log_mel_frames,
    padded_frame_count,
)


class FeatureStream(Protocol):
    """Takes a clip in pieces. The parts, put together, are the features of the whole clip."""

    def push(self, samples: NDArray[np.float32]) -> AudioFeatures:
        """Take float32 [n] at 16 kHz mono; return the frames, and the number of soft tokens, that they complete."""
        ...

    def finish(self) -> AudioFeatures:
        """Return what is left, padding included; the stream is then used up."""
        ...


def feature_stream(layout: Layout = "tower") -> FeatureStream:
    """Return a new stream for one clip, which the caller ends before 30 seconds."""
    return LogMelStream() if layout == "tower" else RawFrameStream()


class LogMelStream:
    """Log-mel frames for the audio towers."""

    def __init__(self) -> None:
        self._pending = np.zeros(LEFT_PADDING, np.float32)
        self._samples = 0

    def push(self, samples: NDArray[np.float32]) -> AudioFeatures:
        """Take float32 [n]; return the frames that lie wholly in what was pushed."""
        before = self._samples
        self._samples += len(samples)
        self._pending = np.concatenate([self._pending, samples])
        count = frame_count(self._samples) - frame_count(before)
        values = log_mel_frames(self._pending, count)
        self._pending = self._pending[count * HOP :]
        tokens = audio_soft_tokens(self._samples) - audio_soft_tokens(before)
        return AudioFeatures(values, np.ones(count, np.bool_), tokens)

    def finish(self) -> AudioFeatures:
        """Return the masked frame that padding may add."""
        count = padded_frame_count(self._samples) - frame_count(self._samples)
        return AudioFeatures(np.zeros((count, BANDS), np.float32), np.zeros(count, np.bool_), 0)


class RawFrameStream:
    """Raw frames for the 12B Unified."""

    def __init__(self) -> None:
        self._pending = np.zeros(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> AudioFeatures:
        """Take float32 [n]; return the frames that are full."""
        self._pending = np.concatenate([self._pending, samples])
        count = len(self._pending) // FRAME_SAMPLES
        values, self._pending = np.split(self._pending, [count * FRAME_SAMPLES])
        return AudioFeatures(values.reshape(count, FRAME_SAMPLES), np.ones(count, np.bool_), count)

    def finish(self) -> AudioFeatures:
        """Return the last frame, filled up with zeros."""
        count = int(len(self._pending) > 0)
        values = np.zeros((count, FRAME_SAMPLES), np.float32)
        values.flat[: len(self._pending)] = self._pending
        return AudioFeatures(values, np.ones(count, np.bool_), count)
