"""The sampler keeps and weighs the same tokens as transformers, and draws them as often as it says."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import RuntimeSetupError
from inference.sampling import Sampler


def logits_of(seed: int, size: int, spread: float = 4.0) -> np.ndarray[Any, np.dtype[np.float32]]:
    return (np.random.default_rng(seed).standard_normal(size) * spread).astype(np.float32)


def reference(
    logits: np.ndarray, temperature: float, top_k: int, top_p: float, suppress: list[int], min_p: float = 0.0
) -> np.ndarray[Any, Any]:
    """The probabilities that transformers draws from."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.generation import logits_process as processors

        scores = torch.tensor(logits)[None]
        chain: list[Any] = []
        if suppress:
            chain.append(processors.SuppressTokensLogitsProcessor(suppress))
        if temperature != 1.0:
            chain.append(processors.TemperatureLogitsWarper(temperature))
        if top_k:
            chain.append(processors.TopKLogitsWarper(top_k))
        if top_p < 1:
            chain.append(processors.TopPLogitsWarper(top_p))
        if min_p:
            chain.append(processors.MinPLogitsWarper(min_p))
        for processor in chain:
            scores = processor(None, scores)
        return np.asarray(torch.softmax(scores, dim=-1)[0])


@pytest.mark.parametrize("temperature", [1.0, 0.3, 1.7])
@pytest.mark.parametrize(
    ("top_k", "top_p"),
    [(64, 0.95), (64, 1.0), (5, 0.5), (1, 0.95), (0, 0.95), (0, 0.1), (0, 0.999), (0, 1.0), (999, 0.9)],
)
@pytest.mark.parametrize(("size", "spread"), [(300, 4.0), (300, 0.3), (5000, 4.0), (5000, 0.5)])
def test_same_tokens_and_probabilities_as_transformers(
    temperature: float, top_k: int, top_p: float, size: int, spread: float
) -> None:
    suppress = [3, 7]
    for seed in range(3):
        logits = logits_of(seed, size, spread)
        logits[3] = 50
        before = logits.copy()
        expected = reference(logits, temperature, min(top_k, size), top_p, suppress)
        ids, probabilities = Sampler(temperature, top_k, top_p, 0, suppress).probabilities(logits)
        dense = np.zeros(size)
        dense[ids] = probabilities
        assert len(set(ids.tolist())) == len(ids)
        assert set(np.flatnonzero(dense)) == set(np.flatnonzero(expected))
        np.testing.assert_allclose(dense, expected, atol=1e-6)
        assert np.isclose(probabilities.sum(), 1)
        np.testing.assert_array_equal(logits, before)


