"""A prompt as the language model takes it: tokens, and the soft tokens of media between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SoftTokens:
    """Embeddings that stand in a prompt where no token's embedding does."""

    start: int
    """Position of the first."""
    embeddings: NDArray[np.float32]
    """[n, H], as an encoder made them."""


@dataclass(frozen=True)
class Prompt:
    """What is to be read."""

    ids: NDArray[np.int64]
    """[S], tokens to look up; the pad token at soft tokens."""
    reuse_ids: tuple[int, ...]
    """[S], the same at two positions only if they hold the same token or the same soft token: what the KV cache holds
    for a prompt can serve another one as far as these agree. Negative at soft tokens."""
    soft_tokens: tuple[SoftTokens, ...] = ()
    block_ids: NDArray[np.int64] | None = None
    """[S], number of the picture that a position belongs to, -1 for none; None without pictures."""
    marks: tuple[int, ...] = ()
    """Lengths, ascending, at which another prompt is likely to go another way: the end of a system prompt, the
    beginning of the last turns."""

    @classmethod
    def of(cls, ids: Sequence[int]) -> Prompt:
        """Return a prompt of tokens alone."""
        return cls(np.asarray(ids, np.int64), tuple(ids))

    def __len__(self) -> int:
        return len(self.reuse_ids)

    def prefix(self, length: int) -> Prompt:
        """Return the first ``length`` tokens, fewer where a picture would be cut that must be read in one piece."""
        blocks = self.block_ids
        if (
            blocks is not None
            and 0 < length < len(self)
            and blocks[length] >= 0
            and blocks[length] == blocks[length - 1]
        ):
            length = int(np.flatnonzero(blocks == blocks[length])[0])
        return Prompt(
            self.ids[:length],
            self.reuse_ids[:length],
            tuple(soft for soft in self.soft_tokens if soft.start < length),
            None if blocks is None else blocks[:length],
            tuple(mark for mark in self.marks if mark <= length),
        )

    def chunk_end(self, start: int, size: int) -> int:
        """Return where a chunk that begins at ``start`` should end: ``size`` further on, but not inside a picture.

        A picture that is larger than that makes a chunk of its own.
        """
        end = min(start + size, len(self))
        if self.block_ids is None or end == len(self) or self.block_ids[end] < 0:
            return end
        block = self.block_ids[end]
        if block != self.block_ids[end - 1]:
            return end
        members = np.flatnonzero(self.block_ids == block)
        first, last = int(members[0]), int(members[-1])
        return first if first > start else last + 1

    def fill(self, embeddings: NDArray[np.floating], start: int) -> None:
        """Write the soft tokens that lie in a chunk over its rows, [n, H], which begin at ``start``."""
        end = start + len(embeddings)
        for soft in self.soft_tokens:
            first, last = max(soft.start, start), min(soft.start + len(soft.embeddings), end)
            if first < last:
                embeddings[first - start : last - start] = soft.embeddings[first - soft.start : last - soft.start]


def common_prefix(known: Sequence[int], wanted: Sequence[int]) -> int:
    """Return how many leading tokens two sequences share."""
    first, second = tuple(known), tuple(wanted)
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
