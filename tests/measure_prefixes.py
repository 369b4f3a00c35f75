"""What reuse of prefixes is worth on a model, and what a long context takes.

    python tests/measure_prefixes.py FOLDER

Times are taken in turn within one run; the figures to look at are the ratios. Memory is what is resident and no mapped
file, after a cache of the given length was filled with made-up rows and some tokens were decoded.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from inference.cancellation import CancelToken
from inference.language_model import LanguageModel
from inference.memory import release_unused, resident_bytes
from inference.model_folder import ModelFolder


def words(seed: int, count: int) -> list[int]:
    """Return made-up tokens."""
    return np.random.default_rng(seed).integers(300, 2000, count).tolist()


def prefill(model: LanguageModel, prompt: Sequence[int]) -> float:
    """Read a prompt; return seconds."""
    started = time.perf_counter()
    for _ in model.prefill(prompt, CancelToken()):
        pass
    return time.perf_counter() - started


def reuse(folder: ModelFolder, length: int, new: int, threads: int) -> dict[str, float]:
    """Time a conversation's first turn, its second, another conversation, the way back, and a restart."""
    with tempfile.TemporaryDirectory() as cache:
        model = LanguageModel.open(folder, provider="cpu", threads=threads, prefix_cache=Path(cache))
        prefill(model, words(9, 64))
        first = prefill(model, words(1, length))
        turns = [prefill(model, words(1, length) + words(2, new * count)) for count in range(1, 6)]
        alone = median(prefill(model, words(10 + seed, new)) for seed in range(3))
        back = prefill(model, words(1, length) + words(3, new))
        started = time.perf_counter()
        model.keep()
        saved = time.perf_counter() - started
        size = sum(file.stat().st_size for file in Path(cache).rglob("*.npz"))
        model.close()
        model = LanguageModel.open(folder, provider="cpu", threads=threads, prefix_cache=Path(cache))
        prefill(model, words(9, 64))
        restart = prefill(model, [*words(1, length), 5])
        one = median(prefill(model, [*words(1, length), 6 + token]) for token in range(3))
        model.close()
    return {
        "first turn, s": first,
        f"each further turn of {new} tokens, s": median(turns),
        f"{new} tokens alone, s": alone,
        "back from another conversation, s": back,
        "writing to disk, s": saved,
        "file, MB": size / 1e6,
        "after a restart, s": restart,
        "one token, s": one,
        "loading beside reading again": (restart - one) / first,
    }


def memory(folder: ModelFolder, length: int, threads: int) -> dict[str, float]:
    """Measure what a context of ``length`` tokens takes beyond the loaded model, in MB."""
    model = LanguageModel.open(folder, provider="cpu", threads=threads)
    prefill(model, words(1, 300))
    release_unused()
    before = resident_bytes()["anonymous"]
    cache = model._decoder.cache
    while len(cache) + 256 < length:
        cache.reserve(256)
        for name, spec in cache.specs.items():
            at = len(cache) if spec.window is None else cache.sliding_length
            cache.buffers[name].numpy()[:, :, at : at + 256] = 0.01
        cache.append(words(len(cache), 256))
        if len(cache) % 2048 < 256:
            cache.mark()
    prefill(model, [*cache.tokens, *words(2, 60)])
    for token in words(3, 8):
        model.step(token, CancelToken())
    measured = resident_bytes()
    used = sum(
        (len(cache) if spec.window is None else cache.sliding_length) * spec.heads * spec.size
        * np.dtype(spec.dtype).itemsize for spec in cache.specs.values()
    )  # fmt: skip
    model.close()
    return {
        "tokens": len(cache.tokens),
        "keys and values, computed": used / 1e6,
        "buffers": cache.nbytes / 1e6,
        "resident beyond the loaded model": (measured["anonymous"] - before) / 1e6,
        "most at any time": measured["peak"] / 1e6,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--length", type=int, default=2000)
    parser.add_argument("--new", type=int, default=50)
    parser.add_argument("--context", type=int, default=16_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", choices=("reuse", "memory"))
    wanted = parser.parse_args()
    folder = ModelFolder.open(wanted.folder)
    if wanted.only != "reuse":
        print(json.dumps(memory(folder, min(wanted.context, folder.context_length - 100), wanted.threads), indent=1))
    if wanted.only != "memory":
        print(json.dumps(reuse(folder, wanted.length, wanted.new, wanted.threads), indent=1))


if __name__ == "__main__":
    main()
