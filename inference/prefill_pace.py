"""How many tokens of a prompt to read in one run: enough to keep the matrix kernels busy, few enough to show progress.

A run costs something whatever it reads: the last layers and the vocabulary go over one row even of a single token. So
the smallest size is one at which that is little beside the work itself, and from there on the size follows the clock.
"""

from __future__ import annotations

from typing import Final

SMALLEST: Final = 64
LARGEST: Final = 512
GOAL_SECONDS: Final = 0.1
"""What a run should take where the machine is fast enough for it."""


class PrefillPace:
    """Chooses the size of the next chunk from how long the ones before took."""

    def __init__(self) -> None:
        self.size = SMALLEST
        """Tokens of the next chunk: a power of two."""

    def ran(self, tokens: int, seconds: float) -> None:
        """Take note of a run. Ends of prompts, which are shorter than a chunk, say little and are passed over."""
        if tokens < self.size:
            return
        if seconds > 2 * GOAL_SECONDS and self.size > SMALLEST:
            self.size //= 2
        elif 2 * seconds * self.size / tokens <= GOAL_SECONDS and self.size < LARGEST:
            self.size *= 2
