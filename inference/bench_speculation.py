"""What speculative decoding is worth on this machine, without weights that make drafts come true.

With random weights no drafter is ever right. So the real drafter runs and costs what it costs, and what it says is then
replaced: by what comes next, with a given probability, or by something else. What comes next is a text of random
tokens, whatever the model would say, so that rounding plays no part. All else is as in a reply.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.draft_policy import AdaptiveDrafts, FixedDrafts, Policy
from inference.generation import DecodeCounts, Token, generate_tokens
from inference.graphs.drafter import Draft
from inference.language_model import LanguageModel
from inference.model_folder import ModelFolder
from inference.run_costs import RunCosts
from inference.sampling import Sampler
from inference.speculation import Speculator


@dataclass(frozen=True, slots=True)
class SpeculationSpeed:
    """Speculative decoding beside plain decoding, in turn in one run."""

    acceptance: float
    """How likely a draft was right."""
    drafts: int | None
    """A run; None: adaptive."""
    ratio: float
    """Median of the speed, as a multiple of plain decoding's."""
    plain_seconds: float
    """Median time of a token of plain decoding."""
    drafted_per_run: float
    accepted_per_drafted: float


class StandIn:
    """A language model whose drafter runs, and is then overruled so that it is right with a given probability.

    Args:
        model: with or without a drafter; without one, drafts cost nothing.
        text: what will be said.
        start: number of cached tokens before ``text``.
        acceptance: probability.
        seed: of the drafts.
    """

    has_drafter = True

    def __init__(self, model: LanguageModel, text: Sequence[int], start: int, acceptance: float, seed: int = 0) -> None:
        self._model = model
        self._text = text
        self._start = start
        self._acceptance = acceptance
        self._draw = random.Random(seed)
        self._place = 0

    @property
    def most_rows(self) -> int:
        """See :attr:`LanguageModel.most_rows`."""
        return self._model.most_rows

    def verify(self, tokens: Sequence[int], cancel: CancelToken) -> NDArray[np.float32] | None:
        """See :meth:`LanguageModel.verify`."""
        self._place = 0
        return self._model.verify(tokens, cancel)

    def draft(
        self,
        token: int,
        state: NDArray[np.float32] | None,
        cancel: CancelToken,
        permits: Callable[[int], bool] | None = None,
    ) -> Draft | None:
        """Run the drafter, and say something else, with the acceptance as the probability."""
        drafted = self._model.draft(token, state, cancel, permits)
        if self._model.has_drafter and drafted is None:
            return None
        after = drafted.state if drafted is not None else np.zeros((1, 1, 1), np.float32)
        self._place += 1
        at = len(self._model.cached_tokens) + self._place - self._start
        truth = self._text[at] if at < len(self._text) else 0
        right = self._draw.random() < self._acceptance
        guess = truth if right else (truth + 1) % self._model.vocab_size
        return Draft(guess, self._acceptance, after)


