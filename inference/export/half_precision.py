"""Turns a finished float32 graph into one that computes in float16 where that is safe.

Weights of matrix products, attention and the KV cache become float16: there lie the memory and the time. Everything
else stays float32, because it is cheap and because Gemma's activations outgrow float16 there: the residual stream
and its norms, the tables of sines (positions beyond 2048 are no float16 numbers), softmax, soft-cap and logits, the
pooling and standardisation of the vision encoder, the clamps of the audio encoder.

Inputs and outputs stay float32 too, but for the KV cache: so graphs of different precision go together in one folder,
as the ecosystem's do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inference.errors import CheckpointError
from inference.export.stitching import GraphBuilder
from inference.export.streaming import StreamedTensor
from inference.export.weights import FLOAT32_ONLY

_FLOAT, _HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16

_COMPUTING: dict[tuple[str, str], tuple[int, ...]] = {
    ("com.microsoft", "MatMulNBits"): (0, 2),
    ("com.microsoft", "GatherBlockQuantized"): (2,),
    ("com.microsoft", "GroupQueryAttention"): (0, 1, 2, 3, 4, 10),
    ("com.microsoft", "RotaryEmbedding"): (0, 2, 3),
}
"""Operators that become float16, with the positions of their floating-point inputs."""

_CARRYING = frozenset(
    {"Reshape", "Transpose", "Slice", "Split", "Squeeze", "Unsqueeze", "Expand", "Identity", "Gelu", "Concat", "Mul"}
)
"""Operators that are float16 where all of their floating-point inputs are; others cast them to float32 first."""

_CACHE = (".key", ".value")
"""How the names of inputs and outputs end that are keys and values; a drafter reads those of its target."""

_TABLE_SIZE = 4096


def to_half_precision(builder: GraphBuilder) -> None:
    """Change the graph in place.

    Args:
        builder: a graph in ONNX Runtime's operators, every weight with its source.

    Raises:
        CheckpointError: (while the file is written) a weight is too large for float16.
    """
    _HalfPrecision(builder.graph).run()


class _HalfPrecision:
    def __init__(self, graph: ir.Graph) -> None:
        self._graph = graph
        self._half: set[ir.Value] = set()
        self._as_half: dict[ir.Value, ir.Value] = {}
        self._as_float: dict[ir.Value, ir.Value] = {}
        self._replaced: set[ir.Value] = set()
        self._count = 0

    def run(self) -> None:
        graph = self._graph
        for value in graph.inputs:
            if value.name.endswith(_CACHE):
                value.type = ir.TensorType(_HALF)
                self._half.add(value)
        for node in list(graph):
            self._convert(node)
        for index, value in enumerate(graph.outputs):
            cache = value.name.endswith(_CACHE)
            if (value in self._half) != cache:
                graph.outputs[index] = self._cast_output(value, _HALF if cache else _FLOAT)
            elif cache:
                value.type = ir.TensorType(_HALF)
        for value in self._replaced:
            if not value.uses() and not value.is_graph_input():
                del graph.initializers[value.name]

    def _convert(self, node: ir.Node) -> None:
        positions = self._computing(node)
        if positions is not None:
            for position in positions:
                if position < len(node.inputs) and node.inputs[position] is not None:
                    node.replace_input_with(position, self._in_half(node.inputs[position], node))
            self._mark(node.outputs)
            return
        read = [value for value in node.inputs if value is not None and not _is_integer(value)]
        if node.op_type in _CARRYING and read and self._carried(node, read):
            self._mark(node.outputs)
            return
        for position, value in enumerate(node.inputs):
            if value in self._half:
                node.replace_input_with(position, self._in_float(value, node))
        for inner in _inner_nodes(node):
            self._convert_inner(inner, node)

    def _computing(self, node: ir.Node) -> tuple[int, ...] | None:
        positions = _COMPUTING.get(_key(node))
        if positions is not None:
            keeps = any(value is not None and value.meta.get(FLOAT32_ONLY) for value in node.inputs)
            return None if keeps else positions
        if _key(node) == ("", "MatMul") and (_is_weight(node.inputs[1]) or self._half.issuperset(node.inputs)):
            return (0, 1)
        if _key(node) == ("", "Gather") and _is_weight(node.inputs[0]):
            return (0,)
        return None

    def _carried(self, node: ir.Node, read: list[ir.Value]) -> bool:
        if node.op_type in ("Mul", "Concat"):
            return self._half.issuperset(read)
        return read[0] in self._half

    def _convert_inner(self, node: ir.Node, outer: ir.Node) -> None:
        """Treat a node of a loop's body: it computes in float32, but matrices that it takes out of a stack are half."""
        if _key(node) == ("", "Gather") and _is_weight(node.inputs[0]):
            node.replace_input_with(0, self._in_half(node.inputs[0], outer))
            wide = self._cast(node.outputs[0], _FLOAT)
            node.graph.insert_after(node, wide.producer())
            for use in list(node.outputs[0].uses()):
                if use.node is not wide.producer():
                    use.node.replace_input_with(use.idx, wide)
            return
        for position, value in enumerate(node.inputs):
            if value in self._half:
                node.replace_input_with(position, self._in_float(value, outer))

    def _in_half(self, value: ir.Value, node: ir.Node) -> ir.Value:
        if value in self._half:
            return value
        if value not in self._as_half:
            if value.is_initializer() and not value.is_graph_input():
                new = self._half_initializer(value)
            else:
                new = self._cast(value, _HALF)
                self._graph.insert_before(node, new.producer())
            self._as_half[value] = new
            self._half.add(new)
        return self._as_half[value]

    def _in_float(self, value: ir.Value, node: ir.Node) -> ir.Value:
        if value not in self._as_float:
            new = self._cast(value, _FLOAT)
            self._graph.insert_before(node, new.producer())
            self._as_float[value] = new
        return self._as_float[value]

    def _cast(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        node = ir.node("Cast", [value], attributes={"to": dtype.value})
        self._count += 1
        new = node.outputs[0]
        node.name = new.name = f"{value.name}.to_{dtype.name.lower()}.{self._count}"
        new.shape, new.type = value.shape, ir.TensorType(dtype)
        return new

    def _cast_output(self, value: ir.Value, dtype: ir.DataType) -> ir.Value:
        new = self._cast(value, dtype)
        self._graph.append(new.producer())
        value.name, new.name = f"{value.name}.uncast", value.name
        value.type = ir.TensorType(_HALF if dtype is _FLOAT else _FLOAT)
        return new

    def _half_initializer(self, value: ir.Value) -> ir.Value:
        source, name = value.const_value, f"{value.name}_fp16"
        pieces = source.pieces if isinstance(source, StreamedTensor) else lambda: [source.numpy()]
        new = ir.Value(name=name, shape=value.shape, type=ir.TensorType(_HALF))
        label = value.name

        def halved() -> Iterator[NDArray[np.float16]]:
            for piece in pieces():
                yield _halved(piece, label)

        new.const_value = StreamedTensor(name, _HALF, tuple(int(size) for size in value.shape), halved)
        self._graph.register_initializer(new)
        self._replaced.add(value)
        return new

    def _mark(self, values: Iterable[ir.Value]) -> None:
        for value in values:
            self._half.add(value)
            value.type = ir.TensorType(_HALF)


def _key(node: ir.Node) -> tuple[str, str]:
    return node.domain, node.op_type


def _is_weight(value: ir.Value) -> bool:
    """Whether this is a float32 matrix, or a stack of them, that comes from the checkpoint."""
    tensor = value.const_value
    return (
        value.is_initializer()
        and not value.is_graph_input()
        and tensor is not None
        and tensor.dtype == _FLOAT
        and len(tensor.shape) >= 2
        and tensor.size >= _TABLE_SIZE
    )


def _is_integer(value: ir.Value) -> bool:
    return value.is_initializer() and value.const_value is not None and value.const_value.dtype.is_integer()


def _inner_nodes(node: ir.Node) -> Iterator[ir.Node]:
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            for inner in list(attribute.as_graph()):
                yield inner
                yield from _inner_nodes(inner)


def _halved(piece: NDArray[Any], name: str) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        half = piece.astype(np.float16)
    if not np.isfinite(half).all():
        raise CheckpointError(
            f"The tensor “{name}” has values that float16 cannot hold. Convert with --precision fp32, q8 or q4."
        )
    return half
