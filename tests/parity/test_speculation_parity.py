"""Speculative decoding on real graphs: greedy with drafts = greedy without = transformers, and what it is worth."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from inference.cancellation import CancelToken
from inference.draft_policy import AdaptiveDrafts, FixedDrafts
from inference.errors import OutOfMemoryError
from inference.generation import DecodeCounts, Token, generate_tokens
from inference.graphs.drafter import Draft
from inference.language_model import LanguageModel
from inference.run_costs import RunCosts
from inference.sampling import Sampler
from inference.speculation import Speculator

pytestmark = pytest.mark.parity

PROMPTS = 50
NEW_TOKENS = 8
NEAR_TIE = 1e-4
"""Difference between float32 logits below which the order of additions may decide."""

Guess = Callable[[int, int], int]
"""From the position of the next token and what the drafter says to a guess."""


class Interfering:
    """A language model whose drafter runs, and is then overruled."""

    has_drafter = True

    def __init__(self, model: LanguageModel, guess: Guess) -> None:
        self._model = model
        self._guess = guess
        self._place = 0

    @property
    def most_rows(self) -> int:
        return self._model.most_rows

    def verify(self, tokens: Sequence[int], cancel: CancelToken) -> Any:
        self._place = 0
        return self._model.verify(tokens, cancel)

    def draft(self, token: int, state: Any, cancel: CancelToken, permits: Any = None) -> Draft | None:
        draft = self._model.draft(token, state, cancel, permits)
        if draft is None:
            return None
        self._place += 1
        position = len(self._model.cached_tokens) + self._place
        return Draft(self._guess(position, draft.token), draft.probability, draft.state)


def prompts(count: int, seed: int = 4) -> list[list[int]]:
    """Return prompts of 1 to 40 ordinary tokens: shorter and longer than the sliding window."""
    draw = random.Random(seed)
    return [[2] + [draw.randrange(110, 500) for _ in range(draw.randrange(40))] for _ in range(count)]


def generate(
    model: LanguageModel,
    prompt: list[int],
    sampler: Sampler,
    speculator: Speculator | None = None,
    count: int = NEW_TOKENS,
    counts: DecodeCounts | None = None,
) -> list[int]:
    speculation = None if speculator is None else speculator.start(prompt, ())
    events = generate_tokens(model, prompt, sampler, (), count, CancelToken(), speculation, counts)
    return [event.id for event in events if isinstance(event, Token)]


def guesses(prompt: list[int], greedy: list[int], seed: int) -> Iterator[Guess]:
    """Yield drafters: the real one, one that is always right, one that never is, and one at random."""
    draw = random.Random(seed)
    truth = dict(enumerate(greedy, len(prompt)))
    yield lambda _position, drafted: drafted
    yield lambda position, _: truth.get(position, 5)
    yield lambda position, _: (truth.get(position, 5) + 1) % 512
    yield lambda _position, _drafted: draw.randrange(512)


def margin(logits: np.ndarray) -> float:
    """Return by how much the likeliest token leads."""
    second, first = np.sort(logits)[-2:]
    return float(first - second)


@pytest.fixture
def pair(drafted: Any, kind: str) -> Any:
    return drafted(kind)


@pytest.fixture
def model(pair: Any) -> Iterator[LanguageModel]:
    model = LanguageModel.open(pair.folder, provider="cpu", threads=1)
    yield model
    model.close()


def test_greedy_tokens_are_those_of_plain_decoding_and_of_transformers(pair: Any, model: LanguageModel) -> None:
    """50 prompts, 1 to 8 drafts, four kinds of drafters in turn, of which two accept every number of drafts."""
    accepted: Counter[int] = Counter()
    cut_short = 0
    for index, prompt in enumerate(prompts(PROMPTS)):
        plain = generate(model, prompt, Sampler(0))
        # that each token is the likeliest after the ones before it makes them what greedy decoding gives
        with torch.no_grad():
            reference = pair.target(input_ids=torch.tensor([prompt + plain])).logits[0, len(prompt) - 1 : -1].numpy()
        ties = [place for place, row in enumerate(reference) if margin(row) < NEAR_TIE]
        sure = ties[0] if ties else NEW_TOKENS
        assert plain[:sure] == reference.argmax(-1).tolist()[:sure]
        for drafts in range(1, 9):
            *_, guess = zip(range(1 + (index + drafts) % 4), guesses(prompt, plain, index), strict=False)
            speculator = Speculator(Interfering(model, guess[1]), policy=FixedDrafts(drafts))
            counts = DecodeCounts()
            assert generate(model, prompt, Sampler(0), speculator, counts=counts)[:sure] == plain[:sure]
            accepted[counts.accepted] += 1
        cut_short += sure < NEW_TOKENS
    assert cut_short <= 2
    assert accepted[0], "always wrong"
    assert accepted[6], "always right: one from the prompt, six guesses, one from the last run"


def test_seeds_give_the_same_tokens(pair: Any, model: LanguageModel) -> None:
    for seed, prompt in enumerate(prompts(6, seed=5)):
        expected = generate(model, prompt, Sampler(0.9, top_k=20, top_p=0.95, seed=seed), count=24)
        assert expected == generate(model, prompt, Sampler(0.9, top_k=20, top_p=0.95, seed=seed), count=24)
        costs = RunCosts()
        ticks = iter(range(10**9))
        for policy in (FixedDrafts(2), FixedDrafts(5), FixedDrafts(3, copied=True), AdaptiveDrafts(costs)):
            speculator = Speculator(model, costs, policy, clock=lambda ticks=ticks: float(next(ticks)))
            sampler = Sampler(0.9, top_k=20, top_p=0.95, seed=seed)
            assert generate(model, prompt, sampler, speculator, count=24) == expected


def test_the_sampled_distribution(drafted: Any) -> None:
    """Of two tokens, each one of the three likeliest: within what chance explains once in a million."""
    model = LanguageModel.open(drafted("e2b").folder, provider="cpu", threads=1)
    prompt, draws = prompts(1, seed=6)[0], 1500
    settings = {"temperature": 1.5, "top_k": 3}
    expected: dict[tuple[int, int], float] = {}
    sampler = Sampler(**settings)  # type: ignore[arg-type]
    for _ in model.prefill(prompt, CancelToken()):
        pass
    for first, share in zip(*(part.tolist() for part in sampler.probabilities(model.logits)), strict=True):
        for _ in model.prefill([*prompt, first], CancelToken()):
            pass
        for second, part in zip(*(part.tolist() for part in sampler.probabilities(model.logits)), strict=True):
            expected[first, second] = share * part
    sampler = Sampler(**settings, seed=3)  # type: ignore[arg-type]
    truth = max(expected, key=lambda pair: expected[pair])
    speculator = Speculator(Interfering(model, lambda *_: truth[1]), policy=FixedDrafts(1))
    counts = DecodeCounts()
    seen = Counter(
        tuple(generate(model, prompt, sampler, speculator, count=3, counts=counts)[:2]) for _ in range(draws)
    )
    assert 0 < counts.accepted < counts.drafted
    assert set(seen) <= set(expected)
    statistic = sum((seen[each] - share * draws) ** 2 / (share * draws) for each, share in expected.items())
    assert statistic < 44, "8 degrees of freedom"
    model.close()


def test_cancelled_anywhere_the_next_reply_is_a_fresh_engines(pair: Any, model: LanguageModel) -> None:
    draw = random.Random(7)
    speculator = Speculator(model, policy=FixedDrafts(4))
    fresh = LanguageModel.open(pair.folder, provider="cpu", threads=1)
    for prompt in prompts(8, seed=8):
        cancel = CancelToken()
        stop_after = draw.randrange(14)
        events = []
        generator = generate_tokens(model, prompt, Sampler(0), (), 12, cancel, speculator.start(prompt, ()))
        for event in generator:
            events.append(event)
            if len(events) > stop_after:
                if draw.random() < 0.5:
                    generator.close()
                    break
                cancel.cancel()
        said = [event.id for event in events if isinstance(event, Token)]
        known = (*prompt, *said[:-1])
        assert model.cached_tokens == known[: len(model.cached_tokens)]
        assert not said or len(model.cached_tokens) == len(known)
        following = [*known, 300, 301]
        expected = generate(fresh, following, Sampler(0))
        assert generate(model, following, Sampler(0), speculator) == expected
        np.testing.assert_allclose(model.logits, fresh.logits, atol=1e-3)
    fresh.close()


@pytest.mark.parametrize("kind", ["e2b", "odd", "moe"])
def test_quantised_graphs_say_the_same_with_drafts(drafted: Any, kind: str) -> None:
    """Activations of q4 graphs are rounded to 8 bits, which makes much of the last bit: it must not differ at all."""
    pair = drafted(kind, "q4")
    model = LanguageModel.open(pair.folder, provider="cpu", threads=1)
    for index, prompt in enumerate(prompts(12)):
        for temperature in (0.0, 1.0):
            plain = generate(model, prompt, Sampler(temperature, seed=index))
            right = dict(enumerate(plain, len(prompt)))
            guess: Guess = lambda position, drafted, right=right: right.get(position, drafted)  # type: ignore[misc] # noqa: E731
            for drafts in (1, 4, 8):
                speculator = Speculator(Interfering(model, guess), policy=FixedDrafts(drafts))
                tokens = generate(model, prompt, Sampler(temperature, seed=index), speculator)
                assert tokens == plain, f"prompt {index}, temperature {temperature}, {drafts} drafts"
    model.close()


def test_without_memory_for_drafts_the_answer_goes_on(drafted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = LanguageModel.open(drafted("e2b").folder, provider="cpu", threads=1)
    prompt = prompts(1)[0]
    plain = generate(model, prompt, Sampler(0))
    calls = 0
    whole = model._drafter
    assert whole is not None

    def draft(embedding: Any, state: Any, cancel: CancelToken, permits: Any) -> Draft:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise OutOfMemoryError("There is not enough memory.")
        return whole(embedding, state, cancel, permits)

    monkeypatch.setattr(model, "_drafter", draft)
    assert generate(model, prompt, Sampler(0), Speculator(model, policy=FixedDrafts(3))) == plain
    assert calls == 6
    assert not model.has_drafter, "it is not asked again"
    model.close()
