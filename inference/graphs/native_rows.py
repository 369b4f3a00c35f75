"""Joins what lies between the products of a decoder layer into our own operators, when a graph is opened.

A layer of Gemma 4 has some twenty small nodes between its products: norms, sums, gates, reshapes, rotary embedding. At
one token each takes less time than going from one to the next. ``inference/native/rows.cpp`` makes of them::

    gelu(gate) · up                                               GatedGelu
    residual + norm(rows), times a factor, and the norm after it  AddNorm
    heads: reshape, norm, reshape                                 NormedHeads
    … and rotary embedding                                        NormedRotary

The graph's file stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

from inference.graphs.attention_nodes import MICROSOFT
from inference.graphs.native_operators import DOMAIN
from inference.graphs.onnx_bytes import (
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    MODEL_OPSET,
    TENSOR_NAME,
    Attribute,
    Node,
    count_uses,
    fields_of,
    graph_of,
    read_integers,
    read_node,
    read_tensor_form,
    replace_graph,
    spans_of,
    strings_of,
    write_field,
    write_node,
    write_opset,
)

_NORM, _ROTARY = "SimplifiedLayerNormalization", "RotaryEmbedding"
_PRODUCTS = frozenset({"MatMulNBits", "MatMul"})
_MICROSOFTS = frozenset({_ROTARY, "MatMulNBits"})
_STANDARD = frozenset({"", "ai.onnx"})
_FLOAT32 = 1  # as in onnx.proto
_LANES = 8
"""Numbers of a register: widths are multiples of it."""
_FLAT = (0, 0, -1)
"""Shape that makes [1, S, heads · D] of heads."""


def with_native_rows(content: bytes) -> bytes | None:
    """Return the content of a decoder or drafter graph with its small nodes joined.

    Args:
        content: of an ONNX file that computes in float32, for sessions that know our operators.

    Returns:
        What to open in its place, with the same external data. ``None`` where nothing is to be joined, and for what is
        no such file.
    """
    try:
        joiner = _Joiner.of(graph_of(content))
        joiner.join()
        if not joiner.written:
            return None
        return replace_graph(content, joiner.graph(), write_field(MODEL_OPSET, write_opset(DOMAIN, 1)))
    except (LookupError, ValueError, TypeError):  # damaged: its opening will tell
        return None


@dataclass(slots=True)
class _Joiner:
    """One graph, its nodes numbered in order."""

    message: memoryview
    nodes: list[Node]
    makers: dict[str, int]
    """By name of a value, the node that makes it."""
    uses: Counter[str]
    """How often a value is used, by nodes, within their branches, and as an output."""
    users: dict[str, list[int]]
    forms: Mapping[str, tuple[int, tuple[int, ...]]]
    shapes: Mapping[str, tuple[int, ...]]
    """Values of initializers that may be the shape of a reshape."""
    gone: set[int] = field(default_factory=set)
    written: dict[int, Node] = field(default_factory=dict)
    """What takes a node's place."""

    @classmethod
    def of(cls, graph: memoryview) -> _Joiner:
        nodes: list[Node] = []
        uses = count_uses(graph)
        users: dict[str, list[int]] = {}
        forms: dict[str, tuple[int, tuple[int, ...]]] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for number, part in fields_of(graph):
            if number == GRAPH_NODE:
                node = _known(read_node(part))
                for name in node.inputs:
                    users.setdefault(name, []).append(len(nodes))
                nodes.append(node)
            elif number == GRAPH_INITIALIZER:
                name = strings_of(part, TENSOR_NAME)[0]
                forms[name] = read_tensor_form(part)
                if (values := read_integers(part)) is not None:
                    shapes[name] = values
        makers = {name: place for place, node in enumerate(nodes) for name in node.outputs if name}
        if len(makers) != sum(1 for node in nodes for name in node.outputs if name):
            raise ValueError("a value is made twice")
        return cls(graph, nodes, makers, uses, users, forms, shapes)

    def join(self) -> None:
        for place, node in enumerate(self.nodes):
            if node.op_type == _ROTARY:
                self._rotary(place, node)
        for place, node in enumerate(self.nodes):
            if node.op_type == "Reshape":
                self._heads(place, node)
            elif node.op_type == "Mul":
                self._gate(place, node)
            elif node.op_type == "Add":
                self._sum(place, node)

    def graph(self) -> bytes:
        """Return the graph as a message."""
        parts: list[bytes] = []
        place = 0
        for number, _, start, end in spans_of(self.message):
            written = bytes(self.message[start:end])
            if number == GRAPH_NODE:
                if place in self.written:
                    written = write_field(GRAPH_NODE, write_node(self.written[place]))
                elif place in self.gone:
                    written = b""
                place += 1
            parts.append(written)
        return b"".join(parts)

    def _rotary(self, place: int, node: Node) -> None:
        attributes = {name: value for name, value in node.attributes.items() if value not in (0, 0.0)}
        if attributes.pop("scale", 1.0) != 1.0 or set(attributes) != {"num_heads"} or len(node.inputs) != 4:
            return
        if (found := self._normed_heads(node.inputs[0])) is None:
            return
        chain, states, norm, heads = found
        if heads == attributes["num_heads"]:
            attributes = {"num_heads": heads, "epsilon": norm.attributes["epsilon"]}
            inputs = [states, norm.inputs[1], *node.inputs[1:]]
            self._write(place, Node("NormedRotary", inputs, node.outputs, attributes, DOMAIN), chain)

    def _heads(self, place: int, node: Node) -> None:
        """Join a norm of heads that is not followed by a rotary embedding."""
        if place in self.gone or (found := self._normed_heads(node.outputs[0], shared=True)) is None:
            return
        chain, states, norm, heads = found
        attributes: dict[str, Attribute] = {"num_heads": heads, "epsilon": norm.attributes["epsilon"]}
        normed = Node("NormedHeads", [states, norm.inputs[1]], node.outputs, attributes, DOMAIN)
        self._write(place, normed, [each for each in chain if each != place])

    def _normed_heads(self, name: str, *, shared: bool = False) -> tuple[list[int], str, Node, int] | None:
        """Return what a value is the normed heads of: the nodes that make it, states, norm, and number of heads."""
        flat = self._maker(name, "Reshape", shared=shared)
        if flat is None or self.shapes.get(self.nodes[flat].inputs[1]) != _FLAT:
            return None
        norm = self._maker(self.nodes[flat].inputs[0], _NORM)
        if norm is None or not self._is_norm(self.nodes[norm]):
            return None
        apart = self._maker(self.nodes[norm].inputs[0], "Reshape")
        if apart is None:
            return None
        shape = self.shapes.get(self.nodes[apart].inputs[1], ())
        (size,) = self.forms[self.nodes[norm].inputs[1]][1]
        if len(shape) != 4 or shape[:2] != (1, -1) or shape[2] < 1 or shape[3] != size:
            return None
        return [flat, norm, apart], self.nodes[apart].inputs[0], self.nodes[norm], shape[2]

    def _gate(self, place: int, node: Node) -> None:
        for gate, other in (node.inputs, node.inputs[::-1]):
            gelu = self._maker(gate, "Gelu")
            if gelu is None or self.nodes[gelu].attributes.get("approximate") != "tanh":
                continue
            inner = self.nodes[gelu].inputs[0]
            makers = [self.nodes[self.makers[name]] if name in self.makers else None for name in (inner, other)]
            if makers[0] is None or makers[1] is None or makers[0].op_type not in _PRODUCTS:
                continue
            # of one shape: two products of the same rows, or per-layer inputs as wide as their gate
            if makers[1].op_type not in (*_PRODUCTS, "Gather") or not self._is_wide(makers[0]):
                continue
            self._write(place, Node("GatedGelu", [inner, other], node.outputs, domain=DOMAIN), [gelu])
            return

    def _sum(self, place: int, node: Node) -> None:
        for normed, residual in (node.inputs[::-1], node.inputs):
            norm = self._maker(normed, _NORM)
            if norm is None or residual in self.forms or not self._is_norm(self.nodes[norm]):
                continue
            gone = [norm]
            inputs = [self.nodes[norm].inputs[0], self.nodes[norm].inputs[1], residual]
            outputs = [node.outputs[0]]
            epsilon = self.nodes[norm].attributes["epsilon"]
            if (factor := self._factor(outputs[0])) is not None:
                gone.append(factor[0])
                inputs.append(factor[1])
                outputs = [self.nodes[factor[0]].outputs[0]]
            if (after := self._norm_after(outputs[0], epsilon)) is not None:
                gone.append(after)
                inputs += [""] * (4 - len(inputs))
                inputs.append(self.nodes[after].inputs[1])
                outputs.append(self.nodes[after].outputs[0])
            self._write(place, Node("AddNorm", inputs, outputs, {"epsilon": epsilon}, DOMAIN), gone)
            return

    def _factor(self, name: str) -> tuple[int, str] | None:
        """Return the only user of a value, if it multiplies it by an initializer of one element, and this."""
        if self.uses[name] != 1 or not self.users.get(name):
            return None
        (place,) = self.users[name]
        node = self.nodes[place]
        if node.op_type != "Mul" or place in self.gone:
            return None
        other = next((each for each in node.inputs if each != name), "")
        kind, shape = self.forms.get(other, (0, ()))
        return (place, other) if kind == _FLOAT32 and len(shape) <= 1 and prod(shape) == 1 else None

    def _norm_after(self, name: str, epsilon: Attribute) -> int | None:
        for place in self.users.get(name, ()):
            node = self.nodes[place]
            if node.op_type == _NORM and place not in self.gone and self._is_norm(node):
                return place if node.attributes["epsilon"] == epsilon else None
        return None

    def _maker(self, name: str, op_type: str, *, shared: bool = False) -> int | None:
        """Return the node that makes a value, if it is of a type and nobody else uses the value."""
        place = self.makers.get(name)
        if place is None or place in self.gone or (self.uses[name] != 1 and not shared):
            return None
        return place if self.nodes[place].op_type == op_type else None

    def _is_norm(self, node: Node) -> bool:
        attributes = node.attributes
        if len(node.inputs) != 2 or len(node.outputs) != 1 or not isinstance(attributes.get("epsilon"), float):
            return False
        if attributes.get("axis", -1) != -1 or attributes.get("stash_type", 1) != 1:
            return False
        kind, shape = self.forms.get(node.inputs[1], (0, ()))
        return kind == _FLOAT32 and len(shape) == 1 and shape[0] % _LANES == 0

    def _is_wide(self, product: Node) -> bool:
        """Whether a product is in float32 and its rows a multiple of a register long."""
        if product.op_type == "MatMul":
            kind, shape = self.forms.get(product.inputs[1], (0, ()))
            return kind == _FLOAT32 and len(shape) == 2 and shape[1] % _LANES == 0
        width = self.forms.get(product.inputs[1], (0, (1,)))[1][0]
        return self.forms.get(product.inputs[2], (0, ()))[0] == _FLOAT32 and width % _LANES == 0

    def _write(self, place: int, node: Node, gone: list[int]) -> None:
        self.written[place] = node
        self.gone.update(gone)
        self.gone.add(place)


def _known(node: Node) -> Node:
    """Return a node under a name that tells it from those of the same type in another domain."""
    microsofts = node.op_type in _MICROSOFTS
    if node.domain == MICROSOFT if microsofts else node.domain in _STANDARD:
        return node
    return replace(node, op_type=f"{node.domain}::{node.op_type}")
