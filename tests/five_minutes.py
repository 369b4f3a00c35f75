"""A recording of five minutes: people say digits, alone and in strings, with pauses and a little noise."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.media.audio import SAMPLE_RATE, load_audio

SECONDS = 300.0
_AUDIBLE = 0.05  # of the peak; some files go on with a hum after the word


@dataclass(frozen=True)
class Said:
    """What is said, and when it can be heard, in seconds."""

    digits: str
    start: float
    end: float


def five_minutes(fsdd: Path, seed: int = 4, noise: float = 0.002) -> tuple[NDArray[np.float32], list[Said]]:
    """Return float32 [n] at 16 kHz and what is said in it, from recordings that nothing was trained on."""
    rng = random.Random(seed)
    files = [path for path in sorted(fsdd.glob("*.wav")) if int(path.stem.split("_")[2]) < 5]
    by_speaker: dict[str, list[Path]] = {}
    for path in files:
        by_speaker.setdefault(path.stem.split("_")[1], []).append(path)
    parts: list[NDArray[np.float32]] = []
    said: list[Said] = []
    length = 0

    def add(samples: NDArray[np.float32]) -> None:
        nonlocal length
        parts.append(samples)
        length += len(samples)

    while length < (SECONDS - 8) * SAMPLE_RATE:
        add(np.zeros(int(rng.uniform(0.9, 2.5) * SAMPLE_RATE), np.float32))
        speaker = by_speaker[rng.choice(sorted(by_speaker))]
        digits, start, end = "", 0.0, 0.0
        for number in range(rng.choice((1, 1, 2, 3, 5))):
            if number:
                add(np.zeros(int(rng.uniform(0.05, 0.15) * SAMPLE_RATE), np.float32))
            path = rng.choice(speaker)
            samples = load_audio(path)
            samples = samples * np.float32(0.3 / np.abs(samples).max())
            samples = samples[slice(*_audible(samples))]  # some files hold half a second of nothing
            start = start or length / SAMPLE_RATE
            end = (length + len(samples)) / SAMPLE_RATE
            digits += path.stem[0]
            add(samples)
        said.append(Said(digits, start, end))
    add(np.zeros(int(SECONDS * SAMPLE_RATE) - length, np.float32))
    sound = np.concatenate(parts)
    return sound + np.random.default_rng(seed).normal(0, noise, len(sound)).astype(np.float32), said


def _audible(samples: NDArray[np.float32]) -> tuple[int, int]:
    step = SAMPLE_RATE // 100
    whole = samples[: len(samples) // step * step].reshape(-1, step)
    loud = np.flatnonzero(np.sqrt(np.square(whole).mean(axis=1)) > _AUDIBLE * np.abs(samples).max())
    return int(loud[0]) * step, (int(loud[-1]) + 1) * step
