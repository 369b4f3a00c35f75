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

    def roll_back(self, length: int) -> None:
        """Forget all but the first ``length`` cached tokens; only needed with speculation."""


class SamplerLike(Protocol):
    """Anything that draws a token, as :class:`inference.sampling.Sampler` does, where each member is described."""

    def sample(self, logits: Any) -> int:
        """Draw a token from logits, float32 of shape [vocab_size]; called once for each token of the reply."""

    def allowed_prefix(self, tokens: Sequence[int]) -> int:
        """Return how many leading tokens could be drawn next."""

    def forced(self) -> Sequence[int]:
        """Return the tokens that must come next."""


class SpeculationLike(Protocol):
    """What the loop needs of :class:`inference.speculation.Speculation`, where each member is described."""

    def drafts(self, new: Sequence[int], room: int, sampler: Any, cancel: CancelToken) -> list[int]:
        """Guess what follows the last of the tokens drawn since the last call."""

    def run(self, tokens: Sequence[int], cancel: CancelToken) -> NDArray[np.float32] | None:
        """Append tokens to the KV cache; return the logits after each, or ``None`` when cancelled."""

    def verified(self, accepted: int) -> None:
        """Learn how many of the last guesses were right."""

    def finish(self) -> None:
        """End the reply."""


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token."""

    id: int


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event: why generation ended. A stop token was yielded as :class:`Token` before."""

    reason: FinishReason


@dataclass(slots=True)
class DecodeCounts:
    """What generating has taken so far."""

    runs: int = 0
    """Of the model, after the prompt was read."""
    drafted: int = 0
    """Tokens that were guessed and verified."""
    accepted: int = 0
    """Guesses that became tokens of the reply."""


GenerationEvent = Prefill | Token | Finished


def generate_tokens(
    model: LanguageModelLike,
    prompt: Prompt | Sequence[int],
    sampler: SamplerLike,
    stop_ids: Collection[int],
    max_tokens: int | None,
    cancel: CancelToken,
    speculation: SpeculationLike | None = None,
    counts: DecodeCounts | None = None,
) -> Generator[GenerationEvent]:
    """Read a prompt and generate until a stop token, ``max_tokens``, the end of the context or a cancellation.

    Yields :class:`Prefill` as the prompt is read (the first one tells how many tokens the KV cache held already),
    then each :class:`Token` before the next one is computed, and last one :class:`Finished`. Closing the iterator at
    any point leaves the KV cache as consistent as a cancellation does: it holds what precedes the last token yielded.

    With ``speculation`` several tokens may come out of one run of the model; which tokens, and what the KV cache holds
    at each of them, is the same. ``counts``, where given, is kept up to date. Raises :class:`ContextFullError` before
    any work when the context has no room for the prompt and one token more.
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
    yield from _decode(model, total, sampler, stop_ids, max_tokens, cancel, speculation, counts or DecodeCounts())


def _decode(
    model: LanguageModelLike,
    total: int,
    sampler: SamplerLike,
    stop_ids: Collection[int],
    max_tokens: int | None,
    cancel: CancelToken,
    speculation: SpeculationLike | None,
    counts: DecodeCounts,
) -> Iterator[GenerationEvent]:
    """Generate after a prompt of ``total`` tokens: draft, verify, accept."""
    limit = model.context_length - total + 1
    limit = limit if max_tokens is None else min(limit, max_tokens)
    generated = 0
    rows: Sequence[NDArray[np.float32]] | NDArray[np.float32] | None = (model.logits,)
    drafts: list[int] = []
    kept = cached = total
    """Tokens in the KV cache that precede the last one drawn; and all that are in it."""

    try:
        while rows is not None and generated < limit:
            new: list[int] = []
            for place, row in enumerate(rows):
                kept = cached - len(drafts) + place
                token = sampler.sample(row)
                new.append(token)
                generated += 1
                right = place < len(drafts) and token == drafts[place]
                counts.accepted += right
                yield Token(token)
                if token in stop_ids:
                    yield Finished("stop")
                    return
                if cancel.cancelled:
                    yield Finished("cancelled")
                    return
                if kept == model.context_length:
                    yield Finished("context")
                    return
                if generated == limit:
                    yield Finished("length")
                    return
                if not right:
                    break
            if cached > kept:
                model.roll_back(kept)
                cached = kept
            if speculation is None:
                logits = model.step(new[-1], cancel)
                rows = None if logits is None else (logits,)
            else:
                if counts.runs:
                    speculation.verified(len(new) - 1)
                drafts = speculation.drafts(new, limit - generated - 1, sampler, cancel)
                rows = speculation.run((new[-1], *drafts), cancel)
            if rows is not None:
                counts.runs += 1
                counts.drafted += len(drafts)
                cached += 1 + len(drafts)
        yield Finished("cancelled" if rows is None else "length")
    finally:
        if cached > kept:
            model.roll_back(kept)
        if speculation is not None:
            speculation.finish()
