"""Standard forms of ONNX Runtime's operators, one by one, against the operators themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

from inference.errors import UnsupportedModelError
from inference.export import portable_attention, streaming
from inference.export.convert import convert_checkpoint
from inference.export.portable import to_standard_operators
from inference.export.quantize import Bits, Quantization, QuantizedMatrix, dequantize_blockwise, quantize
from inference.export.stitching import GraphBuilder

MICROSOFT = "com.microsoft"
FLOAT, INT64, INT32 = ir.DataType.FLOAT, ir.DataType.INT64, ir.DataType.INT32


def model_of(builder: GraphBuilder) -> onnx.ModelProto:
    builder.graph.opset_imports.pop("larimar", None)
    return ir.serde.serialize_model(builder.model())


def portable(builder: GraphBuilder) -> onnx.ModelProto:
    """Rewrite the graph; what comes out must be what the standard knows."""
    to_standard_operators(builder)
    model = model_of(builder)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.domain for entry in model.opset_import} == {""}
    assert {node.domain for node in every_node(model.graph)} == {""}
    return model


def every_node(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    found = []
    for node in graph.node:
        found.append(node)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                found += every_node(attribute.g)
    return found


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "0")
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def grouped_query(heads: int, kv_heads: int, size: int, window: int, scale: float, *, own: bool) -> GraphBuilder:
    """Return attention with a cache; ``own``: it appends keys and values of its own."""
    builder = GraphBuilder("attention")
    query = builder.input("query", FLOAT, [1, "rows", heads * size])
    past = [builder.input(f"past_{part}", FLOAT, [1, kv_heads, "past", size]) for part in ("key", "value")]
    total = builder.input("total", INT32, [])
    last = builder.node("Sub", [total, builder.constant(np.array(1, np.int32))])
    last = builder.node("Reshape", [last, builder.integers(1)])
    if own:
        new = [builder.input(part, FLOAT, [1, "rows", kv_heads * size]) for part in ("key", "value")]
    else:
        new = [builder.constant(np.zeros((1, 0, kv_heads * size), np.float32))] * 2
    attributes = {"num_heads": heads, "kv_num_heads": kv_heads, "scale": scale, "local_window_size": window}
    node = ir.node(
        "GroupQueryAttention",
        [query, *new, *past, last, total],
        attributes=attributes,
        domain=MICROSOFT,
        num_outputs=3 if own else 1,
    )
    builder.graph.append(node)
    node.outputs[0].name = "raw"
    builder.output("output", node.outputs[0], FLOAT, [1, "rows", heads * size])
    for value, part in zip(node.outputs[1:], ("key", "value"), strict=False):
        builder.output(f"present_{part}", value, FLOAT, [1, kv_heads, "all", size])
    return builder


SHAPES = [
    pytest.param(4, 2, 16, -1, 1.0, id="grouped"),
    pytest.param(4, 1, 8, 5, 1.0, id="one-kv-head-and-a-window"),
    pytest.param(3, 3, 8, 2, 0.5, id="no-groups-scaled"),
]
LENGTHS = [(1, 0), (7, 0), (1, 9), (3, 9), (12, 4)]
"""Rows of a call, and rows before it."""


@pytest.mark.parametrize(("heads", "kv_heads", "size", "window", "scale"), SHAPES)
def test_attention_equals_the_runtimes_own(heads: int, kv_heads: int, size: int, window: int, scale: float) -> None:
    """With a past that grows by the rows of each call, and with a buffer that has room for more."""
    arguments = (heads, kv_heads, size, window, scale)
    theirs, ours = (
        session(model_of(grouped_query(*arguments, own=True))),
        session(portable(grouped_query(*arguments, own=True))),
    )
    random = np.random.default_rng(3)
    for rows, before in LENGTHS:
        for room in (0, rows, rows + 6):
            feeds = feeds_for(random, heads, kv_heads, size, rows, before, room)
            expected, *cache = theirs.run(None, feeds)
            output, *present = ours.run(None, feeds)
            np.testing.assert_allclose(output, expected, atol=1e-5)
            for part, other in zip(present, cache, strict=True):
                assert part.shape == other.shape
                np.testing.assert_array_equal(part[:, :, : before + rows], other[:, :, : before + rows])


def feeds_for(
    random: np.random.Generator, heads: int, kv_heads: int, size: int, rows: int, before: int, room: int
) -> dict[str, Any]:
    feeds = {"query": random.standard_normal((1, rows, heads * size)), "total": np.array(before + rows, np.int32)}
    for part in ("key", "value"):
        feeds[part] = random.standard_normal((1, rows, kv_heads * size))
        past = random.standard_normal((1, kv_heads, before, size))
        feeds[f"past_{part}"] = np.pad(past, ((0, 0), (0, 0), (0, room), (0, 0)), constant_values=7)
    return {name: np.asarray(value, np.int32 if name == "total" else np.float32) for name, value in feeds.items()}


def test_a_buffer_is_appended_to_in_place() -> None:
    """Past and present may be one buffer; only the new rows of it change, and attention sees them."""
    heads, kv_heads, size, rows, before = 4, 2, 8, 3, 5
    ours = session(portable(grouped_query(heads, kv_heads, size, 4, 1.0, own=True)))
    feeds = feeds_for(np.random.default_rng(4), heads, kv_heads, size, rows, before, room=20)
    (expected,) = ours.run(["output"], feeds)
    binding = ours.io_binding()
    buffers = {}
    for name, array in feeds.items():
        value = onnxruntime.OrtValue.ortvalue_from_numpy(array.copy())
        binding.bind_ortvalue_input(name, value)
        if name.startswith("past"):
            buffers[name] = value
            binding.bind_ortvalue_output(name.replace("past", "present"), value)
    binding.bind_output("output")
    ours.run_with_iobinding(binding)
    for name, buffer in buffers.items():
        whole = buffer.numpy()
        new = feeds[name.removeprefix("past_")].reshape(1, rows, kv_heads, size).transpose(0, 2, 1, 3)
        np.testing.assert_array_equal(whole[:, :, before : before + rows], new)
        np.testing.assert_array_equal(whole[:, :, :before], feeds[name][:, :, :before])
        assert (whole[:, :, before + rows :] == 7).all()
    np.testing.assert_array_equal(binding.get_outputs()[-1].numpy(), expected)


def test_a_shared_cache_is_read_up_to_its_valid_rows() -> None:
    heads, kv_heads, size, rows, before = 4, 1, 8, 2, 9
    theirs = session(model_of(grouped_query(heads, kv_heads, size, 6, 1.0, own=False)))
    ours = session(portable(grouped_query(heads, kv_heads, size, 6, 1.0, own=False)))
    feeds = feeds_for(np.random.default_rng(5), heads, kv_heads, size, rows, before + rows, room=0)
    feeds = {name: value for name, value in feeds.items() if name not in ("key", "value")}
    feeds["total"] = np.array(before + rows, np.int32)
    expected = theirs.run(None, feeds)[0]
    for name in ("past_key", "past_value"):
        feeds[name] = np.pad(feeds[name], ((0, 0), (0, 0), (0, 5), (0, 0)), constant_values=np.nan)
    np.testing.assert_allclose(ours.run(None, feeds)[0], expected, atol=1e-5)


def test_the_standards_own_evaluator_agrees() -> None:
    """Neither ONNX Runtime nor we decide what standard operators mean."""
    from onnx.reference import ReferenceEvaluator

    model = portable(grouped_query(4, 2, 8, 3, 1.0, own=True))
    for room in (0, 4):
        feeds = feeds_for(np.random.default_rng(6), 4, 2, 8, 2, 5, room)
        for ours, expected in zip(
            ReferenceEvaluator(model).run(None, feeds), session(model).run(None, feeds), strict=True
        ):
            np.testing.assert_allclose(ours, expected, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_attention_of_all_rows_in_blocks(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    monkeypatch.setattr(portable_attention, "_QUERY_ROWS", 4)

    def build() -> GraphBuilder:
        builder = GraphBuilder("attention")
        inputs = [builder.input(name, FLOAT, ["n", "rows", 24]) for name in ("query", "key", "value")]
        attributes = {"num_heads": 3, "scale": 0.7}
        output = builder.node("MultiHeadAttention", inputs, attributes, MICROSOFT)
        builder.output("output", output, FLOAT, ["n", "rows", 24])
        return builder

    random = np.random.default_rng(7)
    feeds = {name: random.standard_normal((2, rows, 24)).astype(np.float32) for name in ("query", "key", "value")}
    expected = session(model_of(build())).run(None, feeds)[0]
    np.testing.assert_allclose(session(portable(build())).run(None, feeds)[0], expected, atol=1e-5)


RULES = [
    pytest.param(bits, symmetric, id=f"{bits}-bits-{'symmetric' if symmetric else 'asymmetric'}")
    for bits in (4, 8)
    for symmetric in (True, False)
]
SIZES = [(7, 51), (40, 64), (33, 16)]


def quantized(rows: int, columns: int, bits: Bits, symmetric: bool) -> tuple[QuantizedMatrix, np.ndarray]:
    weights = np.random.default_rng(rows).standard_normal((rows, columns)).astype(np.float32)
    matrix = quantize(weights, Quantization(bits, 16, symmetric))
    return matrix, dequantize_blockwise(matrix.packed, matrix.scales, bits, columns, matrix.zero_points)


def initializer(builder: GraphBuilder, name: str, array: np.ndarray) -> ir.Value:
    value = ir.Value(name=name, const_value=ir.tensor(array, name=name))
    value.shape, value.type = ir.Shape(array.shape), ir.TensorType(ir.DataType.from_numpy(array.dtype))
    builder.graph.register_initializer(value)
    return value


@pytest.mark.parametrize(("bits", "symmetric"), RULES)
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_products_with_quantized_weights(
    monkeypatch: pytest.MonkeyPatch, rows: int, columns: int, bits: Bits, symmetric: bool
) -> None:
    monkeypatch.setattr(streaming, "PIECE_WEIGHTS", 3 * rows)  # several pieces, which begin at odd columns
    matrix, exact = quantized(rows, columns, bits, symmetric)
    builder = GraphBuilder("product")
    states = builder.input("states", FLOAT, [1, "s", columns])
    parts = [matrix.packed, matrix.scales.reshape(-1)]
    if matrix.zero_points is not None:
        parts.append(matrix.zero_points.reshape(-1))
    values = [initializer(builder, f"weight_{number}", part) for number, part in enumerate(parts)]
    attributes = {"K": columns, "N": rows, "bits": bits, "block_size": 16, "accuracy_level": 4}
    builder.output("out", builder.node("MatMulNBits", [states, *values], attributes, MICROSOFT), FLOAT, [1, "s", rows])
    model = portable(builder)
    assert {node.op_type for node in model.graph.node} == {"DequantizeLinear", "MatMul"}
    assert not any(tensor.name == "weight_0" for tensor in model.graph.initializer)
    given = np.random.default_rng(8).standard_normal((1, 3, columns)).astype(np.float32)
    np.testing.assert_allclose(session(model).run(None, {"states": given})[0], given @ exact.T, atol=2e-5)


@pytest.mark.parametrize(("bits", "symmetric"), RULES)
@pytest.mark.parametrize(("rows", "columns"), SIZES)
def test_rows_of_quantized_tables(rows: int, columns: int, bits: Bits, symmetric: bool) -> None:
    matrix, exact = quantized(rows, columns, bits, symmetric)
    builder = GraphBuilder("lookup")
    ids = builder.input("ids", INT64, [1, "s"])
    parts = [matrix.packed.reshape(rows, -1), matrix.scales]
    if matrix.zero_points is not None:
        parts.append(matrix.zero_points)
    table, *parameters = (initializer(builder, f"table_{number}", part) for number, part in enumerate(parts))
    attributes = {"bits": bits, "block_size": 16, "gather_axis": 0, "quantize_axis": 1}
    found = builder.node("GatherBlockQuantized", [table, ids, *parameters], attributes, MICROSOFT)
    builder.output("out", found, FLOAT, [1, "s", "width"])
    wanted = np.array([[rows - 1, 0, 3, 3]])
    (output,) = session(portable(builder)).run(None, {"ids": wanted})
    np.testing.assert_array_equal(output[..., :columns], exact[wanted])


def test_an_operator_without_a_standard_form_is_named() -> None:
    builder = GraphBuilder("strange")
    states = builder.input("states", FLOAT, ["n", 4])
    builder.output("out", builder.node("BiasGelu", [states, states], domain=MICROSOFT), FLOAT, ["n", 4])
    with pytest.raises(UnsupportedModelError, match="BiasGelu"):
        to_standard_operators(builder)


@pytest.mark.parametrize("precision", ["fp16", "q4f16"])
def test_half_precision_is_refused_before_anything_is_read(tmp_path: Any, precision: Any) -> None:
    with pytest.raises(UnsupportedModelError, match="--precision q4, q8 or fp32"):
        convert_checkpoint(tmp_path / "none", tmp_path / "out", precision, portable=True)
    assert not list(tmp_path.iterdir())
