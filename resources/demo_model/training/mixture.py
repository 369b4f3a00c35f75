"""The sources that a stage of training mixes, by name."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from tokenizers import Tokenizer

from .conversations import Conversation, conversation, drill, lesson, styled, with_tools
from .pictures.conversations import picture_sample, video_sample
from .rendering import encode, encode_lesson
from .samples import Sample, Source

PEOPLE = 0.8
"""Share of the sounds in which people say digits."""
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


def _sounds(tokenizer: Tokenizer) -> Source:
    from .audio.examples import Clips, source

    return source(tokenizer, clips=Clips(people=PEOPLE, leave_out=LEFT_OUT), questions=0.1)


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
        "sounds": lambda: _sounds(tokenizer),
        "videos": lambda: partial(video_sample, tokenizer=tokenizer),
        "drills": lambda: partial(_text, tokenizer=tokenizer, make=drill, most=512),
    }
    found = []
    for part in mix.split(","):
        name, _, share = part.partition("=")
        found.append((makers[name](), float(share or 1)))
    return found
