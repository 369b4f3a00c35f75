"""The memory that a conversion takes follows its largest tensor, not the model: shown with two depths."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from measure_conversion import measured_conversion
from streamed_checkpoints import stream_checkpoint, text_config

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

SMALL: dict[str, Any] = {
    "vocab_size": 4096,
    "hidden_size": 1024,
    "intermediate_size": 8192,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "num_global_key_value_heads": 1,
    "head_dim": 128,
    "global_head_dim": 256,
}
MEGABYTE = 1 << 20


def test_memory_does_not_grow_with_depth(tmp_path: Path) -> None:
    sizes, peaks = [], []
    for layers in (2, 10):
        folder = stream_checkpoint(tmp_path / str(layers), text_config("31b", layers, **SMALL))
        sizes.append((folder / "model.safetensors").stat().st_size)
        peaks.append(measured_conversion(folder, tmp_path / f"out-{layers}")["anonymous"]["Writing"])
    assert sizes[1] - sizes[0] > 400 * MEGABYTE
    # what does grow is the graph itself, a few kilobytes a node
    assert peaks[1] - peaks[0] < 60 * MEGABYTE, [peak / MEGABYTE for peak in peaks]
