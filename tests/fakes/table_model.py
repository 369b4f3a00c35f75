"""A language model that is a table: the next token's logits depend on the last two tokens only."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from inference.cancellation import CancelToken
from inference.graphs.drafter import Draft
from inference.prompt import Prompt

Guess = Callable[["TableModel", Sequence[int], int], tuple[int, float]]
"""From the model, the text and the place in the round to a token and its probability."""

_STATE = np.zeros((1, 1, 1), np.float32)


class TableModel:
    """Knows its own cache, counts its runs, and checks that nobody asks for what a real model could not do."""

    def __init__(
        self, vocab_size: int = 8, seed: int = 0, guess: Guess | None = None, context_length: int = 4096
    ) -> None:
        draw = np.random.default_rng(seed)
        self.table = draw.normal(0, 1.5, (vocab_size, vocab_size, vocab_size)).astype(np.float32)
        self.vocab_size = vocab_size
        self.context_length = context_length
        self.cached_tokens: tuple[int, ...] = ()
        self.guess = guess
        self.row_counts: list[int] = []
        self.during_run: Callable[[], None] = lambda: None
        self._drafted: list[int] = []
        self.most_rows = 1000

    @property
    def has_drafter(self) -> bool:
        return self.guess is not None

    @property
    def logits(self) -> np.ndarray:
        return self.after(self.cached_tokens)

    def after(self, tokens: Sequence[int]) -> np.ndarray:
        return self.table[tokens[-2] if len(tokens) > 1 else 0, tokens[-1]]

    def prefill(self, prompt: Prompt | Sequence[int], cancel: CancelToken) -> Iterator[int]:
        ids = prompt.reuse_ids if isinstance(prompt, Prompt) else tuple(prompt)
        pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(self.cached_tokens, ids[:-1], strict=False))
        common = sum(1 for _ in pairs)
        self.cached_tokens = tuple(ids[:common])
        yield common
        if not cancel.cancelled:
            self.cached_tokens = tuple(ids)
            yield len(ids)

    def step(self, token: int, cancel: CancelToken) -> np.ndarray | None:
        rows = self.verify([token], cancel)
        return None if rows is None else rows[0]

    def verify(self, tokens: Sequence[int], cancel: CancelToken) -> np.ndarray | None:
        assert tokens
        assert len(self.cached_tokens) + len(tokens) <= self.context_length, "the context is full"
        self._drafted = []
        self.during_run()
        if cancel.cancelled:
            return None
        self.row_counts.append(len(tokens))
        before = self.cached_tokens
        self.cached_tokens += tuple(tokens)
        return np.stack([self.after((*before, *tokens[: end + 1])) for end in range(len(tokens))])

    def roll_back(self, length: int) -> None:
        assert 0 < length <= len(self.cached_tokens)
        self.cached_tokens = self.cached_tokens[:length]

    def draft(
        self,
        token: int,
        state: np.ndarray | None,
        cancel: CancelToken,
        permits: Callable[[int], bool] | None = None,
    ) -> Draft | None:
        if cancel.cancelled:
            return None
        assert self.guess is not None
        assert (state is None) == (not self._drafted), "a round begins without a state"
        text = (*self.cached_tokens, *self._drafted, token)
        guess, probability = self.guess(self, text, len(self._drafted))
        if permits is not None and not permits(guess):
            guess = next((each for each in range(self.vocab_size) if permits(each)), guess)
        self._drafted.append(token)
        return Draft(guess, probability, _STATE)


def right(model: TableModel, text: Sequence[int], _place: int) -> tuple[int, float]:
    """What greedy decoding takes."""
    return int(model.after(text).argmax()), 0.9


def wrong(model: TableModel, text: Sequence[int], _place: int) -> tuple[int, float]:
    """What it never takes, with great confidence."""
    return int(model.after(text).argmin()), 0.99


def at_random(seed: int = 0) -> Guess:
    """Anything, with any confidence."""
    draw = random.Random(seed)
    return lambda model, _text, _place: (draw.randrange(model.vocab_size), draw.random())


def sometimes(share: float, seed: int = 0) -> Guess:
    """What greedy decoding takes, in a share of the cases."""
    draw = random.Random(seed)
    return lambda model, text, place: (right if draw.random() < share else wrong)(model, text, place)
