"""Looks at the file of a graph before it is opened: it may be a stranger's.

Our own operators are put into graphs as these are opened, by :mod:`inference.graphs.native_products` and its
neighbours, and never lie in a file. They check what they are given for themselves; that a file cannot name them is a
second wall.
"""

from __future__ import annotations

import mmap
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from inference.errors import ModelFolderError
from inference.graphs.native_operators import DOMAIN
from inference.graphs.onnx_bytes import (
    ATTRIBUTE_GRAPH,
    ATTRIBUTE_GRAPHS,
    FUNCTION_DOMAIN,
    FUNCTION_NODE,
    FUNCTION_OPSET,
    GRAPH_NODE,
    MODEL_FUNCTION,
    MODEL_GRAPH,
    MODEL_OPSET,
    MOST_NESTED,
    NODE_ATTRIBUTE,
    NODE_DOMAIN,
    OPSET_DOMAIN,
    fields_of,
)

_LARGEST: Final = 2 << 30
"""Bytes of a message of protocol buffers; weights that need more lie beside the graph."""

# The name as a text of its own, behind the last byte of its length. Behind 0x12 it is field 2, as the maker's name is:
# no domain has that number.
_NAMED = re.compile(rb"(?<!\x12)\x07" + DOMAIN.encode() + rb"|\x00" + DOMAIN.encode())


def check_graph_file(path: Path) -> None:
    """Refuse what is no file of a graph, or names our own operators. What cannot be read is left to its opening.

    Raises:
        ModelFolderError: it is a device, a pipe or a folder, is larger than any graph, or names our operators.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ModelFolderError(f"{path} is not a file. Convert or download the model again.")
        if status.st_size > _LARGEST:
            raise ModelFolderError(
                f"{path} is larger than an ONNX graph can be, 2 GB. Convert the model again: its weights belong in a "
                "file of their own beside it."
            )
        if not status.st_size:
            return
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if _NAMED.search(content) is None:
                return
            with memoryview(content) as message:
                named = names_own_operators(message)
    except OSError:
        return
    if named:
        raise ModelFolderError(
            f"{path} names operators that only Larimar itself puts into graphs, when it opens them. It is damaged or "
            "made to do harm: convert or download the model again."
        )


def names_own_operators(model: memoryview) -> bool:
    """Return whether a model has nodes, functions or a version of our domain; also where it cannot be told."""
    own = DOMAIN.encode()
    try:
        return any(domain == own for domain in _domains(model))
    except (LookupError, ValueError):
        return True


def _domains(model: memoryview) -> Iterator[bytes]:
    for number, part in fields_of(model):
        if number == MODEL_OPSET:
            yield from _texts(part, OPSET_DOMAIN)
        elif number == MODEL_GRAPH:
            yield from _domains_of_nodes(part, GRAPH_NODE, 0)
        elif number == MODEL_FUNCTION:
            yield from _texts(part, FUNCTION_DOMAIN)
            for opset in _texts(part, FUNCTION_OPSET):
                yield from _texts(memoryview(opset), OPSET_DOMAIN)
            yield from _domains_of_nodes(part, FUNCTION_NODE, 0)


def _domains_of_nodes(graph: memoryview, node_field: int, nested: int) -> Iterator[bytes]:
    if nested > MOST_NESTED:
        raise ValueError("graphs within graphs")
    for number, node in fields_of(graph):
        if number != node_field:
            continue
        for which, part in fields_of(node):
            if which == NODE_DOMAIN:
                yield bytes(part)
            elif which == NODE_ATTRIBUTE:
                for kind, inner in fields_of(part):
                    if kind in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
                        yield from _domains_of_nodes(inner, GRAPH_NODE, nested + 1)


def _texts(message: memoryview, wanted: int) -> list[bytes]:
    return [bytes(part) for number, part in fields_of(message) if number == wanted]
