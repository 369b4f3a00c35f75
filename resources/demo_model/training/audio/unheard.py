"""Speech that was never trained on, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .augmentation import Conditions, recorded
from .corpus import FOLDER, Corpus
from .recordings import DigitSpeakers, spoken_digits
from .sentences import answers_to

SEED = 71
Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TestClip:
    """Sound with what it says."""

    __test__ = False

    samples: Samples
    """float32 [n], 16 kHz."""
    written: str
    answers: tuple[str, ...]
    """What may be said to a question."""


ROWS = {
    "digits, unseen recordings": "digits_seen",
    "digits, speaker left out": "digits_left_out",
    "commands, unseen voice": "commands_unseen_voice",
    "commands, unseen espeak voices": "commands_unseen_espeak",
    "commands, trained voices": "commands_seen_voices",
    "questions, unseen voice": "questions_unseen_voice",
}
"""Name in the table, and which clips; no wording and no recording was trained."""


def rows(left_out: str | None) -> dict[str, str]:
    """Return the rows that can be asked for when ``left_out``, or nobody, was kept from training."""
    return {row: name for row, name in ROWS.items() if left_out or name != "digits_left_out"}


def clips(name: str, count: int, conditions: Conditions, left_out: str | None) -> Iterator[TestClip]:
    """Yield the first ``count`` clips of a set; the same ones whenever it is asked."""
    rng = np.random.default_rng((SEED, sum(name.encode())))
    if name.startswith("digits"):
        wanted = name == "digits_left_out"
        kept = [one for one in spoken_digits() if wanted == (one.speaker == left_out) and (wanted or one.is_test)]
        people = DigitSpeakers(kept)
        for _ in range(count):
            text = "".join(map(str, rng.integers(0, 10, rng.integers(1, 8))))
            yield TestClip(recorded(people.say(text, rng), rng, conditions), text, ())
        return
    corpus = Corpus(FOLDER, name)
    for index in range(min(count, len(corpus))):
        sentence = corpus.lines[index].sentence
        yield TestClip(recorded(corpus.samples(index), rng, conditions), sentence.written, answers_to(sentence))
