"""How words sound, and about when: phones with their lengths, as flite would say each word by itself."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PHONES = [
    "pau", "aa", "ae", "ah", "ao", "aw", "ax", "ay", "b", "ch", "d", "dh", "eh", "er", "ey", "f", "g", "hh", "ih", "iy",
    "jh", "k", "l", "m", "n", "ng", "ow", "oy", "p", "r", "s", "sh", "t", "th", "uh", "uw", "v", "w", "y", "z", "zh",
]  # fmt: skip
"""The phones of flite's American English; index 0 is silence."""
SILENCE = 0
LATE = 1_280
"""Samples by which a phone is to be named after it sounds: the tower hardly looks ahead."""
SAMPLES_PER_TOKEN = 640

Pronunciation = list[tuple[int, float]]
"""Phones with their lengths in seconds."""
Segment = tuple[str, float, float]
"""Words, and from where to where in a clip's voice they are said, 0 to 1."""


def pronounce(word: str) -> Pronunciation:
    """Ask flite how a word is said. Raises ``FileNotFoundError`` when flite is not installed."""
    command = ["flite", "-voice", "kal", "-psdur", "-t", word, "none"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    ends = [(phone, float(end)) for phone, _, end in (entry.partition(":") for entry in shown)]
    lengths = zip(ends, [0.0, *(end for _, end in ends)], strict=False)
    return [(PHONES.index(phone), end - start) for (phone, end), start in lengths if phone != "pau"]


class Pronunciations:
    """A file of words; those that it lacks are asked for once and then written down."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self._known: dict[str, Pronunciation] = {word: [tuple(one) for one in phones] for word, phones in found.items()}

    def learn(self, words: Iterable[str]) -> None:
        """Make sure that all of these words are known, in the file too."""
        if missing := sorted(set(words) - set(self._known)):
            self._known |= {word: pronounce(word) for word in missing}
            part = self._path.with_name(self._path.name + ".part")
            part.write_text(json.dumps(self._known), encoding="utf-8")
            os.replace(part, self._path)

    def labels(self, segments: Sequence[Segment], start: int, end: int, tokens: int) -> NDArray[np.int64]:
        """Return the phone that each soft token is to name, int64 [tokens].

        The words of a segment share its time as flite's lengths do. The voice is heard from sample ``start`` to
        ``end``. Raises ``KeyError`` for a word that :meth:`learn` was not given.
        """
        found = np.full(tokens, SILENCE, np.int64)
        times = np.arange(tokens) * SAMPLES_PER_TOKEN - LATE
        for words, begin, stop in segments:
            phones = [one for word in words.split() for one in self._known[word]]
            lengths = np.cumsum([length for _, length in phones])
            bounds = start + (end - start) * (begin + (stop - begin) * lengths / lengths[-1])
            inside = (times >= start + (end - start) * begin) & (times < bounds[-1])
            found[inside] = np.array([phone for phone, _ in phones])[np.searchsorted(bounds, times[inside], "right")]
        return found
