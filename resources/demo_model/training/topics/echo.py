# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""Repeating and spelling what the user says: the model learns to copy."""

from __future__ import annotations

import random

from ..exchange import Exchange, Intent, State, exchange
from .words import ANIMALS, CITIES, COMMON, NAMES, made_up_word


def some_words(rng: random.Random, most: int) -> str:
    """Return one to ``most`` words, some of them made up, sometimes with digits."""
    words = []
    for _ in range(rng.randint(1, most)):
        roll = rng.random()
        if roll < 0.70:
            words.append(rng.choice(COMMON))
        elif roll < 0.80:
            words.append(rng.choice(NAMES + CITIES))
        elif roll < 0.93:
            words.append(made_up_word(rng))
        else:
            words.append(str(rng.randint(0, 999)))
    return " ".join(words)


def _repeat(rng: random.Random, state: State, held_out: bool) -> Exchange:
    patterns = [
        "repeat after me: {text}", "[please|] repeat: {text}", "say: {text}", "[please|can you|could you] say {text}", "say {text}", 'say "{text}"', 'repeat "{text}"', "[please|] repeat [this|the following|these words|my words]: {text}", "repeat {text}", "[please|] write: {text}", 'write "{text}"', "echo {text}", "[can you|could you] repeat[ this| after me|]: {text}", "[now|please] say [after me|this|the words]: {text}", "type: {text}", 'answer with "{text}"', "[only|just] say {text}",
    ]  # fmt: skip
    text = some_words(rng, 5)
    return exchange(
        "repeat", rng, patterns, [text], thought="[The user wants to hear the same words.|I repeat it word by word.]",
        slots={"text": text}, held_out=held_out, literal=True,
    )  # fmt: skip


def _spell(rng: random.Random, state: State, held_out: bool) -> Exchange:
    patterns = [
        "spell {word}", "[please|can you|could you] spell {word}[ please|]", "how do you spell {word}?", "spell the word {word}", "how is {word} spelled?", 'spell "{word}"', "[tell me|show me] how to spell {word}", "what are the letters of {word}?", "how do I [spell|write] {word}[ correctly|]?",
    ]  # fmt: skip
    word = rng.choice(COMMON + ANIMALS + [name.lower() for name in NAMES]) if rng.random() < 0.8 else made_up_word(rng)
    return exchange(
        "spell", rng, patterns, ["-".join(word.upper())], thought="I spell {word} letter by letter.", slots={"word": word},
        held_out=held_out, literal=True,
    )  # fmt: skip


INTENTS = [Intent("repeat", _repeat, 3.0), Intent("spell", _spell, 1.6)]
