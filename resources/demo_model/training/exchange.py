"""One question with its answer: the unit of the generated text."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .noise import dress, vary
from .wordings import choose, fill, pick

DRESSED = 0.08
"""How often a training question has words before or after it that change nothing."""


@dataclass(frozen=True, slots=True)
class Call:
    """The call of a tool, and what it returned."""

    name: str
    arguments: dict[str, Any]
    result: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A user's message and the model's answer to it."""

    intent: str
    question: str
    answer: str
    thought: str
    """What the model thinks before the answer when thinking is on."""
    accepted: tuple[str, ...]
    """Every right answer, of which ``answer`` is one."""
    fixed: bool = False
    """The answer is a set sentence, known after its first words."""
    call: Call | None = None
    """What the model asks of a tool before it answers."""


@dataclass(frozen=True, slots=True)
class State:
    """What the conversation has established so far and the system prompt asks for."""

    own_name: str | None = None
    """The name that the system prompt gives the model."""
    brief: bool = False
    """The system prompt asks for short answers."""
    memory: dict[str, str] = field(default_factory=dict)
    """What the user said: name, colour, number, …"""


Source = Callable[[random.Random, State, bool], Exchange]
"""Makes one exchange from a random generator, the state, and whether to use a held-out wording."""


@dataclass(frozen=True, slots=True)
class Intent:
    """Something that people say, and how often it is trained."""

    name: str
    source: Source
    weight: float = 1.0
    opening_only: bool = False
    """Never said later in a conversation."""


def exchange(
    intent: str,
    rng: random.Random,
    patterns: list[str],
    answers: list[str],
    *,
    thought: str,
    held_out: bool,
    slots: Mapping[str, str] | None = None,
    literal: bool = False,
) -> Exchange:
    """Word one question of ``patterns`` and answer it with one of ``answers`` (both may hold slots)."""
    slots = slots or {}
    question = fill(pick(patterns, rng, held_out=held_out), slots)
    if not held_out and not literal and rng.random() < DRESSED:
        question = dress(question, rng)
    accepted = tuple(fill(answer, slots) for answer in answers)
    return Exchange(
        intent,
        vary(question, rng, literal=literal),
        rng.choice(accepted),
        fill(choose(thought, rng), slots),
        accepted,
        fixed=not slots,
    )


def talk(
    name: str, patterns: list[str], answers: list[str], thought: str, *, weight: float = 1.0, brief: str = ""
) -> Intent:
    """Return an intent whose answers do not depend on the question's details; ``brief`` is its short answer."""

    def source(rng: random.Random, state: State, held_out: bool) -> Exchange:
        chosen = [brief] if state.brief and brief else answers
        return exchange(name, rng, patterns, chosen, thought=thought, held_out=held_out)

    return Intent(name, source, weight)
