"""The Free Spoken Digit Dataset: people saying digits (CC BY-SA 4.0, Zohar Jackson and others)."""

from __future__ import annotations

import os
import wave
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.media.resampling import to_mono_16k

from .sentences import DIGITS
from .spectra import BINS, Spectra, spectra

TEST_INDICES = range(5)
"""Of the 50 recordings of each digit by each speaker, the dataset's own choice for tests: never trained on."""
LEFT_OUT_SPEAKER = "jackson"
"""Whom the leave-one-out training never hears."""


@dataclass(frozen=True, slots=True)
class SpokenDigit:
    """One recording, float32 [n] at 16 kHz."""

    digit: int
    speaker: str
    index: int
    samples: NDArray[np.float32]

    @property
    def is_test(self) -> bool:
        """Whether it is kept from training."""
        return self.index in TEST_INDICES


def folder() -> Path:
    """Return where the recordings lie: below ``$LARIMAR_SHARED``, by default ``../shared`` beside the repository."""
    root = Path(__file__).parents[4]
    return Path(os.environ.get("LARIMAR_SHARED", root.parent / "shared")) / "data" / "fsdd"


def spoken_digits(source: Path | None = None, limit: int | None = None) -> list[SpokenDigit]:
    """Read the recordings (the first ``limit`` of them in the order of their names).

    Raises:
        FileNotFoundError: there are none.
    """
    source = source or folder()
    paths = sorted(source.glob("?_*_*.wav"))[:limit]
    if not paths:
        raise FileNotFoundError(
            f"no recordings of digits in {source}; set LARIMAR_SHARED to the folder above data/fsdd"
        )
    found = []
    for path in paths:
        digit, speaker, index = path.stem.split("_")
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
            found.append(SpokenDigit(int(digit), speaker, int(index), to_mono_16k(samples, file.getframerate())))
    return found


class DigitSpeakers:
    """Makes number strings of some recordings, each string of one speaker."""

    def __init__(self, recordings: list[SpokenDigit]) -> None:
        self._by_speaker: dict[str, dict[int, list[NDArray[np.float32]]]] = defaultdict(lambda: defaultdict(list))
        for one in recordings:
            self._by_speaker[one.speaker][one.digit].append(one.samples)
        self.speakers = sorted(self._by_speaker)

    def say(self, digits: str, rng: np.random.Generator, speaker: str | None = None) -> NDArray[np.float32]:
        """Return the digits with pauses between them, each as loud as the others within a few decibels."""
        return self.say_in_place(digits, rng, speaker)[0]

    def say_in_place(
        self, digits: str, rng: np.random.Generator, speaker: str | None = None
    ) -> tuple[NDArray[np.float32], list[tuple[str, float, float]]]:
        """Return the same as :meth:`say`, and each digit's word with its beginning and end, 0 to 1 of the whole."""
        voice = self._by_speaker[speaker or str(rng.choice(self.speakers))]
        longest = float(rng.choice((0.06, 0.2, 0.5, 1.0)))
        pieces: list[NDArray[np.float32]] = []
        places: list[tuple[str, int, int]] = []
        at = 0
        for digit in digits:
            takes = voice[int(digit)]
            take = takes[int(rng.integers(len(takes)))]
            level = 0.1 * 10 ** (rng.uniform(-2, 2) / 20)
            pieces.append(take * np.float32(level / max(float(np.sqrt(np.mean(take**2))), 1e-4)))
            pieces.append(np.zeros(int(16_000 * rng.uniform(0.01, longest)), np.float32))
            places.append((DIGITS[int(digit)], at, at + len(take)))
            at += len(take) + len(pieces[-1])
        whole = np.concatenate(pieces[:-1])
        return whole, [(word, start / len(whole), end / len(whole)) for word, start, end in places]


class SpectralSpeakers:
    """The same as :class:`DigitSpeakers`, as spectra."""

    def __init__(self, recordings: list[SpokenDigit]) -> None:
        self._by_speaker: dict[str, dict[int, list[Spectra]]] = defaultdict(lambda: defaultdict(list))
        for one in recordings:
            self._by_speaker[one.speaker][one.digit].append(spectra(one.samples))
        self.speakers = sorted(self._by_speaker)

    def say_in_place(self, digits: str, rng: np.random.Generator) -> tuple[Spectra, list[tuple[str, float, float]]]:
        """Return digits with pauses between them, and each one's word with its beginning and end, 0 to 1."""
        voice = self._by_speaker[str(rng.choice(self.speakers))]
        longest = float(rng.choice((0.06, 0.2, 0.5, 1.0)))
        pieces: list[Spectra] = []
        places: list[tuple[str, int, int]] = []
        at = 0
        for digit in digits:
            takes = voice[int(digit)]
            take = takes[int(rng.integers(len(takes)))] * np.float32(10 ** (rng.uniform(-2, 2) / 20))
            pause = int(100 * rng.uniform(0.01, longest))
            pieces += [take, np.zeros((pause, BINS), np.float32)]
            places.append((DIGITS[int(digit)], at, at + len(take)))
            at += len(take) + pause
        whole = np.concatenate(pieces[:-1])
        return whole, [(word, start / len(whole), end / len(whole)) for word, start, end in places]
