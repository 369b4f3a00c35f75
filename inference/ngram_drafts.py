"""Drafts from the context itself: what followed the last time that the same tokens stood there.

Answers quote: a text to be corrected, code to be changed, names from the question. Such drafts cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SHORTEST = 2
"""Fewest tokens that must agree."""
_LONGEST = 16
"""Agreement beyond this says no more."""
_CANDIDATES = 8
"""How many earlier places are compared, the latest first."""


@dataclass(frozen=True, slots=True)
class Continuation:
    """A guess at what follows."""

    tokens: tuple[int, ...]
    agreement: int
    """How many tokens before the guess stand before its source, too; at least 2, at most 16."""


class NgramIndex:
    """Remembers where each pair of tokens stood. Adding and taking back a token are O(1)."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._latest: dict[tuple[int, int], int] = {}
        self._earlier: list[int] = []
        """By position: where the pair that ends there ended before; -1 for nowhere, and for soft tokens."""

    def __len__(self) -> int:
        return len(self._tokens)

    def reset(self, tokens: Sequence[int]) -> None:
        """Make the text exactly ``tokens``, going over those only that differ from what is there.

        Negative ids are soft tokens: they are never part of a guess.
        """
        common = 0
        for known, wanted in zip(self._tokens, tokens, strict=False):
            if known != wanted:
                break
            common += 1
        self._take_back(common)
        for token in tokens[common:]:
            self.append(token)

    def append(self, token: int) -> None:
        """Add a token to the end."""
        position = len(self._tokens)
        earlier = -1
        if position and token >= 0 and (before := self._tokens[-1]) >= 0:
            earlier = self._latest.get((before, token), -1)
            self._latest[before, token] = position
        self._tokens.append(token)
        self._earlier.append(earlier)

    def guess(self, count: int) -> Continuation | None:
        """Return up to ``count`` tokens that followed the longest agreement with the end, the latest of several."""
        tokens, end = self._tokens, len(self._tokens) - 1
        if end < _SHORTEST or count < 1:
            return None
        best, agreement = -1, 0
        place = self._earlier[end]
        for _ in range(_CANDIDATES):
            if place < 0:
                break
            agree = _SHORTEST
            while agree < _LONGEST and agree <= place and tokens[place - agree] == tokens[end - agree] >= 0:
                agree += 1
            if agree > agreement:
                best, agreement = place, agree
            if agree == _LONGEST:
                break
            place = self._earlier[place]
        if best < 0:
            return None
        guess: list[int] = []
        for offset in range(count):
            # a source that reaches the end goes on with the guess itself: the text repeats
            token = tokens[best + 1 + offset % (end - best)]
            if token < 0:
                break
            guess.append(token)
        return Continuation(tuple(guess), agreement) if guess else None

    def _take_back(self, length: int) -> None:
        for position in range(len(self._tokens) - 1, max(length, 1) - 1, -1):
            pair = self._tokens[position - 1], self._tokens[position]
            if self._latest.get(pair) == position:
                if self._earlier[position] >= 0:
                    self._latest[pair] = self._earlier[position]
                else:
                    del self._latest[pair]
        del self._tokens[length:], self._earlier[length:]
