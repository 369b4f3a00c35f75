"""Measures what it is worth to give every expert its own matrices in the graph; not a test.

Run it as

    python tests/measure_experts.py --folder /some/disk/with/room [--rounds 7]

It writes a random checkpoint of 26B-A4B's true shape with one layer and few words, converts it as we ship it and with
the experts in stacks, and prints the table in ``inference/PERFORMANCE.md``: the time of a step and of a prefill, in
turn. The folder is kept, and used again.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from inference.cancellation import CancelToken  # noqa: E402
from inference.export.convert import convert_checkpoint  # noqa: E402
from inference.export.weights import WeightPlan  # noqa: E402
from inference.language_model import LanguageModel  # noqa: E402
from inference.model_folder import ModelFolder  # noqa: E402

PROMPT = 64


def build(folder: Path) -> dict[str, Path]:
    """Write and convert what is not there yet."""
    from streamed_checkpoints import stream_checkpoint, text_config

    checkpoint = folder / "experts"
    if not checkpoint.exists():
        stream_checkpoint(checkpoint, text_config("26b", 1, vocab_size=512))
    folders = {"apart": folder / "experts-apart", "in stacks": folder / "experts-in-stacks"}
    for name, out in folders.items():
        if not out.exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(WeightPlan, "experts_apart", name == "apart")
                convert_checkpoint(checkpoint, out, "q4")
    return folders


def open_model(folder: Path) -> tuple[LanguageModel, float]:
    """Return a model, and the seconds that loading it took."""
    start = time.perf_counter()
    model = LanguageModel.open(ModelFolder.open(folder), provider="cpu")
    return model, time.perf_counter() - start


def step(model: LanguageModel, rows: int) -> float:
    """Return the seconds that reading so many tokens takes, after a short prompt."""
    list(model.prefill([2, 3], CancelToken()))
    start = time.perf_counter()
    if rows == 1:
        model.step(7, CancelToken())
    else:
        list(model.prefill([2, 3, *range(110, 110 + rows)], CancelToken()))
    return time.perf_counter() - start


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    models = {}
    for name, folder in build(options.folder).items():
        models[name], seconds = open_model(folder)
        print(f"{name}: loaded in {seconds:.1f} s", flush=True)
    print("| tokens | in stacks | apart | |")
    for rows in (1, 8, PROMPT):
        times = [[step(models[name], rows) for name in ("in stacks", "apart")] for _ in range(options.rounds)]
        stacks, apart = (1000 * median(column) for column in zip(*times, strict=True))
        ratio = median(new / old for old, new in times)
        print(f"| {rows} | {stacks:.0f} ms | {apart:.0f} ms | {ratio:.2f} × |", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    main()
