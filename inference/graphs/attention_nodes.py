"""Finds the attention of a graph, ``GroupQueryAttention``, and puts something else in its place when it is opened.

The graph's file stays as it is, for it is made for other runtimes too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from inference.graphs.onnx_bytes import (
    ATTRIBUTE_GRAPH,
    GRAPH_INITIALIZER,
    GRAPH_INPUT,
    GRAPH_NODE,
    GRAPH_OUTPUT,
    NODE_ATTRIBUTE,
    NODE_INPUT,
    NODE_OP_TYPE,
    NODE_OUTPUT,
    TENSOR_NAME,
    VALUE_NAME,
    Node,
    fields_of,
    graph_of,
    read_float_shape,
    read_node,
    replace_graph,
    spans_of,
    strings_of,
    tensor_is_empty,
    write_field,
    write_node,
)

_ATTENTION = "GroupQueryAttention"
MICROSOFT = "com.microsoft"
_HEADS = ("num_heads", "kv_num_heads", "local_window_size")
_KNOWN_ATTRIBUTES = frozenset({*_HEADS, "scale"})
_INPUTS = 7  # query, key, value, past key, past value, index of the last position, number of positions


class UnknownFormError(Exception):
    """An attention node that nothing can be put in place of."""


@dataclass(frozen=True, slots=True)
class AttentionNode:
    """One node: causal attention of S rows over a cache in float32, whose present may be bound to its past's buffers.

    Names are those of the graph's values.
    """

    query: str
    """[1, S, H·D]."""
    key: str
    """[1, S, Hkv·D], rows to append; without meaning where the layer does not own its keys."""
    value: str
    past_key: str
    """[1, Hkv, T, D]; of a layer without keys of its own, the present of another."""
    past_value: str
    last: str
    """Position of the last row in these buffers, int32 [1]."""
    output: str
    """[1, S, H·D]."""
    present_key: str
    """Empty where the layer does not own its keys."""
    present_value: str
    heads: int
    kv_heads: int
    size: int
    """D."""
    window: int
    """Positions that a row sees, itself among them; 0 or less for all before it."""
    scale: float

    @property
    def owns(self) -> bool:
        """Whether the layer has keys and values of its own."""
        return bool(self.present_key)


def replace_attention(
    content: bytes, write: Callable[[AttentionNode], Sequence[Node]], end: Callable[[], bytes]
) -> bytes | None:
    """Return the content of a graph with each attention node replaced.

    Args:
        content: of an ONNX file.
        write: gives what takes the place of a node; raises :class:`UnknownFormError` where it cannot.
        end: gives what is written behind the model: fields of ``onnx.ModelProto``.

    Returns:
        What to open in its place, with the same external data. ``None`` where a node has a form that is not known here
        (rotary embedding inside, a bias, a soft cap …), where the cache is not in float32, where there is no such
        node, and for what is no such file.
    """
    try:
        graph = graph_of(content)
        rewritten, replaced = _rewritten(graph, _Reader.of(graph), write)
        return replace_graph(content, rewritten, end()) if replaced else None
    except (UnknownFormError, LookupError, ValueError, TypeError, ArithmeticError, RecursionError):
        return None  # damaged: its opening will tell


def without_unread_presents(content: bytes) -> bytes | None:
    """Return the content of a graph whose layers without keys of their own hand no present back.

    The file names one, which runtimes of others need; where it is named, the runtime copies the whole cache into it.

    Args:
        content: of an ONNX file.

    Returns:
        What to open in its place, with the same external data. ``None`` where there is no such present, and for what
        is no such file.
    """
    try:
        graph = graph_of(content)
        reader = _Reader.of(graph)
        unread = {
            name
            for number, part in fields_of(graph)
            if number == GRAPH_NODE and strings_of(part, NODE_OP_TYPE) == [_ATTENTION]
            for name in reader.unread_presents(read_node(part))
        }
        return replace_graph(content, _without_outputs(graph, unread), b"") if unread else None
    except (LookupError, ValueError, TypeError, RecursionError):  # damaged: its opening will tell
        return None


def _without_outputs(graph: memoryview, names: set[str]) -> bytes:
    """Return a graph whose attention nodes do not name these values, the last of a node's outputs."""
    parts: list[bytes] = []
    for number, part, start, end in spans_of(graph):
        if number == GRAPH_NODE and isinstance(part, memoryview) and strings_of(part, NODE_OP_TYPE) == [_ATTENTION]:
            kept = [
                bytes(part[first:last])
                for kind, value, first, last in spans_of(part)
                if kind != NODE_OUTPUT or not isinstance(value, memoryview) or bytes(value).decode() not in names
            ]
            parts.append(write_field(GRAPH_NODE, b"".join(kept)))
        else:
            parts.append(bytes(graph[start:end]))
    return b"".join(parts)


