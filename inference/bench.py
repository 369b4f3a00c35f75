"""``main.py bench model``: how fast this machine runs a model, beside other engines and what its memory allows.

Absolute figures drift with whatever else the machine does. So everything is compared within one run, in turn, and the
ratios of the medians are what counts.
"""

from __future__ import annotations

import platform
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime

from inference import processor
from inference.bench_peers import Peer
from inference.bench_results import Comparison, Measurement
from inference.bench_speculation import measure_speculation
from inference.cancellation import CancelToken
from inference.engine import Engine
from inference.graphs.loading import weight_files
from inference.language_model import LanguageModel
from inference.memory import resident_bytes
from inference.messages import Done, Prefill, ReplyOptions, Turn
from inference.model_folder import ModelFolder, default_model_folder
from inference.version import __version__

PREFILL = 512
DEPTHS = (32, 1000, 4096)
_READ_BYTES = 512 << 20
_FIRST_ORDINARY_ID = 300  # below lie control tokens
_STEPS = 8
_DEEP = 1000  # from here on a peer reads its prompt for minutes: fewer rounds
_DEEP_ROUNDS = 2
_NEW_TOKENS = 16
_DRAFTS = (1, 2, 4)
_ACCEPTANCES = (0.0, 0.6, 0.75, 0.9)
_MORE_MEMORY = 300e6  # what may be resident beside weights and KV cache

# goals: ratios to the same, in one run
_GOALS = {"prefill": 3.0, "decode": 1.3, "deep": 2.0, "limit": 0.75, "drafts": 1.35}


