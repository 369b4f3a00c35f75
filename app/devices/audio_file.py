"""A recording that stands in for a microphone."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.devices.errors import DeviceError, DeviceLost
from inference.errors import MediaError
from inference.media.audio import SAMPLE_RATE, load_audio

BLOCK_SECONDS = 0.02


class FileAudioSource:
    """Plays a file as if somebody spoke it now, then silence.

    Args:
        path: any sound file.
        speed: how much faster than real time; infinity gives sound as fast as it is read, but the silence after it
            only in real time.
        lost_after: seconds of the recording after which the device is as if pulled out.
    """

    def __init__(self, path: Path, *, speed: float = 1.0, lost_after: float | None = None) -> None:
        self._path = path
        self._speed = speed
        self._lost_at = None if lost_after is None else int(lost_after * SAMPLE_RATE)
        self._samples = np.zeros(0, np.float32)
        self._at = 0
        self._next = 0.0
        self._closed = threading.Event()

    @property
    def name(self) -> str:
        """The name of the file."""
        return self._path.name

    def open(self) -> None:
        """Read the file. Raises :class:`DeviceError` when that is not possible."""
        try:
            self._samples = load_audio(self._path)
        except MediaError as error:
            raise DeviceError(str(error)) from error
        self._closed.clear()
        self._at = 0
        self._next = time.monotonic()

    def read(self, timeout: float) -> NDArray[np.float32]:
        """Return the next 20 ms of sound when it is time."""
        if self._lost_at is not None and self._at >= self._lost_at:
            raise DeviceLost("The microphone is gone: it was unplugged or switched off.")
        length = int(BLOCK_SECONDS * SAMPLE_RATE)
        block = np.zeros(length, np.float32)
        rest = self._samples[self._at : self._at + length]
        block[: len(rest)] = rest
        self._next += BLOCK_SECONDS / (self._speed if len(rest) else 1.0)
        wait = self._next - time.monotonic()
        if wait > timeout:
            self._next -= BLOCK_SECONDS / (self._speed if len(rest) else 1.0)
            self._closed.wait(timeout)
            return np.zeros(0, np.float32)
        if wait > 0:
            self._closed.wait(wait)
        else:
            self._next = max(self._next, time.monotonic() - 1.0)  # a reader that was held up may catch up a second
        self._at += length
        return block

    def close(self) -> None:
        """End a read that waits."""
        self._closed.set()
