"""Measures what each fusion of the decoder graph is worth; not a test.

Run it as

    python tests/measure_fusions.py --folder /some/disk/with/room [--layers 10] [--rounds 7]

It writes a random checkpoint of E2B's true shape with fewer layers, converts it as we ship it and with one fusion left
out at a time, and prints the table in ``inference/PERFORMANCE.md``: the time of a step, in turn with the shipped graph,
so that what else the machine does falls out of the ratio.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from inference.cancellation import CancelToken  # noqa: E402
from inference.export import lowering  # noqa: E402
from inference.export.convert import convert_checkpoint  # noqa: E402
from inference.graphs.decoder import Decoder  # noqa: E402
from inference.graphs.embedder import Embedder  # noqa: E402
from inference.language_model import LanguageModel  # noqa: E402
from inference.model_folder import ModelFolder  # noqa: E402

STEPS = 12


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _decomposed_norm(self: Any, node: Any) -> list[Any]:
    """Write the norm as torch's exporter would: square, mean, power, product."""
    import onnx_ir as ir

    states = node.inputs[0]
    constant = self._builder.constant
    square = ir.node("Mul", [states, states])
    mean = ir.node("ReduceMean", [square.outputs[0], self._builder.integers(-1)], attributes={"keepdims": 1})
    epsilon = constant(np.array(node.attributes["epsilon"].as_float(), np.float32))
    shifted = ir.node("Add", [mean.outputs[0], epsilon])
    root = ir.node("Pow", [shifted.outputs[0], constant(np.array(-0.5, np.float32))])
    nodes = [square, mean, shifted, root, ir.node("Mul", [states, root.outputs[0]])]
    if len(node.inputs) > 1:
        nodes.append(ir.node("Mul", [nodes[-1].outputs[0], node.inputs[1]]))
    return nodes


def _convert_variants(checkpoint: Path, folder: Path) -> dict[str, Path]:
    patches: dict[str, Callable[[], Any]] = {
        "as shipped": nullcontext,
        "norms decomposed": lambda: _replaced(lowering._Lowering, "_rms_norm", _decomposed_norm),
    }
    folders = {}
    for number, (name, patch) in enumerate(patches.items()):
        with patch():
            folders[name] = convert_checkpoint(checkpoint, folder / f"variant-{number}", "q4")
    folders["lm_head in 8 bits"] = convert_checkpoint(checkpoint, folder / "variant-head", "q4", lm_head="q8")
    return folders


def _open(folder: Path, windowed: bool = True) -> LanguageModel:
    model = ModelFolder.open(folder)
    windows = model.attention_windows if windowed else ()
    decoder = Decoder(model.graph("decoder_model_merged"), model.context_length, windows, "cpu")
    return LanguageModel(Embedder(model.graph("embed_tokens")), decoder)


def _step_times(model: LanguageModel) -> float:
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        model.step(1000, CancelToken())
        times.append(time.perf_counter() - started)
    return median(times)


def _compare(models: dict[str, LanguageModel], depth: int, rounds: int) -> None:
    prompt = [int(token) for token in np.random.default_rng(0).integers(1000, 200_000, depth)]
    steps: dict[str, list[float]] = {name: [] for name in models}
    for model in models.values():
        for _ in model.prefill(prompt, CancelToken()):
            pass
    for _ in range(rounds):
        for name, model in models.items():
            steps[name].append(_step_times(model))
    base = median(steps["as shipped"])
    for name, times in steps.items():
        print(f"| {name} | {depth} | {median(times) * 1e3:.1f} | {median(times) / base:.2f} × |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    from streamed_checkpoints import stream_checkpoint, text_config

    folder = options.folder / "fusions"
    checkpoint = folder / "checkpoint"
    stream_checkpoint(checkpoint, text_config("e2b", options.layers))
    try:
        folders = _convert_variants(checkpoint, folder)
        print("| graph | depth | a step, ms | beside the shipped one |\n|---|---:|---:|---:|")
        _compare({name: _open(path) for name, path in folders.items()}, 32, options.rounds)
        shipped = folders["as shipped"]
        _compare({"as shipped": _open(shipped), "sliding layers whole": _open(shipped, False)}, 4000, options.rounds)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
