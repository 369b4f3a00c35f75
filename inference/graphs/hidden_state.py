"""Gives a decoder graph of others the output that the drafter needs: the hidden state after the final norm.

Published decoders end in ``logits`` alone. The hidden state is in them all the same, as what the last matrix product
reads. It becomes an output by appending a few bytes to the file's content: in protocol buffers, a message that is
followed by a second one of the same type is the two merged, lists one after the other. So no library for graphs is
needed at run time, and of the file only what says which node reads what is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inference.errors import ModelFolderError

HIDDEN_STATE = "last_hidden_state"

# field numbers of onnx.proto
_MODEL_GRAPH, _GRAPH_NODE, _GRAPH_OUTPUT, _VALUE_NAME = 7, 1, 12, 1
_NODE_INPUT, _NODE_OUTPUT, _NODE_OP_TYPE = 1, 2, 4
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_PRODUCTS = frozenset({"MatMul", "MatMulNBits", "Gemm", "FusedMatMul", "MatMulIntegerToFloat"})
_MOST_STEPS = 12  # from the logits back to the product: soft cap, casts


def with_hidden_state(path: Path) -> bytes | None:
    """Return the content of a decoder graph with the hidden state as a further output.

    The output carries the name of the value inside the graph; :func:`hidden_state_name` tells it. ``None`` when the
    graph has an output called ``last_hidden_state`` already.

    Raises:
        ModelFolderError: the file cannot be read, or is not a decoder whose logits come from a matrix product.
    """
    content, name = _look(path)
    if name == HIDDEN_STATE:
        return None
    value = _field(_VALUE_NAME, name.encode())
    return content + _field(_MODEL_GRAPH, _field(_GRAPH_OUTPUT, value))


def hidden_state_name(path: Path) -> str:
    """Return the name of the value that holds the hidden state after the final norm.

    Raises:
        ModelFolderError: as :func:`with_hidden_state`.
    """
    return _look(path)[1]


def _look(path: Path) -> tuple[bytes, str]:
    damaged = ModelFolderError(f"{path} is not a decoder graph that can be read. Convert or download the model again.")
    try:
        content = path.read_bytes()
        graph = next(part for number, part in fields_of(memoryview(content)) if number == _MODEL_GRAPH)
        producers: dict[bytes, tuple[bytes, list[bytes]]] = {}
        for number, part in fields_of(graph):
            if number == _GRAPH_OUTPUT and _strings(part, _VALUE_NAME) == [HIDDEN_STATE.encode()]:
                return content, HIDDEN_STATE
            if number == _GRAPH_NODE:
                inputs = _strings(part, _NODE_INPUT)
                (op_type,) = _strings(part, _NODE_OP_TYPE)
                producers.update(dict.fromkeys(_strings(part, _NODE_OUTPUT), (op_type, inputs)))
        value = b"logits"
        for _ in range(_MOST_STEPS):
            op_type, inputs = producers[value]
            value = inputs[0]
            if op_type.decode() in _PRODUCTS:
                return content, value.decode()
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read: {error.strerror}.") from error
    except (StopIteration, KeyError, IndexError, ValueError):
        raise damaged from None
    raise damaged


def _strings(message: memoryview, wanted: int) -> list[bytes]:
    return [bytes(part) for number, part in fields_of(message) if number == wanted]


def fields_of(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield number and content of each length-delimited field of a message. Raises IndexError when it ends early."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise IndexError
            yield key >> 3, message[at : at + size]
            at += size
        elif kind == _VARINT:
            _, at = _varint(message, at)
        elif kind in (_FIXED32, _FIXED64):
            at += 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {kind}")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _field(number: int, content: bytes) -> bytes:
    header = bytearray()
    for value in (number << 3 | _BYTES, len(content)):
        while value > 127:
            header.append(value & 127 | 128)
            value >>= 7
        header.append(value)
    return bytes(header) + content
