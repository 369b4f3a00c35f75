"""From logits to the next token."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.errors import RuntimeSetupError

Logits = NDArray[np.float32]
TokenIds = NDArray[np.int64]
Probabilities = NDArray[np.float64]
LogitMask = Callable[[Logits], Logits]
"""A hook of one's own: it gets float32 logits of shape [vocab_size], which it must not change, and returns logits of
the same shape and dtype, minus infinity for tokens that may not be drawn. It sees each row once, before suppression
and the constraint, in the order of the reply."""

_FIRST_NUCLEUS = 256
"""How many of the likeliest tokens are tried first for top-p, and how much wider each further try is."""
_WIDER = 16
_SMALLEST = float(np.finfo(np.float32).tiny)


class TokenConstraint(Protocol):
    """What may be drawn next, as a grammar says; it moves on with every token that was drawn."""

    def mask(self, logits: Logits) -> Logits:
        """Return the logits with minus infinity for every token that may not come next.

        ``logits`` is float32 of shape [vocab_size] and stays unchanged; it is returned itself where all may come.
        """

    def accept(self, token: int) -> None:
        """Move on by a token that :meth:`mask` left."""

    def allowed_prefix(self, tokens: Sequence[int]) -> int:
        """Return how many leading ``tokens`` may come next, one after the other; nothing moves on."""

    def forced(self) -> tuple[int, ...]:
        """Return the tokens that must come next because there is no other choice; nothing moves on."""


class Sampler:
    """Draws tokens as transformers does: suppress, temperature, top-k, top-p, min-p, softmax, draw, in this order.

    ``temperature`` 0 always takes the likeliest token; ``top_k`` 0, ``top_p`` 1 and ``min_p`` 0 are no limits. Equal
    seeds give equal draws; ``seed`` ``None`` takes a fresh one. ``suppress_tokens`` are never drawn, whatever the
    temperature; neither is what ``constraint`` and ``logit_mask`` exclude. Raises :class:`ValueError` for parameters
    out of range.
    """

    def __init__(
        self,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        seed: int | None = None,
        suppress_tokens: Iterable[int] = (),
        *,
        min_p: float = 0.0,
        constraint: TokenConstraint | None = None,
        logit_mask: LogitMask | None = None,
    ) -> None:
        if not (temperature >= 0 and math.isfinite(temperature)):
            raise ValueError(f"temperature must be 0 or more, not {temperature}")
        if top_k < 0:
            raise ValueError(f"top_k must be 0 or more, not {top_k}")
        if not 0 <= top_p <= 1:
            raise ValueError(f"top_p must lie between 0 and 1, not {top_p}")
        if not 0 <= min_p <= 1:
            raise ValueError(f"min_p must lie between 0 and 1, not {min_p}")
        self._temperature = temperature
        self._top_k = top_k
        self._top_p = top_p
        self._min_p = min_p
        self.constraint = constraint
        """What the reply is held to, at the place where the next token goes."""
        self._logit_mask = logit_mask
        self._suppressed = np.array(sorted(set(suppress_tokens)), dtype=np.int64)
        if self._suppressed.size and self._suppressed[0] < 0:
            raise ValueError("suppress_tokens must be token ids")
        self._random = np.random.default_rng(None if seed is None else seed % 2**64)

    @property
    def greedy(self) -> bool:
        """Whether the likeliest token is always taken."""
        return self._temperature == 0

    def sample(self, logits: Logits) -> int:
        """Draw the next token from ``logits``, float32 of shape [vocab_size], which stay unchanged.

        The constraint moves on by what was drawn, so rows are sampled in the order of the reply, each once.
        """
        token = self._draw(logits)
        if self.constraint is not None:
            self.constraint.accept(token)
        return token

    def allowed_prefix(self, tokens: Sequence[int]) -> int:
        """Return how many leading ``tokens`` could be drawn next, one after the other, for all the constraint says."""
        return len(tokens) if self.constraint is None else self.constraint.allowed_prefix(tokens)

    def forced(self) -> tuple[int, ...]:
        """Return the tokens that the constraint leaves no choice about; they are to be sampled like all others."""
        return () if self.constraint is None else self.constraint.forced()

    def _draw(self, logits: Logits) -> int:
        ids, probabilities = self.probabilities(logits)
        if len(ids) == 1:
            return int(ids[0])
        cumulative = np.cumsum(probabilities)
        drawn = np.searchsorted(cumulative, self._random.random() * cumulative[-1], side="right")
        return int(ids[min(int(drawn), len(ids) - 1)])

    def probabilities(self, logits: Logits) -> tuple[TokenIds, Probabilities]:
        """Return the tokens that can be drawn and their probabilities, which sum to 1.

        ``logits`` is float32 of shape [vocab_size] and stays unchanged. Both results are of shape [candidates], the
        likeliest token first unless no limit is set. Raises :class:`RuntimeSetupError` when no logit is a number.
        """
        scores = self._usable(logits)
        if self.greedy:
            return np.array([np.argmax(scores)], dtype=np.int64), np.ones(1)
        if not self._top_k and self._top_p == 1:
            ids = np.flatnonzero(scores > -np.inf)
            return self._likely(ids, self._weights(scores[ids]).astype(np.float64))
        if self._top_k:
            ids = _largest(scores, self._top_k)
            weights = self._weights(scores[ids]).astype(np.float64)
            total = weights.sum()
        else:
            ids, weights, total = self._likeliest(scores)
        order = np.argsort(-scores[ids])
        ids, weights = ids[order], weights[order]
        if self._top_p < 1:
            before = np.cumsum(weights) - weights
            kept = max(1, int(np.count_nonzero(before < self._top_p * total)))
            ids, weights = ids[:kept], weights[:kept]
        return self._likely(ids, weights)

    def _likely(self, ids: TokenIds, weights: Probabilities) -> tuple[TokenIds, Probabilities]:
        """Apply min-p; the likeliest token weighs 1."""
        if self._min_p:
            kept = weights >= self._min_p
            ids, weights = ids[kept], weights[kept]
        return ids, _normalised(weights)

    def _usable(self, logits: Logits) -> Logits:
        """Return the logits without NaN, suppressed tokens and what the constraint excludes."""
        scores = logits if self._logit_mask is None else self._logit_mask(logits)
        if self.constraint is not None:
            scores = self.constraint.mask(scores)
        if self._suppressed.size:
            scores = scores.copy()
            scores[self._suppressed[self._suppressed < len(scores)]] = -np.inf
        peak = scores.max()
        if np.isnan(peak):
            scores = np.where(np.isnan(scores), np.float32(-np.inf), scores)
            peak = scores.max()
        if peak == np.inf:
            return np.where(scores == np.inf, np.float32(0), np.float32(-np.inf))
        if peak == -np.inf:
            raise RuntimeSetupError(
                "The model computed no usable numbers on this device; choose another device or convert the model again."
            )
        return scores

    def _weights(self, scores: Logits) -> NDArray[np.float32]:
        """Return the unnormalised softmax at the temperature; the likeliest token weighs 1."""
        temperature = np.float32(max(self._temperature, _SMALLEST))
        with np.errstate(over="ignore", under="ignore"):
            weights: NDArray[np.float32] = np.exp((scores - scores.max()) / temperature)
        return weights

    def _likeliest(self, scores: Logits) -> tuple[TokenIds, Probabilities, float]:
        """Return enough tokens to hold a share of ``top_p``, their weights, and the weight of all tokens together."""
        weights = self._weights(scores)
        total = float(weights.sum(dtype=np.float64))
        count = _FIRST_NUCLEUS
        while True:
            ids = _largest(scores, count)
            chosen = weights[ids].astype(np.float64)
            if count >= len(scores) or chosen.sum() >= self._top_p * total:
                return ids, chosen, total
            count *= _WIDER


def _largest(scores: Logits, count: int) -> TokenIds:
    """Return the ids of the ``count`` largest scores, and of those equal to the smallest of them."""
    threshold = np.float32(-np.inf)
    if count < len(scores):
        threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
    if threshold == -np.inf:
        return np.flatnonzero(scores > -np.inf)
    return np.flatnonzero(scores >= threshold)


def _normalised(weights: Probabilities) -> Probabilities:
    probabilities: Probabilities = weights / weights.sum()
    return probabilities
