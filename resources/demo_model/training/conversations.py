"""Whole conversations: a system prompt now and then, several turns, things told and asked back, thinking on or off."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from .exchange import Exchange, Intent, State
from .noise import careless
from .topics import (
    app_features,
    app_help,
    arithmetic,
    echo,
    facts,
    identity,
    memory,
    out_of_scope,
    small_talk,
    styles,
    system_prompts,
    tools,
)
from .topics.words import NAMES, made_up_word
from .wordings import choose

INTENTS: tuple[Intent, ...] = tuple(
    intent
    for topic in (identity, app_help, app_features, small_talk, facts, arithmetic, echo, out_of_scope)
    for intent in topic.INTENTS
)

_TURNS = ((1, 2, 3, 4, 6, 9, 14, 24), (34, 20, 15, 12, 10, 5, 2.5, 1.5))


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation to be rendered with the chat template."""

    system: str
    """Empty when there is no system turn."""
    exchanges: tuple[Exchange, ...]
    thinking: bool = False
    tools: tuple[dict[str, Any], ...] = ()
    """Declarations of the tools that the model may call."""

    def messages(self, turns: int | None = None) -> list[dict[str, Any]]:
        """Return the chat template's ``messages`` of the first ``turns`` exchanges (all by default)."""
        messages: list[dict[str, Any]] = [{"role": "system", "content": self.system}] if self.system else []
        for exchange in self.exchanges[:turns]:
            messages.append({"role": "user", "content": exchange.question})
            if exchange.call is not None:
                call = {"name": exchange.call.name, "arguments": exchange.call.arguments}
                messages.append(
                    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": call}]}
                )
                messages.append({"role": "tool", "name": exchange.call.name, "content": exchange.call.result})
            answer: dict[str, Any] = {"role": "assistant", "content": exchange.answer}
            if self.thinking:
                answer["reasoning"] = exchange.thought
            messages.append(answer)
        return messages


@dataclass(slots=True)
class _Builder:
    rng: random.Random
    held_out: bool
    state: State = field(default_factory=State)

    def system(self) -> str:
        rng = self.rng
        if rng.random() > 0.28:
            return ""
        sentences = []
        if rng.random() < 0.30:
            name = rng.choice(NAMES) if rng.random() < 0.7 else made_up_word(rng).capitalize()
            sentences.append(choose(rng.choice(system_prompts.OWN_NAME), rng).replace("{name}", name))
            self.state = replace(self.state, own_name=name)
        if rng.random() < 0.35:
            sentences.append(choose(rng.choice(system_prompts.BRIEF), rng))
            self.state = replace(self.state, brief=True)
        if rng.random() < 0.20:
            name = memory.value_of("name", rng)
            sentences.append(choose(rng.choice(system_prompts.USER_NAME), rng).replace("{name}", name))
            self.state.memory["name"] = name
        if not sentences or rng.random() < 0.35:
            sentences.insert(rng.randint(0, len(sentences)), choose(rng.choice(system_prompts.NEUTRAL), rng))
        return " ".join(sentences)

    def next(self, recent_memory: bool) -> Exchange:
        rng = self.rng
        if rng.random() < (0.30 if recent_memory else 0.13):
            kind = rng.choices(memory.KINDS, memory.KIND_WEIGHTS)[0]
            known = [k for k in memory.KINDS if k in self.state.memory]
            roll = rng.random()
            if known and roll < 0.60:
                return memory.ask(rng.choice(known), rng, self.state, self.held_out)
            if roll < (0.68 if known else 0.22):
                return memory.ask(kind, rng, self.state, self.held_out)
            value = memory.value_of(kind, rng)
            exchange = memory.tell(kind, value, rng, self.state, self.held_out)
            self.state.memory[kind] = value
            return exchange
        intent = rng.choices(INTENTS, [intent.weight for intent in INTENTS])[0]
        return self.of(intent)

    def of(self, intent: Intent) -> Exchange:
        try:
            return intent.source(self.rng, self.state, self.held_out)
        except LookupError:  # every wording of the intent is on the training side
            return intent.source(self.rng, self.state, False)


def conversation(rng: random.Random) -> Conversation:
    """Return one conversation to train on."""
    builder = _Builder(rng, held_out=False, state=State())
    system = builder.system()
    turns = rng.choices(*_TURNS)[0]
    turns = max(1, turns + rng.choice((-1, 0, 1)) if turns > 3 else turns)
    thinking = rng.random() < 0.22
    remembers = rng.random() < 0.45
    exchanges = []
    for _ in range(turns):
        exchanges.append(builder.next(remembers))
    return Conversation(system, tuple(exchanges), thinking)