def measure_model(
    path: Path | None = None,
    runs: int = 5,
    threads: int | None = None,
    *,
    prefill: int = PREFILL,
    depths: Sequence[int] = DEPTHS,
    peers: Sequence[Peer] = (),
) -> Iterator[Measurement]:
    """Measure loading, prefill, decoding, drafts, memory and the time to the first token.

    Args:
        path: the model folder; None for the default one.
        runs: how often each is measured; values are medians.
        threads: of one operator.
        prefill: prompt tokens of the prefill measurement.
        depths: tokens in the KV cache at which decoding is measured; those beyond the context are left out.
        peers: other engines with the same model, measured in turn with ours.

    Raises:
        LarimarError: the model cannot be loaded, or a peer does not run.
    """
    folder = ModelFolder.open(path or default_model_folder())
    weights = sum(file.stat().st_size for file in weight_files(folder.graph("decoder_model_merged")))
    bandwidth = _bandwidth(runs, threads or processor.threads() or 1)
    alone = f"by one: {_bandwidth(runs, 1) / 1e9:.1f}"
    yield Measurement("memory, read by all threads", bandwidth / 1e9, "GB/s", note=alone)
    start = resident_bytes().get("resident", 0)
    model, seconds = _load(folder, threads, runs)
    yield seconds
    fresh = _prompts(model.vocab_size)
    length = min(prefill, model.context_length // 2)
    yield _compared(
        f"prefill of {length} tokens on {model.provider}",
        length,
        runs,
        lambda: _prefill(model, next(fresh)(length)),
        {peer.name: lambda peer=peer: peer.prefill(length) for peer in peers},  # type: ignore[misc]
        _GOALS["prefill"],
    )
    shallow = None
    for depth in (depth for depth in depths if depth + 64 < model.context_length):
        _prefill(model, next(fresh)(depth))
        deep = depth >= _DEEP
        result = _compared(
            f"decoding at depth {depth}",
            1,
            min(runs, _DEEP_ROUNDS) if deep and peers else runs,
            lambda depth=depth: _steps(model, depth),  # type: ignore[misc]
            {peer.name: lambda peer=peer, depth=depth: peer.decode(depth, _STEPS) for peer in peers},  # type: ignore[misc]
            _GOALS["deep" if depth >= 4000 else "decode"],
        )
        step = 1 / result.value
        shallow = shallow or step
        against = [
            *result.against,
            Comparison("reading the weights from memory", weights / bandwidth / step, _GOALS["limit"]),
        ]
        if step != shallow:
            against.append(Comparison(f"depth {depths[0]}", shallow / step))
        yield Measurement(result.name, result.value, result.unit, tuple(against))
        if memory := resident_bytes():
            held = memory["resident"] - start
            allowed = 1.1 * (weights + memory["mapped"]) + model.cache_bytes + _MORE_MEMORY
            yield Measurement(
                f"  resident at depth {depth}",
                held / 1e9,
                "GB",
                (Comparison("1.1 × weights and tables + KV + 300 MB", held / allowed, 1.0, most=True),),
                f"of it {memory['anonymous'] / 1e9:.2f} GB anonymous; KV {model.cache_bytes / 1e6:.0f} MB",
            )
    yield from _measure_drafts(model, runs)
    yield _measure_second_turn(model, fresh, runs)
    model.close()
    after = resident_bytes().get("resident", 0)
    if after:
        yield Measurement("resident after closing", (after - start) / 1e6, "MB more than before loading")
    yield from _measure_first_token(folder, runs, threads)


def about(path: Path | None = None) -> dict[str, object]:
    """Return what was measured on which machine, for :func:`inference.bench_results.write_json`."""
    folder = ModelFolder.open(path or default_model_folder())
    return {
        "larimar": __version__,
        "onnxruntime": onnxruntime.__version__,
        "model": folder.name,
        "precision": folder.suffix.lstrip("_") or "fp32",
        "machine": platform.machine(),
        "system": platform.system(),
        "threads": processor.threads(),
    }


def _load(folder: ModelFolder, threads: int | None, runs: int) -> tuple[LanguageModel, Measurement]:
    seconds: list[float] = []
    while True:
        started = time.perf_counter()
        model = LanguageModel.open(folder, threads=threads)
        seconds.append(time.perf_counter() - started)
        if len(seconds) > min(runs, 3):
            break
        model.close()
    again = median(seconds[1:])
    return model, Measurement("load, files in memory", again, "s", (Comparison("the first time", again / seconds[0]),))


def _compared(
    name: str, tokens: int, runs: int, ours: Callable[[], float], peers: dict[str, Callable[[], float]], goal: float
) -> Measurement:
    """Measure ours and the peers in turn; ``ours`` and ``peers`` return seconds for ``tokens``."""
    ours()
    mine: list[float] = []
    theirs: dict[str, list[float]] = {peer: [] for peer in peers}
    for _ in range(runs):
        mine.append(ours())
        for peer, work in peers.items():
            theirs[peer].append(work())
    seconds = median(mine)
    against = tuple(
        Comparison(
            f"{peer} ({tokens / median(times):.1f})", median(times) / seconds, goal if peer == "llama.cpp" else None
        )
        for peer, times in theirs.items()
    )
    return Measurement(name, tokens / seconds, "tokens/s", against)


def _measure_drafts(model: LanguageModel, runs: int) -> Iterator[Measurement]:
    """Measure speculative decoding with the real drafter's cost, by how often its drafts are right."""
    if not model.has_drafter:
        return
    for acceptance in _ACCEPTANCES:
        for drafts in (*_DRAFTS, None):
            speed = measure_speculation(model, acceptance, drafts, runs=runs)
            goal = 0.97 if not acceptance else _GOALS["drafts"] if acceptance == 0.75 else None
            count = "adaptive" if drafts is None else f"{drafts} a run"
            yield Measurement(
                f"drafts, {count}, {acceptance:.0%} right",
                speed.ratio,
                "×",
                (Comparison("plain decoding", speed.ratio, goal if drafts is None else None),),
            )


def _measure_second_turn(model: LanguageModel, fresh: Iterator[Callable[[int], list[int]]], runs: int) -> Measurement:
    turn = next(fresh)(min(2000, model.context_length // 2))
    _prefill(model, turn)
    whole, again, alone = [], [], []
    for _ in range(max(runs, 5)):
        alone.append(_prefill(model, next(fresh)(_NEW_TOKENS)))
        whole.append(_prefill(model, turn))
        again.append(_prefill(model, turn + next(fresh)(_NEW_TOKENS)))
    return Measurement(
        f"second turn: {_NEW_TOKENS} new tokens after {len(turn)}",
        median(again) * 1e3,
        "ms",
        (Comparison(f"{_NEW_TOKENS} tokens alone", median(again) / median(alone), 1.1, most=True),),
    )


def _measure_first_token(folder: ModelFolder, runs: int, threads: int | None) -> Iterator[Measurement]:
    """Measure the time to the first token of a conversation that is new, goes on, or was read while it was typed."""
    engine = Engine.open(folder.path, threads=threads)
    draw = random.Random(0)

    def text(words: int) -> str:
        return " ".join(draw.choice(_WORDS) for _ in range(words))

    cold, prefix, eager, news = [], [], [], []
    for _ in range(max(runs, 3)):
        turns = [Turn.of("user", text(150))]
        cold.append(_first_token(engine, turns)[0])
        turns += [Turn.of("assistant", text(20)), Turn.of("user", text(12))]
        seconds, new = _first_token(engine, turns)
        prefix.append(seconds)
        news.append(new)
        turns += [Turn.of("assistant", text(20)), Turn.of("user", text(12))]
        for _ in engine.prepare(turns, _GREEDY):
            pass
        eager.append(_first_token(engine, turns)[0])
    tokens = _first_token(engine, [Turn.of("user", text(150))])[1]
    engine.close()
    whole = median(cold)
    yield Measurement(f"first token, new chat of {tokens} tokens", whole * 1e3, "ms")
    yield Measurement(
        f"first token, next turn ({median(news):.0f} new tokens)",
        median(prefix) * 1e3,
        "ms",
        (Comparison("a new chat", median(prefix) / whole),),
    )
    yield Measurement(
        "first token, turn read while it was typed",
        median(eager) * 1e3,
        "ms",
        (Comparison("a new chat", median(eager) / whole),),
    )


_GREEDY = ReplyOptions(temperature=0, max_tokens=1, drafts=0)
_WORDS = ("river", "seven", "blue", "stone", "maybe", "under", "light", "house", "quick", "seldom", "bread", "north")


def _first_token(engine: Engine, turns: Sequence[Turn]) -> tuple[float, int]:
    """Return the seconds until the first token was drawn, and how many prompt tokens were computed."""
    started = time.perf_counter()
    progress = []
    for event in engine.reply(turns, _GREEDY):
        if isinstance(event, Prefill):
            progress.append(event.done)
        elif isinstance(event, Done):
            break
    return time.perf_counter() - started, progress[-1] - progress[0]


def _bandwidth(runs: int, threads: int) -> float:
    """Return bytes a second that all threads together read from memory."""
    blocks = [np.ones(_READ_BYTES // 8 // threads, np.float64) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:

        def read() -> float:
            started = time.perf_counter()
            list(pool.map(np.max, blocks))
            return time.perf_counter() - started

        read()
        return sum(block.nbytes for block in blocks) / min(read() for _ in range(max(runs, 5)))


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


def _steps(model: LanguageModel, depth: int) -> float:
    """Return the seconds of a step, by several of them."""
    token = _FIRST_ORDINARY_ID % model.vocab_size
    started = time.perf_counter()
    for _ in range(_STEPS):
        model.step(token, CancelToken())
    seconds = time.perf_counter() - started
    model.roll_back(depth)
    return seconds / _STEPS
