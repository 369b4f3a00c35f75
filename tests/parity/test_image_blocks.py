"""Bidirectional image blocks in sliding layers (12B, 26B, 31B): the optional input ``vision_block_ids``."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

pytestmark = pytest.mark.parity

LENGTH = 30
BLOCKS = [-1] * 4 + [0] * 5 + [-1] + [1] * 12 + [-1] * 8


class Graphs:
    """The two graphs of a folder, run as other runtimes run them: past in, present out."""

    def __init__(self, pair: Any) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self.embedder, self.decoder = (
            onnxruntime.InferenceSession(pair.folder / "onnx" / f"{name}.onnx", options)
            for name in ("embed_tokens", "decoder_model_merged")
        )
        self.past = {
            node.name: np.zeros((1, node.shape[1], 0, node.shape[3]), np.float32)
            for node in self.decoder.get_inputs()
            if node.name.startswith("past_key_values.")
        }
        self.length = 0

    def append(self, ids: list[int], **optional: np.ndarray) -> np.ndarray:
        """Return the logits of all rows."""
        names = [output.name for output in self.embedder.get_outputs()]
        start, self.length = self.length, self.length + len(ids)
        feeds = {
            **dict(zip(names, self.embedder.run(names, {"input_ids": np.array([ids])}), strict=True)),
            **self.past,
            "attention_mask": np.ones((1, self.length), np.int64),
            "position_ids": np.arange(start, self.length)[None],
            **optional,
        }
        outputs = [output.name for output in self.decoder.get_outputs()]
        results = dict(zip(outputs, self.decoder.run(outputs, feeds), strict=True))
        for name, value in results.items():
            if name.startswith("present."):
                self.past[name.replace("present.", "past_key_values.")] = value
        return results["logits"][0]


def _reference(pair: Any, ids: list[int]) -> np.ndarray:
    """transformers with the masks it builds for vision: causal in full layers, AND(window, OR(causal, block)) else."""
    block = torch.tensor(BLOCKS)
    distance = torch.arange(LENGTH)[:, None] - torch.arange(LENGTH)[None]
    causal = distance >= 0
    same = (block[:, None] == block[None]) & (block[:, None] >= 0)
    sliding = (causal | same) & (distance < pair.reference.config.sliding_window)
    masks = {
        name: torch.zeros(1, 1, LENGTH, LENGTH).masked_fill(~visible, torch.finfo(torch.float32).min)
        for name, visible in (("full_attention", causal), ("sliding_attention", sliding))
    }
    with torch.no_grad():
        return pair.reference(input_ids=torch.tensor([ids]), attention_mask=masks).logits[0].numpy()


@pytest.mark.parametrize("kind", ["31b", "unified"])
@pytest.mark.parametrize("chunks", [(30,), (4, 5, 1, 12, 3, 1, 1, 3), (9, 21)])
def test_image_blocks_equal_transformers(converted: Any, kind: str, chunks: tuple[int, ...]) -> None:
    pair = converted(kind)
    ids = [int(token) for token in np.random.default_rng(1).integers(110, 500, LENGTH)]
    graphs, rows = Graphs(pair), []
    for count in chunks:
        start = graphs.length
        blocks = np.array([BLOCKS[start : start + count]])
        optional = {"vision_block_ids": blocks} if (blocks >= 0).any() else {}
        rows.append(graphs.append(ids[start : start + count], **optional))
    expected = _reference(pair, ids)
    assert np.abs(np.concatenate(rows) - expected).max() < 1e-3
    assert np.abs(pair.reference_logits(ids) - expected).max() > 0.1, (
        "the blocks make no difference: nothing was tested"
    )


@pytest.mark.parametrize("kind", ["e2b", "odd"])
def test_models_without_bidirectional_blocks_have_no_such_input(converted: Any, kind: str) -> None:
    names = {node.name for node in Graphs(converted(kind)).decoder.get_overridable_initializers()}
    assert names == {"num_logits_to_keep", "sliding_length"}
