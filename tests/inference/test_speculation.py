"""Speculation over a model that is a table: the same tokens, the same distribution, the same cache as without."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from fakes.table_model import Guess, TableModel, at_random, right, sometimes, wrong
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.cancellation import CancelToken
from inference.draft_policy import AdaptiveDrafts, FixedDrafts
from inference.generation import DecodeCounts, Finished, GenerationEvent, Token, generate_tokens
from inference.messages import Prefill
from inference.run_costs import RunCosts
from inference.sampling import Sampler
from inference.speculation import Speculator

STOP = frozenset({0})
PROMPT = [3, 1, 4, 1, 5]
GUESSES: dict[str, Callable[[], Guess]] = {
    "right": lambda: right,
    "wrong": lambda: wrong,
    "random": at_random,
    "sometimes": lambda: sometimes(0.6),
}


def fixed(model: TableModel, count: int, *, copied: bool = False) -> Speculator:
    return Speculator(model, policy=FixedDrafts(count, copied=copied))


def generate(
    model: TableModel,
    sampler: Any,
    speculator: Speculator | None = None,
    *,
    prompt: Sequence[int] = PROMPT,
    max_tokens: int | None = 30,
    cancel: CancelToken | None = None,
    counts: DecodeCounts | None = None,
    stop_ids: frozenset[int] = STOP,
) -> Any:
    speculation = None if speculator is None else speculator.start(prompt, stop_ids)
    return generate_tokens(model, prompt, sampler, stop_ids, max_tokens, cancel or CancelToken(), speculation, counts)


def tokens_of(events: Sequence[GenerationEvent]) -> list[int]:
    return [event.id for event in events if isinstance(event, Token)]


@pytest.mark.parametrize("guess", GUESSES)
@pytest.mark.parametrize("drafts", range(1, 9))
def test_the_same_tokens_as_without(guess: str, drafts: int) -> None:
    """Greedy and seeded, over many tables, and whether or not the reply meets a stop token."""
    for seed in range(6):
        plain, drafted = TableModel(seed=seed), TableModel(seed=seed, guess=GUESSES[guess]())
        speculator = fixed(drafted, drafts)
        for temperature in (0.0, 0.8, 1.6):
            counts = DecodeCounts()
            expected = list(generate(plain, Sampler(temperature, seed=seed)))
            assert list(generate(drafted, Sampler(temperature, seed=seed), speculator, counts=counts)) == expected
            assert drafted.cached_tokens == plain.cached_tokens
            assert counts.accepted <= counts.drafted <= counts.runs * drafts
            if guess == "right" and not temperature:
                assert counts.accepted >= counts.drafted - drafts, "only those after the end are in vain"
            if guess == "wrong" and not temperature:
                assert not counts.accepted


def test_a_run_brings_several_tokens() -> None:
    model = TableModel(guess=right)
    model.table[:, :, 0] = -100  # never stops
    counts = DecodeCounts()
    list(generate(model, Sampler(0), fixed(model, 4), max_tokens=21, counts=counts))
    assert counts == DecodeCounts(runs=4, drafted=16, accepted=16)
    assert model.row_counts == [5, 5, 5, 5]


def test_no_more_is_guessed_than_can_be_used() -> None:
    model = TableModel(guess=right, context_length=12)
    model.table[:, :, 0] = -100
    assert list(generate(model, Sampler(0), fixed(model, 8), max_tokens=None))[-1] == Finished("context")
    assert len(model.cached_tokens) == 12
    model = TableModel(guess=right)
    model.table[:, :, 0] = -100
    list(generate(model, Sampler(0), fixed(model, 8), max_tokens=4))
    assert model.row_counts == [3], "the third token of the run's rows is the last"


@pytest.mark.parametrize("context_length", [6, 7, 9, 14])
@pytest.mark.parametrize("max_tokens", [None, 0, 1, 2, 5, 9])
def test_limits(context_length: int, max_tokens: int | None) -> None:
    for seed in range(8):
        plain = TableModel(seed=seed, context_length=context_length)
        drafted = TableModel(seed=seed, guess=sometimes(0.8, seed), context_length=context_length)
        expected = list(generate(plain, Sampler(0), max_tokens=max_tokens))
        assert list(generate(drafted, Sampler(0), fixed(drafted, 5), max_tokens=max_tokens)) == expected
        assert drafted.cached_tokens == plain.cached_tokens


def test_nothing_is_guessed_beyond_a_stop_token() -> None:
    model = TableModel(guess=lambda *_: (0, 0.99))
    counts = DecodeCounts()
    list(generate(model, Sampler(0), fixed(model, 4), counts=counts))
    assert counts.drafted == 0


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 999),
    drafts=st.integers(1, 8),
    after=st.integers(0, 30),
    how=st.sampled_from(["close", "cancel", "cancel within a run"]),
)
def test_ended_anywhere_the_cache_is_as_without(seed: int, drafts: int, after: int, how: str) -> None:
    """And the next reply is a fresh engine's."""

    def ended(model: TableModel, speculator: Speculator | None) -> list[GenerationEvent]:
        cancel = CancelToken()
        events = []
        generator = generate(model, Sampler(1, seed=seed), speculator, cancel=cancel)
        for count, event in enumerate(generator):
            events.append(event)
            if count >= after:
                match how:
                    case "close":
                        generator.close()
                        break
                    case "cancel":
                        cancel.cancel()
                    case _:
                        model.during_run = cancel.cancel
        model.during_run = lambda: None
        return events

    plain, drafted = TableModel(seed=seed), TableModel(seed=seed, guess=sometimes(0.7, seed))
    speculator = fixed(drafted, drafts)
    expected, events = ended(plain, None), ended(drafted, speculator)
    if how == "cancel within a run":  # of which there are fewer with drafts, so that it comes to its end later
        assert tokens_of(events)[: len(tokens_of(expected))] == tokens_of(expected)
        kept = len(tokens_of(events)) - (events[-1] == Finished("cancelled") or bool(tokens_of(events)))
        assert drafted.cached_tokens == (*PROMPT, *tokens_of(events)[: max(kept, 0)])
    else:
        assert events == expected
        assert drafted.cached_tokens == plain.cached_tokens

    prompt = [*PROMPT, *tokens_of(events)[:3], 2]
    again = list(generate(drafted, Sampler(1, seed=1), speculator, prompt=prompt))
    fresh = list(generate(TableModel(seed=seed), Sampler(1, seed=1), prompt=prompt))
    assert tokens_of(again) == tokens_of(fresh)
    assert again[-1] == fresh[-1]


