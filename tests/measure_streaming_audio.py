"""Measures what encoding sound while it comes in leaves to do at its end; not a test.

Run it as

    python tests/measure_streaming_audio.py --folder /some/disk/with/room [--precision q4] [--layers 12] [--rounds 5]

It writes a random checkpoint with E2B's audio encoder in its true shape, converts the encoder, and prints the table in
``inference/PERFORMANCE.md``: for clips that end where most is left, the time of the whole clip at once beside that of
all the pieces and that of the last one, in turn. The folder is kept, and used again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from inference.cancellation import CancelToken  # noqa: E402
from inference.media.audio import SAMPLE_RATE  # noqa: E402
from inference.media_encoders import MediaEncoders  # noqa: E402
from inference.model_folder import ModelFolder  # noqa: E402
from inference.streaming_audio import StreamingAudioEncoder  # noqa: E402

BLOCK = SAMPLE_RATE // 10
"""Samples that a microphone gives at a time."""
LEFT = (0.25, 0.93)
"""Where in the half seconds that are encoded together clips end: in the middle, about, and where most is left."""


def build(folder: Path, precision: Any, layers: int) -> Path:
    """Write and convert what is not there yet."""
    from streamed_checkpoints import multimodal_config, stream_checkpoint, text_config

    from inference.export import convert

    checkpoint, out = folder / f"audio-{layers}", folder / f"audio-{layers}-{precision}"
    if not checkpoint.exists():
        config = multimodal_config()
        config.text_config = text_config("e2b", 2, vocab_size=512, vocab_size_per_layer_input=512)
        config.vision_config, config.audio_config.num_hidden_layers = None, layers
        stream_checkpoint(checkpoint, config)
    if not out.exists():
        convert.RECIPES = tuple(recipe for recipe in convert.RECIPES if recipe.name == "audio_encoder")  # type: ignore[misc]
        convert.convert_checkpoint(checkpoint, out, precision)
    return out


def encoders(folder: Path) -> MediaEncoders:
    """Open the encoder; there is no language model beside it, and nothing is cached."""
    return MediaEncoders(ModelFolder(folder, json.loads((folder / "config.json").read_text()), {}, "", ""), "cpu")


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--precision", default="q4")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    folder = build(options.folder, options.precision, options.layers)
    media = encoders(folder)
    draw = np.random.default_rng(0)
    print(f"{options.layers} layers, {options.precision}")
    print("| clip | at once | in pieces | after the last sample | share | largest difference / spread |")
    for seconds in (5, 15, 30):
        for left in LEFT:
            length = int((seconds // 0.48 - 1 + left) * 0.48 * SAMPLE_RATE)
            samples = draw.normal(0, 0.1, length).astype(np.float32)
            whole, pieces, last = [], [], []
            for _ in range(options.rounds):
                live = StreamingAudioEncoder(media)
                start = time.perf_counter()
                for at in range(0, length, BLOCK):
                    live.feed(samples[at : at + BLOCK])
                stopped = time.perf_counter()
                made = live.finish().embeddings[0]
                last.append(time.perf_counter() - stopped)
                pieces.append(time.perf_counter() - start)
                # the cache must not answer: what is kept is forgotten
                media._cache.clear()
                start = time.perf_counter()
                expected = media.encode(live.recording, CancelToken()).embeddings[0]
                whole.append(time.perf_counter() - start)
                media._cache.clear()
            difference = np.abs(made - expected).max() / expected.std()
            ratio = median(a / b for a, b in zip(last, whole, strict=True))
            print(
                f"| {length / SAMPLE_RATE:.2f} s | {median(whole):.2f} s | "
                f"{median(a / b for a, b in zip(pieces, whole, strict=True)):.2f} × | {1000 * median(last):.0f} ms | "
                f"{100 * ratio:.1f} % | {difference:.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "tests"))
    main()
