"""Where decoded sound belongs: by the time stamps of its file, not by counting samples.

A sound track may begin later than the pictures, and a recorder that was paused, or a connection that broke, leaves a
gap. Whoever only counts samples puts every later word too early.
"""

from __future__ import annotations

from typing import Any, Final

_TOLERANCE: Final = 0.1
"""Seconds. Time stamps are rounded and clocks drift; players, too, correct nothing smaller."""
_MOST_SILENCE: Final = 6 * 3600.0
"""Seconds of silence in all. What a file says beyond is a broken clock, and the sound goes on without a gap."""
_BACKWARDS: Final = 1.0
"""Seconds by which time may go back before it counts as a clock that began anew."""


def beginning(container: Any) -> float:
    """Return the time, in seconds, at which the first stream of an opened file begins; what players call 0:00."""
    return 0.0 if container.start_time is None else container.start_time / 1e6


def length(container: Any) -> float | None:
    """Return how long a file says that it lasts, in seconds, if it does."""
    return None if container.duration is None or container.duration <= 0 else container.duration / 1e6


class Timeline:
    """Follows one sound track and says how much silence belongs before each of its frames."""

    def __init__(self, container: Any) -> None:
        self._zero = beginning(container)
        self._length = length(container)
        self._position = 0.0
        self._silence = 0.0

    def silence_before(self, time: float | None) -> float:
        """Return the seconds of silence before a frame with the time stamp ``time``, and count them as passed."""
        if time is None:
            return 0.0
        gap = time - self._zero - self._position
        if abs(gap) <= _TOLERANCE or -_BACKWARDS < gap < 0:
            return 0.0
        believable = self._silence + gap <= _MOST_SILENCE
        if self._length is not None:
            believable = believable and self._position + gap <= self._length + _TOLERANCE
        if gap < 0 or not believable:
            self._zero += gap  # the clock jumped; the sound goes on
            return 0.0
        self._silence += gap
        self._position += gap
        return gap

    def passed(self, seconds: float) -> None:
        """Say that so many seconds of sound were decoded."""
        self._position += seconds
