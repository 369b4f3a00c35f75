# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""Things that the user tells and asks back later in the conversation."""

from __future__ import annotations

import random

from ..exchange import Exchange, State, exchange
from .words import ANIMALS, CITIES, COLOURS, FOODS, NAMES, made_up_word

TELL = {
    "name": [
        "my name is {value}", "I am {value}", "[hi|hello|hey], I am {value}", "[hi|hello|hey], my name is {value}", "call me {value}", "you can call me {value}", "[my friends|people] call me {value}", "I am called {value}", "[please|] remember[,| that] my name is {value}", "this is {value}", "{value} is my name", "[good morning|good evening], my name is {value}",
    ],
    "colour": [
        "my [favourite|favorite] [colour|color] is {value}", "I like {value}[ best| most|]", "[please|] remember[,| that] my favourite colour is {value}", "the [colour|color] that I like [best|most] is {value}", "{value} is my favourite colour", "I love the colour {value}",
    ],
    "number": [
        "my [lucky|favourite|favorite|secret|] number is {value}", "[please|] remember the number {value}", "[please|can you|] remember {value}", "the number is {value}", "[note|keep in mind] the number {value}", "{value} is my [lucky|favourite] number",
    ],
    "age": ["I am {value} years old", "I am {value}[ years old|]", "my age is {value}", "[please|] remember that I am {value} years old", "I turned {value} [today|last week]"],
    "city": ["I live in {value}", "I am from {value}", "my [city|home town|town] is {value}", "I come from {value}", "[please|] remember that I live in {value}", "I was born in {value} and live there"],
    "food": ["my [favourite|favorite] food is {value}", "I like to eat {value}", "I [love|like] {value}", "what I like to eat most is {value}"],
    "pet": ["I have a {value}", "my pet is a {value}", "I have a pet {value}", "at home I have a {value}"],
}  # fmt: skip
ASK = {
    "name": [
        "what is my name?", "who am I?", "do you [know|remember] my name?", "what am I called?", "[tell me|say] my name", "can you [tell me|say|remember] my name?", "what [was|is] my name[ again|]?", "how am I called?", "[so|now], what is my name?", "do you [know|remember] who I am?", "my name?", "[what|which] name did I [tell|give] you?",
    ],
    "colour": [
        "what is my favourite [colour|color]?", "which [colour|color] do I like[ best| most|]?", "do you [know|remember] [my favourite colour|which colour I like]?", "[tell me|say] my favourite [colour|color]", "what [was|is] my [favourite|favorite] [colour|color][ again|]?", "what [colour|color] did I [say|tell you|mention]?",
    ],
    "number": [
        "what is my [lucky|favourite|secret|] number?", "which number did I [say|tell you|give you]?", "what [was|is] the number[ again|]?", "do you remember [my|the] number?", "[tell me|say] [my|the] number[ again|]", "what number did I [tell|give|say to] you?", "what did I ask you to remember?",
    ],
    "age": ["how old am I?", "what is my age?", "do you [know|remember] [my age|how old I am]?", "[tell me|say] [my age|how old I am]", "what [was|is] my age[ again|]?"],
    "city": ["where do I live?", "where am I from?", "which city do I live in?", "do you [know|remember] where I [live|come from]?", "[tell me|say] where I live", "what is my [city|town|home town]?", "where do I come from?"],
    "food": ["what is my favourite food?", "what do I like to eat?", "which food do I like[ best| most|]?", "do you remember [what I like to eat|my favourite food]?", "[tell me|say] what I like to eat"],
    "pet": ["what pet do I have?", "which animal do I have?", "do I have a pet?", "do you remember my pet?", "what [animal|pet] do I have at home?", "what is my pet?"],
}  # fmt: skip
_HEARD = {
    "name": ["Nice to meet you, {value}!", "Hello {value}! I will remember your name."],
    "colour": ["{Value} is a nice colour. I will remember it."],
    "number": ["All right, I will remember {value}."],
    "age": ["All right, you are {value} years old."],
    "city": ["{value} sounds nice. I will remember it."],
    "food": ["{Value}, that sounds tasty!"],
    "pet": ["A {value}, how nice!"],
}
_KNOWN = {
    "name": "Your name is {value}.", "colour": "Your favourite colour is {value}.", "number": "Your number is {value}.",
    "age": "You are {value} years old.", "city": "You live in {value}.", "food": "You like to eat {value}.", "pet": "You have a {value}.",
}  # fmt: skip
_UNKNOWN = {
    "name": "You have not told me your name yet.", "colour": "You have not told me your favourite colour yet.",
    "number": "You have not told me a number yet.", "age": "You have not told me your age yet.",
    "city": "You have not told me where you live yet.", "food": "You have not told me what you like to eat yet.",
    "pet": "You have not told me about a pet yet.",
}  # fmt: skip
KINDS = ("name", "colour", "number", "age", "city", "food", "pet")
KIND_WEIGHTS = (6, 2, 2.5, 1, 1.5, 1, 1)


def value_of(kind: str, rng: random.Random) -> str:
    """Return something that a user could tell about ``kind``."""
    if kind == "name":
        name = rng.choice(NAMES) if rng.random() < 0.75 else made_up_word(rng).capitalize()
        return name.lower() if rng.random() < 0.2 else name
    if kind == "number":
        return str(rng.randint(0, 10 ** rng.choice((1, 2, 2, 3, 4))))
    if kind == "age":
        return str(rng.randint(4, 99))
    if kind == "city" and rng.random() < 0.2:
        return made_up_word(rng).capitalize()
    return rng.choice({"colour": COLOURS, "city": CITIES, "food": FOODS, "pet": ANIMALS}[kind])


def tell(kind: str, value: str, rng: random.Random, state: State, held_out: bool) -> Exchange:
    """The user tells something to be remembered."""
    answers = ["All right."] if state.brief else _HEARD[kind]
    return exchange(
        f"told a {kind}", rng, TELL[kind], answers, thought="The user tells me something to remember: {value}.", literal=True,
        slots={"value": value, "Value": value[:1].upper() + value[1:]}, held_out=held_out,
    )  # fmt: skip


def ask(kind: str, rng: random.Random, state: State, held_out: bool) -> Exchange:
    """The user asks for something told before, or never told."""
    value = state.memory.get(kind)
    if value is None:
        return exchange(
            "asked for something untold", rng, ASK[kind], [_UNKNOWN[kind]], thought=f"I look for the {kind}. It was not said.",
            held_out=held_out,
        )  # fmt: skip
    answers = [f"{value[:1].upper()}{value[1:]}."] if state.brief else [_KNOWN[kind]]
    return exchange(
        f"remembers the {kind}", rng, ASK[kind], answers, thought=f"I look for the {kind}. The user said {{value}}.",
        slots={"value": value}, held_out=held_out,
    )  # fmt: skip
