"""The sources that a stage of training mixes, by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from .conversations import Conversation, about_the_app, conversation, drill, lesson, styled, sum_, with_tools
from .pictures.conversations import ONLY, picture_sample, video_sample
from .rendering import encode, encode_lesson
from .samples import Sample, Source

if TYPE_CHECKING:
    from .audio.examples import Clips

DIGITS = 0.4
"""Share of the sounds to be written down in which people say digits."""
QUESTIONS = 0.2
"""Share of the sounds that are spoken questions, to be answered."""
LEFT_OUT = "jackson"
"""The speaker whom no training hears, so that the evaluation can tell what a new voice makes of it."""


def _text(
    rng: random.Random,
    tokenizer: Tokenizer,
    make: Callable[[random.Random], Conversation],
    most: int,
    encode_one: Callable[[Conversation, Tokenizer], tuple[list[int], list[bool]]] = encode,
) -> Sample:
    while True:
        ids, learned = encode_one(make(rng), tokenizer)
        if len(ids) <= most:
            return Sample(ids, learned)


def _sounds(tokenizer: Tokenizer, digits: float, questions: float) -> Source:
    from .audio.examples import source

    return source(tokenizer, clips=_clips(), digits=digits, questions=questions)


@cache
def _clips() -> Clips:
    from .audio.examples import Clips

    return Clips(leave_out=LEFT_OUT)


def sources(mix: str, tokenizer: Tokenizer) -> list[tuple[Source, float]]:
    """Return the sources that ``mix`` names (``text=2,drills=1``), each with its share of the samples."""
    makers: dict[str, Callable[[], Source]] = {
        "text": lambda: partial(_text, tokenizer=tokenizer, make=conversation, most=1024),
        "beginnings": lambda: partial(_text, tokenizer=tokenizer, make=lesson, most=512, encode_one=encode_lesson),
        "lessons": lambda: partial(_text, tokenizer=tokenizer, make=lesson, most=512),
        "styled": lambda: partial(_text, tokenizer=tokenizer, make=styled, most=512),
        "tools": lambda: partial(_text, tokenizer=tokenizer, make=with_tools, most=768),
        "pictures": lambda: partial(picture_sample, tokenizer=tokenizer),
        "sketches": lambda: partial(picture_sample, tokenizer=tokenizer, small=True),
        "sounds": lambda: _sounds(tokenizer, DIGITS, QUESTIONS),
        "commands": lambda: _sounds(tokenizer, 0.0, 0.0),
        "digits": lambda: _sounds(tokenizer, 1.0, 0.0),
        "questions": lambda: _sounds(tokenizer, 0.0, 1.0),
        "videos": lambda: partial(video_sample, tokenizer=tokenizer),
        "drills": lambda: partial(_text, tokenizer=tokenizer, make=drill, most=512),
        "help": lambda: partial(_text, tokenizer=tokenizer, make=about_the_app, most=512),
        "sums": lambda: partial(_text, tokenizer=tokenizer, make=sum_, most=512),
    }
    for kind in ONLY:
        makers[kind] = partial(partial, picture_sample, tokenizer=tokenizer, kind=kind)
        makers[f"small {kind}"] = partial(partial, picture_sample, tokenizer=tokenizer, kind=kind, small=True)
    found = []
    for part in mix.split(","):
        name, _, share = part.partition("=")
        found.append((makers[name](), float(share or 1)))
    return found
