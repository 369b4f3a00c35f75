"""How many tokens of a prompt to read in one run: enough to keep the matrix kernels busy, few enough to show progress.

A run costs something whatever it reads: the last layers and the vocabulary go over one row even of a single token; and
kernels change their ways at sizes of their own. What that comes to depends on the model and the machine, so each size
is tried once, and then the smallest taken that is nearly as fast as any. A stop does not wait for the end of a run.
"""

from __future__ import annotations

from typing import Final

SMALLEST: Final = 64
LARGEST: Final = 256
"""No more: sliding layers hold that many positions beyond their window."""
GOAL_SECONDS: Final = 0.1
"""What a run may take without more ado."""
_NEARLY: Final = 1.1


class PrefillPace:
    """Chooses the size of the next chunk from how long the ones before took."""

    def __init__(self) -> None:
        self.size = SMALLEST
        """Tokens of the next chunk."""
        self._fastest: dict[int, float] = {}
        """By size, the least seconds that a token took."""

    def ran(self, tokens: int, seconds: float) -> None:
        """Take note of a run. Ends of prompts, which are shorter than a chunk, say little and are passed over."""
        if tokens != self.size:
            return
        self._fastest[tokens] = min(seconds / tokens, self._fastest.get(tokens, seconds / tokens))
        if 2 * tokens <= LARGEST and 2 * tokens not in self._fastest:
            self.size = 2 * tokens
            return
        fast = [size for size, each in self._fastest.items() if each <= _NEARLY * min(self._fastest.values())]
        quick = [size for size in fast if size * self._fastest[size] <= GOAL_SECONDS]
        self.size = max(quick, default=min(fast))
