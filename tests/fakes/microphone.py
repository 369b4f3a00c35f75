"""A microphone that says what a test wants, as fast as it is read, and a judge that needs no model."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.devices.errors import DeviceError, DeviceLost

RATE = 16_000
BLOCK = 800
WAIT = 10.0


def speech(seconds: float) -> NDArray[np.float32]:
    """Return loud sound."""
    return np.full(int(seconds * RATE), 0.25, np.float32)


class VoiceIsLoud:
    """Takes for a voice what is loud."""

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.float32(np.abs(samples.reshape(-1, 512)).mean(axis=1) > 0.1)


class FakeMicrophone:
    """Plays ``pieces`` with ``gap`` seconds of silence before each and after the last, then nothing at all.

    Holds still at ``hold_at`` seconds until :meth:`go_on`; raises an error at ``error_at``, or when it is opened.
    """

    def __init__(
        self,
        pieces: Sequence[NDArray[np.float32]],
        *,
        gap: float = 1.0,
        hold_at: float | None = None,
        error_at: tuple[float, DeviceLost] | None = None,
        refuses: DeviceError | None = None,
    ) -> None:
        silence = np.zeros(int(gap * RATE), np.float32)
        self._samples = np.concatenate([part for piece in pieces for part in (silence, piece)] + [silence])
        self._at = 0
        self._hold_at, self._error_at, self._refuses = hold_at, error_at, refuses
        self._on = threading.Event()
        self.opened = self.closed = self.holding = False

    @property
    def name(self) -> str:
        return "Fake microphone"

    @property
    def played(self) -> bool:
        return self._at >= len(self._samples)

    def go_on(self) -> None:
        self._on.set()

    def open(self) -> None:
        if self._refuses is not None:
            raise self._refuses
        self.opened, self.closed = True, False

    def read(self, timeout: float) -> NDArray[np.float32]:
        if self._error_at is not None and self._at >= self._error_at[0] * RATE:
            raise self._error_at[1]
        if self._hold_at is not None and self._at >= self._hold_at * RATE and not self._on.is_set():
            self.holding = True
            if not self._on.wait(timeout):
                return np.zeros(0, np.float32)
        if self.played:
            self._on.wait(timeout)
            return np.zeros(0, np.float32)
        block = self._samples[self._at : self._at + BLOCK]
        self._at += len(block)
        return block

    def close(self) -> None:
        self.closed = True