class Chain:
    """A constraint: after a token only its successor may come; some tokens leave a choice."""

    def __init__(self, last: int) -> None:
        self.last = last

    def _next(self, last: int) -> list[int]:
        return [1 + last % 6] if last % 3 else [1, 4, 5]

    def mask(self, logits: np.ndarray) -> np.ndarray:
        masked = np.full_like(logits, -np.inf)
        allowed = self._next(self.last)
        masked[allowed] = logits[allowed]
        return masked

    def accept(self, token: int) -> None:
        assert token in self._next(self.last)
        self.last = token

    def allowed_prefix(self, tokens: Sequence[int]) -> int:
        last = self.last
        for count, token in enumerate(tokens):
            if token not in self._next(last):
                return count
            last = token
        return len(tokens)

    def forced(self) -> tuple[int, ...]:
        forced: list[int] = []
        while len(choice := self._next(forced[-1] if forced else self.last)) == 1 and len(forced) < 5:
            forced += choice
        return tuple(forced)


@pytest.mark.parametrize("guess", GUESSES)
def test_a_grammar_guides_the_drafts(guess: str) -> None:
    for seed in range(10):
        expected = list(generate(TableModel(seed=seed), Sampler(1, seed=seed, constraint=Chain(5))))
        model = TableModel(seed=seed, guess=GUESSES[guess]())
        counts = DecodeCounts()
        sampler = Sampler(1, seed=seed, constraint=Chain(5))
        assert list(generate(model, sampler, fixed(model, 4), counts=counts)) == expected
        assert counts.accepted >= 8, "what is forced is never wrong"


def test_forbidden_guesses_are_made_again() -> None:
    """Where the grammar leaves a choice, a guess that it forbids does not end the guessing."""

    class OneOf(Chain):
        def _next(self, last: int) -> list[int]:
            return [2, 5] if last == 6 else [6, 7]

    for seed in range(5):
        model = TableModel(seed=seed, guess=lambda *_: (3, 0.9))
        model.table[:, :, 2] += 50
        model.table[:, :, 6] += 50
        counts = DecodeCounts()
        list(generate(model, Sampler(0, constraint=OneOf(5)), fixed(model, 4), counts=counts, max_tokens=21))
        assert counts == DecodeCounts(runs=4, drafted=16, accepted=16)


def copying(model: TableModel) -> Speculator:
    return fixed(model, 6, copied=True)


def test_quotes_are_copied_and_soft_tokens_never() -> None:
    model = TableModel(vocab_size=40)
    assert not model.has_drafter
    text = list(range(10, 30))
    model.table[:] = 0
    for before, token, after in zip(text, text[1:], text[2:], strict=False):
        model.table[before, token, after] = 9
    model.table[28, 29, 0] = 9
    prompt = [*text[:8], -5, *text[8:], 5, 10, 11]
    counts = DecodeCounts()
    speculator = copying(model)
    events = list(generate(model, Sampler(0), speculator, prompt=prompt, counts=counts))
    assert tokens_of(events) == [*text[2:], 0]
    assert counts.accepted >= 12
    assert counts.runs <= 8


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_copied_drafts_change_nothing(temperature: float) -> None:
    for seed in range(20):
        prompt = random.Random(seed).choices(range(1, 8), k=60)
        plain, copies = TableModel(seed=seed), TableModel(seed=seed)
        copies_from = copying(copies)
        for ids in (prompt, prompt[:30], [*prompt[:40], 2]):  # the index goes back and on with the conversation
            expected = list(generate(plain, Sampler(temperature, seed=seed), prompt=ids))
            assert list(generate(copies, Sampler(temperature, seed=seed), copies_from, prompt=ids)) == expected


