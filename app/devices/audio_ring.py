"""A ring buffer between a driver's callback and whoever reads."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray


class AudioRing:
    """Holds the newest samples, in memory that is allocated once. One thread writes and one reads.

    The writer only copies and never waits: when the reader is late by more than the capacity, the oldest samples are
    overwritten and counted as lost.

    Args:
        capacity: samples of each channel.
        channels: how many.
    """

    def __init__(self, capacity: int, channels: int) -> None:
        self._buffer = np.zeros((capacity, channels), np.float32)
        self._written = 0  # both only grow; each is changed by one thread
        self._read = 0
        self._lost = 0
        self._more = threading.Event()

    @property
    def lost(self) -> int:
        """Samples of each channel that were overwritten before they were read."""
        return self._lost

    def write(self, block: NDArray[np.float32]) -> None:
        """Copy float32 [n, channels] into the ring; n may exceed the capacity."""
        capacity = len(self._buffer)
        kept = block[-capacity:]
        start = (self._written + len(block) - len(kept)) % capacity
        first = min(len(kept), capacity - start)
        self._buffer[start : start + first] = kept[:first]
        self._buffer[: len(kept) - first] = kept[first:]
        self._written += len(block)
        self._more.set()

    def read(self, timeout: float) -> NDArray[np.float32]:
        """Return all that is new, float32 [n, channels]; none after ``timeout`` seconds."""
        if self._read == self._written:
            self._more.wait(timeout)
        self._more.clear()
        capacity = len(self._buffer)
        while True:
            end = self._written
            start = max(self._read, end - capacity)
            indices = np.arange(start, end) % capacity
            samples = self._buffer[indices]
            if self._written - start <= capacity:  # else the writer came round while we copied
                break
        self._lost += start - self._read
        self._read = end
        return samples

    def wake(self) -> None:
        """Let a read that waits return."""
        self._more.set()
