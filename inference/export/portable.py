"""Rewrites a finished graph in operators of the ONNX standard alone, for runtimes that know no others.

Our graphs are made of ONNX Runtime's own operators where these are faster. Here each of them is written out in
operators of the default domain, opset 21, with the same inputs and outputs of the graph: whoever runs it need not know
which form it has. In particular the decoder's past and present may still be one buffer, see
:mod:`inference.export.portable_attention`.

ONNX Runtime finds most of its own operators again when it loads such a graph (norms, products with quantised weights);
what it does not find again is attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import onnx_ir as ir

from inference.errors import UnsupportedModelError
from inference.export.portable_attention import PortableAttention
from inference.export.portable_nodes import NodeWriter
from inference.export.portable_weights import PortableWeights
from inference.export.stitching import GraphBuilder

_MICROSOFT = "com.microsoft"
_NOT_STANDARD = frozenset({"SimplifiedLayerNormalization", "SkipSimplifiedLayerNormalization"})
"""Operators of ONNX Runtime that it keeps in the default domain, though the standard has no such operators."""


def to_standard_operators(builder: GraphBuilder) -> None:
    """Change the graph in place.

    Args:
        builder: a graph in ONNX Runtime's operators, in float32, every weight with its source.

    Raises:
        UnsupportedModelError: the graph has an operator, or a form of one, that is not written out here.
    """
    _Portable(builder).run()


HEAD_MULTIPLE = 8
"""Sizes of heads that ``GroupQueryAttention`` takes are multiples of it."""


def write_odd_attention_out(builder: GraphBuilder) -> None:
    """Write attention out whose heads ONNX Runtime's own operator does not take, and leave all else as it is."""
    _Portable(builder).write_odd_attention_out()


