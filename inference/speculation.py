"""Speculative decoding: tokens are guessed cheaply, and the model checks several guesses in one run.

Guesses never change an answer. Each row that the model computed is sampled as in plain decoding, in order, and the next
one counts only while the draw is what was guessed: so the tokens are drawn from exactly the distributions that plain
decoding draws from, whatever the sampling, and one random number is used up by each, so that a seed gives the same
answer with and without. To the last bit, where rows round alike however many run together: on the CPU
:mod:`inference.graphs.folded_attention` sees to that (PERFORMANCE.md says where it does not hold).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.draft_policy import MOST_COPIED, AdaptiveDrafts, Policy, Source
from inference.graphs.drafter import Draft
from inference.model_folder import ModelFolder
from inference.ngram_drafts import NgramIndex
from inference.run_costs import CostFile, RunCosts


class SpeculativeModel(Protocol):
    """What speculation needs of :class:`inference.language_model.LanguageModel`, where each member is described."""

    @property
    def has_drafter(self) -> bool:
        """Whether the model can draft."""

    @property
    def most_rows(self) -> int:
        """How many tokens a run may append and come to the same bits as one by one."""

    def verify(self, tokens: Sequence[int], cancel: CancelToken) -> NDArray[np.float32] | None:
        """Append tokens in one run and return the logits after each, or ``None`` when cancelled."""

    def draft(
        self,
        token: int,
        state: NDArray[np.float32] | None,
        cancel: CancelToken,
        permits: Callable[[int], bool] | None = None,
    ) -> Draft | None:
        """Guess the token after ``token``, one that a grammar permits."""


class ConstraintLike(Protocol):
    """What speculation needs to know of the sampler."""

    def allowed_prefix(self, tokens: Sequence[int]) -> int:
        """Return how many leading tokens may come next."""

    def forced(self) -> Sequence[int]:
        """Return the tokens that must come next."""


class Speculator:
    """Guesses for one model, and learns from reply to reply how often guesses are right and what they cost.

    Args:
        model: that guesses and verifies.
        costs: of its runs.
        policy: decides how much to guess; None adapts to costs and to how often guesses are right.
        cost_file: where to write the costs after a reply; None for nowhere.
        clock: seconds.
    """

    def __init__(
        self,
        model: SpeculativeModel,
        costs: RunCosts | None = None,
        policy: Policy | None = None,
        cost_file: CostFile | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.model = model
        self.costs = costs or RunCosts()
        self.policy = policy or AdaptiveDrafts(self.costs, drafter=model.has_drafter)
        self.clock = clock
        self.index = NgramIndex()
        self._cost_file = cost_file

    @classmethod
    def open(cls, model: SpeculativeModel, folder: ModelFolder, runs_on: str) -> Speculator:
        """Return one that keeps what it learns about costs.

        Args:
            model: that guesses and verifies.
            folder: that the model was opened from.
            runs_on: provider, number of threads: what the costs depend on.
        """
        file = CostFile(folder.graph("decoder_model_merged"), runs_on)
        return cls(model, file.load(), cost_file=file)

    def start(self, prompt: Sequence[int], stop_ids: Collection[int], most: int | None = None) -> Speculation:
        """Begin a reply.

        Args:
            prompt: ids in the KV cache, negative at soft tokens.
            stop_ids: tokens that end the reply, which need no guess.
            most: guesses a run; None leaves it to the policy.
        """
        return Speculation(self, prompt, frozenset(stop_ids), MOST_COPIED if most is None else min(most, MOST_COPIED))

    def save_costs(self) -> None:
        """Keep what was learnt about costs for the next start, where there is a file for it."""
        if self._cost_file is not None:
            self._cost_file.save(self.costs)


class Speculation:
    """Guesses for one reply; made by :meth:`Speculator.start`."""

    def __init__(self, speculator: Speculator, prompt: Sequence[int], stop_ids: frozenset[int], most: int) -> None:
        self._speculator = speculator
        self._model = speculator.model
        self._policy = speculator.policy
        self._costs = speculator.costs
        self._index = speculator.index
        self._prompt: Sequence[int] | None = prompt
        self._stop_ids = stop_ids
        self._most = most
        self._source: Source | None = None
        self._confidences: list[float] = []
        self._made = 0

    def drafts(self, new: Sequence[int], room: int, sampler: ConstraintLike, cancel: CancelToken) -> list[int]:
        """Guess what follows the last of the tokens drawn since the last call. Call it once before each run.

        Args:
            new: these tokens, at least one; the last is not in the KV cache yet, the others are.
            room: most guesses that are of use.
            sampler: whose constraint the guesses must satisfy.
            cancel: ends the guessing.

        Returns:
            At most ``room`` guesses, none of which ends the reply.
        """
        if self._prompt is not None:  # the first token need not wait for this
            self._index.reset(self._prompt)
            self._prompt = None
        for token in new:
            self._index.append(token)
        self._source, self._confidences, self._made = None, [], 0
        most = min(room, self._most, self._model.most_rows - 1)
        if not self._policy.begin(most):
            return []
        if forced := self._before_stop(sampler.forced())[:most]:
            self._source, self._confidences = "forced", [1.0] * len(forced)
            return list(forced)
        return self._copy(most, sampler) or self._guess(new[-1], most, sampler, cancel)

    def run(self, tokens: Sequence[int], cancel: CancelToken) -> NDArray[np.float32] | None:
        """Verify: see :meth:`SpeculativeModel.verify`. Takes the time."""
        started = self._speculator.clock()
        rows = self._model.verify(tokens, cancel)
        if rows is not None:
            self._costs.add_run(len(tokens), self._speculator.clock() - started)
        return rows

    def verified(self, accepted: int) -> None:
        """Learn that of the last guesses the first ``accepted`` were right, and the next one, if any, was not."""
        self._policy.end(self._source, self._confidences, accepted, self._made)

    def finish(self) -> None:
        """End the reply."""
        self._speculator.save_costs()

    def _copy(self, most: int, sampler: ConstraintLike) -> list[int]:
        continuation = self._index.guess(most)
        if continuation is None:
            return []
        tokens = self._before_stop(continuation.tokens)
        count = self._policy.copies(continuation.agreement, len(tokens))
        if count:
            count = sampler.allowed_prefix(tokens[:count])
        if not count:
            return []
        self._source = "ngram"
        self._confidences = [continuation.agreement + place for place in range(count)]
        return list(tokens[:count])

    def _guess(self, token: int, most: int, sampler: ConstraintLike, cancel: CancelToken) -> list[int]:
        drafts: list[int] = []
        state = None
        clock = self._speculator.clock

        def permits(guess: int) -> bool:
            return sampler.allowed_prefix([*drafts, guess]) > len(drafts)

        while self._model.has_drafter and len(drafts) < most and self._policy.goes_on(len(drafts)):
            started = clock()
            draft = self._model.draft(token, state, cancel, permits)
            if draft is None:
                break
            self._made += 1
            self._costs.add_draft(clock() - started)
            token, state = draft.token, draft.state
            # the run that verifies what came before says by itself whether the reply ends
            if token in self._stop_ids or not permits(token):
                break
            if not self._policy.takes(len(drafts), draft.probability):
                break
            drafts.append(token)
            self._confidences.append(draft.probability)
        if drafts:
            self._source = "drafter"
        return drafts

    def _before_stop(self, tokens: Sequence[int]) -> Sequence[int]:
        end = next((place for place, token in enumerate(tokens) if token in self._stop_ids), len(tokens))
        return tokens[:end]
