"""Gives products with 4-bit and 8-bit weights to our own operators, when a graph is opened.

``MatMulNBits`` of the runtime's rearranges its weights while the graph is loaded and keeps them, 4 bits in 0.75 bytes.
Ours, ``larimar::Int4MatMul`` in ``inference/native``, takes these as they lie in the mapped file, or packs them in 0.56
bytes when it first runs. ``larimar::Int8MatMul`` is for processors that have no instructions for products of bytes; it
always packs. The graph's file stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

from inference.graphs.attention_nodes import MICROSOFT
from inference.graphs.native_operators import DOMAIN
from inference.graphs.onnx_bytes import (
    ATTRIBUTE_GRAPH,
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    MODEL_OPSET,
    MOST_NESTED,
    NODE_ATTRIBUTE,
    NODE_OP_TYPE,
    TENSOR_NAME,
    Attribute,
    Node,
    constants_of,
    count_uses,
    graph_of,
    read_node,
    read_tensor_form,
    replace_graph,
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
        graph = graph_of(content)
        ways: _Ways = {4: {"pack": int(pack)}, 8: {}} if eight_bits else {4: {"pack": int(pack)}}
        rewriter = _Rewriter(graph, constants_of(graph), ways)
        rewritten = rewriter.rewritten()
    except (LookupError, ValueError):  # damaged: its opening will tell
        return None
    if not rewriter.replaced:
        return None
    return replace_graph(content, rewritten, write_field(MODEL_OPSET, write_opset(DOMAIN, 1)))


@dataclass(slots=True)
class _Rewriter:
    """Replaces products with matrices of which it is certain that they never change.

    The operators prepare matrices once that the runtime says are constant. Of a node in a branch it does not say so of
    the matrices around the branch: those of which there is no other use move into it.
    """

    graph: memoryview
    constants: Mapping[str, memoryview]
    ways: _Ways
    replaced: int = 0
    moved: set[str] = field(default_factory=set)
    _uses: Counter[str] | None = None

    def rewritten(self) -> bytes:
        """Return the graph with its products replaced, those in branches, too."""
        parts: list[bytes] = []
        initializers: list[tuple[int, str]] = []
        for number, part, start, end in spans_of(self.graph):
            if number == GRAPH_NODE and isinstance(part, memoryview):
                parts.append(self._node(part, self.constants, None, 0))
            else:
                if number == GRAPH_INITIALIZER and isinstance(part, memoryview):
                    initializers.append((len(parts), strings_of(part, TENSOR_NAME)[0]))
                parts.append(bytes(self.graph[start:end]))
        for place, name in initializers:
            if name in self.moved:
                parts[place] = b""
        return b"".join(parts)

    def _node(self, node: memoryview, own: Mapping[str, memoryview], branch: list[bytes] | None, nested: int) -> bytes:
        """Return the field of a node of a graph with constants of its own; what moves there is added to the branch."""
        if nested > MOST_NESTED:
            raise ValueError("graphs within graphs")
        kinds = strings_of(node, NODE_OP_TYPE)
        if kinds == ["If"]:  # experts that are computed where they are chosen
            return write_field(GRAPH_NODE, self._branches(node, nested))
        if kinds == [_PRODUCT]:
            read = read_node(node)
            moving = [] if branch is None else [name for name in read.inputs[1:3] if self._may_move(name, own)]
            known = {name: own.get(name, self.constants[name] if name in moving else None) for name in read.inputs[1:3]}
            forms = {name: read_tensor_form(part) for name, part in known.items() if part is not None}
            bits = _known_bits(read, forms) if read.domain == MICROSOFT else 0
            if bits in self.ways:
                attributes: dict[str, Attribute] = {"K": read.attributes["K"], **self.ways[bits]}
                native = Node(f"Int{bits}MatMul", read.inputs[:3], read.outputs, attributes, DOMAIN)
                self.replaced += 1
                self.moved.update(moving)
                if branch is not None:
                    branch += [write_field(GRAPH_INITIALIZER, bytes(self.constants[name])) for name in moving]
                return write_field(GRAPH_NODE, write_node(native))
        return write_field(GRAPH_NODE, bytes(node))

    def _may_move(self, name: str, own: Mapping[str, memoryview]) -> bool:
        if self._uses is None:
            self._uses = count_uses(self.graph)
        return name not in own and name in self.constants and self._uses[name] == 1

    def _branches(self, node: memoryview, nested: int) -> bytes:
        """Return an If with the products in its branches replaced."""
        parts: list[bytes] = []
        for number, attribute, start, end in spans_of(node):
            written = bytes(node[start:end])
            if number == NODE_ATTRIBUTE and isinstance(attribute, memoryview):
                within: list[bytes] = []
                for which, part, first, last in spans_of(attribute):
                    if which == ATTRIBUTE_GRAPH and isinstance(part, memoryview):
                        within.append(write_field(ATTRIBUTE_GRAPH, self._branch(part, nested + 1)))
                    else:
                        within.append(bytes(attribute[first:last]))
                written = write_field(NODE_ATTRIBUTE, b"".join(within))
            parts.append(written)
        return b"".join(parts)

    def _branch(self, graph: memoryview, nested: int) -> bytes:
        own = constants_of(graph)
        parts: list[bytes] = []
        added: list[bytes] = []
        for number, part, start, end in spans_of(graph):
            if number == GRAPH_NODE and isinstance(part, memoryview):
                parts.append(self._node(part, own, added, nested))
            else:
                parts.append(bytes(graph[start:end]))
        return b"".join([*parts, *added])


def _known_bits(node: Node, forms: Mapping[str, tuple[int, Sequence[int]]]) -> int:
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
