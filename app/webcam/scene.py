"""Whether a scene has changed, found out cheaply before a model is asked. Pure numpy, about a millisecond."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 12, 16
_SAMPLES: Final = 8
"""Pixels of a block that are looked at, in each direction."""
_BLOCK_DIFFERS: Final = 22.0
"""Of 255: the noise of a camera stays below 3 after averaging, a hand before the camera is above 40."""
_SHARE: Final = 0.02
_GAIN_AT_MOST: Final = 1.6
"""All blocks brighter or darker by one factor are the camera's exposure, unless it is as large as a lamp's."""
_DARK: Final = 8.0
"""Added to all blocks, so that black ones have a factor too."""

Signature = NDArray[np.float32]
"""Mean colours of blocks, float32 [12, 16, 3]."""


def signature(image: NDArray[np.uint8]) -> Signature:
    """Return the mean colours of the blocks of a picture, uint8 [height, width, 3]."""
    height, width, _ = image.shape
    down, across = max(1, height // (ROWS * _SAMPLES)), max(1, width // (COLUMNS * _SAMPLES))
    sampled = image[::down, ::across]
    if sampled.shape[0] < ROWS or sampled.shape[1] < COLUMNS:
        sampled = np.repeat(np.repeat(sampled, ROWS, 0), COLUMNS, 1)
    high, wide = sampled.shape[0] // ROWS * ROWS, sampled.shape[1] // COLUMNS * COLUMNS
    blocks = sampled[:high, :wide].reshape(ROWS, high // ROWS, COLUMNS, wide // COLUMNS, 3)
    means: Signature = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def differs(now: Signature, before: Signature) -> bool:
    """Return whether two signatures are of different scenes; noise and a camera's exposure are no difference."""
    now, before = now + _DARK, before + _DARK
    gain = float(np.median(now / before))
    if not 1 / _GAIN_AT_MOST <= gain <= _GAIN_AT_MOST:
        return True
    apart = np.abs(now - gain * before).max(axis=2) > _BLOCK_DIFFERS
    return float(apart.mean()) >= _SHARE
