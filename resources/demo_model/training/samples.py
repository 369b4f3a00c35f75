"""Training samples with text, pictures and sound, and batches of them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .dataset import padded
from .special_tokens import PAD


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation, encoded. Soft tokens stand in ``ids`` as the ids of their placeholders."""

    ids: list[int]
    learned: list[bool]
    pictures: tuple[NDArray[np.uint8], ...] = ()
    """[height, width, 3] each, sides multiples of 48 pixels, in the order of the prompt (frames of videos too)."""
    sounds: tuple[NDArray[np.float32], ...] = ()
    """Log-mel features [frames, 128] each."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of like length, padded on the right (labels are -100 where nothing is to be learned)."""

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    pictures: list[NDArray[np.uint8]] = field(default_factory=list)
    sounds: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def learned(self) -> int:
        """Number of tokens to be learned."""
        return int((self.labels[:, 1:] != -100).sum())


Source = Callable[[random.Random], Sample]


def batch_of(samples: Sequence[Sample]) -> Batch:
    """Pad some samples to the longest."""
    longest = padded(max(len(sample.ids) for sample in samples))
    ids = np.full((len(samples), longest), PAD, np.int64)
    labels = np.full((len(samples), longest), -100, np.int64)
    for row, sample in enumerate(samples):
        length = len(sample.ids)
        ids[row, :length] = sample.ids
        labels[row, :length] = np.where(sample.learned, sample.ids, -100)
    return Batch(
        ids,
        labels,
        [picture for sample in samples for picture in sample.pictures],
        [sound for sample in samples for sound in sample.sounds],
    )


def stream(sources: Sequence[tuple[Source, float]], seed: tuple[int, ...], tokens: int, pool: int) -> Iterator[Batch]:
    """Yield batches of about ``tokens`` tokens without end.

    Args:
        sources: what makes samples, each with the share of the samples that it makes.
        seed: equal seeds give equal batches.
        tokens: most tokens of a batch, padding included, except where one sample is longer.
        pool: samples that are sorted by length together, so that little is padded.
    """
    rng = random.Random(repr(seed))
    makers, weights = zip(*sources, strict=True)
    while True:
        samples = sorted((make(rng) for make in rng.choices(makers, weights, k=pool)), key=lambda one: len(one.ids))
        groups: list[list[Sample]] = [[]]
        for sample in samples:
            if groups[-1] and (len(groups[-1]) + 1) * padded(len(sample.ids)) > tokens:
                groups.append([])
            groups[-1].append(sample)
        rng.shuffle(groups)
        yield from map(batch_of, filter(None, groups))


def skip(batches: Iterator[Batch], count: int) -> Iterator[Batch]:
    """Leave out the first ``count`` batches."""
    return itertools.islice(batches, count, None)