def styled(rng: random.Random) -> Conversation:
    """Return a conversation whose system prompt asks for a manner, a word or a language in every answer."""
    builder = _Builder(rng, held_out=False, state=State())
    sentence, change, foreign = styles.style(rng)
    neutral = choose(rng.choice(system_prompts.NEUTRAL), rng)
    system = rng.choice((sentence, sentence, f"{neutral} {sentence}", f"{sentence} {neutral}"))
    named = {intent.name: intent for intent in INTENTS}
    exchanges = []
    for _ in range(rng.randint(1, 3)):
        known = ("greeting", "how are you", "who are you", "thanks", "goodbye", "sums")
        intent = named.get(rng.choice(known)) if foreign and rng.random() < 0.75 else None
        exchanges.append(change(builder.of(intent) if intent else builder.next(False)))
    return Conversation(system, tuple(exchanges))


def with_tools(rng: random.Random) -> Conversation:
    """Return a conversation with a clock or a calculator at hand, which some of the questions need."""
    builder = _Builder(rng, held_out=False, state=State())
    system = choose(rng.choice(system_prompts.NEUTRAL), rng) if rng.random() < 0.3 else ""
    declared = tools.declarations(rng)
    kinds = {"calculate": "sums", "calculator": "sums", "compute": "sums"}
    covered = {kinds.get(tool["function"]["name"], "asked for the time") for tool in declared}
    exchanges: list[Exchange] = []
    for _ in range(rng.randint(1, 3)):
        if rng.random() < 0.7:
            exchanges.append(tools.use(rng.choice(declared), rng, False))
            continue
        intent = rng.choices(INTENTS, [intent.weight for intent in INTENTS])[0]
        if intent.name not in covered and intent.name not in ("sums that are too hard", "asked for news"):
            exchanges.append(builder.of(intent))
    return Conversation(system, tuple(exchanges), tools=tuple(declared)) if exchanges else with_tools(rng)


def lesson(rng: random.Random) -> Conversation:
    """Return one of the short conversations with which training begins: an exchange, or one told and one asked back."""
    builder = _Builder(rng, held_out=False, state=State())
    system = builder.system() if rng.random() < 0.3 else ""
    thinking = rng.random() < 0.12
    if rng.random() < 0.15:
        kind = rng.choices(memory.KINDS, memory.KIND_WEIGHTS)[0]
        value = memory.value_of(kind, rng)
        told = memory.tell(kind, value, rng, builder.state, False)
        builder.state.memory[kind] = value
        return Conversation(system, (told, memory.ask(kind, rng, builder.state, False)), thinking)
    return Conversation(system, (builder.next(False),), thinking)


def lessons(seed: int) -> Iterator[Conversation]:
    """Yield short conversations without end; equal seeds give equal ones."""
    rng = random.Random(seed)
    while True:
        yield lesson(rng)


def drill(rng: random.Random) -> Conversation:
    """Return one of the short conversations with which training ends: mostly what takes the most practice."""
    roll = rng.random()
    if roll > 0.70:
        return lesson(rng)
    builder = _Builder(rng, held_out=False, state=State())
    topic = arithmetic if roll < 0.52 else echo
    intents = topic.INTENTS
    exchange = builder.of(rng.choices(intents, [intent.weight for intent in intents])[0])
    return Conversation("", (exchange,), thinking=rng.random() < 0.1)


def about_the_app(rng: random.Random) -> Conversation:
    """Return a question about the app, each topic as often as the others."""
    builder = _Builder(rng, held_out=False, state=State())
    exchange = builder.of(rng.choice((*app_help.INTENTS, *app_features.INTENTS)))
    if rng.random() < 0.25:
        exchange = replace(exchange, question=careless(exchange.question, rng))
    return Conversation("", (exchange,), thinking=rng.random() < 0.05)


def sum_(rng: random.Random) -> Conversation:
    """Return a sum, a difference or a product, often of small numbers, which have to be known by heart."""
    builder = _Builder(rng, held_out=False, state=State())
    small = rng.random() < 0.4
    exchange = arithmetic.sums(rng, builder.state, False)
    while small and max(map(int, re.findall(r"\d+", exchange.answer))) > 40:
        exchange = arithmetic.sums(rng, builder.state, False)
    return Conversation("", (exchange,), thinking=rng.random() < 0.05)


def drills(seed: int) -> Iterator[Conversation]:
    """Yield short conversations without end; equal seeds give equal ones."""
    rng = random.Random(seed)
    while True:
        yield drill(rng)


def conversations(seed: int) -> Iterator[Conversation]:
    """Yield conversations to train on without end; equal seeds give equal conversations."""
    rng = random.Random(seed)
    while True:
        yield conversation(rng)
