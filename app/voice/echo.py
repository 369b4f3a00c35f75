"""Telling somebody who interrupts from our own voice that comes back through the microphone."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

PEAKS_A_SECOND: Final = 100
LOUDER: Final = 1.3
"""Times the echo that a voice must reach to count as somebody else's, where nothing takes the echo out."""
_SUSTAINED: Final = 13
"""Peaks of 10 ms that are looked at: what is shorter than 130 ms is a cough or a door."""
_KNOWN_AFTER: Final = 50
"""Peaks of our own voice after which it is known how loud its echo is."""
_WINDOW: Final = 6 * PEAKS_A_SECOND
"""Long enough for the bursts that an echo canceller lets through while it learns the room."""
_SHARE: Final = 0.6
"""Of how loud the user was before, that a voice must reach to be theirs."""
_FLOOR: Final = 0.005
"""Of full scale; below is the noise of a room."""


class EchoGate:
    """Learns how loud our own voice comes back, and says whether what is heard now is clearly louder.

    With headphones nothing comes back, and behind an echo canceller little does: the reference then is the noise of
    the room, or what is left of the echo, and any voice is louder.
    """

    def __init__(self) -> None:
        self._echo: deque[float] = deque(maxlen=_WINDOW)
        self._recent: deque[float] = deque(maxlen=_SUSTAINED)
        self._voice: deque[float] = deque(maxlen=_WINDOW)

    def forget(self) -> None:
        """Begin anew, for a voice that begins anew; how loud its echo was stays known."""
        self._recent.clear()

    def learn(self, peaks: NDArray[np.float32]) -> None:
        """Take float32 [n], peaks of the user's voice while ours is silent."""
        self._voice.extend(peaks.tolist())

    def heard(self, peaks: NDArray[np.float32]) -> bool:
        """Take float32 [n], the peak of each 10 ms while our voice speaks; return whether somebody else speaks."""
        for peak in peaks.tolist():
            if len(self._recent) == self._recent.maxlen:
                self._echo.append(self._recent[0])  # only what lies back: an interruption is no echo
            self._recent.append(peak)
            if self._somebody():
                return True
        return False

    @property
    def reference(self) -> float | None:
        """How loud the loud parts of the echo are, 0 to 1; ``None`` while too little of it was heard."""
        if len(self._echo) < _KNOWN_AFTER:
            return None
        return float(np.quantile(np.fromiter(self._echo, np.float32), 0.98))

    def _somebody(self) -> bool:
        reference = self.reference
        if reference is None or len(self._recent) < _SUSTAINED:
            return False
        theirs = float(np.quantile(np.fromiter(self._voice, np.float32), 0.8)) if self._voice else 0.0
        # vowels are loud and consonants are not: most of 130 ms must be above the echo, its loud part like the user
        recent = np.fromiter(self._recent, np.float32)
        most, loud = np.quantile(recent, (0.5, 0.75)).tolist()
        return bool(most > max(_FLOOR, LOUDER * reference) and loud > _SHARE * theirs)
