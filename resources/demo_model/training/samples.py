"""Training samples with text, pictures and sound, and batches of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .dataset import padded
from .pictures.scenes import Scene
from .special_tokens import PAD


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation, encoded. Soft tokens stand in ``ids`` as the ids of their placeholders."""

    ids: list[int]
    learned: list[bool]
    pictures: tuple[Scene, ...] = ()
    """In the order of the prompt (frames of videos too); sides are multiples of 48 pixels."""
    sounds: tuple[NDArray[np.float32], ...] = ()
    """Log-mel features [frames, 128] each."""
    said: tuple[tuple[int, ...], ...] = ()
    """What each sound says, as tokens; empty where nobody speaks."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of like length, padded on the right (labels are -100 where nothing is to be learned)."""

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]
    pictures: list[Scene] = field(default_factory=list)
    sounds: list[NDArray[np.float32]] = field(default_factory=list)
    said: list[tuple[int, ...]] = field(default_factory=list)

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
        [tokens for sample in samples for tokens in sample.said],
    )


def _likeness(sample: Sample) -> tuple[bool, tuple[int, ...], int]:
    shape = sample.pictures[0].pixels.shape if sample.pictures else ()
    return bool(sample.sounds), shape, len(sample.ids)


def stream(
    sources: Sequence[tuple[Source, float]], seed: int, worker: int, step: int, tokens: int, pool: int
) -> Iterator[Batch]:
    """Yield batches of about ``tokens`` tokens without end.

    Samples wait in a pool, sorted by the shape of their pictures and by length, from which a batch takes a stretch, so
    that little is padded, and pictures go through the eyes together. All workers take the stretch at the same place of
    their pools: what is alike takes equally long, and nobody waits for others.

    Args:
        sources: what makes samples, each with the share of the samples that it makes.
        seed: equal seeds, workers and steps give equal batches.
        worker: number of the process, each of which has samples of its own.
        step: where training begins or goes on.
        tokens: most tokens of a batch, padding included, except where one sample is longer.
        pool: samples that wait.
    """
    places, rng = random.Random(f"{seed} {step}"), random.Random(f"{seed} {worker} {step}")
    makers, weights = zip(*sources, strict=True)
    waiting: list[Sample] = []
    while True:
        waiting += [make(rng) for make in rng.choices(makers, weights, k=pool - len(waiting))]
        waiting.sort(key=_likeness)
        start = max(0, int(places.random() * (pool + pool // 10)) - pool // 10)  # the shortest have their turn too
        end = start + 1
        while end < pool and (end + 1 - start) * padded(len(waiting[end].ids)) <= tokens:
            end += 1
        while start > 0 and end == pool and (end + 1 - start) * padded(len(waiting[-1].ids)) <= tokens:
            start -= 1
        yield batch_of(waiting[start:end])
        del waiting[start:end]
