"""Conversations as token ids, by the canonical Gemma 4 chat template, with the mask of the tokens to learn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from .conversations import Conversation
from .special_tokens import (
    CHAT_TEMPLATE_BOS,
    END_OF_TOOL_RESPONSE,
    END_OF_TURN,
    MODEL_TURN_LENGTH,
    START_OF_TOOL_RESPONSE,
    START_OF_TURN,
)

TEMPLATE_PATH = Path(__file__).parent / "chat_template.jinja"

LESSON_TOKENS = 11
"""Enough for every two set sentences to differ."""


@cache
def _template() -> Template:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE_PATH.read_text(encoding="utf-8"))


def render(
    messages: list[dict[str, Any]],
    *,
    thinking: bool = False,
    generation_prompt: bool = False,
    tools: Sequence[dict[str, Any]] = (),
) -> str:
    """Return ``messages`` as text, as transformers' ``apply_chat_template`` would."""
    return _template().render(
        messages=messages,
        bos_token=CHAT_TEMPLATE_BOS,
        enable_thinking=thinking,
        add_generation_prompt=generation_prompt,
        tools=list(tools) or None,
    )


def encode(conversation: Conversation, tokenizer: Tokenizer) -> tuple[list[int], list[bool]]:
    """Return the token ids of a conversation, and for each whether the model is to learn to say it.

    The model's own tokens are learned, with the ``<turn|>`` that ends them. With thinking on only the last answer is:
    the template drops older thoughts, so older answers follow without one, which must not be learned.
    """
    text = render(conversation.messages(), thinking=conversation.thinking, tools=conversation.tools)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    return ids, learned(ids, tokenizer.token_to_id("model"), last_only=conversation.thinking)


def encode_lesson(conversation: Conversation, tokenizer: Tokenizer) -> tuple[list[int], list[bool]]:
    """Return the same as :func:`encode`, but a set sentence as the last answer breaks off after its first words.

    What follows them is learned within minutes, so that all further repetitions would only cost time.
    """
    ids, mask = encode(conversation, tokenizer)
    if conversation.exchanges[-1].fixed and not conversation.thinking:
        start = len(ids) - ids[::-1].index(START_OF_TURN) - 1 + MODEL_TURN_LENGTH
        ids, mask = ids[: start + LESSON_TOKENS], mask[: start + LESSON_TOKENS]
    return ids, mask


def learned(ids: list[int], model_role: int, *, last_only: bool) -> list[bool]:
    """Return for each of ``ids`` whether it belongs to a model turn (the last one only, if asked)."""
    spans: list[tuple[int, int]] = []
    for start, token in enumerate(ids):
        if token == START_OF_TURN and ids[start + 1] == model_role:
            first = start + MODEL_TURN_LENGTH
            spans.append((first, ids.index(END_OF_TURN, first) + 1))
    mask = [False] * len(ids)
    for first, end in spans[-1:] if last_only else spans:
        mask[first:end] = [True] * (end - first)
        answering = False  # what a tool returned is not the model's to say, but that it waits for it is
        for at in range(first, end):
            mask[at] = not answering
            if ids[at] == START_OF_TOOL_RESPONSE:
                answering = True
            elif ids[at] == END_OF_TOOL_RESPONSE:
                answering = False
    return mask
