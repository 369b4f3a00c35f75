# ruff: noqa: E501 (the wordings of one thing stay on one line)
"""What can be asked about a scene, and the answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from ..exchange import Exchange
from ..noise import vary
from ..wordings import choose, fill, pick
from . import drawing, emoji
from .scenes import Scene, Thing

NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six")

SEE = [
    "what do you see?", "what can you see[ here|]?", "what [is|can be seen] [in|on] the [picture|image|photo]?", "what [is|do you see] in this [picture|image|photo]?", "what does the [picture|image|photo] show?", "what is shown[ here|]?", "tell me what you see", "what is there?", "what is [in front of|before] the camera?", "look at this", "what do you see now?",
    "what [do you see|can you see|is there|stands|lies] [in front of|before] [the|my|your] [camera|webcam]?", "what [does|can] the [camera|webcam] see?", "what does the [camera|webcam] show?", "tell me what is [in front of|before] the [camera|webcam|lens]", "what is [in front of|before] [me|you|my webcam|the webcam|the lens]?", "say what is in front of [the|my] camera",
]  # fmt: skip
DESCRIBE = [
    "describe [the|this] [picture|image|photo|scene]", "[please|can you] describe [it|this|what you see]", "describe", "give me a [short |]description", "describe the [picture|image] in [one sentence|a few words]", "what [exactly|] is [in|on] the [picture|image] and where?", "caption this[ picture| image|]", "write a caption",
]  # fmt: skip
WHAT = [
    "what is this?",
    "what is that?",
    "what is it?",
    "what [thing|object] is this?",
    "name the [thing|object]",
    "name it",
    "[do you know|can you tell me] what this is?",
    "which [thing|object] [is this|do you see]?",
    "what am I [showing you|holding]?",
    "recognise this",
]
COLOUR = [
    "what colour is it?",
    "what colour is the {thing}?",
    "which colour does [it|the {thing}] have?",
    "what [color|colour] is [this|that|the {thing}]?",
    "the colour of [it|the {thing}]?",
    "tell me the colour",
    "is it {other}?",
]
SHAPE = [
    "which shape is it?",
    "what shape is [it|this|that]?",
    "what shape do you see?",
    "what kind of shape is [it|this]?",
    "name the shape",
    "is it a {other}?",
]
WHERE = [
    "where is it?",
    "where is the {thing}?",
    "where in the [picture|image] is [it|the {thing}]?",
    "in which [part|corner] of the [picture|image] is [it|the {thing}]?",
]
GROUND = [
    "what colour is the background?",
    "which colour does the background have?",
    "what is the background[ like|]?",
    "what is behind [it|the {thing}]?",
    "the [color|colour] of the background?",
]
COUNT = [
    "how many {things} are there?",
    "how many {things} do you see?",
    "how many {things}?",
    "count the {things}",
    "how many [things|objects] are [there|in the picture|shown]?",
    "how many are there?",
    "[please|can you] count [them|the {things}]",
    "what is the number of {things}?",
    "how many [things|objects] [do you see|can you see|can you count]?",
]
READ = [
    "what does it say?", "what is written [there|here]?", "read [it|this|the text|the word|the sign|the number]", "[please|can you] read [it|this|the text|that]", "read the text[ in the picture|]", "what does the [sign|text|picture|label] say?", "which [word|number|text] [is this|do you see|is written]?", "what [word|text|number] is it?", "what is the text?", "transcribe the text",
]  # fmt: skip
BESIDE = {
    "left": ["what is [to the left of|left of] {b}?", "what do you see [to the left of|left of] {b}?"],
    "right": ["what is [to the right of|right of] {b}?", "what do you see [to the right of|right of] {b}?"],
    "above": ["what is [above|over] {b}?", "what do you see [above|over] {b}?"],
    "below": ["what is [below|under] {b}?", "what do you see [below|under] {b}?"],
}
RELATION = [
    "where is {a}?",
    "where do you see {a}?",
    "where [is|lies|stands|do you see|can you see] {a} [from|relative to|compared with|in relation to|as seen from|with respect to] {b}?",
    "[relative to|compared with|seen from|in relation to|starting from] {b}, where [is|lies|do you see] {a}?",
    "[on which side|in which direction|in what direction|which way] of {b} is {a}?",
    "[on which side|in which direction|which way] from {b} [is|lies|do you find] {a}?",
    "[tell me|say|can you tell me|do you know] where {a} is [from|relative to|compared with|in relation to] {b}",
    "what is the [position|place|location] of {a} [relative to|compared with|seen from|in relation to] {b}?",
    "how [is|does] {a} [placed|lie|stand|lying] [relative to|compared with|in relation to] {b}?",
    "does {a} lie above, below, to the left or to the right of {b}?",
    "is {a} left, right, above or below [of|from|relative to|] {b}?",
]
IS_IT = [
    "is {a} {said} {b}?",
    "[does|can] {a} [lie|stand] {said} {b}?",
    "[do|can] you see {a} {said} {b}?",
    "{a} is {said} {b}, [right|correct|isn't it|true]?",
    "I think {a} is {said} {b}, is [that|it] [right|true|so]?",
    "is it [true|right] that {a} is {said} {b}?",
]
ARRANGED = [
    "[how|where] are the two [things|objects|shapes] [placed|arranged|lying]?",
    "what is where?",
]
FIND = ["where is the {thing}?", "where do you see the {thing}?", "find the {thing}", "in which part is the {thing}?"]
PRESENT = [
    "is there {thing}?",
    "do you see {thing}?",
    "can you see {thing}[ here| in the picture|]?",
    "is {thing} in the picture?",
]
COLOUR_OF = [
    "what colour is the {thing}?",
    "which colour does the {thing} have?",
    "what [color|colour] [does|has] the {thing}[ have|]?",
    "the colour of the {thing}?",
    "tell me the colour of the {thing}",
    "[do you know|say|can you tell me] what colour the {thing} [is|has]",
]
WHICH_IS = [
    "what is {colour}?",
    "which [thing|object|shape|one] is {colour}?",
    "what [shape|thing|object] is [the {colour} one|{colour}]?",
    "what is the {colour} [one|thing|object|shape]?",
    "[name|tell me] what is {colour}",
]
_WAYS: Final = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
_OPPOSITE: Final = {"left": "right", "right": "left", "above": "below", "below": "above"}
TITLE = [
    "what is the title[ of the window|]?",
    "which [window|program|app] is [open|this]?",
    "what is the window called?",
]
BUTTON = [
    "what does the button say?",
    "which button is there?",
    "what is [written|] on the button?",
    "what can I [press|click]?",
]
WINDOW_SEE = [*SEE, *DESCRIBE, "what is on [the|my] screen?", "explain this", "describe my screen", "read the screen"]


def _exchange(
    intent: str,
    patterns: list[str],
    answer: str,
    rng: random.Random,
    held_out: bool,
    literal: bool = False,
    **slots: str,
) -> Exchange:
    try:
        wording = pick(patterns, rng, held_out=held_out)
    except LookupError:
        wording = choose(rng.choice(patterns), rng)
    question = vary(fill(wording, slots), rng, literal=literal)
    return Exchange(intent, question, answer, "I look at the picture.", (answer,))


def zone(thing: Thing, scene: Scene) -> str:
    """Return in which ninth of the picture a thing is: ``at the top left``, ``in the middle``."""
    row = int(3 * thing.y / scene.height)
    column = int(3 * thing.x / scene.width)
    vertical, horizontal = ("top", "", "bottom")[min(row, 2)], ("left", "", "right")[min(column, 2)]
    if not vertical and not horizontal:
        return "in the middle"
    return f"at the {' '.join(part for part in (vertical, horizontal) if part)}"


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def relation(scene: Scene) -> str:
    """Return where the first of two things is from the second: ``left``, ``right``, ``above`` or ``below``."""
    first, second = scene.things
    dx, dy = first.x - second.x, first.y - second.y
    if abs(dx) > abs(dy):
        return "left" if dx < 0 else "right"
    return "above" if dy < 0 else "below"


def counted(scene: Scene) -> str:
    """Return the things of one kind with their number: ``four red stars``."""
    thing, count = scene.things[0], len(scene.things)
    if count == 1:
        return thing.phrase()
    name = emoji.plural(thing.name)
    return f"{NUMBERS[count]} {thing.colour} {name}" if thing.colour else f"{NUMBERS[count]} {name}"


def summary(scene: Scene) -> str:
    """Return what a scene shows, as the object of a sentence."""
    if scene.kind in ("one", "emoji"):
        return scene.things[0].phrase()
    if scene.kind == "two":
        first, second = scene.things
        return f"{first.phrase()} {_WAYS[relation(scene)]} {second.phrase()}"
    if scene.kind == "several":
        return counted(scene)
    if scene.kind == "text":
        return f'the text "{scene.text}"'
    if scene.kind == "window":
        return f'a window with the title "{scene.labels["title"]}" and the button "{scene.labels["button"]}"'
    if scene.kind == "static":
        return "nothing that I know"
    return f"nothing but a {scene.ground} background".replace("a orange", "an orange")


def see(scene: Scene, rng: random.Random, held_out: bool = False) -> Exchange:
    """What do you see?"""
    patterns = WINDOW_SEE if scene.kind == "window" else SEE
    return _exchange("see", patterns, f"I see {summary(scene)}.", rng, held_out)


def _describe(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    answer = _upper(summary(scene))
    if scene.kind in ("one", "emoji"):
        answer += f" {zone(scene.things[0], scene)}, on {emoji.article(scene.ground + ' background')}"
    elif scene.kind in ("two", "several", "text"):
        answer += f" on {emoji.article(scene.ground + ' background')}"
    return _exchange("describe", DESCRIBE, answer + ".", rng, held_out)


def what(scene: Scene, rng: random.Random, held_out: bool = False) -> Exchange:
    """What is this?"""
    return _exchange("what", WHAT, _upper(scene.things[0].phrase()) + ".", rng, held_out)


def _unknown(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    return _exchange("unknown", [*WHAT, *READ], f"I see {summary(scene)}.", rng, held_out)


def _colour(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    thing = scene.things[0]
    patterns, other = COLOUR[:-1], ""
    answer = f"It is {thing.colour}."
    if rng.random() < 0.2:
        patterns, other = COLOUR[-1:], thing.colour if rng.random() < 0.5 else rng.choice(drawing.NAMES)
        answer = f"Yes, it is {thing.colour}." if other == thing.colour else f"No, it is {thing.colour}."
    return _exchange("colour", patterns, answer, rng, held_out, thing=thing.name, other=other)


def _shape(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    thing = scene.things[0]
    patterns, other = SHAPE[:-1], ""
    answer = f"It is a {thing.name}."
    if rng.random() < 0.2:
        patterns, other = SHAPE[-1:], thing.name if rng.random() < 0.5 else rng.choice(drawing.SHAPES)
        answer = f"Yes, it is a {thing.name}." if other == thing.name else f"No, it is a {thing.name}."
    return _exchange("shape", patterns, answer, rng, held_out, other=other)


def _where(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    thing = scene.things[0]
    return _exchange("where", WHERE, f"It is {zone(thing, scene)}.", rng, held_out, thing=thing.name)


def _ground(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    thing = scene.things[0].name if scene.things else "text"
    return _exchange("ground", GROUND, f"The background is {scene.ground}.", rng, held_out, thing=thing)


def count(scene: Scene, rng: random.Random, held_out: bool = False) -> Exchange:
    """How many are there?"""
    number = len(scene.things)
    things = emoji.plural(scene.things[0].name)
    verb = "is" if number == 1 else "are"
    return _exchange(
        "count",
        COUNT,
        f"There {verb} {counted(scene) if number > 1 else 'one ' + scene.things[0].phrase().split(' ', 1)[-1]}.",
        rng,
        held_out,
        things=things,
    )


def read(scene: Scene, rng: random.Random, held_out: bool = False) -> Exchange:
    """What does it say?"""
    return _exchange("read", READ, scene.text, rng, held_out)


def where_from(scene: Scene, rng: random.Random, held_out: bool = False) -> Exchange:
    """Where is the one from the other? The answer says it in full."""
    way, (first, second) = relation(scene), scene.things
    if rng.random() < 0.5:
        first, second, way = second, first, _OPPOSITE[way]
    answer = f"{_upper(first.definite())} is {_WAYS[way]} {second.definite()}."
    return _exchange("relation", RELATION, answer, rng, held_out, a=first.definite(), b=second.definite())


def relate(scene: Scene, rng: random.Random, held_out: bool = False) -> Exchange:
    """Where is the one from the other, what is beside the other, is it there, or where are both?"""
    roll = rng.random()
    if roll < 0.34:
        return where_from(scene, rng, held_out)
    way, (first, second) = relation(scene), scene.things
    if roll < 0.42:
        answer = f"{_upper(first.definite())} is {_WAYS[way]} {second.definite()}."
        return _exchange("relation", ARRANGED, answer, rng, held_out)
    if rng.random() < 0.5:
        first, second, way = second, first, _OPPOSITE[way]
    if roll < 0.77:
        return _exchange("beside", BESIDE[way], _upper(first.phrase()) + ".", rng, held_out, b=second.definite())
    said = way
    if roll < 0.885:
        said = _OPPOSITE[way] if rng.random() < 0.5 else rng.choice([other for other in _WAYS if other != way])
    # what is so comes first: to say yes or no at once, the model would have to know before it looked
    verdict = "yes" if said == way else "no"
    answer = f"{_upper(first.definite())} is {_WAYS[way]} {second.definite()}, so {verdict}."
    return _exchange(
        "relation", IS_IT, answer, rng, held_out, a=first.definite(), b=second.definite(), said=_WAYS[said]
    )


def tell_apart(scene: Scene, rng: random.Random, held_out: bool = False) -> Exchange:
    """What colour is one of two things, or which of them has a colour? What both share is not asked.

    These answers, like those of :func:`relate`, need the soft tokens of the thing that the question names, and not of
    just any; they are learned far sooner, and the others after them.
    """
    thing, other = rng.sample(scene.things, 2)
    by_name, by_colour = thing.name != other.name, thing.colour != other.colour
    if not thing.colour or not (by_name or by_colour):
        return relate(scene, rng, held_out)
    answer = f"The {thing.name} is {thing.colour}."
    if by_name and (rng.random() < 0.5 or not by_colour):
        return _exchange("colour", COLOUR_OF, answer, rng, held_out, thing=thing.name)
    return _exchange("shape", WHICH_IS, answer, rng, held_out, colour=thing.colour)


def _find(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    things = _single(scene)
    if not things:
        return _ground(scene, rng, held_out)
    thing = rng.choice(things)
    return _exchange("where", FIND, f"It is {zone(thing, scene)}.", rng, held_out, thing=thing.definite()[4:])


def _present(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    phrases = {thing.phrase() for thing in scene.things}
    if phrases and rng.random() < 0.55:
        phrase = rng.choice(sorted(phrases))
    else:
        phrase = emoji.article(rng.choice((*emoji.NAMES, *drawing.SHAPES)))
    known = phrases | {emoji.article(thing.name) for thing in scene.things}
    answer = f"Yes, I see {phrase}." if phrase in known else f"No, I do not see {phrase}."
    return _exchange("present", PRESENT, answer, rng, held_out, thing=phrase)


def _single(scene: Scene) -> list[Thing]:
    names = [thing.phrase() for thing in scene.things]
    return [thing for thing in scene.things if names.count(thing.phrase()) == 1]


def _title(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    return _exchange("title", TITLE, f'The title is "{scene.labels["title"]}".', rng, held_out)


def _button(scene: Scene, rng: random.Random, held_out: bool) -> Exchange:
    return _exchange("button", BUTTON, f'The button says "{scene.labels["button"]}".', rng, held_out)


Question = Callable[[Scene, random.Random, bool], Exchange]
QUESTIONS: Final[dict[str, tuple[Question, ...]]] = {
    "one": (see, _describe, what, _colour, _shape, _where, _ground, count),
    "emoji": (see, what, what, _describe, _where, count, _ground),
    "two": (see, relate, relate, relate, tell_apart, tell_apart, tell_apart, _describe, _ground),
    "several": (count, count, see, _describe, _ground),
    "text": (read, read, see, _describe, _ground),
    "crowd": (_find, _find, _present, _ground),
    "window": (see, _title, _button),
    "nothing": (see, _describe, _ground),
    "static": (see, _describe, _unknown),
}
"""By the kind of scene."""


def ask(scene: Scene, rng: random.Random, number: int) -> list[Exchange]:
    """Return some different questions about a scene, in wordings for training."""
    kinds = list(dict.fromkeys(QUESTIONS[scene.kind]))
    chosen: list[Question] = []
    while len(chosen) < min(number, len(kinds)):
        question = rng.choice(QUESTIONS[scene.kind])
        if question not in chosen:
            chosen.append(question)
    return [question(scene, rng, False) for question in chosen]
