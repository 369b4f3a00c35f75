"""Long recordings into clips of at most 30 seconds, cut where the speaker pauses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.media.log_mel import SAMPLE_RATE

MAX_CLIP_SECONDS: Final = 30.0
"""What the model was trained with."""

_SHORTEST: Final = 0.5
"""The search begins at half of the longest clip."""
_LAST: Final = SAMPLE_RATE // 2
"""The last clip is at least this long: half a second."""
_STEP: Final = SAMPLE_RATE // 100
_PAUSE: Final = 30
"""Loudness is averaged over 30 steps, 0.3 seconds, so that a breath counts more than a consonant."""
_LATENESS: Final = 6.0
"""Decibels by which a pause at the end of the search is preferred to one at its beginning."""
_SILENCE: Final = 1e-8
"""Power below which everything counts as equally silent (−80 dB)."""


@dataclass(frozen=True)
class AudioClip:
    """A piece of a recording."""

    samples: NDArray[np.float32]
    """float32 [n], 16 kHz mono."""
    start: float
    """Where it begins in the recording, in seconds."""

    @property
    def end(self) -> float:
        """Where it ends in the recording, in seconds."""
        return self.start + len(self.samples) / SAMPLE_RATE


class PauseSplitter:
    """Cuts a stream of samples: push blocks of any size, then finish. Nothing is lost and nothing overlaps.

    A stretch without any pause is cut at its least loud moment. No more than one clip and one block is held.
    """

    def __init__(self, max_seconds: float = MAX_CLIP_SECONDS) -> None:
        """Cut into clips of at most ``max_seconds``, which is 2 or more."""
        if max_seconds < 2:
            raise ValueError("clips must be allowed to last 2 seconds")
        self._most = int(max_seconds * SAMPLE_RATE)
        self._blocks: list[NDArray[np.float32]] = []
        self._held = 0
        self._start = 0

    def push(self, samples: NDArray[np.float32]) -> list[AudioClip]:
        """Take float32 [n] at 16 kHz; return the clips that are complete."""
        self._blocks.append(samples)
        self._held += len(samples)
        # With so much ahead, whatever follows the cut is long enough for a clip of its own.
        return self._cut(self._most + _LAST)

    def finish(self) -> list[AudioClip]:
        """Return the rest in one or two clips; none when nothing was pushed."""
        clips = self._cut(self._most)
        if self._held:
            clips.append(AudioClip(self._joined(), self._start / SAMPLE_RATE))
            self._start += self._held
            self._blocks, self._held = [], 0
        return clips

    def _cut(self, until: int) -> list[AudioClip]:
        clips: list[AudioClip] = []
        while self._held > until:
            samples = self._joined()
            at = _find_pause(samples, int(self._most * _SHORTEST), min(self._most, self._held - _LAST))
            clips.append(AudioClip(samples[:at].copy(), self._start / SAMPLE_RATE))
            self._start += at
            self._blocks, self._held = [samples[at:]], self._held - at
        return clips

    def _joined(self) -> NDArray[np.float32]:
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0]


def _find_pause(samples: NDArray[np.float32], first: int, last: int) -> int:
    """Return the sample in ``first``…``last`` at the middle of the best pause."""
    steps = (last - first) // _STEP
    area = samples[first : first + steps * _STEP].reshape(steps, _STEP)
    loudness = 10 * np.log10(np.square(area, dtype=np.float64).mean(axis=1) + _SILENCE)
    averaged = np.convolve(loudness, np.full(_PAUSE, 1 / _PAUSE), mode="valid")
    best = int(np.argmin(averaged - np.linspace(0, _LATENESS, len(averaged))))
    return first + (best + _PAUSE // 2) * _STEP