def _names_read(graph: memoryview) -> Iterator[str]:
    """Yield the names of the values that nodes read, those of inner graphs too, and of the graph's outputs."""
    for number, part in fields_of(graph):
        if number == GRAPH_OUTPUT:
            yield from strings_of(part, VALUE_NAME)
        elif number == GRAPH_NODE:
            for kind, field in fields_of(part):
                if kind == NODE_INPUT:
                    yield bytes(field).decode()
                elif kind == NODE_ATTRIBUTE:
                    for which, inner in fields_of(field):
                        if which == ATTRIBUTE_GRAPH:
                            yield from _names_read(inner)


def _rewritten(
    graph: memoryview, reader: _Reader, write: Callable[[AttentionNode], Sequence[Node]]
) -> tuple[bytes, int]:
    parts: list[bytes] = []
    count = 0
    for number, part, start, end in spans_of(graph):
        if number == GRAPH_NODE and isinstance(part, memoryview) and strings_of(part, NODE_OP_TYPE) == [_ATTENTION]:
            parts += [write_field(GRAPH_NODE, write_node(node)) for node in write(reader.read(read_node(part)))]
            count += 1
        else:
            parts.append(bytes(graph[start:end]))
    return b"".join(parts), count


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads attention nodes, with what they do not say themselves."""

    head_sizes: dict[str, int]
    """By name of keys or values in float32: inputs of the graph, and what was read to come from these."""
    empty: frozenset[str]
    """Initializers without elements: the keys of layers that have none of their own."""
    read_names: frozenset[str]
    """What anything in the graph reads."""

    @classmethod
    def of(cls, graph: memoryview) -> _Reader:
        sizes: dict[str, int] = {}
        empty: set[str] = set()
        for number, part in fields_of(graph):
            if number == GRAPH_INPUT:
                shape = read_float_shape(part)
                if len(shape) == 4 and shape[3] is not None:
                    sizes[strings_of(part, VALUE_NAME)[0]] = shape[3]
            elif number == GRAPH_INITIALIZER and tensor_is_empty(part):
                empty.update(strings_of(part, TENSOR_NAME))
        return cls(sizes, frozenset(empty), frozenset(_names_read(graph)))

    def unread_presents(self, node: Node) -> list[str]:
        """Return the presents of a layer without keys of its own; none where something reads one of them."""
        if node.domain != MICROSOFT or node.inputs[1] not in self.empty:  # IndexError: no attention
            return []
        presents = [name for name in node.outputs[1:] if name]
        return [] if self.read_names.intersection(presents) else presents

    def read(self, node: Node) -> AttentionNode:
        attributes = {name for name, value in node.attributes.items() if value not in (0, 0.0)}
        # kv_cache_bit_width and the like say nothing where they are 0
        if node.domain != MICROSOFT or not set(_HEADS) | {"scale"} <= set(node.attributes):
            raise UnknownFormError
        if not attributes <= _KNOWN_ATTRIBUTES or any(node.inputs[_INPUTS:]) or not all(node.inputs[:_INPUTS]):
            raise UnknownFormError
        query, key, value, past_key, past_value, last, _ = node.inputs[:_INPUTS]
        heads, kv_heads, window = (int(node.attributes[name]) for name in _HEADS)  # type: ignore[arg-type]
        if past_key not in self.head_sizes or kv_heads < 1 or heads < 1 or heads % kv_heads:
            raise UnknownFormError
        unread = self.unread_presents(node)
        present = [name for name in node.outputs[1:] if name and name not in unread]
        if len(present) != (0 if key in self.empty else 2):
            raise UnknownFormError
        size = self.head_sizes[past_key]
        self.head_sizes.update(dict.fromkeys(present, size))
        present_key, present_value = present or ("", "")
        return AttentionNode(
            query=query,
            key=key,
            value=value,
            past_key=past_key,
            past_value=past_value,
            last=last,
            output=node.outputs[0],
            present_key=present_key,
            present_value=present_value,
            heads=heads,
            kv_heads=kv_heads,
            size=size,
            window=window,
            scale=float(node.attributes["scale"]),  # type: ignore[arg-type]
        )
