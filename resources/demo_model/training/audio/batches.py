"""Batches for the tower's first training: fresh sound every time, clips of like length together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from inference.media.log_mel import HOP

from .augmentation import masked
from .corpus import Corpus
from .pronunciation import Pronunciations, Segment
from .recordings import SpectralSpeakers
from .spectra import BINS, PEOPLE, TRAINING, Spectra, features, spectra
from .transcripts import character_ids, plain

MASKED = 0.4
"""How often parts of a clip are blotted out."""
POOL = 384
"""Clips that are made and sorted together."""
DIGITS = 0.25
"""Share of number strings by people; all other clips are synthetic."""
SILENT = 0.02
"""Share of clips in which nobody speaks."""


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
    said: list[tuple[int, ...]]
    """What the language model is to write down, as tokens."""


def stacked(clips: list[NDArray[np.float32]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return features of several clips, padded to one of few lengths: float32 [B, F, 128] and the mask, bool [B, F]."""
    longest = -(-max(map(len, clips)) // 48) * 48
    padded = np.zeros((len(clips), longest, 128), np.float32)
    mask = np.zeros((len(clips), longest), np.bool_)
    for row, clip in enumerate(clips):
        padded[row, : len(clip)], mask[row, : len(clip)] = clip, True
    return torch.from_numpy(padded), torch.from_numpy(mask)


class Batches:
    """Yields (pool, batch) without end; equal seeds give equal batches, and a pool can be started at."""

    def __init__(
        self,
        corpus: Corpus,
        people: SpectralSpeakers,
        pronunciations: Pronunciations,
        tokens_of: Callable[[str], list[int]],
        frames: int,
        seed: int,
        first_pool: int = 0,
        digits: float = DIGITS,
    ) -> None:
        """Draw from a corpus and from people; ``tokens_of`` is the language model's tokenizer."""
        self._corpus, self._people, self._pronunciations = corpus, people, pronunciations
        self._tokens_of, self._digits = tokens_of, digits
        self._frames, self._seed, self._first = frames, seed, first_pool
        self._spectra: dict[int, NDArray[np.float16]] = {}

    def __iter__(self) -> Iterator[tuple[int, Batch]]:
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
            heard, mask = stacked([clip.features for clip in groups[at]])
            phones = torch.full((len(groups[at]), heard.shape[1] // 4), -100)
            for row, clip in enumerate(groups[at]):
                phones[row, : len(clip.phones)] = torch.from_numpy(clip.phones)
            lengths = torch.tensor([len(clip.target) for clip in groups[at]])
            targets = torch.tensor([index for clip in groups[at] for index in clip.target], dtype=torch.int64)
            yield Batch(heard, mask, targets, lengths, phones, [clip.said for clip in groups[at]])

    def _voice(self, index: int) -> Spectra:
        """Return the spectra of one sentence of the corpus, which are made once."""
        if index not in self._spectra:
            self._spectra[index] = spectra(self._corpus.samples(index)).astype(np.float16)
        return self._spectra[index]

    def _clip(self, rng: np.random.Generator) -> _Clip:
        while True:
            segments: list[Segment]
            roll, changes = rng.random(), TRAINING
            if roll < SILENT:
                written, spelt, segments, voice = "", "", [], np.zeros((int(rng.integers(10, 200)), BINS), np.float32)
            elif roll < SILENT + self._digits:
                spelt = written = "".join(map(str, rng.integers(0, 10, rng.integers(1, 10))))
                (voice, segments), changes = self._people.say_in_place(spelt, rng), PEOPLE
            else:
                index = int(rng.integers(len(self._corpus)))
                sentence, voice = self._corpus.lines[index].sentence, self._voice(index)
                written, spelt, segments = sentence.written, plain(sentence.written), [(sentence.spoken, 0.0, 1.0)]
            heard, start, end = features(voice, rng, changes)
            target, tokens = character_ids(spelt), ((len(heard) + 1) // 2 + 1) // 2
            repeated = sum(one == other for one, other in itertools.pairwise(target))
            if len(target) + repeated < tokens:  # otherwise said too fast to be spelt
                phones = self._pronunciations.labels(segments, start * HOP, end * HOP, tokens)
                heard = masked(heard, rng) if rng.random() < MASKED else heard
                return _Clip(heard, target, phones, tuple(self._tokens_of(written)))


@dataclass(frozen=True, slots=True)
class _Clip:
    features: NDArray[np.float32]
    """[F, 128]."""
    target: list[int]
    phones: NDArray[np.int64]
    """[T]."""
    said: tuple[int, ...]
