"""How many tokens to draft: as many as make the expected number of tokens per second the largest, often none.

Time is counted in runs of one row. A round that verifies n drafts costs ``costs[n + 1]`` and what the drafts took; it
brings one token, and one more for each draft that is accepted, up to the first that is not. How likely a draft is
accepted is learnt, apart for each place in the round and each degree of confidence: the drafter's own probability, or
how many tokens agree with the place that an n-gram draft was copied from. The best rule for going on or stopping then
follows from backward induction; the price of time in it is the rate that the rule itself reaches.

Estimates can be wrong. Two accounts bound what that may cost: one for drafting that was thought to pay, one for probes
while nothing seems to pay, without which it would never be noticed that drafting pays again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.run_costs import MOST_ROWS, RunCosts

Source = Literal["drafter", "ngram", "forced"]

MOST_DRAFTS = 8
"""Of the drafter, in a round."""
MOST_COPIED = MOST_ROWS - 1
"""Of n-gram drafts, in a round."""

_PROBABILITIES = (0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.96)
"""Bounds between degrees of the drafter's confidence."""
_PROBABILITY_PRIOR = (0.06, 0.15, 0.27, 0.42, 0.57, 0.72, 0.85, 0.93, 0.97)
"""A drafter is believed until it is known better."""
_AGREEMENTS = (3, 4, 6, 10)
"""Bounds between degrees of an n-gram draft's confidence."""
_AGREEMENT_PRIOR = (0.25, 0.4, 0.55, 0.7, 0.85)
_PRIOR_WEIGHT = 2.0
"""Observations that a prior counts for."""
_PLACE_WEIGHT = 8.0
"""Observations that the place before counts for."""
_REMEMBERED = 0.95
"""What an estimate keeps of older observations when a new one comes."""
_MET_REMEMBERED = 0.97
"""The same for how often each degree comes up."""
_FADING = 0.97
"""What it keeps of them over 16 rounds without any."""

_OVERDRAFT = 1.0
"""Runs that drafting may have cost in all before it has to stop."""
_SAVED = 4.0
"""Runs that it may set aside of what it won, to be risked later."""
_REFILL = 0.007
"""Share of the time that it may cost beyond that."""
_PROBES = 0.007
"""Share of the time that goes into probes."""
_REFRESH = 16
"""Rounds between two backward inductions, when there is something new."""
_BASE_EVERY = 48
"""Rounds after which one without drafts is due, which everything is compared with."""
_GRID = np.linspace(0.0, 1.0, 17)
_COUNTS = np.arange(1, MOST_COPIED + 1)


class Policy(Protocol):
    """Decides about drafts; asked from round to round."""

    def begin(self, most: int) -> bool:
        """Start a round of at most ``most`` drafts; return whether it can have any."""

    def copies(self, agreement: int, available: int) -> int:
        """Return how many of ``available`` n-gram drafts to verify in place of the drafter's."""

    def goes_on(self, place: int) -> bool:
        """Return whether the drafter shall make the draft at ``place``, 0 for the first."""

    def takes(self, place: int, probability: float) -> bool:
        """Return whether the drafter's draft, that it gave ``probability``, is verified; it ends the round if not."""

    def end(self, source: Source | None, confidences: Sequence[float], accepted: int, drafted: int) -> None:
        """Learn how a round went.

        Args:
            source: of the drafts; None if there were none.
            confidences: of each draft: probabilities of the drafter, or agreements.
            accepted: leading drafts that were right.
            drafted: drafts that the drafter made, those included that were not verified.
        """


class FixedDrafts:
    """Always the same number of drafts, whatever it costs: for measurements and tests."""

    def __init__(self, count: int, *, copied: bool = False) -> None:
        self._count = count
        self._copied = copied

    def begin(self, most: int) -> bool:
        """See :class:`Policy`."""
        self._most = min(self._count, most)
        return self._most > 0

    def copies(self, agreement: int, available: int) -> int:
        """See :class:`Policy`."""
        return min(self._most, available) if self._copied else 0

    def goes_on(self, place: int) -> bool:
        """See :class:`Policy`."""
        return place < self._most

    def takes(self, place: int, probability: float) -> bool:
        """See :class:`Policy`."""
        return True

    def end(self, source: Source | None, confidences: Sequence[float], accepted: int, drafted: int) -> None:
        """See :class:`Policy`."""


