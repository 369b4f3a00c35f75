"""Encoded conversations on disk, and batches of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .special_tokens import PAD


def padded(length: int) -> int:
    """Return the next of few lengths: matrix products of shapes seen before run much faster than of new ones."""
    step = 16 if length <= 128 else 32 if length <= 256 else 128
    return -(-int(length) // step) * step


@dataclass(frozen=True)
class Dataset:
    """Many conversations, one after another.

    ``ids`` is uint16 [tokens], ``learned`` bool [tokens], and conversation ``i`` is ``offsets[i]:offsets[i + 1]``
    (int64 [conversations + 1]).
    """

    ids: NDArray[np.uint16]
    learned: NDArray[np.bool_]
    offsets: NDArray[np.int64]

    @classmethod
    def of(cls, encoded: list[tuple[list[int], list[bool]]]) -> Dataset:
        """Join encoded conversations."""
        lengths = [len(ids) for ids, _ in encoded]
        return cls(
            np.array([token for ids, _ in encoded for token in ids], np.uint16),
            np.array([flag for _, mask in encoded for flag in mask], np.bool_),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        )

    @classmethod
    def load(cls, path: Path) -> Dataset:
        """Read a file that :meth:`save` wrote."""
        with np.load(path) as arrays:
            return cls(arrays["ids"], arrays["learned"], arrays["offsets"])

    def save(self, path: Path) -> None:
        """Write one ``.npz`` file, whole or not at all."""
        part = path.with_name(path.name + ".part.npz")
        np.savez(part, ids=self.ids, learned=self.learned, offsets=self.offsets)
        os.replace(part, path)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def batch(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return ids and labels of some conversations, int64 [rows, longest], padded on the right.

        Labels are -100 where nothing is to be learned. Padding needs no attention mask: it comes after everything.
        """
        longest = int(padded((self.offsets[rows + 1] - self.offsets[rows]).max()))
        ids = np.full((len(rows), longest), PAD, np.int64)
        labels = np.full((len(rows), longest), -100, np.int64)
        for row, index in enumerate(rows):
            start, end = self.offsets[index], self.offsets[index + 1]
            ids[row, : end - start] = self.ids[start:end]
            labels[row, : end - start] = np.where(self.learned[start:end], ids[row, : end - start], -100)
        return ids, labels

    def plan(self, tokens: int, seed: int, pool: int = 8192) -> Iterator[NDArray[np.int64]]:
        """Yield the rows of each batch, epoch after epoch: conversations of like length, at most ``tokens`` in all.

        Equal seeds give equal plans, so a resumed run goes on with the batches that come next.
        """
        lengths = np.diff(self.offsets)
        epoch = 0
        while True:
            rng = np.random.default_rng((seed, epoch))
            order = rng.permutation(len(self))
            for start in range(0, len(order), pool):
                some = order[start : start + pool]
                some = some[np.argsort(lengths[some], kind="stable")]
                batches = []
                while len(some):
                    length = padded(lengths[some[0]])
                    rows = min(max(tokens // length, 1), int(np.searchsorted(lengths[some], length, side="right")))
                    batches.append(some[:rows])
                    some = some[rows:]
                for at in rng.permutation(len(batches)):
                    yield batches[at]
            epoch += 1
