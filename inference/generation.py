"""The generation loop: tokens in, tokens out. It knows nothing of text."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import ContextFullError
from inference.messages import FinishReason, Prefill
from inference.prompt import Prompt


class LanguageModelLike(Protocol):
    """What the loop needs of :class:`inference.language_model.LanguageModel`, where each member is described."""

    @property
    def context_length(self) -> int:
        """How many tokens the KV cache can hold."""

    @property
    def logits(self) -> NDArray[np.float32]:
        """Logits after the last cached token, float32 of shape [vocab_size]."""

    def prefill(self, prompt: Prompt | Sequence[int], cancel: CancelToken) -> Iterator[int]:
        """Bring the KV cache to exactly ``prompt``; yields the number of tokens done, the reused ones first."""

    def step(self, token: int, cancel: CancelToken) -> NDArray[np.float32] | None:
        """Append one token and return the logits after it, or ``None`` when cancelled."""


class SamplerLike(Protocol):
    """Anything that draws a token."""

    def sample(self, logits: Any) -> int:
        """Draw a token from logits, float32 of shape [vocab_size]."""


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token."""

    id: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event: why generation ended. A stop token was yielded as :class:`Token` before."""

    reason: FinishReason


GenerationEvent = Prefill | Token | Finished


def generate_tokens(
    model: LanguageModelLike,
    prompt: Prompt | Sequence[int],
    sampler: SamplerLike,
    stop_ids: Collection[int],
    max_tokens: int | None,
    cancel: CancelToken,
) -> Generator[GenerationEvent]:
    """Read a prompt and generate until a stop token, ``max_tokens``, the end of the context or a cancellation.

    Yields :class:`Prefill` as the prompt is read (the first one tells how many tokens the KV cache held already),
    then each :class:`Token` before the next one is computed, and last one :class:`Finished`. Closing the iterator at
    any point leaves the KV cache as consistent as a cancellation does. Raises :class:`ContextFullError` before any
    work when the context has no room for the prompt and one token more.
    """
    total = len(prompt)
    if not total:
        raise ValueError("the prompt is empty")
    if total >= model.context_length:
        raise ContextFullError(
            f"The conversation is too long: it has {total:,} tokens, and this model's context holds "
            f"{model.context_length:,}. Start a new conversation, or remove long messages or attachments."
        )
    cached = 0
    for cached in model.prefill(prompt, cancel):
        yield Prefill(cached, total)
    if cached < total or cancel.cancelled:
        yield Finished("cancelled")
        return
    logits: NDArray[np.float32] | None = model.logits
    generated = 0
    while logits is not None and (max_tokens is None or generated < max_tokens):
        token = sampler.sample(logits)
        generated += 1
        yield Token(token)
        if token in stop_ids:
            yield Finished("stop")
            return
        if cancel.cancelled:
            yield Finished("cancelled")
            return
        if cached == model.context_length:
            yield Finished("context")
            return
        if generated == max_tokens:
            break
        logits = model.step(token, cancel)
        cached += 1
    yield Finished("cancelled" if logits is None else "length")