class AdaptiveDrafts:
    """The number of drafts that promises the most tokens per second.

    Args:
        costs: of runs and drafts; they may change from round to round.
        drafter: whether there is one.
    """

    def __init__(self, costs: RunCosts, *, drafter: bool = True) -> None:
        self._costs = costs
        self._drafter = drafter
        self._guessed = _Acceptance(_PROBABILITY_PRIOR, _PROBABILITIES, MOST_DRAFTS)
        self._copied = _Acceptance(_AGREEMENT_PRIOR, _AGREEMENTS, 1)
        self._balance = _OVERDRAFT
        self._probe_balance = 0.0
        self._rounds = 0
        self._refresh_at = 0
        self._base_at = _BASE_EVERY
        self._news = False
        self.rate = 1.0
        """Tokens per run of one row that the drafter is expected to reach, and what time is therefore worth."""
        self._most = self._affordable = MOST_DRAFTS
        self._may_probe = self._probed = False
        self._survival = 1.0
        self._plan()

    def begin(self, most: int) -> bool:
        """See :class:`Policy`."""
        if self._news and self._rounds >= self._refresh_at:
            self._plan()
            self._news = False
            self._refresh_at = self._rounds + min(_REFRESH, 1 + self._rounds // 8)
        self._most = min(most, MOST_DRAFTS)
        self._copies_most = min(most, MOST_COPIED)
        self._survival = 1.0
        draft = self._costs.draft if self._drafter else 0.0
        self._affordable = self._within_balance(self._most, draft)
        loss = self._costs[2] + draft - 1.0
        self._may_probe, self._probed = self._probe_balance >= loss, False
        if not self._costs.ready or self._rounds >= self._base_at:
            return False
        return most > 0 and (self._affordable > 0 or self._may_probe)

    def copies(self, agreement: int, available: int) -> int:
        """See :class:`Policy`."""
        available = min(available, self._copies_most)
        if available < 1:
            return 0
        right = [self._copied.of(0, agreement + place) for place in range(available)]
        brought = np.concatenate(([0.0], np.cumsum(np.cumprod(right))))
        values = brought - self._price * self._costs.curve[1 : available + 2]
        count = int(values[: self._within_balance(available, 0.0) + 1].argmax())
        drafter_value = self._value(0, 1.0) if self._drafter else -self._price
        if count and values[count] > drafter_value:
            return count
        # a probe: where nothing seems to pay, the likelier of the two sources gets it
        if self._may_probe and drafter_value <= -self._price and not (self._drafter and self._guessed.first > right[0]):
            self._probed = True
            return 1
        return 0

    def goes_on(self, place: int) -> bool:
        """See :class:`Policy`."""
        if not self._drafter or place >= self._most:
            return False
        if place < self._affordable and self._going_on(place) > self._stopping(place):
            return True
        if place == 0:
            self._probed = self._may_probe
        return place == 0 and self._probed

    def takes(self, place: int, probability: float) -> bool:
        """See :class:`Policy`."""
        self._guessed.meet(place, probability)
        survival = self._survival * self._guessed.of(place, probability)
        if survival + self._value(place + 1, survival) > self._stopping(place) or self._probed:
            self._survival = survival
            return True
        return False

    def end(self, source: Source | None, confidences: Sequence[float], accepted: int, drafted: int) -> None:
        """See :class:`Policy`."""
        self._rounds += 1
        drafts = len(confidences)
        if not drafts:
            self._base_at = self._rounds + _BASE_EVERY
        cost = self._costs[drafts + 1] + self._costs.draft * drafted
        gain = accepted + 1 - cost
        self._balance += _REFILL * cost
        self._probe_balance += _PROBES * cost
        if self._probed:
            # a hit pays for the next probe, so that they come one after the other when drafting pays again
            self._probe_balance += gain
        if not self._probed or gain > 0:
            self._balance += gain
        self._balance, self._probe_balance = min(self._balance, _SAVED), min(self._probe_balance, 1.0)
        if self._rounds % 16 == 0:
            self._guessed.fade()
            self._copied.fade()
        self._news = self._news or drafted > 0 or drafts > 0
        estimate = {"drafter": self._guessed, "ngram": self._copied}.get(source or "")
        if estimate is not None:
            for place, confidence in enumerate(confidences[: accepted + 1]):
                estimate.add(place, confidence, place < accepted)

    def _plan(self) -> None:
        """Find, by backward induction, what going on is worth at each place and likelihood of getting there.

        One step of Dinkelbach's method for the rate, which starts from the rate before.
        """
        self._price = self.rate
        """What the values below are computed with."""
        if not self._drafter:
            return
        curve, draft = self._costs.curve, self._costs.draft
        tokens = np.zeros_like(_GRID)
        cost = np.full_like(_GRID, curve[MOST_DRAFTS + 1])
        self._values: list[NDArray[np.float64]] = [tokens - self.rate * cost]
        self._ahead: list[NDArray[np.float64]] = []
        for place in range(MOST_DRAFTS - 1, -1, -1):
            right, share = self._guessed.table(place)
            stop = -self.rate * curve[place + 1]
            reached = _GRID[:, None] * right  # [grid, degrees]
            taken_tokens = reached + np.interp(reached, _GRID, tokens)
            taken_cost = np.interp(reached, _GRID, cost)
            takes = taken_tokens - self.rate * taken_cost > stop
            on_tokens = np.where(takes, taken_tokens, 0.0) @ share
            on_cost = draft + np.where(takes, taken_cost, curve[place + 1]) @ share
            ahead = on_tokens - self.rate * on_cost
            tokens = np.where(ahead > stop, on_tokens, 0.0)
            cost = np.where(ahead > stop, on_cost, curve[place + 1])
            self._ahead.insert(0, ahead)
            self._values.insert(0, np.maximum(ahead, stop))
        self._first_ahead = float(self._ahead[0][-1])
        self.rate = max(1.0, float((1 + tokens[-1]) / cost[-1]))

    def _within_balance(self, most: int, draft: float) -> int:
        """Return how many drafts, at most ``most``, leave the account in credit even if none is right.

        A longer guess may promise more, but while little has been won yet, one that fails would end all drafting for
        long.
        """
        losses = self._costs.curve[2 : most + 2] - 1.0 + draft * _COUNTS[:most]
        return int(np.searchsorted(losses, self._balance, side="right"))

    def _stopping(self, place: int) -> float:
        return -self._price * self._costs[place + 1]

    def _going_on(self, place: int) -> float:
        if not place:
            return self._first_ahead
        return float(np.interp(self._survival, _GRID, self._ahead[place]))

    def _value(self, place: int, survival: float) -> float:
        """Return what the rest of the round is worth, in tokens, from ``place`` on."""
        return float(np.interp(survival, _GRID, self._values[place]))


class _Acceptance:
    """How likely drafts are accepted, by place and degree of confidence, and how often each degree comes up.

    A place that was rarely reached is taken to be like the one before it.
    """

    def __init__(self, prior: Sequence[float], bounds: Sequence[float], places: int) -> None:
        self._prior = np.array(prior)
        self._bounds = bounds
        self._right, self._seen, self._met = (np.zeros((places, len(prior))) for _ in range(3))

    def of(self, place: int, confidence: float) -> float:
        """Return how likely a draft is accepted, given that those before it were."""
        place, degree = min(place, len(self._seen) - 1), self._degree(confidence)
        estimate = float(self._prior[degree])
        for each in range(place + 1):
            seen, weight = float(self._seen[each, degree]), _PLACE_WEIGHT if each else _PRIOR_WEIGHT
            estimate = (float(self._right[each, degree]) + weight * estimate) / (seen + weight)
        return estimate

    @property
    def first(self) -> float:
        """How likely the first draft is accepted, whatever its confidence."""
        right, share = self.table(0)
        return float(right @ share)

    def table(self, place: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return, by degree of confidence, how likely a draft is accepted and how often the degree comes up."""
        right, share = self._prior, np.full(len(self._prior), 1 / len(self._prior))
        for each in range(place + 1):
            seen, met, weight = self._seen[each], self._met[each], _PLACE_WEIGHT if each else _PRIOR_WEIGHT
            right = (self._right[each] + weight * right) / (seen + weight)
            share = (met + weight * share) / (met.sum() + weight)
        return right, share

    def add(self, place: int, confidence: float, right: bool) -> None:
        """Take note of a draft whose predecessors were accepted."""
        cell = min(place, len(self._seen) - 1), self._degree(confidence)
        self._right[cell] = self._right[cell] * _REMEMBERED + right
        self._seen[cell] = self._seen[cell] * _REMEMBERED + 1

    def meet(self, place: int, confidence: float) -> None:
        """Take note of a draft, whether it is verified or not."""
        met = self._met[min(place, len(self._met) - 1)]
        met *= _MET_REMEMBERED
        met[self._degree(confidence)] += 1

    def fade(self) -> None:
        """Forget a little of everything."""
        self._right *= _FADING
        self._seen *= _FADING
        self._met *= _FADING

    def _degree(self, confidence: float) -> int:
        return sum(confidence >= bound for bound in self._bounds)
