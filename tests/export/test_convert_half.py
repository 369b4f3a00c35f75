"""float16 graphs: as close to float32 as float16 weights allow, and float32 where float16 would break."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from fixtures_checkpoints import build_checkpoint
from onnx import TensorProto
from safetensors.torch import load_file, save_file

from inference.cancellation import CancelToken
from inference.errors import CheckpointError
from inference.export.convert import convert_checkpoint
from inference.export.half_precision import to_half_precision
from inference.export.quantize import Quantization, dequantize_blockwise, quantize
from inference.export.stitching import GraphBuilder
from inference.language_model import LanguageModel
from inference.model_folder import ModelFolder

torch.set_num_threads(1)

IDS = [2, *range(130, 160)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("half") / "tiny", "e2b")


def _reference(checkpoint: Path) -> Any:
    from transformers import Gemma4ForCausalLM

    model = Gemma4ForCausalLM.from_pretrained(checkpoint).eval()
    model.set_attn_implementation("eager")
    return model


def _last_logits(model: Any, ids: list[int] = IDS) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(model(input_ids=torch.tensor([ids])).logits[0, -1].float().numpy())


def _ours(folder: Path) -> np.ndarray:
    model = LanguageModel.open(ModelFolder.open(folder), provider="cpu", threads=1)
    for _ in model.prefill(IDS[:-4], CancelToken()):
        pass
    for token in IDS[-4:]:
        model.step(token, CancelToken())
    logits = model.logits.copy()
    model.close()
    return logits


def _error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.square(found - expected).mean()) / expected.std())


def test_float16_is_as_close_as_its_weights_allow(checkpoint: Path, tmp_path: Path) -> None:
    folder = convert_checkpoint(checkpoint, tmp_path / "out", "fp16")
    ours = _ours(folder)
    reference = _reference(checkpoint)
    expected = _last_logits(reference)
    assert _error(ours, expected) < 1.5 * _error(_last_logits(reference.half()), expected)
    assert _error(ours, expected) < 0.05
    graph = onnx.load(folder / "onnx" / "decoder_model_merged_fp16.onnx", load_external_data=False).graph
    types = {value.name: value.type.tensor_type.elem_type for value in [*graph.input, *graph.output]}
    half = {name for name, kind in types.items() if kind == TensorProto.FLOAT16}
    assert half == {name for name in types if name.startswith(("past_key_values.", "present."))}
    by_name = {tensor.name: tensor for tensor in graph.initializer}
    norms = [node for node in graph.node if node.op_type == "SimplifiedLayerNormalization"]
    assert norms
    assert all(by_name[node.input[1]].data_type == TensorProto.FLOAT for node in norms)


def test_four_bits_with_float16_activations(checkpoint: Path, tmp_path: Path) -> None:
    ours = _ours(convert_checkpoint(checkpoint, tmp_path / "out", "q4f16"))
    reference = _reference(checkpoint)
    rule = Quantization(4, half_scales=True)
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if parameter.ndim == 2 and "norm" not in name:
                matrix = quantize(parameter.numpy(), rule)
                weights = dequantize_blockwise(matrix.packed, matrix.scales, 4, parameter.shape[1])
                parameter.copy_(torch.from_numpy(weights))
    assert _error(ours, _last_logits(reference)) < 0.3  # the kernel rounds activations to int8


def test_weights_that_float16_cannot_hold(checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((checkpoint / name).read_bytes())
    tensors = load_file(checkpoint / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"][3, 3] = 7e4
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"down_proj.weight” has values that float16 cannot hold"):
        convert_checkpoint(folder, tmp_path / "out", "fp16")
    assert {path.name for path in tmp_path.iterdir()} == {"tiny"}


def test_loops_compute_in_float32_with_stacks_in_float16() -> None:
    builder = GraphBuilder("loop")
    stack = np.random.default_rng(0).standard_normal((3, 48, 64)).astype(np.float32)
    rows = builder.input("rows", ir.DataType.FLOAT, [5, 64])
    weight = ir.Value(name="w", shape=ir.Shape([64, 64]), type=ir.TensorType(ir.DataType.FLOAT))
    weight.const_value = ir.tensor(np.eye(64, dtype=np.float32))
    stacked = ir.Value(name="stack", shape=ir.Shape(stack.shape), type=ir.TensorType(ir.DataType.FLOAT))
    stacked.const_value = ir.tensor(stack)
    for value in (weight, stacked):
        builder.graph.register_initializer(value)
    half = builder.node("MatMul", [rows, weight])
    trip, going_on, total = (
        ir.Value(name=name, type=ir.TensorType(kind), shape=ir.Shape(shape))
        for name, kind, shape in (
            ("trip", ir.DataType.INT64, []),
            ("on", ir.DataType.BOOL, []),
            ("total", ir.DataType.FLOAT, [5, 48]),
        )
    )
    nodes = [ir.node("Gather", [stacked, trip], attributes={"axis": 0})]
    nodes.append(ir.node("Transpose", [nodes[-1].outputs[0]], attributes={"perm": (1, 0)}))
    nodes.append(ir.node("MatMul", [half, nodes[-1].outputs[0]]))
    nodes.append(ir.node("Add", [total, nodes[-1].outputs[0]]))
    nodes.append(ir.node("Identity", [going_on]))
    for number, node in enumerate(nodes):
        node.outputs[0].name = f"inner{number}"
    still, result = nodes[-1].outputs[0], nodes[-2].outputs[0]
    still.type, result.type, result.shape = going_on.type, total.type, total.shape
    body = ir.Graph([trip, going_on, total], [still, result], nodes=nodes, name="body")
    count, yes = builder.constant(np.array(3, np.int64)), builder.constant(np.array(True))
    start = builder.constant(np.zeros((5, 48), np.float32))
    looped = builder.node("Loop", [count, yes, start], {"body": body})
    builder.output("sum", looped, ir.DataType.FLOAT, [5, 48])
    del builder.graph.opset_imports["larimar"]
    to_half_precision(builder)
    import onnxruntime

    session = onnxruntime.InferenceSession(ir.serde.serialize_model(builder.model()).SerializeToString())
    states = np.random.default_rng(1).standard_normal((5, 64)).astype(np.float16).astype(np.float32)
    (found,) = session.run(None, {"rows": states})
    expected = states @ stack.astype(np.float16).astype(np.float32).sum(0).T
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)
    assert builder.graph.initializers["stack_fp16"].dtype == ir.DataType.FLOAT16
    assert "stack" not in builder.graph.initializers
