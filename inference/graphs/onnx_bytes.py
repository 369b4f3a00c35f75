"""Reads and writes the few parts of an ONNX file that we look at, so that no library for graphs is needed at run time.

Files come from strangers: what is read here is bounded, and ends in a value or in one of the errors that are named. An
ONNX file is a message in the format of protocol buffers: fields one after the other, each with a number, a kind and
a content. In it a message that is followed by a second one of the same type is the two merged, lists one after the
other. The field numbers are those of onnx.proto.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

MODEL_GRAPH, MODEL_OPSET, MODEL_FUNCTION = 7, 8, 25
FUNCTION_NODE, FUNCTION_OPSET, FUNCTION_DOMAIN = 7, 9, 10
OPSET_DOMAIN: Final = 1
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO = 1, 5, 11, 12, 13
VALUE_NAME, VALUE_TYPE, TYPE_TENSOR = 1, 2, 1
NODE_INPUT, NODE_OUTPUT, NODE_OP_TYPE, NODE_ATTRIBUTE, NODE_DOMAIN = 1, 2, 4, 5, 7
ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS = 6, 11
TENSOR_DIMS, TENSOR_NAME = 1, 8
_TYPE_ELEMENT, _TYPE_SHAPE = 1, 2
_NODE_NAME, _TENSOR_TYPE, _TENSOR_RAW = 3, 2, 9
_ATTRIBUTE_NAME, _ATTRIBUTE_FLOAT, _ATTRIBUTE_INT, _ATTRIBUTE_TEXT, _ATTRIBUTE_INTS, _ATTRIBUTE_KIND = 1, 2, 3, 4, 8, 20
_KIND_FLOAT, _KIND_INT, _KIND_TEXT, _KIND_INTS = 1, 2, 3, 7
_ELEMENT_TYPES = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10
"""Bytes of a number of 64 bits, as protocol buffers allow."""
_MOST_FIELDS = 1 << 18
"""Of a message: nodes, initializers and values of a graph together. The largest graphs that we write have a tenth."""
_MOST_NAMES = 1 << 21
"""That nodes use, those in branches, too."""
MOST_NESTED: Final = 32
"""Graphs within graphs. The runtime's reader takes a hundred messages within messages, three for each graph."""

Attribute = int | float | str | Sequence[int]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator of a graph."""

    op_type: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: dict[str, Attribute] = field(default_factory=dict)
    domain: str = ""


def fields_of(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of each field with a length (messages, texts). Raises IndexError when it ends early."""
    for number, content, _, _ in spans_of(message):
        if type(content) is memoryview:
            yield number, content


