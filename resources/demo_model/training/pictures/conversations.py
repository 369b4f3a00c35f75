"""Conversations about pictures and short videos, encoded with their soft tokens."""

from __future__ import annotations

import random
import re
from functools import partial
from typing import Any

from tokenizers import Tokenizer

from ..conversations import lesson
from ..exchange import Exchange
from ..rendering import learned, render
from ..samples import Sample
from ..topics import system_prompts
from ..wordings import choose
from . import scenes
from .questions import ask, see, summary, where_from
from .scenes import Scene, canvas
from .targets import CELL

MAKERS = (
    (partial(scenes.one_thing, emoji_share=0.0), 3.5),
    (partial(scenes.one_thing, emoji_share=1.0), 3.0),
    (partial(scenes.two_things, emoji_share=0.02), 4.5),
    (partial(scenes.several, emoji_share=0.02), 3.0),
    (scenes.sign, 0.1),
    (scenes.window, 0.05),
    (scenes.crowd, 0.2),
    (scenes.nothing, 0.1),
)
KINDS, KIND_WEIGHTS = zip(*MAKERS, strict=True)
ONLY = {
    "shapes": partial(scenes.one_thing, emoji_share=0.0),
    "emojis": partial(scenes.one_thing, emoji_share=1.0),
    "relations": scenes.two_things,
    "counts": scenes.several,
    "signs": scenes.sign,
    "static": scenes.static,
    "sides": scenes.two_things,
}
"""What scenes of one kind are drawn by."""
WIDE = ((2, 5), (2, 6), (2, 8), (3, 5), (3, 7), (3, 8), (4, 6), (4, 4))
SMALL = ((4, 4), (3, 5), (5, 3), (4, 5), (5, 4), (2, 8))
"""Rows and columns of soft tokens; those for signs are wide."""
BUDGETS, BUDGET_WEIGHTS = (70, 140, 280), (0.93, 0.06, 0.01)


def scene(rng: random.Random, small: bool = False, kind: str = "") -> Scene:
    """Return a scene at some size; ``small`` is a quarter of what the engine would show, and faster.

    ``kind`` is one of :data:`ONLY`, or empty for all of them in their shares.
    """
    rows, columns = rng.choice(WIDE if kind == "signs" else SMALL)
    size = (rows * CELL, columns * CELL) if small else canvas(rng, rng.choices(BUDGETS, BUDGET_WEIGHTS)[0])
    make = ONLY[kind] if kind else rng.choices(KINDS, KIND_WEIGHTS)[0]
    made: Scene = make(rng, *size)
    return made


def picture_sample(rng: random.Random, tokenizer: Tokenizer, small: bool = False, kind: str = "") -> Sample:
    """Return a conversation about a picture, now and then with something else before or after it."""
    shown = scene(rng, small, kind)
    if kind == "sides":
        return encode([where_from(shown, rng)], [shown], rng, tokenizer)
    exchanges = ask(shown, rng, rng.choices((1, 2, 3), (6, 3, 1))[0])
    before = list(lesson(rng).exchanges) if rng.random() < 0.06 else []
    after = list(lesson(rng).exchanges) if rng.random() < 0.08 else []
    return encode(exchanges, [shown], rng, tokenizer, before=before, after=after)


def video_sample(rng: random.Random, tokenizer: Tokenizer) -> Sample:
    """Return a question about a few frames; the scene changes once, or not at all."""
    size = canvas(rng, 70)
    makers = (scenes.one_thing, partial(scenes.one_thing, emoji_share=1.0), scenes.several)
    first, then = (rng.choice(makers)(rng, *size) for _ in range(2))
    number = rng.randint(2, 4)
    change = rng.randint(1, number)
    frames = [first if index < change else then for index in range(number)]
    start, pace = 0, rng.choice((1, 1, 1, 2))
    if change < number and summary(first) != summary(then):
        seconds = start + change * pace
        answers = (
            (["what [happens|do you see][ in the video|]?", "describe the video", "what changes?"],
             f"First {summary(first)}, then {summary(then)} from 00:{seconds:02d}."),
            (["when does [it|the scene|something] change?", "at what time does it change?"], f"At 00:{seconds:02d}."),
            (["what do you see [now|at the end|last]?", "what is [there now|at the end]?"], f"I see {summary(then)}."),
        )  # fmt: skip
        patterns, answer = rng.choice(answers)
        question = choose(rng.choice(patterns), rng)
        exchange = Exchange("video", question, answer, "I look at the frames.", (answer,))
    else:
        frames = [first] * number
        exchange = see(first, rng)
    return encode([exchange], frames, rng, tokenizer, pace=pace)


def encode(
    exchanges: list[Exchange],
    shown: list[Scene],
    rng: random.Random,
    tokenizer: Tokenizer,
    *,
    before: list[Exchange] | None = None,
    after: list[Exchange] | None = None,
    pace: int = 0,
) -> Sample:
    """Render and encode a conversation whose first question comes with a picture, or with a video's frames.

    Args:
        exchanges: what is asked about the scenes.
        shown: one picture, or the frames of a video.
        rng: chooses whether there is a system prompt.
        tokenizer: the model's.
        before: what is said before the picture comes.
        after: what is said afterwards.
        pace: seconds between the frames of a video; 0 for a picture.
    """
    system = choose(rng.choice(system_prompts.NEUTRAL), rng) if rng.random() < 0.08 else ""
    messages: list[dict[str, Any]] = [{"role": "system", "content": system}] if system else []
    kind = "video" if pace else "image"
    for index, exchange in enumerate([*(before or []), *exchanges, *(after or [])]):
        content: Any = exchange.question
        if index == len(before or []):
            content = [{"type": kind}, {"type": "text", "text": exchange.question}]
        messages += [{"role": "user", "content": content}, {"role": "assistant", "content": exchange.answer}]
    ids = encode_text(render(messages), shown[0].text, tokenizer)
    ids = expand(ids, shown, tokenizer, pace)
    return Sample(ids, learned(ids, tokenizer.token_to_id("model"), last_only=False), tuple(shown))


def encode_text(text: str, read: str, tokenizer: Tokenizer) -> list[int]:
    """Return the ids of a text; what is ``read`` in answers is spelt, a token for each character.

    Soft tokens show characters, so that reading is copying; which pieces a word would usually fall into need not be
    known for it.
    """
    if not read:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)
    answers = rf'((?<=<\|turn>model\n){re.escape(read)}(?=<turn\|>)|(?<=the text "){re.escape(read)}(?="))'
    ids: list[int] = []
    for index, part in enumerate(re.split(answers, text)):
        for piece in part if index % 2 else [part]:
            ids += tokenizer.encode(piece, add_special_tokens=False).ids
    return ids


def expand(ids: list[int], shown: list[Scene], tokenizer: Tokenizer, pace: int = 0) -> list[int]:
    """Replace the placeholder by what the engine puts there: soft tokens between begin and end, times before frames."""
    placeholder = tokenizer.token_to_id("<|video|>" if pace else "<|image|>")
    begin, end = tokenizer.token_to_id("<|image>"), tokenizer.token_to_id("<image|>")
    run: list[int] = []
    for index, one in enumerate(shown):
        if pace:
            seconds = index * pace
            stamp = f"{' ' if index else ''}{seconds // 60:02d}:{seconds % 60:02d} "
            run += tokenizer.encode(stamp, add_special_tokens=False).ids
        run += [begin, *[placeholder] * (one.height * one.width // CELL**2), end]
    at = ids.index(placeholder)
    return ids[:at] + run + ids[at + 1 :]
