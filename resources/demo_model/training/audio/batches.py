"""Batches for the tower's first training: fresh sound every time, clips of like length together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inference.media.log_mel import log_mel, soft_token_count

from .augmentation import TRAINING, masked, recorded_in_place
from .corpus import Corpus
from .pronunciation import Pronunciations, Segment
from .recordings import DigitSpeakers
from .transcripts import character_ids, plain

POOL = 384
"""Clips that are made and sorted together."""
PEOPLE = 0.34
"""Share of number strings by people; all other clips are synthetic."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Features float32 [B, F, 128], mask bool [B, F], and the characters of each clip."""

    features: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    """int64, the characters of all clips, one clip after another."""
    lengths: torch.Tensor
    """int64 [B], characters of each."""
    phones: torch.Tensor
    """int64 [B, T]: the phone that each soft token is to name; -100 where there is none."""


def stacked(clips: list[NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features of several clips, padded to one of few lengths: float32 [B, F, 128] and the mask, bool [B, F]."""
    longest = -(-max(map(len, clips)) // 48) * 48
    features = np.zeros((len(clips), longest, 128), np.float32)
    mask = np.zeros((len(clips), longest), np.bool_)
    for row, clip in enumerate(clips):
        features[row, : len(clip)], mask[row, : len(clip)] = clip, True
    return torch.from_numpy(features), torch.from_numpy(mask)


class Batches(torch.utils.data.IterableDataset):  # type: ignore[type-arg]
    """Yields (pool, batch) without end; equal seeds give equal batches, and a pool can be started at."""

    def __init__(
        self,
        corpus: Corpus,
        people: DigitSpeakers,
        pronunciations: Pronunciations,
        frames: int,
        seed: int,
        first_pool: int = 0,
    ) -> None:
        super().__init__()
        self._corpus, self._people, self._pronunciations = corpus, people, pronunciations
        self._frames, self._seed, self._first = frames, seed, first_pool

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        torch.set_num_threads(1)
        pool = self._first
        while True:
            for batch in self._pool(np.random.default_rng((self._seed, pool))):
                yield pool, batch
            pool += 1

    def _pool(self, rng: np.random.Generator) -> Iterator[Batch]:
        clips = sorted((self._clip(rng) for _ in range(POOL)), key=lambda clip: len(clip.features))
        groups: list[list[_Clip]] = [[]]
        for clip in clips:
            if groups[-1] and (len(groups[-1]) + 1) * len(clip.features) > self._frames:
                groups.append([])
            groups[-1].append(clip)
        for at in rng.permutation(len(groups)):
            features, mask = stacked([clip.features for clip in groups[at]])
            phones = torch.full((len(groups[at]), features.shape[1] // 4), -100)
            for row, clip in enumerate(groups[at]):
                phones[row, : len(clip.phones)] = torch.from_numpy(clip.phones)
            lengths = torch.tensor([len(clip.target) for clip in groups[at]])
            targets = torch.tensor([index for clip in groups[at] for index in clip.target])
            yield Batch(features, mask, targets, lengths, phones)

    def _clip(self, rng: np.random.Generator) -> _Clip:
        while True:
            segments: list[Segment]
            if rng.random() < PEOPLE:
                text = "".join(map(str, rng.integers(0, 10, rng.integers(1, 8))))
                voice, segments = self._people.say_in_place(text, rng)
            else:
                index = int(rng.integers(len(self._corpus)))
                sentence, voice = self._corpus.lines[index].sentence, self._corpus.samples(index)
                text, segments = plain(sentence.written), [(sentence.spoken, 0.0, 1.0)]
            sound, start, end = recorded_in_place(voice, rng, TRAINING)
            target, tokens = character_ids(text), soft_token_count(len(sound))
            repeated = sum(one == other for one, other in itertools.pairwise(target))
            if len(target) + repeated < tokens:  # otherwise said too fast to be spelt
                features, mask = log_mel(sound)
                phones = self._pronunciations.labels(segments, start, end, tokens)
                return _Clip(masked(features[mask], rng), target, phones)


@dataclass(frozen=True, slots=True)
class _Clip:
    features: NDArray[np.float32]
    """[F, 128]."""
    target: list[int]
    phones: NDArray[np.int64]
    """[T]."""
