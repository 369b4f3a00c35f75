"""Gives a decoder graph of others the output that the drafter needs: the hidden state after the final norm.

Published decoders end in ``logits`` alone. The hidden state is in them all the same, as what the last matrix product
reads. It becomes an output by appending a few bytes to the file's content: in protocol buffers, a message that is
followed by a second one of the same type is the two merged, lists one after the other. So no library for graphs is
needed at run time, and of the file only what says which node reads what is looked at.
"""

from __future__ import annotations

from pathlib import Path

from inference.errors import ModelFolderError
from inference.graphs.graph_file import check_graph_file
from inference.graphs.onnx_bytes import (
    GRAPH_NODE,
    GRAPH_OUTPUT,
    MODEL_GRAPH,
    NODE_INPUT,
    NODE_OP_TYPE,
    NODE_OUTPUT,
    VALUE_NAME,
    fields_of,
    strings_of,
    write_field,
)

HIDDEN_STATE = "last_hidden_state"

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
    value = write_field(VALUE_NAME, name.encode())
    return content + write_field(MODEL_GRAPH, write_field(GRAPH_OUTPUT, value))


def hidden_state_name(path: Path) -> str:
    """Return the name of the value that holds the hidden state after the final norm.

    Raises:
        ModelFolderError: as :func:`with_hidden_state`.
    """
    return _look(path)[1]


def _look(path: Path) -> tuple[bytes, str]:
    damaged = ModelFolderError(f"{path} is not a decoder graph that can be read. Convert or download the model again.")
    check_graph_file(path)
    try:
        content = path.read_bytes()
        graph = next(part for number, part in fields_of(memoryview(content)) if number == MODEL_GRAPH)
        producers: dict[str, tuple[str, list[str]]] = {}
        for number, part in fields_of(graph):
            if number == GRAPH_OUTPUT and strings_of(part, VALUE_NAME) == [HIDDEN_STATE]:
                return content, HIDDEN_STATE
            if number == GRAPH_NODE:
                inputs = strings_of(part, NODE_INPUT)
                (op_type,) = strings_of(part, NODE_OP_TYPE)
                producers.update(dict.fromkeys(strings_of(part, NODE_OUTPUT), (op_type, inputs)))
        value = "logits"
        for _ in range(_MOST_STEPS):
            op_type, inputs = producers[value]
            value = inputs[0]
            if op_type in _PRODUCTS:
                return content, value
    except OSError as error:
        raise ModelFolderError(f"{path} cannot be read: {error.strerror}.") from error
    except (StopIteration, KeyError, IndexError, ValueError):
        raise damaged from None
    raise damaged
