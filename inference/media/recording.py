"""What a microphone heard, as 16 bits: the one form of it that whoever records and whoever encodes agree on."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.media.audio import SAMPLE_RATE
from inference.messages import Audio

FULL_SCALE: Final = np.float32(1 << 15)


def as_16_bits(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Return samples, float32 [n] from -1 to 1, as int16 [n]."""
    rounded: NDArray[np.int16] = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return rounded


def recording_of(blocks: Sequence[NDArray[np.int16]], length: int | None = None) -> Audio:
    """Return the first ``length`` samples as a WAV file in memory: 16 bits, 16 kHz, mono."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(np.concatenate([np.zeros(0, np.int16), *blocks])[:length].astype("<i2").tobytes())
    return Audio(content.getvalue())
