"""What becomes of a conversation that has grown longer than the context: the oldest exchanges go.

The rule. System turns and the last exchange, from the last user turn on, always stay. Of the others the oldest are left
out, whole exchanges with their media, until a multiple of a quarter of the context is gone: then the conversation can
go on for a while before anything changes again, and what the KV cache holds stays of use in between. The rule looks at
nothing but the conversation, so that the same turns always lead to the same prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from inference.messages import Turn
from inference.prompt import Prompt

_STEPS: Final = 4
"""The context is emptied by this fraction of it at a time."""
_LONGEST_ANSWER: Final = 1024
_ANSWERS: Final = 8
"""The room that is left for an answer: so many tokens, or this fraction of the context where that is less."""


def fit_into_context(
    turns: Sequence[Turn], build: Callable[[Sequence[Turn]], Prompt], context_length: int, max_tokens: int | None
) -> tuple[Prompt, int]:
    """Return the prompt of the turns that fit, and how many turns were left out.

    Where even the last exchange is too long, the prompt is longer than the context.

    Args:
        turns: the conversation.
        build: makes the prompt of some of them.
        context_length: of the model.
        max_tokens: limit of the answer, if there is one.
    """
    prompt = build(turns)
    room = min(_LONGEST_ANSWER, context_length // _ANSWERS, max_tokens or _LONGEST_ANSWER)
    surplus = len(prompt) + room - context_length
    cuts = _cuts(turns)
    if surplus <= 0 or not cuts:
        return prompt, 0
    step = max(1, context_length // _STEPS)
    longest = len(prompt) - -(-surplus // step) * step
    low, high = 0, len(cuts) - 1
    prompts: dict[int, Prompt] = {}
    while low < high:
        middle = (low + high) // 2
        prompts[middle] = build(without(turns, cuts[middle]))
        if len(prompts[middle]) <= longest:
            high = middle
        else:
            low = middle + 1
    return prompts.get(low) or build(without(turns, cuts[low])), cuts[low]


def without(turns: Sequence[Turn], dropped: int) -> list[Turn]:
    """Return the turns less the ``dropped`` oldest that are no system turns at the beginning."""
    head = _head(turns)
    return [*turns[:head], *turns[head + dropped :]]


def _cuts(turns: Sequence[Turn]) -> list[int]:
    """Return how many turns may go: the lengths of the oldest exchange, the two oldest, …"""
    head = _head(turns)
    starts = [index for index in range(head, len(turns)) if turns[index].role == "user"]
    return [start - head for start in starts if start > head]


def _head(turns: Sequence[Turn]) -> int:
    return next((index for index, turn in enumerate(turns) if turn.role != "system"), len(turns))