def test_adaptive_drafts_change_nothing() -> None:
    ticks = iter(range(10**9))
    for seed in range(20):
        plain, drafted = TableModel(seed=seed), TableModel(seed=seed, guess=sometimes(0.7, seed))
        costs = RunCosts()
        speculator = Speculator(drafted, costs, AdaptiveDrafts(costs), clock=lambda: next(ticks) * 1e-3)
        for prompt in (PROMPT, [2, 2, 3]):
            expected = list(generate(plain, Sampler(0.7, seed=seed), prompt=prompt, max_tokens=60))
            assert (
                list(generate(drafted, Sampler(0.7, seed=seed), speculator, prompt=prompt, max_tokens=60)) == expected
            )


DRAWS = 20_000
LENGTH = 3


def chi_squared(seen: Counter[tuple[int, ...]], expected: dict[tuple[int, ...], float]) -> tuple[float, int]:
    """Return the statistic and the degrees of freedom; rare outcomes are counted as one."""
    total = sum(seen.values())
    assert set(seen) <= set(expected), "something was drawn that cannot be"
    common = {outcome: share * total for outcome, share in expected.items() if share * total >= 10}
    rare_expected = total - sum(common.values())
    rare_seen = total - sum(seen[outcome] for outcome in common)
    statistic = sum((seen[outcome] - mean) ** 2 / mean for outcome, mean in common.items())
    if rare_expected > 1:
        statistic += (rare_seen - rare_expected) ** 2 / rare_expected
    return statistic, len(common) - 1 + (rare_expected > 1)


def same(statistic: float, freedom: int) -> bool:
    """Whether the statistic is below what one run in a million exceeds (Wilson and Hilferty's approximation)."""
    spread = 2 / (9 * freedom)
    return statistic < freedom * (1 - spread + 4.75 * spread**0.5) ** 3


def distribution(model: TableModel, settings_: dict[str, Any]) -> dict[tuple[int, ...], float]:
    """Return how likely each continuation of three tokens is, computed and not drawn; shorter after a stop token."""
    sampler = Sampler(**settings_)
    likely: dict[tuple[int, ...], float] = {(): 1.0}
    for _ in range(LENGTH):
        longer: dict[tuple[int, ...], float] = {}
        for outcome, share in likely.items():
            if outcome and outcome[-1] in STOP:
                longer[outcome] = share
                continue
            ids, probabilities = sampler.probabilities(model.after((*PROMPT, *outcome)))
            for token, probability in zip(ids.tolist(), probabilities.tolist(), strict=True):
                longer[(*outcome, token)] = share * probability
        likely = longer
    return likely


def draw(settings_: dict[str, Any], guess: Guess, count: int) -> Counter[tuple[int, ...]]:
    model = TableModel(vocab_size=6, guess=guess)
    sampler = Sampler(**settings_, seed=5)
    speculator = fixed(model, 2)
    return Counter(
        tuple(tokens_of(list(generate(model, sampler, speculator, max_tokens=LENGTH)))) for _ in range(count)
    )


@pytest.mark.parametrize(
    ("settings_", "guess"),
    [
        ({"temperature": 1.0}, "sometimes"),
        ({"temperature": 0.6, "top_k": 3}, "random"),
        ({"temperature": 1.5, "top_p": 0.8}, "right"),
        ({"temperature": 1.0, "top_k": 5, "top_p": 0.95, "min_p": 0.05}, "sometimes"),
    ],
    ids=["plain", "top-k", "top-p", "all"],
)
def test_the_distribution_is_that_of_plain_decoding(settings_: dict[str, Any], guess: str) -> None:
    seen = draw(settings_, GUESSES[guess](), DRAWS)
    assert sum(seen.values()) == DRAWS
    model = TableModel(vocab_size=6)
    assert same(*chi_squared(seen, distribution(model, settings_)))
    warmer = {**settings_, "temperature": settings_["temperature"] * 1.15, "top_p": 1.0, "top_k": 0, "min_p": 0.0}
    assert not same(*chi_squared(seen, distribution(model, warmer))), "the test must be able to tell a difference"


def test_the_prompt_is_read_as_without() -> None:
    model = TableModel(guess=right)
    events = list(generate(model, Sampler(0), fixed(model, 3)))
    assert events[:2] == [Prefill(0, len(PROMPT)), Prefill(len(PROMPT), len(PROMPT))]