def spans_of(message: memoryview) -> Iterator[tuple[int, memoryview | int, int, int]]:
    """Yield number and content of each field, and where it begins and ends with its header.

    The content of numbers is given as what their bytes are as an integer.

    Raises:
        IndexError: the message ends early.
        ValueError: it is no message, or has more fields than any graph.
    """
    at = count = 0
    end = len(message)
    while at < end:
        count += 1
        if count > _MOST_FIELDS:
            raise ValueError("too many fields")
        start = at
        # Loading a model comes here 50,000 times, nearly always with numbers of one byte.
        key, at = (message[at], at + 1) if message[at] < 128 else _varint(message, at)
        kind = key & 7
        if not 0 < key >> 3 < 1 << 29:
            raise ValueError(f"field number {key >> 3}")
        content: memoryview | int
        if kind == _BYTES:
            size, at = (message[at], at + 1) if message[at] < 128 else _varint(message, at)
            content, at = message[at : at + size], at + size
        elif kind == _VARINT:
            content, at = _varint(message, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
            content, at = int.from_bytes(message[at : at + size], "little"), at + size
        else:
            raise ValueError(f"wire type {kind}")
        if at > end:
            raise IndexError
        yield key >> 3, content, start, at


def graph_of(content: bytes) -> memoryview:
    """Return the graph of a model: where it is given in several messages, these merged.

    Raises:
        IndexError: the content ends early.
        ValueError: it is no model.
    """
    graphs = [part for number, part in fields_of(memoryview(content)) if number == MODEL_GRAPH]
    if not graphs:
        raise ValueError("no graph")
    return graphs[0] if len(graphs) == 1 else memoryview(b"".join(graphs))


def replace_graph(content: bytes, graph: bytes, end: bytes) -> bytes:
    """Return a model with another graph, and further fields behind it."""
    fields = spans_of(memoryview(content))
    others = [content[start:stop] for number, _, start, stop in fields if number != MODEL_GRAPH]
    return b"".join([*others, write_field(MODEL_GRAPH, graph), end])


def count_uses(graph: memoryview) -> Counter[str]:
    """Return how often each value of a graph is used: by nodes, within their branches, and as an output.

    Raises:
        IndexError: the message ends early.
        ValueError: it is no message, graphs lie within graphs too often, or there are more names than in any graph.
    """
    uses: Counter[str] = Counter()
    for count, name in enumerate(_names_used_in(graph, 0)):
        if count == _MOST_NAMES:
            raise ValueError("too many names")
        uses[name] += 1
    return uses


def _names_used_in(graph: memoryview, nested: int) -> Iterator[str]:
    if nested > MOST_NESTED:
        raise ValueError("graphs within graphs")
    for number, part in fields_of(graph):
        if number == GRAPH_OUTPUT:
            yield from strings_of(part, VALUE_NAME)
        elif number == GRAPH_NODE:
            for which, content in fields_of(part):
                if which == NODE_INPUT:
                    yield bytes(content).decode()
                elif which == NODE_ATTRIBUTE:
                    for kind, inner in fields_of(content):
                        if kind in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
                            yield from _names_used_in(inner, nested + 1)


def constants_of(graph: memoryview) -> Mapping[str, memoryview]:
    """Return, by name, the initializers of a graph that are none of its inputs, which could replace them.

    Raises:
        LookupError: the message ends early, or an initializer has no name.
        ValueError: it is no message.
    """
    found: dict[str, memoryview] = {}
    inputs: set[str] = set()
    for number, part in fields_of(graph):
        if number == GRAPH_INITIALIZER:
            found[strings_of(part, TENSOR_NAME)[0]] = part
        elif number == GRAPH_INPUT:
            inputs.update(strings_of(part, VALUE_NAME))
    return {name: part for name, part in found.items() if name not in inputs}


def strings_of(message: memoryview, wanted: int) -> list[str]:
    """Return all texts in the fields of one number. Raises ValueError where they are not UTF-8."""
    return [bytes(part).decode() for number, part in fields_of(message) if number == wanted]


def read_node(message: memoryview) -> Node:
    """Return what a node says; attributes that are no numbers, texts or lists of whole numbers are left out.

    Raises:
        IndexError: the message ends early.
        ValueError: it is no message.
    """
    inputs, outputs, attributes, op_type, domain = [], [], {}, "", ""
    for number, part in fields_of(message):
        if number == NODE_INPUT:
            inputs.append(bytes(part).decode())
        elif number == NODE_OUTPUT:
            outputs.append(bytes(part).decode())
        elif number == NODE_OP_TYPE:
            op_type = bytes(part).decode()
        elif number == NODE_DOMAIN:
            domain = bytes(part).decode()
        elif number == NODE_ATTRIBUTE:
            name, value = _read_attribute(part)
            if value is not None:
                attributes[name] = value
    return Node(op_type, inputs, outputs, attributes, domain)


def read_float_shape(message: memoryview) -> tuple[int | None, ...]:
    """Return the shape of a value that is a tensor in float32, ``None`` for what is not known; else an empty one.

    Raises:
        KeyError: the value is no tensor.
        IndexError: the message ends early.
    """
    shape: list[int | None] = []
    tensor = dict(fields_of(dict(fields_of(message))[VALUE_TYPE]))[TYPE_TENSOR]
    for number, dims, _, _ in spans_of(tensor):
        if number == _TYPE_ELEMENT and dims != _ELEMENT_TYPES[np.dtype(np.float32)]:
            return ()
        if number == _TYPE_SHAPE and isinstance(dims, memoryview):
            for _, dim in fields_of(dims):
                sizes = [content for which, content, _, _ in spans_of(dim) if which == 1 and isinstance(content, int)]
                shape.append(sizes[0] if sizes else None)
    return tuple(shape)


def tensor_is_empty(message: memoryview) -> bool:
    """Return whether an initializer has no elements."""
    return any(number == TENSOR_DIMS and 0 in _packed(content) for number, content, _, _ in spans_of(message))


def read_tensor_form(message: memoryview) -> tuple[int, tuple[int, ...]]:
    """Return an initializer's element type, as onnx.proto numbers them, and its shape.

    Raises:
        IndexError: the message ends early.
        ValueError: it is no message.
    """
    kind, shape = 0, []
    for number, content, _, _ in spans_of(message):
        if number == TENSOR_DIMS:
            shape += _packed(content)
        elif number == _TENSOR_TYPE and isinstance(content, int):
            kind = content
    return kind, tuple(shape)


def read_integers(message: memoryview) -> tuple[int, ...] | None:
    """Return the values of an initializer in int64 that lie in the message in one piece; ``None`` for any other.

    Raises:
        IndexError: the message ends early.
        ValueError: it is no message.
    """
    kind, raw = 0, None
    for number, content, _, _ in spans_of(message):
        if number == _TENSOR_TYPE and isinstance(content, int):
            kind = content
        elif number == _TENSOR_RAW and isinstance(content, memoryview):
            raw = content
    if raw is None or kind != _ELEMENT_TYPES[np.dtype(np.int64)]:
        return None
    return tuple(np.frombuffer(raw, "<i8").tolist())


def write_field(number: int, content: bytes) -> bytes:
    """Return a field with a length."""
    return _write_varint(number << 3 | _BYTES) + _write_varint(len(content)) + content


def write_node(node: Node) -> bytes:
    """Return a node as a message."""
    parts = [write_field(NODE_INPUT, name.encode()) for name in node.inputs]
    parts += [write_field(NODE_OUTPUT, name.encode()) for name in node.outputs]
    parts.append(write_field(_NODE_NAME, f"{node.outputs[0]}/{node.op_type}".encode()))
    parts.append(write_field(NODE_OP_TYPE, node.op_type.encode()))
    parts += [write_field(NODE_ATTRIBUTE, _write_attribute(*attribute)) for attribute in node.attributes.items()]
    if node.domain:
        parts.append(write_field(NODE_DOMAIN, node.domain.encode()))
    return b"".join(parts)


def write_opset(domain: str, version: int) -> bytes:
    """Return the message that a model uses a domain's operators."""
    return write_field(1, domain.encode()) + _write_varint(2 << 3 | _VARINT) + _write_varint(version)


def write_tensor(name: str, values: NDArray[np.generic]) -> bytes:
    """Return an initializer as a message; float32 or int64."""
    dims = b"".join(_write_varint(TENSOR_DIMS << 3 | _VARINT) + _write_varint(size) for size in values.shape)
    kind = _write_varint(_TENSOR_TYPE << 3 | _VARINT) + _write_varint(_ELEMENT_TYPES[values.dtype])
    return dims + kind + write_field(TENSOR_NAME, name.encode()) + write_field(_TENSOR_RAW, values.tobytes())


def _read_attribute(message: memoryview) -> tuple[str, Attribute | None]:
    name, value, integers = "", None, []
    kind, text = 0, ""
    found: dict[int, int] = {}
    for number, content, _, _ in spans_of(message):
        if number == _ATTRIBUTE_NAME and isinstance(content, memoryview):
            name = bytes(content).decode()
        elif number == _ATTRIBUTE_TEXT and isinstance(content, memoryview):
            text = bytes(content).decode(errors="replace")
        elif number == _ATTRIBUTE_KIND and isinstance(content, int):
            kind = content
        elif number == _ATTRIBUTE_INTS:
            integers += _packed(content)
        elif isinstance(content, int):
            found[number] = content
    if kind == _KIND_FLOAT:
        value = struct.unpack("<f", (found.get(_ATTRIBUTE_FLOAT, 0) & 0xFFFFFFFF).to_bytes(4, "little"))[0]
    elif kind == _KIND_INT:
        value = _signed(found.get(_ATTRIBUTE_INT, 0))
    elif kind == _KIND_TEXT:
        return name, text
    elif kind == _KIND_INTS:
        return name, tuple(_signed(integer) for integer in integers)
    return name, value


def _write_attribute(name: str, value: Attribute) -> bytes:
    message = write_field(_ATTRIBUTE_NAME, name.encode())
    if isinstance(value, float):
        kind, content = _KIND_FLOAT, _write_varint(_ATTRIBUTE_FLOAT << 3 | _FIXED32) + struct.pack("<f", value)
    elif isinstance(value, str):
        kind, content = _KIND_TEXT, write_field(_ATTRIBUTE_TEXT, value.encode())
    elif isinstance(value, int):
        kind, content = _KIND_INT, _write_varint(_ATTRIBUTE_INT << 3 | _VARINT) + _write_varint(value % (1 << 64))
    else:
        kind = _KIND_INTS
        each = (_write_varint(_ATTRIBUTE_INTS << 3 | _VARINT) + _write_varint(item % (1 << 64)) for item in value)
        content = b"".join(each)
    return message + content + _write_varint(_ATTRIBUTE_KIND << 3 | _VARINT) + _write_varint(kind)


def _packed(content: memoryview | int) -> list[int]:
    if isinstance(content, int):
        return [content]
    values, at = [], 0
    while at < len(content):
        value, at = _varint(content, at)
        values.append(value)
    return values


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_LONGEST_VARINT):
        byte = message[at + place]
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value & (1 << 64) - 1, at + place + 1
    raise ValueError("a number without an end")


def _write_varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
