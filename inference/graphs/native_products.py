"""Gives products with 4-bit weights to our own operator, when a graph is opened.

``MatMulNBits`` of the runtime's rearranges its weights while the graph is loaded and keeps them, in 0.75 bytes a
weight, beside the file's 0.63. Ours, ``larimar::Int4MatMul`` in ``inference/native``, takes them as they lie in the
mapped file. The graph's file stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from inference.graphs.onnx_bytes import (
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    MODEL_GRAPH,
    MODEL_OPSET,
    NODE_OP_TYPE,
    TENSOR_NAME,
    Node,
    fields_of,
    read_node,
    read_tensor_form,
    spans_of,
    strings_of,
    write_field,
    write_node,
    write_opset,
)

_PRODUCT = "MatMulNBits"
_DOMAIN = "larimar"
_FLOAT32, _UINT8 = 1, 2  # as in onnx.proto
_FORM = {"bits": 4, "block_size": 32, "accuracy_level": 4}
"""Attributes of the products that the operator makes; the last one allows rows to be rounded to 8 bits."""
_SIZES = frozenset({"K", "N"})

_Forms = Mapping[str, tuple[int, Sequence[int]]]


def with_native_products(content: bytes) -> bytes | None:
    """Return the content of a graph whose products are made by our operator where it knows their form.

    Args:
        content: of an ONNX file.

    Returns:
        What to open in its place, with the same external data. ``None`` where there is no such product, and for what
        is no such file.
    """
    try:
        graphs = [part for number, part in fields_of(memoryview(content)) if number == MODEL_GRAPH]
        initializers = (part for graph in graphs for number, part in fields_of(graph) if number == GRAPH_INITIALIZER)
        forms = {strings_of(part, TENSOR_NAME)[0]: read_tensor_form(part) for part in initializers}
        parts: list[bytes] = []
        replaced = 0
        for number, part, start, end in spans_of(memoryview(content)):
            if number == MODEL_GRAPH and isinstance(part, memoryview):
                rewritten, count = _rewritten(part, forms)
                parts.append(write_field(MODEL_GRAPH, rewritten))
                replaced += count
            else:
                parts.append(content[start:end])
    except (LookupError, ValueError):  # damaged: its opening will tell
        return None
    return b"".join([*parts, write_field(MODEL_OPSET, write_opset(_DOMAIN, 1))]) if replaced else None


def _rewritten(graph: memoryview, forms: _Forms) -> tuple[bytes, int]:
    parts: list[bytes] = []
    count = 0
    for number, part, start, end in spans_of(graph):
        if number == GRAPH_NODE and isinstance(part, memoryview) and strings_of(part, NODE_OP_TYPE) == [_PRODUCT]:
            node = read_node(part)
            if _is_known(node, forms):
                native = Node("Int4MatMul", node.inputs, node.outputs, domain=_DOMAIN)
                parts.append(write_field(GRAPH_NODE, write_node(native)))
                count += 1
                continue
        parts.append(bytes(graph[start:end]))
    return b"".join(parts), count


def _is_known(node: Node, forms: _Forms) -> bool:
    others = {name: value for name, value in node.attributes.items() if name not in _SIZES and value not in (0, 0.0)}
    if others != _FORM or len(node.inputs) < 3 or not all(node.inputs[:3]) or any(node.inputs[3:]):
        return False
    sizes = [node.attributes.get(name) for name in ("N", "K")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return False
    rows, columns = (int(size) for size in sizes)  # type: ignore[arg-type]
    weights, scales = (forms.get(name, (0, ())) for name in node.inputs[1:3])
    count = 1
    for size in scales[1]:
        count *= size
    return (
        weights == (_UINT8, (rows, columns // 32, 16))
        and scales[0] == _FLOAT32
        and columns % 32 == 0
        and count == rows * columns // 32
    )
