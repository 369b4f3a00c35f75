"""People type carelessly: case, punctuation, contractions and typing errors."""

from __future__ import annotations

import random
import re

_CONTRACTIONS = (
    ("what is", "what's"), ("who is", "who's"), ("where is", "where's"), ("how is", "how's"), ("that is", "that's"),
    ("it is", "it's"), ("i am", "i'm"), ("do not", "don't"), ("does not", "doesn't"), ("can not", "can't"),
    ("cannot", "can't"), ("is not", "isn't"), ("i would", "i'd"), ("let us", "let's"),
    ("you are", "you're"), ("did not", "didn't"), ("will not", "won't"),
)  # fmt: skip
_SHORTHAND = {"you": "u", "your": "ur", "are": "r", "please": "pls", "thanks": "thx", "what": "wat", "and": "&"}
_NEIGHBOURS = {
    "a": "s", "b": "v", "c": "x", "d": "f", "e": "r", "f": "g", "g": "h", "h": "j", "i": "o", "j": "k", "k": "l",
    "l": "k", "m": "n", "n": "m", "o": "p", "p": "o", "q": "w", "r": "t", "s": "d", "t": "r", "u": "i", "v": "b",
    "w": "e", "x": "c", "y": "t", "z": "x",
}  # fmt: skip
_OPENINGS = (
    "hey, ", "hi, ", "hello, ", "so, ", "ok, ", "well, ", "please tell me, ", "tell me, ", "quick question: ",
    "sorry, ", "one question: ", "I wonder, ", "excuse me, ", "by the way, ", "just curious: ", "could you tell me, ",
    "now, ", "larimar, ", "and ", "but ", "please, ", "then ", "hm, ", "can you tell me, ", "say, ",
    "I have a question: ",
)  # fmt: skip
_CLOSINGS = (
    ", please",
    " then",
    " now",
    " thanks",
    ", can you tell me?",
    ", do you know?",
    " today",
    " again",
    " here",
)


def dress(text: str, rng: random.Random) -> str:
    """Return ``text`` with words before or after it that change nothing."""
    if rng.random() < 0.7:
        return rng.choice(_OPENINGS) + text
    return text.rstrip("?!.") + rng.choice(_CLOSINGS)


def vary(text: str, rng: random.Random, *, literal: bool = False) -> str:
    """Return ``text`` as somebody might type it.

    ``literal`` is for texts whose exact letters matter (names, words to repeat): only the first letter's case and the
    final punctuation change.
    """
    if not literal:
        if rng.random() < 0.5:
            text = _contract(text, rng)
        if rng.random() < 0.04:
            text = _shorten(text, rng)
        if rng.random() < 0.10:
            text = _mistype(text, rng)
    roll = rng.random()
    if roll < 0.40:
        text = text[:1].upper() + text[1:]
    elif roll < 0.72 and not literal:
        text = text.lower()
    elif roll < 0.75 and not literal:
        text = text.upper()
    roll = rng.random()
    if roll < 0.30:
        text = text.rstrip("?!.")
    elif roll < 0.34 and text[-1:] in "?!":
        text += text[-1]
    elif roll < 0.36 and text[-1:] in "?!":
        text = text[:-1] + " " + text[-1]
    elif roll < 0.37 and not literal:
        text += rng.choice([" :)", "...", " please", "  "])
    return text or "?"


def careless(text: str, rng: random.Random) -> str:
    """Return ``text`` all in capitals or with a typing error, which a model needs to meet more often than people do."""
    return text.upper() if rng.random() < 0.5 else _mistype(text, rng)


def _contract(text: str, rng: random.Random) -> str:
    for full, short in _CONTRACTIONS:
        pattern = re.compile(rf"\b{full}\b", re.IGNORECASE)
        if pattern.search(text):
            short = short.replace("'", rng.choice(["'", "'", "’", ""]))
            text = pattern.sub(short, text)
    return text


def _shorten(text: str, rng: random.Random) -> str:
    words = text.split(" ")
    return " ".join(_SHORTHAND.get(word, word) if rng.random() < 0.7 else word for word in words)


def _mistype(text: str, rng: random.Random) -> str:
    spots = [match.start() for match in re.finditer(r"[a-z](?=[a-z])", text)]
    if len(spots) < 4:
        return text
    at = rng.choice(spots[1:])
    kind = rng.randrange(4)
    if kind == 0:  # two letters swapped
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 1:  # a letter left out
        return text[:at] + text[at + 1 :]
    if kind == 2:  # a letter doubled
        return text[:at] + text[at] + text[at:]
    return text[:at] + _NEIGHBOURS.get(text[at], "e") + text[at + 1 :]
