"""Channels to one, also where the channels cancel each other out.

The mean of all channels is right for almost every recording. A balanced cable in a stereo socket, a wrongly wired
microphone or a karaoke effect, however, makes the right channel the left one upside down: their mean is silence.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_STEPS_A_SECOND: Final = 100
"""The decision is made anew every 10 ms, so that it does not depend on how the sound arrives in blocks."""
_FORGET: Final = 0.99
"""What a step leaves of the energies before it: half of them are forgotten within 0.7 s."""
_OPPOSITE: Final = 1e-3
"""At such a share the channels are each other's opposite, which chance does not bring about: decided at once."""
_CANCELLED: Final = 0.1
_PATIENCE: Final = 50
"""Steps for which the share has to stay below, since two tones that drift past each other cancel for a moment."""
_SOUND_AGAIN: Final = 0.3
_SILENCE: Final = 1e-12
"""Mean power below which there is nothing to decide by."""


class MonoMixer:
    """Takes blocks of any size and returns their mean over the channels, or the loudest channel where that cancels.

    For n channels the power of the mean is n times the mean power where they agree, 1/n of that where they are
    independent or only one of them sounds, and nothing where they cancel. Where powers averaged over the last second
    stay below a tenth of what independent channels give, the loudest channel alone is heard.
    """

    def __init__(self, rate: int) -> None:
        """Take blocks at ``rate`` Hz."""
        self._step = max(1, rate // _STEPS_A_SECOND)
        self._held: NDArray[np.float32] | None = None
        self._mixed = 0.0
        self._each: NDArray[np.float64] | None = None
        self._below = 0
        """Steps in a row that cancelled."""
        self._alone: int | None = None
        """The channel that is heard in place of the mean."""

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take float32 [n] or [n, channels]; return float32 [m], which lags by less than 10 ms of several channels."""
        if block.ndim == 1 or block.shape[1] == 1:
            mono = block if block.ndim == 1 else block[:, 0]
            return np.concatenate([self.finish(), mono]) if self._held is not None else mono
        if self._held is not None and self._held.shape[1] == block.shape[1]:
            block = np.concatenate([self._held, block])
            self._held = None
        before = self.finish()
        steps = len(block) // self._step
        self._held = block[steps * self._step :]
        mixed = self._mix(block[: steps * self._step].reshape(steps, self._step, block.shape[1]))
        return np.concatenate([before, mixed]) if len(before) else mixed

    def finish(self) -> NDArray[np.float32]:
        """Return what is held back, float32 [m]; the next block may have another number of channels."""
        held, self._held = self._held, None
        if held is None or not len(held):
            return np.zeros(0, np.float32)
        return self._mix(held[np.newaxis])

    def _mix(self, steps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return float32 [steps · n] of float32 [steps, n, channels]."""
        count, length, channels = steps.shape
        mono: NDArray[np.float32] = steps.mean(axis=2, dtype=np.float32)
        if not count or not length:
            return mono.reshape(-1)
        mixed = np.square(mono, dtype=np.float64).mean(axis=1)
        each = np.square(steps, dtype=np.float64).mean(axis=1)
        if self._each is None or len(self._each) != channels:
            self._mixed, self._each, self._below, self._alone = 0.0, np.zeros(channels), 0, None
        for number in range(count):
            self._mixed = self._mixed * _FORGET + float(mixed[number])
            self._each = self._each * _FORGET + each[number]
            self._decide(channels)
            if self._alone is not None:
                mono[number] = steps[number, :, self._alone]
        return mono.reshape(-1)

    def _decide(self, channels: int) -> None:
        assert self._each is not None
        power = float(self._each.mean())
        if power < _SILENCE:
            return
        share = self._mixed * channels / power  # 1 for independent channels
        self._below = self._below + 1 if share < _CANCELLED else 0
        if self._alone is None and (share < _OPPOSITE or self._below >= _PATIENCE):
            self._alone = int(self._each.argmax())
        elif self._alone is not None and share > _SOUND_AGAIN:
            self._alone = None
