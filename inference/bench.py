"""``main.py bench``: how fast this machine runs a model, beside what its memory could give at best.

Absolute figures drift with whatever else the machine does; the ratios are measured in one run, in turn.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from inference.cancellation import CancelToken
from inference.language_model import LanguageModel
from inference.model_folder import ModelFolder, default_model_folder

_PREFILL_TOKENS = 256
_DEPTHS = (32, 1000, 4000)
_READ_BYTES = 512 << 20
_FIRST_ORDINARY_ID = 300  # below lie control tokens


@dataclass(frozen=True)
class Measurement:
    """One line of the table."""

    name: str
    value: str
    beside: str = ""


def measure_model(path: Path | None = None, runs: int = 5, threads: int | None = None) -> Iterator[Measurement]:
    """Measure loading, prefill, decoding at several depths, and a second turn. Values are medians over ``runs``.

    Raises:
        LarimarError: the model cannot be loaded.
    """
    folder = ModelFolder.open(path or default_model_folder())
    weights = sum(file.stat().st_size for file in folder.path.glob("onnx/decoder_model_merged*_data"))
    bandwidth = _bandwidth(runs)
    yield Measurement("memory, read", f"{bandwidth / 1e9:.1f} GB/s")

    loads = []
    for _ in range(2):
        started = time.perf_counter()
        model = LanguageModel.open(folder, threads=threads)
        loads.append(time.perf_counter() - started)
    yield Measurement("load, second time", f"{loads[-1]:.2f} s", f"{loads[-1] / loads[0]:.2f} × the first")

    fresh = _prompts(model.vocab_size)
    seconds = _median(runs, lambda: _prefill(model, next(fresh)(_PREFILL_TOKENS)))
    yield Measurement(
        f"prefill of {_PREFILL_TOKENS} tokens on {model.provider}", f"{_PREFILL_TOKENS / seconds:.1f} tokens/s"
    )

    first = None
    for depth in (depth for depth in _DEPTHS if depth + 64 < model.context_length):
        _prefill(model, next(fresh)(depth))
        step = _median(max(runs, 8), lambda: _step(model))
        first = first or step
        limit = weights / bandwidth
        beside = f"{limit / step:.2f} × what reading {weights / 1e6:.0f} MB of weights allows"
        yield Measurement(f"decoding at depth {depth}", f"{1 / step:.1f} tokens/s", beside)
        yield Measurement(
            f"  a step at depth {depth}", f"{step * 1e3:.1f} ms", f"{step / first:.2f} × depth {_DEPTHS[0]}"
        )

    turn = next(fresh)(min(1000, model.context_length // 2))
    whole = _prefill(model, turn)
    again = _median(runs, lambda: _prefill(model, turn + next(fresh)(16)[1:]))
    yield Measurement(
        f"second turn: 15 new tokens after {len(turn)}", f"{again * 1e3:.0f} ms", f"{again / whole:.3f} × the first"
    )


def table(measurements: Iterator[Measurement]) -> Iterator[str]:
    """Yield the lines of a Markdown table as the measurements come in."""
    yield "| what | measured | beside |"
    yield "|---|---:|---|"
    for each in measurements:
        yield f"| {each.name} | {each.value} | {each.beside} |"


def _bandwidth(runs: int) -> float:
    """Return bytes a second that one thread reads from memory; decoding with several may read more."""
    block = np.ones(_READ_BYTES // 8, np.float64)

    def read() -> float:
        started = time.perf_counter()
        block.max()
        return time.perf_counter() - started

    return _READ_BYTES / _median(runs, read)


def _prompts(vocab_size: int) -> Iterator[Callable[[int], list[int]]]:
    """Yield makers of prompts that share no prefix with an earlier one."""
    draw = random.Random(0)
    low = min(_FIRST_ORDINARY_ID, vocab_size // 2)
    while True:
        yield lambda count: [draw.randrange(low, vocab_size) for _ in range(count)]


def _prefill(model: LanguageModel, prompt: list[int]) -> float:
    started = time.perf_counter()
    for _ in model.prefill(prompt, CancelToken()):
        pass
    return time.perf_counter() - started


def _step(model: LanguageModel) -> float:
    started = time.perf_counter()
    model.step(_FIRST_ORDINARY_ID % model.vocab_size, CancelToken())
    return time.perf_counter() - started


def _median(runs: int, work: Callable[[], float]) -> float:
    """Run once unmeasured, then ``runs`` times; ``work`` returns the seconds that it took."""
    work()
    return median(work() for _ in range(runs))