class _Portable:
    def __init__(self, builder: GraphBuilder) -> None:
        self._builder = builder
        self._write = NodeWriter(builder)
        self._replaced = 0
        self._tables: dict[tuple[ir.Value, ...], tuple[ir.Value, ir.Value]] = {}
        attention = PortableAttention(self._write)
        weights = PortableWeights(self._write)
        # attention first: which rows a query has is seen by its rotary embedding
        self._sweeps: tuple[dict[str, Callable[[ir.Node], Sequence[ir.Value]]], ...] = (
            {
                "GroupQueryAttention": attention.grouped_query,
                "MultiHeadAttention": attention.multi_head,
            },
            {
                "RotaryEmbedding": self._rotary,
                "SimplifiedLayerNormalization": self._rms_norm,
                "MatMulNBits": weights.product,
                "GatherBlockQuantized": weights.lookup,
            },
        )

    def run(self) -> None:
        graph = self._builder.graph
        for handlers in self._sweeps:
            for node in list(_all_nodes(graph)):
                if _is_foreign(node) and node.op_type in handlers:
                    self._replace(node, handlers[node.op_type](node))
        for node in _all_nodes(graph):
            if _is_foreign(node):
                raise UnsupportedModelError(
                    f"This model needs the operator {node.op_type}, for which there is no portable form yet. Convert "
                    "with --provider cpu or cuda."
                )
            _tell_shapes(node)
        for name, value in list(graph.initializers.items()):
            if not value.uses() and not value.is_graph_input():
                del graph.initializers[name]
        graph.opset_imports.pop(_MICROSOFT, None)

    def write_odd_attention_out(self) -> None:
        write_out = self._sweeps[0]["GroupQueryAttention"]
        for node in list(_all_nodes(self._builder.graph)):
            if node.op_type == "GroupQueryAttention" and int(node.inputs[3].shape[3]) % HEAD_MULTIPLE:
                self._replace(node, write_out(node))

    def _replace(self, node: ir.Node, outputs: Sequence[ir.Value]) -> None:
        nodes = self._write.taken()
        self._replaced += 1
        for position, new in enumerate(nodes):
            new.name = f"standard.{self._replaced}.{position}"
            for number, value in enumerate(new.outputs):
                value.name = f"{new.name}.{number}"
        replaced, left_out = node.outputs[: len(outputs)], node.outputs[len(outputs) :]
        if any(value.uses() or value.is_graph_output() for value in left_out):
            raise UnsupportedModelError(f"This form of {node.op_type} has no portable form yet.")
        for value, old in zip(outputs, replaced, strict=True):
            value.name, value.shape, value.type = old.name, old.shape, old.type
        ir.convenience.replace_nodes_and_values(node.graph, node, [node], nodes, replaced, outputs)

    def _rms_norm(self, node: ir.Node) -> list[ir.Value]:
        write = self._write
        states, weight = node.inputs
        # in this form, and no shorter one, ONNX Runtime finds the norm again
        square = write("Pow", [states, write.number(2)])
        mean = write("ReduceMean", [square, write.integers(-1)], {"keepdims": 1})
        epsilon = write.number(node.attributes["epsilon"].as_float())
        root = write("Sqrt", [write("Add", [mean, epsilon])])
        return [write("Mul", [write("Div", [states, root]), weight])]

    def _rotary(self, node: ir.Node) -> list[ir.Value]:
        write = self._write
        states, numbers, cos, sin = node.inputs
        heads = node.attributes["num_heads"].as_int()
        if any(name != "num_heads" for name in node.attributes):
            raise UnsupportedModelError("This form of rotary embedding has no portable form yet.")
        size = 2 * int(cos.shape[-1]) if cos.shape is not None else self._width(cos)
        tables = self._rotary_tables(node, numbers, cos, sin)
        by_head = write("Reshape", [states, write.integers(0, 0, heads, size)])
        first, second = write.several("Split", [by_head], 2, {"axis": -1, "num_outputs": 2})
        swapped = write("Concat", [second, first], {"axis": -1})
        turned = write("Add", [write("Mul", [by_head, tables[0]]), write("Mul", [swapped, tables[1]])])
        return [write("Reshape", [turned, write.integers(0, 0, heads * size)])]

    @staticmethod
    def _width(table: ir.Value) -> int:
        """Return the size of the last axis of a table that a reshape has made."""
        target = table.producer().inputs[1].const_value.numpy()
        return 2 * int(target[-1])

    def _rotary_tables(
        self, node: ir.Node, numbers: ir.Value, cos: ir.Value, sin: ir.Value
    ) -> tuple[ir.Value, ir.Value]:
        """Return [B, S, 1, D] factors of the states, and of the states with their halves swapped."""
        key = (numbers, cos, sin)
        known = self._tables.get(key)
        if known is not None and known[0].producer().graph is node.graph:
            return known
        write = self._write
        cos_rows, sin_rows = (write("Gather", [table, numbers], {"axis": 0}) for table in (cos, sin))
        own = write("Concat", [cos_rows, cos_rows], {"axis": -1})
        other = write("Concat", [write("Neg", [sin_rows]), sin_rows], {"axis": -1})
        self._tables[key] = (
            write("Unsqueeze", [own, write.integers(2)]),
            write("Unsqueeze", [other, write.integers(2)]),
        )
        return self._tables[key]


def _is_foreign(node: ir.Node) -> bool:
    return node.domain not in ("", "ai.onnx") or node.op_type in _NOT_STANDARD


def _all_nodes(graph: ir.Graph) -> Iterator[ir.Node]:
    """Yield the nodes of a graph and of the graphs inside it, those before the node that they belong to."""
    for node in list(graph):
        for inner in _inner_graphs(node):
            yield from _all_nodes(inner)
        yield node


def _inner_graphs(node: ir.Node) -> Iterator[ir.Graph]:
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()


def _tell_shapes(node: ir.Node) -> None:
    """Say of what shape the results of branches are: the standard asks for it, ONNX Runtime does not."""
    if node.op_type != "If":
        return
    for graph in _inner_graphs(node):
        for inner, outer in zip(graph.outputs, node.outputs, strict=True):
            if inner.shape is None:
                inner.shape = outer.shape
            if inner.type is None:
                inner.type = outer.type
