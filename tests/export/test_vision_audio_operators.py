"""The encoders' operators and weights, one by one: against transformers' code, and against what processors can do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from fixtures_encoders import convert_encoders, encoder_factory
from fixtures_multimodal import build_multimodal_checkpoint
from safetensors.numpy import load_file, save_file
from transformers import Gemma4VisionConfig
from transformers.models.gemma4 import modeling_gemma4

from inference.errors import CheckpointError
from inference.export import encoder_ops


class _Module(torch.nn.Module):
    """What transformers' eager attention reads from its module."""

    num_key_value_groups = 1


@pytest.mark.parametrize("valid", [[5, 5], [5, 3], [1, 4]])
def test_attention_equals_eager_attention(valid: list[int]) -> None:
    torch.manual_seed(sum(valid))
    query, key, value = torch.randn(3, 2, 3, 5, 8)
    real = torch.arange(5) < torch.tensor(valid)[:, None]
    mask = torch.zeros(2, 1, 5, 5).masked_fill(~real[:, None, None], torch.finfo(torch.float32).min)
    expected, _ = modeling_gemma4.eager_attention_forward(_Module(), query, key, value, mask, scaling=1.0)
    output = encoder_ops.bidirectional_attention(query, key, value, real, 1.0)
    torch.testing.assert_close(output, expected.flatten(2))


@pytest.mark.parametrize("clipped", [True, False])
def test_linear_layers_equal_transformers(clipped: bool) -> None:
    torch.manual_seed(1)
    layer = modeling_gemma4.Gemma4ClippableLinear(Gemma4VisionConfig(use_clipped_linears=clipped), 6, 4).eval()
    for number, (name, buffer) in enumerate(layer.named_buffers()):
        buffer.fill_((-1 if name.endswith("min") else 1) * (0.2 + 0.1 * number))
    states = torch.randn(3, 6)
    expected = layer(states)
    with encoder_ops.encoder_ops():
        torch.testing.assert_close(layer(states), expected)
    torch.testing.assert_close(layer(states), expected)


def test_vision_attention_is_given_neither_mask_nor_bias(tmp_path: Path) -> None:
    """With either, the runtime's kernel would hold all scores at once."""
    model = onnx.load(encoder_factory(tmp_path)("31b").graph("vision_encoder"), load_external_data=False)
    branches = [
        attribute.g for node in model.graph.node if node.op_type == "If" for attribute in node.attribute if attribute.g
    ]
    attentions = [node for branch in branches for node in branch.node if node.op_type == "MultiHeadAttention"]
    assert len(attentions) == 2 * 2  # a branch for images without padding, in each of two layers
    assert all(len(node.input) == 3 for node in attentions)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_multimodal_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny", "31b")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("model.vision_tower.std_bias", "lacks the tensor “model.vision_tower.std_bias”"),
        ("model.vision_tower.patch_embedder.position_embedding_table", "position_embedding_table"),
        ("model.vision_tower.encoder.layers.1.mlp.up_proj.linear.weight", "up_proj"),
    ],
)
def test_a_missing_tensor_is_named(checkpoint: Path, tmp_path: Path, missing: str, message: str) -> None:
    damaged = _copy(checkpoint, tmp_path, lambda tensors: tensors.pop(missing))
    with pytest.raises(CheckpointError, match=message):
        convert_encoders(damaged, "31b", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_tensor_of_another_shape_is_named(checkpoint: Path, tmp_path: Path) -> None:
    name = "model.vision_tower.encoder.layers.0.mlp.up_proj.linear.weight"

    def shorten(tensors: Any) -> None:
        tensors[name] = np.ascontiguousarray(tensors[name][1:])

    damaged = _copy(checkpoint, tmp_path, shorten)
    with pytest.raises(CheckpointError, match="do not belong together"):
        convert_encoders(damaged, "31b", tmp_path / "out")


def test_a_checkpoint_without_its_towers_says_so(checkpoint: Path, tmp_path: Path) -> None:
    def blind(tensors: Any) -> None:
        for name in [name for name in tensors if "vision" in name]:
            del tensors[name]

    out = convert_encoders(_copy(checkpoint, tmp_path, blind), "31b", tmp_path / "out")
    assert not list((out / "onnx").iterdir())
    assert '"vision encoder"' in (out / "larimar.json").read_text()


def test_a_configuration_that_is_none_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    damaged = _copy(checkpoint, tmp_path, lambda _: None)
    config = damaged / "config.json"
    config.write_text(config.read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": "two"'))
    with pytest.raises(CheckpointError, match="num_hidden_layers"):
        convert_encoders(damaged, "31b", tmp_path / "out")


def _copy(checkpoint: Path, folder: Path, edit: Any) -> Path:
    copy = folder / "copy"
    copy.mkdir()
    for file in checkpoint.iterdir():
        if file.suffix != ".safetensors":
            (copy / file.name).write_bytes(file.read_bytes())
    tensors = dict(load_file(checkpoint / "model.safetensors"))
    edit(tensors)
    save_file(tensors, copy / "model.safetensors")
    return copy
