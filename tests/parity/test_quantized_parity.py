"""int4 and int8 graphs against transformers with the same, dequantised weights.

The kernels round activations to int8 (``accuracy_level`` 4), an error of its own; with that switched off in the same
graph, every difference that is left would be ours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from inference.export.quantize import dequantize_blockwise, quantize_blockwise

pytestmark = pytest.mark.parity


def _with_exact_activations(file: Path) -> bytes:
    model = onnx.load(file)
    graphs = [model.graph]
    while graphs:
        for node in graphs.pop().node:
            for attribute in node.attribute:
                if attribute.name == "accuracy_level":
                    attribute.i = 0
                if attribute.type == onnx.AttributeProto.GRAPH:
                    graphs.append(attribute.g)
    return bytes(model.SerializeToString())


def _dequantized(reference: Any, bits: Any) -> Any:
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if parameter.ndim >= 2 and "norm" not in name and "router" not in name:
                weights = parameter.numpy().reshape(-1, parameter.shape[-1])  # experts are a stack of matrices
                packed, scales = quantize_blockwise(weights, bits)
                restored = dequantize_blockwise(packed, scales, bits, weights.shape[1])
                parameter.copy_(torch.from_numpy(restored).view_as(parameter))
    return reference


@pytest.mark.parametrize(("precision", "suffix", "bits"), [("q4", "_q4", 4), ("q8", "_quantized", 8)])
def test_quantized_graph_equals_dequantized_weights(
    converted: Any, kind: str, precision: str, suffix: str, bits: int
) -> None:
    pair = converted(kind, precision)
    ids = [2, *range(130, 160)]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    decoder, embedder = (
        onnxruntime.InferenceSession(_with_exact_activations(pair.folder / "onnx" / f"{name}{suffix}.onnx"), options)
        for name in ("decoder_model_merged", "embed_tokens")
    )
    names = [output.name for output in embedder.get_outputs()]
    past = {
        node.name: np.zeros((1, node.shape[1], 0, node.shape[3]), np.float32)
        for node in decoder.get_inputs()
        if node.name.startswith("past_key_values.")
    }
    feeds = {
        **dict(zip(names, embedder.run(names, {"input_ids": np.array([ids])}), strict=True)),
        **past,
        "attention_mask": np.ones((1, len(ids)), np.int64),
        "position_ids": np.arange(len(ids))[None],
    }
    (logits,) = decoder.run(["logits"], feeds)
    reference = _dequantized(pair.reference, bits)
    with torch.no_grad():
        expected = reference(input_ids=torch.tensor([ids])).logits[0].numpy()
    assert np.abs(logits[0] - expected).max() < 1e-3
    assert (logits[0].argmax(-1) == expected.argmax(-1)).all()
