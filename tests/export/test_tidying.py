"""What is taken out of a lowered graph, and what is not."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from inference.export.stitching import GraphBuilder
from inference.export.tidying import tidy


def _attention(builder: GraphBuilder, flat: ir.Value, width: int | None = 8) -> ir.Value:
    """Append an operator that gives [B, S, 8]."""
    output = builder.node("RotaryEmbedding", [flat], domain="com.microsoft")
    output.shape = None if width is None else ir.Shape([1, "s", width])
    return output


def _started() -> tuple[GraphBuilder, ir.Value]:
    builder = GraphBuilder("test")
    return builder, builder.input("states", ir.DataType.FLOAT, [1, "s", 8])


def _operators(builder: GraphBuilder) -> list[str]:
    return [node.op_type for node in builder.graph]


def test_reshapes_to_heads_and_back_go() -> None:
    builder, states = _started()
    heads = builder.node("Reshape", [_attention(builder, states), builder.integers(0, 0, 2, 4)])
    back = builder.node("Reshape", [heads, builder.integers(0, 0, -1)])
    builder.output("out", builder.node("Relu", [back]), ir.DataType.FLOAT, [1, "s", 8])
    tidy(builder.graph)
    assert _operators(builder) == ["RotaryEmbedding", "Relu"]


def test_a_reshape_to_the_width_that_is_there_goes() -> None:
    builder, states = _started()
    same = builder.node("Reshape", [_attention(builder, states), builder.integers(1, -1, 8)])
    builder.output("out", builder.node("Relu", [same]), ir.DataType.FLOAT, [1, "s", 8])
    tidy(builder.graph)
    assert _operators(builder) == ["RotaryEmbedding", "Relu"]


def test_reshapes_that_change_something_stay() -> None:
    builder, states = _started()
    narrow = builder.node("Reshape", [_attention(builder, states), builder.integers(1, -1, 4)])
    unknown = builder.node("Reshape", [_attention(builder, states, None), builder.integers(1, -1, 8)])
    shape = builder.node("Shape", [states])
    computed = builder.node("Reshape", [_attention(builder, states), shape])
    merged = builder.node("Reshape", [builder.node("Relu", [states]), builder.integers(0, 0, -1)])
    for number, value in enumerate((narrow, unknown, computed, merged)):
        builder.output(f"out{number}", builder.node("Relu", [value]), ir.DataType.FLOAT, [1, "s", None])
    tidy(builder.graph)
    assert _operators(builder).count("Reshape") == 4


def test_an_output_of_the_graph_keeps_its_node() -> None:
    builder, states = _started()
    same = builder.node("Reshape", [_attention(builder, states), builder.integers(0, 0, -1)])
    builder.output("out", same, ir.DataType.FLOAT, [1, "s", 8])
    tidy(builder.graph)
    assert _operators(builder) == ["RotaryEmbedding", "Reshape"]


def test_what_nobody_reads_goes_with_all_that_leads_to_it() -> None:
    builder, states = _started()
    zero = builder.constant(np.zeros(1, np.float32))
    builder.node("Transpose", [builder.node("Add", [states, zero])])
    builder.output("out", builder.node("Relu", [states]), ir.DataType.FLOAT, [1, "s", 8])
    tidy(builder.graph)
    assert _operators(builder) == ["Relu"]
