"""int4, int8 and float16 drafters against transformers with the same weights as they are stored."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from fixtures_checkpoints import FULL, SLIDING, TEXT_CONFIGS, text_classes
from fixtures_drafters import build_drafter_checkpoint, drafter_classes

from inference.export.drafter import build_drafter, drafter_plan
from inference.export.drafter_checkpoint import DrafterCheckpoint
from inference.export.graph_files import save_graph
from inference.export.half_precision import to_half_precision
from inference.export.quantize import dequantize_blockwise, quantize_blockwise
from inference.export.reference_fixes import kv_sharing_fixed
from inference.graphs.session import open_session

pytestmark = pytest.mark.parity

LENGTH = 30


def build(folder: Path, kind: str, precision: Any) -> tuple[Path, Any, DrafterCheckpoint]:
    """Return the graph's file, transformers' drafter with the weights that it was made from, and the checkpoint."""
    with kv_sharing_fixed(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text_class, model_class = text_classes(kind)
        target = model_class(text_class(**TEXT_CONFIGS[kind]))
        build_drafter_checkpoint(folder, kind, target)
        reference = drafter_classes(kind)[2].from_pretrained(folder).eval()
    reference.set_attn_implementation("eager")
    source = DrafterCheckpoint(folder)
    builder = build_drafter(source, drafter_plan(source, precision))
    if precision in ("fp16", "q4f16"):
        to_half_precision(builder)
    save_graph(builder, folder / "drafter.onnx", "drafter", lambda *_: None)
    return folder / "drafter.onnx", reference, source


def run_both(session: Any, reference: Any, dtype: Any) -> tuple[dict[str, Any], Any]:
    config = reference.config.text_config
    generator = torch.Generator().manual_seed(8)
    feeds: dict[str, Any] = {"position_ids": np.array([[LENGTH]])}
    shared = {}
    for layer_type in (FULL, SLIDING):
        layer = config.per_layer_config[config.layer_types.index(layer_type)]
        shape = (1, layer.num_key_value_heads, LENGTH, layer.head_dim)
        # numbers that float16 holds exactly
        shared[layer_type] = tuple(torch.randn(shape, generator=generator).half().float() for _ in range(2))
        for part, values in zip(("key", "value"), shared[layer_type], strict=True):
            feeds[f"shared_kv.{layer_type}.{part}"] = values.numpy().astype(dtype)
        feeds[f"shared_kv.{layer_type}.length"] = np.array([LENGTH])
    inputs = torch.randn((1, 1, 2 * reference.backbone_hidden_size), generator=generator)
    feeds["inputs_embeds"] = inputs.numpy()
    names = [node.name for node in session.get_outputs()]
    with torch.no_grad():
        expected = reference(inputs_embeds=inputs, position_ids=torch.tensor([[LENGTH]]), shared_kv_states=shared)
    return dict(zip(names, session.run(names, feeds), strict=True)), expected


def restore(weights: np.ndarray, bits: Any) -> np.ndarray:
    packed, scales = quantize_blockwise(weights, bits)
    return dequantize_blockwise(packed, scales, bits, weights.shape[1])


@pytest.mark.parametrize(("kind", "bits"), [("31b", 4), ("odd", 8)])
def test_quantised_graph_equals_dequantised_weights(tmp_path: Path, kind: str, bits: int) -> None:
    """A dense head in 4 bits, and ordered embeddings, which are 8 bits then, whole clusters in a row."""
    file, reference, source = build(tmp_path, kind, "q4")
    model = onnx.load(file)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":  # the kernels' rounding of activations, not ours
                attribute.i = 0
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    ours = onnxruntime.InferenceSession(model.SerializeToString(), options)

    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if parameter.ndim == 2 and "embed_tokens" not in name:
                parameter.copy_(torch.from_numpy(restore(parameter.numpy(), bits)))
        table = reference.lm_head.weight
        if source.clusters is None:
            table.copy_(torch.from_numpy(restore(table.numpy(), bits)))
        else:
            clusters = restore(source.read(source.CLUSTERS), bits)
            table[torch.from_numpy(source.token_ordering())] = torch.from_numpy(clusters).view_as(table)
    results, expected = run_both(ours, reference, np.float32)
    assert np.abs(results["projected_state"] - expected.last_hidden_state.numpy()).max() < 1e-4
    assert np.abs(results["logits"] - expected.logits.numpy()).max() < 1e-4


def test_float16(tmp_path: Path) -> None:
    """Reads a KV cache of float16; what it takes and gives besides is float32."""
    file, reference, _ = build(tmp_path, "31b", "fp16")
    results, expected = run_both(open_session(file, "cpu", threads=1), reference, np.float16)
    for name, value in (("projected_state", expected.last_hidden_state), ("logits", expected.logits)):
        assert results[name].dtype == np.float32
        assert np.abs(results[name] - value.numpy()).max() < 1e-2 * float(value.std())
    assert results["logits"].argmax() == int(expected.logits.argmax())