def measure_speculation(
    model: LanguageModel,
    acceptance: float,
    drafts: int | None,
    *,
    depth: int = 32,
    tokens: int = 48,
    runs: int = 5,
    seed: int = 0,
    costs: RunCosts | None = None,
) -> SpeculationSpeed:
    """Measure plain and speculative decoding of the same tokens, in turn.

    Args:
        model: that decodes; its drafter's cost is paid if it has one.
        acceptance: probability that a draft is right, given that those before it were.
        drafts: a run; None lets the adaptive policy choose, which keeps what it learnt from one measurement to the
            next of this call, as from reply to reply.
        depth: tokens of context, random ones.
        tokens: to generate in each measurement.
        runs: measurements of each kind; medians are returned.
        seed: of context and drafts.
        costs: what is known of the machine; None learns it anew.

    Returns:
        The ratio; above 1 speculation is faster.
    """
    draw = random.Random(seed)
    low = min(300, model.vocab_size // 2)
    prompt = [draw.randrange(low, model.vocab_size) for _ in range(depth)]
    text = [draw.randrange(low, model.vocab_size) for _ in range(tokens)]
    known = RunCosts() if costs is None else costs
    policy: Policy = AdaptiveDrafts(known) if drafts is None else FixedDrafts(drafts)
    plain, ratios, counts = [], [], DecodeCounts()
    for index in range(runs):
        stand_in = StandIn(model, text, depth, acceptance, seed + index)
        speculator = Speculator(stand_in, known, policy)
        plain.append(_timed(model, prompt, text, None))
        ratios.append(plain[-1] / _timed(model, prompt, text, speculator, counts))
    return SpeculationSpeed(
        acceptance=acceptance,
        drafts=drafts,
        ratio=median(ratios),
        plain_seconds=median(plain) / (tokens - 1),
        drafted_per_run=counts.drafted / max(1, counts.runs),
        accepted_per_drafted=counts.accepted / max(1, counts.drafted),
    )


def measure_row_costs(model: LanguageModel, most: int = 9, *, depth: int = 32, runs: int = 5) -> dict[int, float]:
    """Return what a run of 1 to ``most`` rows takes, relative to one row, each measured in turn; medians of ratios."""
    prompt = list(range(300, 300 + depth)) if model.vocab_size > 300 + depth else [1] * depth
    _read(model, prompt)
    times: dict[int, list[float]] = {rows: [] for rows in range(1, most + 1)}
    for index in range(runs + 1):
        for rows, seconds in times.items():
            started = time.perf_counter()
            model.verify([1 + index] * rows, CancelToken())
            if index:  # the first time sizes buffers
                seconds.append(time.perf_counter() - started)
            model.roll_back(depth)
    return {
        rows: median(each / single for each, single in zip(seconds, times[1], strict=True))
        for rows, seconds in times.items()
    }


class _Script:
    """Pays for sampling, and then says what is written."""

    def __init__(self, text: Sequence[int]) -> None:
        self._sampler = Sampler(0)
        self._text = iter(text)

    def sample(self, logits: NDArray[np.float32]) -> int:
        self._sampler.sample(logits)
        return next(self._text)

    def allowed_prefix(self, tokens: Sequence[int]) -> int:
        return len(tokens)

    def forced(self) -> tuple[int, ...]:
        return ()


def _timed(
    model: LanguageModel,
    prompt: list[int],
    text: list[int],
    speculator: Speculator | None,
    counts: DecodeCounts | None = None,
) -> float:
    """Return the seconds from the first token of ``text`` to the last."""
    speculation = None if speculator is None else speculator.start(prompt, ())
    started = ended = 0.0
    for event in generate_tokens(model, prompt, _Script(text), (), len(text), CancelToken(), speculation, counts):
        if isinstance(event, Token):
            ended = time.perf_counter()
            started = started or ended
    return ended - started


def _read(model: LanguageModel, prompt: list[int]) -> None:
    for _ in model.prefill(prompt, CancelToken()):
        pass


def main() -> None:
    """Print a table: ``python -m inference.bench_speculation FOLDER``."""
    parser = argparse.ArgumentParser(description="What drafts are worth, by how often they are right.")
    parser.add_argument("folder", help="model folder, with a drafter if its cost is to count")
    parser.add_argument("--tokens", type=int, default=48, help="in each measurement")
    parser.add_argument("--runs", type=int, default=5, help="measurements of each kind")
    parser.add_argument("--depth", type=int, default=32, help="tokens of context")
    parser.add_argument("--threads", type=int, help="of one operator")
    parser.add_argument("--acceptance", type=float, nargs="*", default=[0.0, 0.6, 0.75, 0.9])
    parser.add_argument("--drafts", type=int, nargs="*", default=[1, 2], help="besides the adaptive number")
    chosen = parser.parse_args()
    model = LanguageModel.open(ModelFolder.open(chosen.folder), threads=chosen.threads)
    rows = measure_row_costs(model, depth=chosen.depth, runs=chosen.runs)
    print("rows in a run: " + ", ".join(f"{count}: {cost:.2f}" for count, cost in rows.items()), flush=True)
    print("| drafts right | drafts a run | × plain decoding |\n|---:|---:|---:|")
    costs = RunCosts()
    for acceptance in chosen.acceptance:
        for drafts in (*chosen.drafts, None):
            speed = measure_speculation(
                model, acceptance, drafts, depth=chosen.depth, tokens=chosen.tokens, runs=chosen.runs, costs=costs
            )
            count = f"adaptive, {speed.drafted_per_run:.1f}" if drafts is None else str(drafts)
            print(f"| {acceptance:.0%} | {count} | {speed.ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
