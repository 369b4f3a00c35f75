"""How many tokens are drafted, in a simulated world in which runs cost what a table says."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from inference.draft_policy import MOST_DRAFTS, AdaptiveDrafts
from inference.run_costs import RunCosts

ARITHMETIC = [1.0, 1.2, 1.8, 2.25, 2.6, 3.1, 3.5, 4.0, 4.4]
"""Cost by rows where arithmetic is the bottleneck: two cores with AVX2."""
MEMORY = [1 + 0.04 * rows for rows in range(9)]
"""Where memory is."""
DRAFT = 0.05

Drafter = Callable[[random.Random], tuple[float, float]]
"""Draws how likely the next draft is right, and what the drafter thinks of it."""


def constant(right: float, confidence: float | None = None) -> Drafter:
    return lambda _draw: (right, right if confidence is None else confidence)


def varied(right: float) -> Drafter:
    """A drafter that knows when it is right, as far as it can be known."""

    def each(draw: random.Random) -> tuple[float, float]:
        probability = draw.betavariate(2 * right, 2 * (1 - right))
        return probability, probability

    return each


@dataclass
class World:
    """Plays rounds and takes the time of a clock that only they move."""

    curve: list[float]
    draw: random.Random = field(default_factory=lambda: random.Random(1))
    drafts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.costs = RunCosts()
        self.policy = AdaptiveDrafts(self.costs)

    def speed(self, drafter: Drafter, tokens: int) -> float:
        """Return tokens per run of one row over the next ``tokens``."""
        made, time = 0, 0.0
        self.drafts.clear()
        while made < tokens:
            right: list[bool] = []
            confidences: list[float] = []
            drafted = 0
            if self.policy.begin(MOST_DRAFTS):
                while self.policy.goes_on(len(confidences)):
                    likely, confidence = drafter(self.draw)
                    drafted += 1
                    time += self._spend(DRAFT, self.costs.add_draft)
                    if not self.policy.takes(len(confidences), confidence):
                        break
                    confidences.append(confidence)
                    right.append(self.draw.random() < likely)
            accepted = [*right, False].index(False)
            rows = len(confidences) + 1
            time += self._spend(self.curve[rows - 1], lambda seconds, rows=rows: self.costs.add_run(rows, seconds))
            self.policy.end("drafter" if confidences else None, confidences, accepted, drafted)
            made += accepted + 1
            self.drafts.append(len(confidences))
        return made / time

    def _spend(self, cost: float, note: Callable[[float], None]) -> float:
        seconds = cost * self.draw.lognormvariate(0, 0.05)
        note(seconds)
        return seconds


def known(rows: dict[int, float], draft: float | None = None) -> RunCosts:
    costs = RunCosts(rows, draft)
    for _ in range(2):
        costs.add_run(1, 1.0)
    return costs


def best(curve: list[float], right: float) -> float:
    """Return the speed that the best fixed number of drafts reaches."""
    return max(
        sum(right**place for place in range(count + 1)) / (curve[count] + count * DRAFT)
        for count in range(MOST_DRAFTS + 1)
    )


@pytest.mark.parametrize("curve", [ARITHMETIC, MEMORY], ids=["arithmetic", "memory"])
@pytest.mark.parametrize("drafter", [constant(0), constant(0, 0.95), varied(0.05)], ids=["unsure", "too sure", "rare"])
def test_drafts_that_never_hit_cost_next_to_nothing(curve: list[float], drafter: Drafter) -> None:
    """From the first token of the first reply on; while it is still learnt, a little more."""
    world = World(curve)
    assert world.speed(drafter, 300) >= 0.955
    assert world.speed(drafter, 300) >= 0.97
    if drafter(random.Random(0))[0] == 0:  # a guess that is right at times may bring what it costs
        assert sum(world.drafts) < 0.3 * len(world.drafts), "only probes are left, more of them where they are cheap"
    assert sum(world.drafts) > 0, "but probes there are"


@pytest.mark.parametrize("curve", [ARITHMETIC, MEMORY], ids=["arithmetic", "memory"])
@pytest.mark.parametrize("right", [0.2, 0.4, 0.6, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("confidence", [None, 0.9], ids=["knows", "too sure"])
def test_near_the_best_fixed_number(curve: list[float], right: float, confidence: float | None) -> None:
    world = World(curve)
    speed = world.speed(constant(right, confidence), 1500)
    assert speed >= 0.83 * best(curve, right)
    assert speed >= 0.97


@pytest.mark.parametrize("curve", [ARITHMETIC, MEMORY], ids=["arithmetic", "memory"])
@pytest.mark.parametrize("right", [0.4, 0.6, 0.8])
def test_stopping_when_unsure_is_as_good_as_any_fixed_number(curve: list[float], right: float) -> None:
    world = World(curve)
    world.speed(varied(right), 600)
    assert world.speed(varied(right), 1500) >= 0.95 * best(curve, right)


@pytest.mark.parametrize("right", [0.6, 0.75, 0.9])
def test_an_unlucky_guess_does_not_end_drafting(right: float) -> None:
    """In the first 64 tokens of all, on average: a long guess that fails must not use up what may be lost."""
    speeds = []
    for seed in range(12):
        world = World(ARITHMETIC, random.Random(seed))
        world.costs = known({rows: cost for rows, cost in enumerate(ARITHMETIC, 1) if rows > 1}, DRAFT)
        world.policy = AdaptiveDrafts(world.costs)
        speeds.append(world.speed(constant(right), 64))
    assert sum(speeds) / len(speeds) >= 0.9 * best(ARITHMETIC, right)


def test_no_more_is_risked_than_may_be_lost() -> None:
    policy = AdaptiveDrafts(known({2: 1.4, 3: 1.8, 4: 2.2, 5: 2.6}, 0.01))
    risked = 0.0
    for _ in range(6):
        places = 0
        if policy.begin(MOST_DRAFTS):
            while policy.goes_on(places) and policy.takes(places, 0.99):
                places += 1
        risked += 0.41 * places
        policy.end("drafter" if places else None, [0.99] * places, 0, places)
    assert 0.4 < risked <= 1.05


def test_more_are_drafted_where_rows_are_cheap() -> None:
    dear, cheap = World(ARITHMETIC), World(MEMORY)
    for world in (dear, cheap):
        world.speed(constant(0.75), 600)
    assert sum(cheap.drafts) / len(cheap.drafts) > 2 * sum(dear.drafts) / len(dear.drafts)


def test_as_many_as_possible_when_they_always_hit() -> None:
    world = World(MEMORY)
    world.speed(constant(1.0), 300)
    world.speed(constant(1.0), 300)
    assert set(world.drafts[:-1]) <= {0, MOST_DRAFTS}
    assert world.drafts.count(0) <= 1, "to compare with"


@pytest.mark.parametrize("curve", [ARITHMETIC, MEMORY], ids=["arithmetic", "memory"])
def test_it_recovers(curve: list[float]) -> None:
    """A stretch that no draft hits, then one that all do: code after poetry."""
    world = World(curve)
    world.speed(constant(0.9), 300)
    assert world.speed(constant(0, 0.9), 300) >= 0.95, "it must unlearn first"
    world.speed(constant(0.9), 400)
    assert world.speed(constant(0.9), 600) >= 0.85 * best(curve, 0.9)


def test_the_limit_of_a_round_is_kept() -> None:
    policy = AdaptiveDrafts(known({}))
    assert not policy.begin(0)
    assert policy.begin(2)
    assert policy.goes_on(0)
    assert not policy.goes_on(2)


def test_copies_where_there_is_no_drafter() -> None:
    """Long agreement promises more than short agreement; copies that fail are given up, and tried again at times."""
    costs = known({2: 1.2, 8: 4.0, 16: 8.0})
    policy = AdaptiveDrafts(costs, drafter=False)
    assert policy.begin(16)
    assert not policy.goes_on(0)
    assert policy.copies(12, 16) > policy.copies(5, 16) >= 1
    assert policy.copies(12, 2) == 2
    assert policy.copies(12, 0) == 0
    tried = 0
    for _ in range(400):
        count = policy.copies(12, 16) if policy.begin(16) else 0
        tried += count
        policy.end("ngram" if count else None, [12 + place for place in range(count)], 0, 0)
    assert 5 < tried < 60
    for _ in range(60):
        count = policy.copies(12, 16) if policy.begin(16) else 0
        policy.end("ngram" if count else None, [12 + place for place in range(count)], count, 0)
    assert policy.begin(16)
    assert policy.copies(12, 16) > 4


def test_the_better_of_copies_and_drafter() -> None:
    costs = known({rows: cost for rows, cost in enumerate(MEMORY, 1) if rows > 1}, 0.05)
    policy = AdaptiveDrafts(costs)
    for _ in range(60):  # a drafter that is right three times of four, copies that never are
        policy.begin(8)
        copied = policy.copies(2, 8)
        drafted = [0.75] * 4 if not copied else []
        policy.end("ngram" if copied else "drafter", [2.0] * copied or drafted, 0 if copied else 3, len(drafted))
    policy.begin(8)
    assert policy.copies(2, 8) == 0
    assert policy.goes_on(0)
    for _ in range(40):
        policy.begin(8)
        policy.end("ngram", [12.0 + place for place in range(8)], 8, 0)
    policy.begin(8)
    assert policy.copies(12, 8) == 8
