"""Checkpoints trained for low precision: their integers arrive in the graphs as they are."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from fixtures_checkpoints import build_checkpoint
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from safetensors.torch import load_file, save_file

from inference.errors import CheckpointError, UnsupportedModelError
from inference.export.checkpoint import Checkpoint
from inference.export.convert import convert_checkpoint
from inference.export.qat import fits_float16, packed_form, repack_compressed_tensors, repack_q4_0
from inference.export.quantize import Bits, Quantization, dequantize_blockwise, quantize

torch.set_num_threads(1)

QUANTIZATION_CONFIG = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 32},
        }
    },
    "ignore": ["lm_head"],
}


def _pack(values: torch.Tensor, bits: int) -> torch.Tensor:
    """Offset values and pack them into int32 words, the earliest lowest, as compressed-tensors does."""
    per_word = 32 // bits
    stored = (values.to(torch.int64) + (1 << (bits - 1))).view(values.shape[0], -1, per_word)
    words = (stored << (torch.arange(per_word) * bits)).sum(-1)
    return torch.where(words >= 1 << 31, words - (1 << 32), words).to(torch.int32)


def _random_packed(rows: int, columns: int, bits: int = 4, group: int = 32, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Return words, bfloat16 scales, and the weights that they stand for."""
    generator = torch.Generator().manual_seed(seed)
    half = 1 << (bits - 1)
    values = torch.randint(-half, half, (rows, columns), generator=generator)
    scales = (0.01 + 0.05 * torch.rand((rows, columns // group), generator=generator)).to(torch.bfloat16)
    weights = values.float() * scales.float().repeat_interleave(group, dim=1)
    return _pack(values, bits), scales, weights


def _read_out(packed: np.ndarray, scales: np.ndarray, bits: int, columns: int) -> np.ndarray:
    """Return the matrix as MatMulNBits sees it: what it makes of the identity."""
    rows, _, width = packed.shape
    attributes = {"K": columns, "N": rows, "bits": bits, "block_size": width * 8 // bits, "accuracy_level": 0}
    graph = helper.make_graph(
        [helper.make_node("MatMulNBits", ["x", "b", "scales"], ["y"], domain="com.microsoft", **attributes)],
        "one_node",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", columns])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(packed, "b"), onnx.numpy_helper.from_array(scales.ravel(), "scales")],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"x": np.eye(columns, dtype=np.float32)})[0]).T


@pytest.mark.parametrize(("bits", "group"), [(4, 32), (4, 128), (8, 32)])
def test_packed_words_read_out_bit_exact(bits: Bits, group: int) -> None:
    words, scales, weights = _random_packed(24, 256, bits, group)
    matrix = repack_compressed_tensors(words.numpy(), scales.float().numpy(), 256)
    np.testing.assert_array_equal(dequantize_blockwise(matrix.packed, matrix.scales, bits, 256), weights.numpy())
    np.testing.assert_array_equal(_read_out(matrix.packed, matrix.scales, bits, 256), weights.numpy())


def test_blocks_of_q4_0_read_out_bit_exact() -> None:
    generator = np.random.default_rng(3)
    blocks = generator.integers(0, 256, (12, 5, 18), np.uint8)
    scales = (generator.standard_normal((12, 5)) * 0.05).astype(np.float16)
    blocks[..., :2] = scales[..., None].view(np.uint8)
    expected = np.empty((12, 5, 32), np.float32)
    for j in range(16):
        expected[..., j] = (blocks[..., 2 + j] & 15).astype(np.float32) - 8
        expected[..., j + 16] = (blocks[..., 2 + j] >> 4).astype(np.float32) - 8
    expected *= scales.astype(np.float32)[..., None]
    matrix = repack_q4_0(blocks)
    np.testing.assert_array_equal(_read_out(matrix.packed, matrix.scales, 4, 160), expected.reshape(12, 160))


def test_rounding_for_q4_0_is_the_trained_rule() -> None:
    weights = (np.random.default_rng(4).standard_normal((40, 96)) * 0.02).astype(np.float32)
    weights = (weights.view(np.uint32) & 0xFFFF0000).view(np.float32)  # bfloat16 makes halves and ties common
    weights[0, :32] = 0
    weights[1, :4] = [0.5, -0.5, 0.03125, -0.03125]  # two of largest magnitude: the first one counts
    weights[2, :32] *= 1e-3  # the scale is no normal float16
    matrix = quantize(weights, Quantization(4, half_scales=True))
    for row, column in np.ndindex(40, 3):
        block = weights[row, column * 32 : column * 32 + 32]
        scale = block[np.abs(block).argmax()] / np.float32(-8)
        inverse = np.float32(1) / scale if scale else np.float32(0)
        stored = np.minimum(np.trunc(block * inverse + np.float32(8.5)), 15).astype(np.uint8)
        assert matrix.scales[row, column] == np.float32(np.float16(scale))
        np.testing.assert_array_equal(matrix.packed[row, column], stored[0::2] | stored[1::2] << 4)


def test_float32_scales_lose_less_than_float16_ones_where_weights_are_tiny() -> None:
    weights = (np.random.default_rng(5).standard_normal((64, 512)) * 1e-6).astype(np.float32)

    def error(half: bool) -> float:
        matrix = quantize(weights, Quantization(4, half_scales=half))
        return float(np.square(dequantize_blockwise(matrix.packed, matrix.scales, 4, 512) - weights).mean())

    assert error(False) < error(True)
    assert not fits_float16(quantize(weights, Quantization(4)).scales)
    assert fits_float16(quantize(weights, Quantization(4, half_scales=True)).scales)


def test_which_scales_are_float16_numbers() -> None:
    def bfloat16(value: float) -> np.ndarray:
        return torch.tensor([value]).to(torch.bfloat16).float().numpy()

    assert fits_float16(bfloat16(0.0123))
    assert fits_float16(bfloat16(-60000.0))
    assert not fits_float16(bfloat16(70000.0))
    assert not fits_float16(bfloat16(1.01e-7))


# -- a whole checkpoint ------------------------------------------------------------------------------------------------


def pack_checkpoint(folder: Path, keep: tuple[str, ...] = ("embed_tokens", "per_layer_model_projection")) -> None:
    """Turn a plain checkpoint into one laid out like ``*-qat-w4a16-ct``."""
    file = folder / "model.safetensors"
    tensors: dict[str, torch.Tensor] = {}
    for index, (name, tensor) in enumerate(sorted(load_file(file).items())):
        if tensor.ndim != 2 or any(part in name for part in keep):
            tensors[name] = tensor.to(torch.bfloat16)
            continue
        rows, columns = tensor.shape
        words, scales, _ = _random_packed(rows, columns, seed=index)
        module = name.removesuffix(".weight")
        tensors[f"{module}.weight_packed"], tensors[f"{module}.weight_scale"] = words, scales
        tensors[f"{module}.weight_shape"] = torch.tensor([rows, columns])
    save_file(tensors, file, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": QUANTIZATION_CONFIG}))


@pytest.fixture(scope="module")
def qat_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("qat") / "tiny-qat-w4a16-ct"
    build_checkpoint(folder, "e2b", hidden_size_per_layer_input=32)
    pack_checkpoint(folder)
    return folder


@pytest.fixture(scope="module")
def converted(qat_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``converted(precision)``: the checkpoint's model folder, made once."""
    return cache(
        lambda precision: convert_checkpoint(qat_checkpoint, tmp_path_factory.mktemp("out") / "out", precision)
    )


def _logits(folder: Path, suffix: str, ids: list[int]) -> np.ndarray:
    """Run a prompt through embedder and decoder, activations unrounded; returns [S, V]."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    sessions = []
    for name in ("decoder_model_merged", "embed_tokens"):
        model = onnx.load(folder / "onnx" / f"{name}{suffix}.onnx")
        for node in model.graph.node:
            for attribute in node.attribute:
                if attribute.name == "accuracy_level":
                    attribute.i = 0
        sessions.append(onnxruntime.InferenceSession(model.SerializeToString(), options))
    decoder, embedder = sessions
    names = [output.name for output in embedder.get_outputs()]
    feeds = dict(zip(names, embedder.run(names, {"input_ids": np.array([ids])}), strict=True))
    for node in decoder.get_inputs():
        if node.name.startswith("past_key_values."):
            dtype = np.float16 if node.type == "tensor(float16)" else np.float32
            feeds[node.name] = np.zeros((1, node.shape[1], 0, node.shape[3]), dtype)
    feeds["attention_mask"] = np.ones((1, len(ids)), np.int64)
    feeds["position_ids"] = np.arange(len(ids))[None]
    return np.asarray(decoder.run(["logits"], feeds)[0][0])


def _reference(checkpoint: Path, ids: list[int], head_bits: Bits | None) -> np.ndarray:
    """Logits of transformers with the dequantised weights; the tied head rounded to ``head_bits`` as in our graph."""
    from transformers import Gemma4ForCausalLM

    source = Checkpoint(checkpoint)
    model = Gemma4ForCausalLM(source.text_config).eval()
    model.set_attn_implementation("eager")
    state = {name: torch.from_numpy(source.read(name)) for name in model.state_dict() if name in source}
    model.load_state_dict(state, strict=False)

    def rounded(name: str) -> torch.nn.Parameter:
        weights = source.read(name)
        if head_bits:
            matrix = quantize(weights, Quantization(head_bits))
            weights = dequantize_blockwise(matrix.packed, matrix.scales, head_bits, weights.shape[1])
        return torch.nn.Parameter(torch.from_numpy(weights))

    model.lm_head.weight = rounded("model.embed_tokens.weight")
    model.model.per_layer_model_projection.weight = rounded("model.per_layer_model_projection.weight")
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).logits[0].numpy()


@pytest.mark.parametrize(("precision", "suffix", "head_bits"), [("q4", "_q4", 8), ("fp32", "", None)])
def test_a_qat_checkpoint_equals_its_dequantized_weights(
    qat_checkpoint: Path, converted: Any, precision: Any, suffix: str, head_bits: Any
) -> None:
    out = converted(precision)
    ids = [2, *range(130, 160)]
    logits, expected = _logits(out, suffix, ids), _reference(qat_checkpoint, ids, head_bits)
    assert np.abs(logits - expected).max() < 2e-4 * expected.std()
    assert (logits.argmax(-1) == expected.argmax(-1)).all()
    assert "quantization_config" not in json.loads((out / "config.json").read_text())


def test_the_integers_of_the_checkpoint_are_those_of_the_graph(qat_checkpoint: Path, converted: Any) -> None:
    out = converted("q4")
    graph = onnx.load(out / "onnx" / "decoder_model_merged_q4.onnx").graph
    found = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    stored = load_file(qat_checkpoint / "model.safetensors")
    used = [name.removesuffix("_q4") for name in found if name.endswith("_q4")]
    assert len(used) > 40
    for name in used:
        assert found[f"{name}_q4"].tobytes() == stored[f"{name}_packed"].numpy().tobytes()
        np.testing.assert_array_equal(found[f"{name}_scales"], stored[f"{name}_scale"].float().numpy().ravel())
    embedder = onnx.load(out / "onnx" / "embed_tokens_q4.onnx").graph
    (table,) = (tensor for tensor in embedder.initializer if tensor.name == "model.embed_tokens.weight")
    assert table.data_type == TensorProto.BFLOAT16, "tables stay as in the checkpoint"
    assert table.raw_data == stored[table.name].view(torch.int16).numpy().tobytes()


VARIANTS: dict[str, dict[str, Any]] = {
    # what compressed-tensors' rule says of the weights, and what the files hold
    "by row": {"rule": {"strategy": "channel", "group_size": None}, "group": None},
    "by row, as a group": {"rule": {"strategy": "group", "group_size": -1}, "group": None},
    "by row, without a shape": {"rule": {"strategy": "channel"}, "group": None, "without": "weight_shape"},
    "groups without a shape": {"rule": {"group_size": 16}, "group": 16, "without": "weight_shape"},
    "8 bits without a shape": {"rule": {"group_size": 32, "num_bits": 8}, "group": 32, "without": "weight_shape"},
    "groups larger than a block": {"rule": {"group_size": 96}, "group": 96},
    "groups of an odd size": {"rule": {"group_size": 48}, "group": 48},
    "rounded in another order": {"rule": {"actorder": "static"}, "group": 32},
    "scales as a vector": {"rule": {"strategy": "channel"}, "group": None, "flat": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_legal_variants_are_read(tmp_path: Path, variant: str) -> None:
    """Scales by row, groups that are no block of ONNX Runtime's, files without ``weight_shape``."""
    how = VARIANTS[variant]
    rule = {**QUANTIZATION_CONFIG["config_groups"]["group_0"]["weights"], **how["rule"]}  # type: ignore[index]
    bits, columns = rule["num_bits"], 192
    words, scales, weights = _random_packed(24, columns, bits, how["group"] or columns, seed=5)
    parts = {
        "weight_packed": words,
        "weight_scale": scales.reshape(-1) if how.get("flat") else scales,
        "weight_shape": torch.tensor([24, columns]),
    }
    source = _opened(tmp_path, {name: part for name, part in parts.items() if name != how.get("without")}, rule)
    packed = source.packed(MODULE + ".weight")
    assert packed is not None
    np.testing.assert_array_equal(source.read(MODULE + ".weight"), weights.numpy())
    np.testing.assert_array_equal(source.read(MODULE + ".weight", slice(3, 9)), weights.numpy()[3:9])
    matrix = source.read_packed(MODULE + ".weight")
    np.testing.assert_array_equal(_read_out(matrix.packed, matrix.scales, bits, columns), weights.numpy())


@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 200),
    bits=st.sampled_from([4, 8]),
    group=st.sampled_from([16, 32, 48, 64, 128, 160, None]),
    seed=st.integers(0, 99),
)
@settings(max_examples=examples(60))
def test_every_size_is_read_bit_exact(rows: int, columns: int, bits: Bits, group: int | None, seed: int) -> None:
    """Also where the last group, the last block and the last word are not full."""
    generator = torch.Generator().manual_seed(seed)
    half, size = 1 << (bits - 1), group or columns
    values = torch.randint(-half, half, (rows, columns), generator=generator)
    scales = 0.01 + torch.rand((rows, -(-columns // size)), generator=generator)
    padded = torch.nn.functional.pad(values, (0, -columns % (32 // bits)))  # with zeros, as compressed-tensors does
    rule = {"num_bits": bits, "strategy": "group" if group else "channel", "group_size": group}
    config = {"quantization_config": {**QUANTIZATION_CONFIG, "config_groups": {"g": {"weights": rule}}}}
    words = _pack(padded, bits).numpy()
    form = packed_form(config, words.shape, tuple(scales.shape), (rows, columns))
    assert form is not None
    assert form.bits == bits
    matrix = repack_compressed_tensors(words, scales.numpy(), columns, form.block_size, form.group_size, form.bits)
    expected = (values.float() * scales.repeat_interleave(size, 1)[:, :columns]).numpy()
    np.testing.assert_array_equal(dequantize_blockwise(matrix.packed, matrix.scales, bits, columns), expected)
    np.testing.assert_allclose(_read_out(matrix.packed, matrix.scales, bits, columns), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "extra", "sentence"),
    [
        ({"symmetric": False}, {}, "quantised in a way that Larimar cannot read"),
        ({"strategy": "tensor"}, {}, "quantised in a way that Larimar cannot read"),
        ({"actorder": "group"}, {}, "quantised in a way that Larimar cannot read"),
        ({}, {"weight_g_idx": torch.arange(192, dtype=torch.int32)}, "reordered columns or zero points"),
        ({}, {"weight_zero_point": torch.zeros(3, 6, dtype=torch.int32)}, "reordered columns or zero points"),
        ({"group_size": 24}, {"weight_scale": torch.ones(24, 8)}, "24 weights share a scale"),
    ],
)
def test_legal_variants_that_are_not_read_are_called_so(
    tmp_path: Path, change: dict[str, Any], extra: dict[str, Any], sentence: str
) -> None:
    """Not damaged: unsupported."""
    rule = {**QUANTIZATION_CONFIG["config_groups"]["group_0"]["weights"], **change}  # type: ignore[index]
    words, scales, _ = _random_packed(24, 192)
    parts = {"weight_packed": words, "weight_scale": scales, "weight_shape": torch.tensor([24, 192]), **extra}
    with pytest.raises(UnsupportedModelError, match=sentence):
        _opened(tmp_path, parts, rule)


MODULE = "model.layers.0.mlp.up_proj"


def _opened(folder: Path, parts: dict[str, torch.Tensor], rule: dict[str, Any]) -> Checkpoint:
    """Write a checkpoint of next to nothing with one packed matrix, and open it."""
    tensors = {
        "model.embed_tokens.weight": torch.zeros(8, 4),
        "model.layers.0.input_layernorm.weight": torch.zeros(4),
        **{f"{MODULE}.{name}": part for name, part in parts.items()},
    }
    save_file(tensors, folder / "model.safetensors")
    quantization = {**QUANTIZATION_CONFIG, "config_groups": {"group_0": {"targets": ["Linear"], "weights": rule}}}
    config = {
        "model_type": "gemma4_text",
        "vocab_size": 8,
        "hidden_size": 4,
        "num_hidden_layers": 1,
        "layer_types": ["full_attention"],
        "quantization_config": quantization,
    }
    (folder / "config.json").write_text(json.dumps(config))
    return Checkpoint(folder)


def test_packed_weights_that_do_not_fit_together(qat_checkpoint: Path, tmp_path: Path) -> None:
    tensors = load_file(qat_checkpoint / "model.safetensors")
    name = "model.layers.0.mlp.up_proj.weight_scale"
    tensors[name] = tensors[name][:, :1].contiguous()
    tensors["model.layers.0.mlp.up_proj.weight_packed"] = tensors["model.layers.0.mlp.up_proj.weight_packed"][:, 1:]
    folder = tmp_path / "damaged"
    folder.mkdir()
    for other in ("config.json", "tokenizer.json"):
        (folder / other).write_bytes((qat_checkpoint / other).read_bytes())
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"“model\.layers\.0\.mlp\.up_proj” do not fit together"):
        convert_checkpoint(folder, tmp_path / "out")


@pytest.mark.parametrize(
    "change", [{"format": "naive-quantized"}, {"quant_method": "gptq"}, {"config_groups": {"g": {"weights": {}}}}]
)
def test_unknown_quantization_is_refused(qat_checkpoint: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    config = json.loads((qat_checkpoint / "config.json").read_text())
    config["quantization_config"] = {**QUANTIZATION_CONFIG, **change}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModelError, match="w4a16-ct"):
        Checkpoint(tmp_path)
