"""Many wordings from one pattern.

``[a|b|]`` chooses one branch (possibly empty, possibly nested) and ``{name}`` is a slot that is filled afterwards.
Wordings are split once and for all into those that may be trained on and those kept for the evaluation, by a hash of
the wording with its slots still open.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping

HELD_OUT_SHARE = 0.08
ALWAYS_TRAINED_WORDS = 3
"""Shorter wordings ("who are you") are what people type most; they are never held out."""

_SLOT = re.compile(r"\{(\w+)\}")


def choose(pattern: str, rng: random.Random) -> str:
    """Return ``pattern`` with one branch taken of every bracket; slots stay as they are."""
    text, end = _sequence(pattern, 0, rng)
    if end != len(pattern):
        raise ValueError(f"unbalanced brackets in the pattern {pattern!r}")
    return re.sub(r" +", " ", text).strip().replace(" ,", ",").replace(" ?", "?").replace(" .", ".")


def _sequence(pattern: str, start: int, rng: random.Random) -> tuple[str, int]:
    pieces: list[str] = []
    at = start
    while at < len(pattern):
        char = pattern[at]
        if char == "[":
            branches: list[str] = []
            while True:
                branch, at = _sequence(pattern, at + 1, rng)
                branches.append(branch)
                if at >= len(pattern):
                    raise ValueError(f"unbalanced brackets in the pattern {pattern!r}")
                if pattern[at] == "]":
                    break
            pieces.append(rng.choice(branches))
            at += 1
        elif char in "|]":
            return "".join(pieces), at
        else:
            pieces.append(char)
            at += 1
    return "".join(pieces), at


def fill(wording: str, slots: Mapping[str, str]) -> str:
    """Return ``wording`` with every ``{name}`` replaced by ``slots[name]``; raises ``KeyError`` for a missing slot."""
    return _SLOT.sub(lambda match: slots[match.group(1)], wording)


def is_held_out(wording: str) -> bool:
    """Say whether this wording (slots open) is kept from training, whatever its case and punctuation."""
    plain = re.sub(r"[^\w{}]+", " ", wording.lower()).strip()
    if len(plain.split()) <= ALWAYS_TRAINED_WORDS:
        return False
    return share(plain) < HELD_OUT_SHARE


def share(key: str) -> float:
    """Return a number in [0, 1) that depends on ``key`` alone, the same in every process."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6], "big") / 2**48


def pick(patterns: list[str], rng: random.Random, *, held_out: bool) -> str:
    """Return a wording of one of the patterns, from the asked side of the split.

    Raises ``LookupError`` when 200 tries find none, as for patterns without branches.
    """
    for _ in range(200):
        wording = choose(rng.choice(patterns), rng)
        if is_held_out(wording) == held_out:
            return wording
    raise LookupError(f"no {'held-out' if held_out else 'training'} wording in {patterns[:2]!r}…")
