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
from .recordings import DigitSpeakers
from .transcripts import BLANK, character_ids, plain

POOL = 384
"""Clips that are made and sorted together."""
EVEN_DELAY = 1_600
"""Samples by which the even spelling is late, for the tower hardly looks ahead."""
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
    even: torch.Tensor
    """int64 [B, T]: the character of each soft token if all were said for equally long, a little late; -100 outside."""


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

    def __init__(self, corpus: Corpus, people: DigitSpeakers, frames: int, seed: int, first_pool: int = 0) -> None:
        super().__init__()
        self._corpus, self._people = corpus, people
        self._frames, self._seed, self._first = frames, seed, first_pool

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
        torch.set_num_threads(1)
        pool = self._first
        while True:
            for batch in self._pool(np.random.default_rng((self._seed, pool))):
                yield pool, batch
            pool += 1

    def _pool(self, rng: np.random.Generator) -> Iterator[Batch]:
        clips = sorted((self._clip(rng) for _ in range(POOL)), key=lambda clip: len(clip[0]))
        batches, some = [], []
        for clip in clips:
            if some and (len(some) + 1) * len(clip[0]) > self._frames:
                batches.append(some)
                some = []
            some.append(clip)
        batches.append(some)
        for at in rng.permutation(len(batches)):
            features, mask = stacked([clip for clip, _, _ in batches[at]])
            targets = [target for _, target, _ in batches[at]]
            even = torch.full((len(targets), features.shape[1] // 4), -100)
            for row, (clip, target, (start, end)) in enumerate(batches[at]):
                count = -(-len(clip) // 4)
                at_token = np.arange(count) * 640 - EVEN_DELAY
                place = (at_token - start) * len(target) // (end - start)
                labels = np.where((at_token >= start) & (at_token < end), np.take(target, place, mode="clip"), BLANK)
                even[row, :count] = torch.from_numpy(labels)
            lengths = torch.tensor([len(target) for target in targets])
            flat = torch.tensor([index for target in targets for index in target])
            yield Batch(features, mask, flat, lengths, even)

    def _clip(self, rng: np.random.Generator) -> tuple[NDArray[np.float32], list[int], tuple[int, int]]:
        while True:
            if rng.random() < PEOPLE:
                text = "".join(map(str, rng.integers(0, 10, rng.integers(1, 8))))
                voice = self._people.say(text, rng)
            else:
                index = int(rng.integers(len(self._corpus)))
                text, voice = plain(self._corpus.lines[index].sentence.written), self._corpus.samples(index)
            sound, start, end = recorded_in_place(voice, rng, TRAINING)
            target = character_ids(text)
            repeated = sum(one == other for one, other in itertools.pairwise(target))
            if len(target) + repeated < soft_token_count(len(sound)):  # otherwise said too fast to be spelt
                features, mask = log_mel(sound)
                return masked(features[mask], rng), target, (start, end)
