"""Transcriptions: their plain form, the characters of the tower's first training, and word error rates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

CHARACTERS = " 'abcdefghijklmnopqrstuvwxyz0123456789"
"""Index 0 of the tower's head is CTC's blank, then follow these."""
CLASSES = len(CHARACTERS) + 1
_INDEX = {character: index + 1 for index, character in enumerate(CHARACTERS)}


def plain(text: str) -> str:
    """Return ``text`` without capitals, marks and double spaces: what two transcriptions are compared by."""
    return " ".join(re.sub(r"[^a-z0-9' ]+", " ", text.lower().replace("’", "'")).split())


def character_ids(text: str) -> list[int]:
    """Return the classes of a plain text."""
    return [_INDEX[character] for character in text]


def greedy_text(best: NDArray[np.int64]) -> str:
    """Return what the best class of each soft token, [T], spells: repetitions and blanks taken out."""
    kept = best[np.flatnonzero(np.diff(best, prepend=-1))]
    return " ".join("".join(CHARACTERS[index - 1] for index in kept if index).split())


def words(text: str) -> list[str]:
    """Return what counts as words: each digit is one, as each was said by itself."""
    return re.sub(r"(\d)", r" \1 ", plain(text)).split()


def word_errors(reference: Sequence[str], heard: Sequence[str]) -> int:
    """Return how many words must be put in, left out or changed to make one of the other."""
    row = list(range(len(heard) + 1))
    for done, word in enumerate(reference, 1):
        before, row[0] = row[0], done
        for at, other in enumerate(heard, 1):
            before, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, before + (word != other))
    return row[-1]


def word_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Return the errors of all (reference, heard) pairs for each word of the references; 0 for no words."""
    errors = total = 0
    for reference, heard in pairs:
        expected = words(reference)
        errors += word_errors(expected, words(heard))
        total += len(expected)
    return errors / total if total else 0.0