@pytest.mark.parametrize("temperature", [1.0, 0.4, 2.0])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (64, 0.95), (0, 0.9), (7, 1.0)])
@pytest.mark.parametrize("min_p", [0.02, 0.3, 0.999, 1.0])
def test_min_p_is_that_of_transformers(temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    for seed in range(3):
        logits = logits_of(seed, 800, 2.0)
        expected = reference(logits, temperature, top_k, top_p, [3], min_p)
        ids, probabilities = Sampler(temperature, top_k, top_p, 0, [3], min_p=min_p).probabilities(logits)
        dense = np.zeros(800)
        dense[ids] = probabilities
        assert set(np.flatnonzero(dense)) == set(np.flatnonzero(expected))
        np.testing.assert_allclose(dense, expected, atol=1e-6)


def test_limits_come_in_the_order_of_transformers() -> None:
    """The same chain as the library builds itself from a generation config."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.GenerationConfig(
        do_sample=True, temperature=0.7, top_k=50, top_p=0.9, min_p=0.05, suppress_tokens=[3]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.GenerationMixin()
        model.config = transformers.PretrainedConfig(is_encoder_decoder=False)
        chain = model._get_logits_processor(config, input_ids_seq_length=1, device="cpu")
    logits = logits_of(4, 500, 2.0)
    expected = np.asarray(torch.softmax(chain(torch.zeros(1, 1, dtype=torch.long), torch.tensor(logits)[None]), -1)[0])
    ids, probabilities = Sampler(0.7, 50, 0.9, 0, [3], min_p=0.05).probabilities(logits)
    dense = np.zeros(500)
    dense[ids] = probabilities
    np.testing.assert_allclose(dense, expected, atol=1e-6)


class OnlyTheseInTurn:
    """A constraint that admits one set of tokens after the other."""

    def __init__(self, *sets: set[int]) -> None:
        self.sets = list(sets)

    def mask(self, logits: np.ndarray) -> np.ndarray:
        masked = np.full_like(logits, -np.inf)
        chosen = sorted(self.sets[0])
        masked[chosen] = logits[chosen]
        return masked

    def accept(self, token: int) -> None:
        assert token in self.sets.pop(0)

    def allowed_prefix(self, tokens: Sequence[int]) -> int:
        good = [token in each for token, each in zip(tokens, self.sets, strict=False)]
        return good.index(False) if False in good else len(good)

    def forced(self) -> tuple[int, ...]:
        return tuple(self.sets[0]) if len(self.sets[0]) == 1 else ()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize(("top_k", "top_p", "min_p"), [(0, 1.0, 0.0), (2, 0.9, 0.1), (0, 0.5, 0.0)])
def test_a_constraint_moves_on_with_each_draw(temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    constraint = OnlyTheseInTurn({1, 2}, {7}, {3, 4, 5})
    sampler = Sampler(temperature, top_k, top_p, 0, min_p=min_p, constraint=constraint)
    assert sampler.allowed_prefix([2, 7, 3]) == 3
    assert sampler.allowed_prefix([2, 3]) == 1
    assert sampler.forced() == ()
    assert sampler.sample(logits_of(0, 20)) in (1, 2)
    assert sampler.forced() == (7,)
    assert sampler.sample(logits_of(1, 20)) == 7
    assert sampler.sample(logits_of(2, 20)) in (3, 4, 5)
    free = Sampler(temperature)
    assert (free.allowed_prefix([1, 2]), free.forced()) == (2, ())


def test_a_mask_of_one_s_own_comes_before_all_limits() -> None:
    seen: list[np.ndarray] = []

    def only_even(logits: np.ndarray) -> np.ndarray:
        seen.append(logits.copy())
        masked = logits.copy()
        masked[1::2] = -np.inf
        return masked

    logits = logits_of(5, 100)
    sampler = Sampler(1.0, 3, 0.9, 0, [4], logit_mask=only_even)
    draws = {sampler.sample(logits) for _ in range(50)}
    assert all(token % 2 == 0 and token != 4 for token in draws)
    assert len(seen) == 50
    np.testing.assert_array_equal(seen[0], logits)
    masked = only_even(logits)
    masked[4] = -np.inf
    assert draws <= set(np.argsort(-masked)[:3].tolist())


def test_tokens_as_likely_as_the_last_of_top_k_are_kept_too() -> None:
    logits = np.array([2, 1, 1, 1, 0], np.float32)
    ids, _ = Sampler(top_k=2).probabilities(logits)
    assert set(ids) == set(np.flatnonzero(reference(logits, 1.0, 2, 1.0, []))) == {0, 1, 2, 3}


def test_top_p_takes_no_more_equals_than_it_needs() -> None:
    ids, probabilities = Sampler(top_p=0.5).probabilities(np.zeros(1000, np.float32))
    assert len(ids) == 500
    np.testing.assert_allclose(probabilities, 1 / 500)


def test_candidates_come_with_the_likeliest_first() -> None:
    for sampler in (Sampler(top_k=10), Sampler(top_p=0.8), Sampler(top_k=10, top_p=0.8)):
        _, probabilities = sampler.probabilities(logits_of(0, 1000))
        assert (np.diff(probabilities) <= 0).all()


def test_draws_follow_the_probabilities() -> None:
    logits = logits_of(1, 200, 1.5)
    for sampler in (Sampler(0.8, 0, 1.0, seed=5), Sampler(0.8, 20, 0.9, seed=5)):
        ids, probabilities = sampler.probabilities(logits)
        draws = np.array([sampler.sample(logits) for _ in range(20_000)])
        assert set(draws) <= set(ids)
        frequent = probabilities * len(draws) >= 5
        counted = np.array([(draws == index).sum() for index in ids])
        expected = probabilities * len(draws)
        chi_square = (((counted - expected) ** 2) / expected)[frequent].sum()
        freedom = int(frequent.sum()) - 1
        # far beyond what chance does: mean + 5 standard deviations of the distribution
        assert chi_square < freedom + 5 * np.sqrt(2 * freedom)


def test_equal_seeds_give_equal_draws() -> None:
    logits = logits_of(2, 1000, 1.0)

    def draws(seed: int | None) -> list[int]:
        sampler = Sampler(seed=seed, top_k=50)
        return [sampler.sample(logits) for _ in range(30)]

    assert draws(7) == draws(7)
    assert draws(7) != draws(8)
    assert draws(-1) == draws(-1)
    assert draws(2**70) == draws(2**70)
    assert draws(None) != draws(None)


def test_temperature_0_is_greedy_and_needs_no_luck() -> None:
    logits = logits_of(3, 1000)
    best = int(logits.argmax())
    assert Sampler(0).greedy
    assert {Sampler(0, seed=seed).sample(logits) for seed in range(5)} == {best}
    second = int(np.argsort(logits)[-2])
    assert Sampler(0, suppress_tokens=[best]).sample(logits) == second


@pytest.mark.parametrize("temperature", [0, 0.5, 1e-30, 1.0])
@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (5, 1.0), (0, 0.9), (5, 0.9), (0, 0.0)])
def test_suppressed_tokens_are_never_drawn(temperature: float, top_k: int, top_p: float) -> None:
    logits = np.zeros(10, np.float32)
    sampler = Sampler(temperature, top_k, top_p, 0, suppress_tokens=[*range(9), 4711])
    assert {sampler.sample(logits) for _ in range(50)} == {9}


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (2, 1.0), (0, 0.9), (2, 0.9)])
def test_what_is_not_a_number_is_never_drawn(top_k: int, top_p: float) -> None:
    nan, inf = np.nan, np.inf
    sampler = Sampler(1.0, top_k, top_p, 0)

    def drawn(*logits: float) -> set[int]:
        return {sampler.sample(np.array(logits, np.float32)) for _ in range(60)}

    assert drawn(nan, 0.0, nan, 0.0) == {1, 3}
    assert drawn(-inf, 0.0, -inf, 0.0, -inf) == {1, 3}
    assert drawn(inf, 0.0, inf, nan) == {0, 2}
    for broken in ([nan, nan], [-inf, -inf], [nan, -inf]):
        with pytest.raises(RuntimeSetupError, match="no usable numbers"):
            drawn(*broken)


def test_huge_and_tiny_numbers() -> None:
    logits = np.array([3e38, -3e38, 0], np.float32)
    for temperature in (1e-40, 1e-30, 1.0, 1e30):
        ids, probabilities = Sampler(temperature, 3, 0.99).probabilities(logits)
        assert ids[0] == 0
        assert np.isfinite(probabilities).all()


@pytest.mark.parametrize(
    "arguments",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_k": -1},
        {"top_p": -0.1},
        {"top_p": 1.1},
        {"top_p": float("nan")},
        {"min_p": -0.1},
        {"min_p": 1.5},
        {"min_p": float("nan")},
        {"suppress_tokens": [-1]},
    ],
)
def test_parameters_out_of_range_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        Sampler(**arguments)


@given(
    logits=st.lists(st.floats(width=32), min_size=1, max_size=40),
    temperature=st.floats(0, 100),
    top_k=st.integers(0, 50),
    top_p=st.floats(0, 1),
    min_p=st.floats(0, 1),
)
@settings(deadline=None, max_examples=300)
def test_any_logits(logits: list[float], temperature: float, top_k: int, top_p: float, min_p: float) -> None:
    """Either a candidate of positive probability is drawn, or the sampler says that there is none."""
    array = np.array(logits, np.float32)
    sampler = Sampler(temperature, top_k, top_p, 0, min_p=min_p)
    try:
        ids, probabilities = sampler.probabilities(array)
    except RuntimeSetupError:
        assert not (array > -np.inf).any()
        return
    assert np.isclose(probabilities.sum(), 1)
    assert (probabilities >= 0).all()
    assert array[sampler.sample(array)] > -np.inf
    assert array[ids[0]] == np.nanmax(array) or top_k == 0
