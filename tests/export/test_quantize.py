"""Blockwise quantisation: its rule, its layout, and ONNX Runtime's reading of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from inference.export.quantize import Bits, Quantization, dequantize_blockwise, quantize, quantize_blockwise


def _matrix(rows: int, columns: int, seed: int, scale: float = 1.0) -> np.ndarray:
    return (np.random.default_rng(seed).standard_normal((rows, columns)) * scale).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 9),
    columns=st.integers(1, 100),
    bits=st.sampled_from([4, 8]),
    seed=st.integers(0, 2**16),
    exponent=st.integers(-6, 6),
)
def test_the_error_is_at_most_half_a_step(rows: int, columns: int, bits: Bits, seed: int, exponent: int) -> None:
    weights = _matrix(rows, columns, seed, 10.0**exponent)
    packed, scales = quantize_blockwise(weights, bits)
    blocks = -(-columns // 32)
    assert packed.shape == (rows, blocks, 32 * bits // 8)
    assert scales.shape == (rows, blocks)
    restored = dequantize_blockwise(packed, scales, bits, columns)
    step = np.repeat(np.abs(scales), 32, axis=1)[:, :columns]
    # 4 bits reach from -8 to 7: opposite the largest entry, a value may miss by a whole step
    assert (np.abs(restored - weights) <= step * (1.0 if bits == 4 else 0.5) * 1.0001).all()


def test_four_bits_follow_the_rule_of_q4_0() -> None:
    block = np.zeros((1, 32), np.float32)
    block[0, :4] = [1.0, -4.0, 3.5, 0.25]
    packed, scales = quantize_blockwise(block, 4)
    assert scales[0, 0] == 0.5  # the entry of largest magnitude is stored as -8
    assert list(packed[0, 0, :2]) == [10 | 0 << 4, 15 | 9 << 4]  # half a step is rounded up


def test_a_block_of_zeros_stays_zero() -> None:
    for bits in (4, 8):
        packed, scales = quantize_blockwise(np.zeros((2, 64), np.float32), bits)
        assert not dequantize_blockwise(packed, scales, bits, 64).any()


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("columns", [64, 72])
def test_matmul_nbits_reads_it_exactly(bits: Bits, columns: int) -> None:
    weights = _matrix(24, columns, 1)
    packed, scales = quantize_blockwise(weights, bits)
    attributes = {"K": columns, "N": 24, "bits": bits, "block_size": 32, "accuracy_level": 0}
    session = _session("MatMulNBits", {"b": packed, "scales": scales.ravel()}, attributes, columns)
    (output,) = session.run(None, {"x": np.eye(columns, dtype=np.float32)})
    np.testing.assert_array_equal(output.T, dequantize_blockwise(packed, scales, bits, columns))


@pytest.mark.parametrize("bits", [4, 8])
def test_gather_block_quantized_reads_it_exactly(bits: Bits) -> None:
    weights = _matrix(10, 96, 2)
    packed, scales = quantize_blockwise(weights, bits)
    attributes = {"bits": bits, "block_size": 32, "gather_axis": 0, "quantize_axis": 1}
    data = {"data": packed.reshape(10, -1), "x": None, "scales": scales}
    session = _session("GatherBlockQuantized", data, attributes, None)
    (output,) = session.run(None, {"x": np.array([3, 0, 9], np.int64)})
    np.testing.assert_array_equal(output, dequantize_blockwise(packed, scales, bits, 96)[[3, 0, 9]])


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("columns", [64, 96])
def test_zero_points_are_read_exactly(bits: Bits, columns: int) -> None:
    weights = _matrix(24, columns, 3) + 1  # most of it on one side of zero
    how = Quantization(bits, symmetric=False)
    matrix = quantize(weights, how)
    assert matrix.zero_points is not None
    expected = dequantize_blockwise(matrix.packed, matrix.scales, bits, columns, matrix.zero_points)
    parts = {"b": matrix.packed, "scales": matrix.scales.ravel(), "zeros": matrix.zero_points.ravel()}
    attributes = {"K": columns, "N": 24, "bits": bits, "block_size": 32, "accuracy_level": 0}
    session = _session("MatMulNBits", parts, attributes, columns)
    (output,) = session.run(None, {"x": np.eye(columns, dtype=np.float32)})
    np.testing.assert_array_equal(output.T, expected)
    attributes = {"bits": bits, "block_size": 32, "gather_axis": 0, "quantize_axis": 1}
    data = {"data": matrix.packed.reshape(24, -1), "x": None, "scales": matrix.scales, "zeros": matrix.zero_points}
    (rows,) = _session("GatherBlockQuantized", data, attributes, None).run(None, {"x": np.array([3, 0, 23])})
    np.testing.assert_array_equal(rows, expected[[3, 0, 23]])
    symmetric = quantize(weights, Quantization(bits))
    restored = dequantize_blockwise(symmetric.packed, symmetric.scales, bits, columns)
    assert np.square(expected - weights).mean() < np.square(restored - weights).mean()


def _session(operator: str, weights: dict[str, Any], attributes: dict[str, int], width: int | None) -> Any:
    names = list(weights) if "x" in weights else ["x", *weights]
    kind, shape = (TensorProto.FLOAT, ["rows", width]) if width else (TensorProto.INT64, ["rows"])
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], domain="com.microsoft", **attributes)],
        "one_node",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in weights.items() if array is not None],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
