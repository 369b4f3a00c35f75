"""Gives products with 4-bit and 8-bit weights to our own operators, when a graph is opened.

``MatMulNBits`` of the runtime's rearranges its weights while the graph is loaded and keeps them, 4 bits in 0.75 bytes.
Ours, ``larimar::Int4MatMul`` in ``inference/native``, takes these as they lie in the mapped file, or packs them in 0.56
bytes when it first runs. ``larimar::Int8MatMul`` is for processors that have no instructions for products of bytes; it
always packs. The graph's file stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from inference.graphs.native_operators import DOMAIN
from inference.graphs.onnx_bytes import (
    ATTRIBUTE_GRAPH,
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    MODEL_GRAPH,
    MODEL_OPSET,
    NODE_ATTRIBUTE,
    NODE_OP_TYPE,
    TENSOR_NAME,
    Attribute,
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
_FLOAT32, _UINT8 = 1, 2  # as in onnx.proto
_FORM = {"block_size": 32, "accuracy_level": 4}
"""Attributes of the products that the operators make; the last one allows rows to be rounded to 8 bits."""
_SIZES = frozenset({"K", "N"})

_Forms = Mapping[str, tuple[int, Sequence[int]]]
_Ways = Mapping[int, Mapping[str, int]]
"""By bits of the weights that are wanted, further attributes of their operator."""


def with_native_products(content: bytes, *, pack: bool, eight_bits: bool = False) -> bytes | None:
    """Return the content of a graph whose products are made by our operators where they know their form.

    Args:
        content: of an ONNX file.
        pack: whether the weights are copied into memory of the process's own, in the order in which they are used:
            faster, where there is memory for it.
        eight_bits: whether products with weights of 8 bits are replaced, too.

    Returns:
        What to open in its place, with the same external data. ``None`` where there is no such product, and for what
        is no such file.
    """
    try:
        graphs = [part for number, part in fields_of(memoryview(content)) if number == MODEL_GRAPH]
        forms: dict[str, tuple[int, Sequence[int]]] = {}
        for graph in graphs:
            forms |= _forms_of(graph)
        ways = {4: {"pack": int(pack)}, 8: {}} if eight_bits else {4: {"pack": int(pack)}}
        parts: list[bytes] = []
        replaced = 0
        for number, part, start, end in spans_of(memoryview(content)):
            if number == MODEL_GRAPH and isinstance(part, memoryview):
                rewritten, count = _rewritten(part, forms, ways)
                parts.append(write_field(MODEL_GRAPH, rewritten))
                replaced += count
            else:
                parts.append(content[start:end])
    except (LookupError, ValueError):  # damaged: its opening will tell
        return None
    return b"".join([*parts, write_field(MODEL_OPSET, write_opset(DOMAIN, 1))]) if replaced else None


def _rewritten(graph: memoryview, forms: _Forms, ways: _Ways) -> tuple[bytes, int]:
    parts: list[bytes] = []
    count = 0
    for number, part, start, end in spans_of(graph):
        written, replaced = bytes(graph[start:end]), 0
        if number == GRAPH_NODE and isinstance(part, memoryview):
            kinds = strings_of(part, NODE_OP_TYPE)
            if kinds == [_PRODUCT] and (bits := _known_bits(node := read_node(part), forms)) in ways:
                attributes: dict[str, Attribute] = {"K": node.attributes["K"], **ways[bits]}
                native = Node(f"Int{bits}MatMul", node.inputs[:3], node.outputs, attributes, DOMAIN)
                written, replaced = write_field(GRAPH_NODE, write_node(native)), 1
            elif kinds == ["If"]:  # experts that are computed where they are chosen
                content, replaced = _branches(part, forms, ways)
                written = write_field(GRAPH_NODE, content)
        parts.append(written)
        count += replaced
    return b"".join(parts), count


def _branches(node: memoryview, forms: _Forms, ways: _Ways) -> tuple[bytes, int]:
    """Return an If with the products in its branches replaced; these may be of matrices of the graph around it."""
    parts: list[bytes] = []
    count = 0
    for number, attribute, start, end in spans_of(node):
        written = bytes(node[start:end])
        if number == NODE_ATTRIBUTE and isinstance(attribute, memoryview):
            within: list[bytes] = []
            for which, part, first, last in spans_of(attribute):
                if which == ATTRIBUTE_GRAPH and isinstance(part, memoryview):
                    content, replaced = _rewritten(part, {**forms, **_forms_of(part)}, ways)
                    within.append(write_field(ATTRIBUTE_GRAPH, content))
                    count += replaced
                else:
                    within.append(bytes(attribute[first:last]))
            written = write_field(NODE_ATTRIBUTE, b"".join(within))
        parts.append(written)
    return b"".join(parts), count


def _forms_of(graph: memoryview) -> _Forms:
    initializers = (part for number, part in fields_of(graph) if number == GRAPH_INITIALIZER)
    return {strings_of(part, TENSOR_NAME)[0]: read_tensor_form(part) for part in initializers}


def _known_bits(node: Node, forms: _Forms) -> int:
    """Return the bits of the weights of a product of the known form, 4 or 8; 0 for any other."""
    others = {name: value for name, value in node.attributes.items() if name not in _SIZES and value not in (0, 0.0)}
    bits = others.pop("bits", 0)
    if bits not in (4, 8) or others != _FORM:
        return 0
    if len(node.inputs) < 3 or not all(node.inputs[:3]) or any(node.inputs[3:]):
        return 0
    sizes = [node.attributes.get(name) for name in ("N", "K")]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        return 0
    rows, columns = (int(size) for size in sizes)  # type: ignore[arg-type]
    blocks = -(-columns // 32)
    weights, scales = (forms.get(name, (0, ())) for name in node.inputs[1:3])
    fits = weights == (_UINT8, (rows, blocks, 4 * int(bits))) and scales[0] == _FLOAT32
    return int(bits) if fits and prod(scales[1]) == rows * blocks else 0
