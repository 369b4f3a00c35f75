"""Removes from a lowered graph what changes nothing: each node costs a step some microseconds, and there are many."""

from __future__ import annotations

import onnx_ir as ir

_FLAT_OUTPUT = frozenset({"GroupQueryAttention", "RotaryEmbedding"})
"""Operators whose first output is [B, S, H·D]."""


def tidy(graph: ir.Graph) -> None:
    """Take out reshapes to the shape that a value has already, and nodes whose results nobody reads."""
    for node in list(graph):
        if node.op_type != "Reshape" or node.outputs[0].is_graph_output():
            continue
        source = node.inputs[0]
        producer = source.producer()
        if producer is not None and producer.op_type == "Reshape":  # to heads, and now back again
            source = producer.inputs[0]
        if source is not None and _is_flat(source) and _flattens(node, source):
            ir.convenience.replace_all_uses_with(node.outputs[0], source)
    for node in reversed(list(graph)):
        if not any(value.uses() or value.is_graph_output() for value in node.outputs):
            graph.remove(node, safe=True)


def _is_flat(value: ir.Value) -> bool:
    producer = value.producer()
    return producer is not None and producer.op_type in _FLAT_OUTPUT and value is producer.outputs[0]


def _flattens(reshape: ir.Node, source: ir.Value) -> bool:
    """Whether a reshape makes [B, S, H·D] of ``source``, which has these elements in this order."""
    constant = reshape.inputs[1].const_value if reshape.inputs[1] is not None else None
    if constant is None:
        return False
    target = [int(size) for size in constant.numpy()]
    if target == [0, 0, -1]:
        return True
    width = source.shape[-1] if source.shape is not None else None
    return isinstance(width, int) and target == [1, -1, width]  # batches are of one
