"""Looks over an ONNX file by somebody else before the runtime is given it, and finds the weights that lie beside it.

Refused is what no exporter of language models writes and what could go on for ever or swell without bounds: loops
without a number of rounds, and functions of the file's own. Weights are regular files below the graph's folder, by
names that cannot lead out of it. A link that lies there is the user's own, as in Hugging Face's cache, where every file
of a model is a link to one in another folder: those are followed here, since the runtime refuses to.
"""

from __future__ import annotations

import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from inference.errors import ForeignFileError, ModelFolderError
from inference.foreign_files import check_file, read_bytes
from inference.graphs.onnx_bytes import (
    ATTRIBUTE_GRAPH,
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    MODEL_GRAPH,
    NODE_ATTRIBUTE,
    NODE_INPUT,
    NODE_OP_TYPE,
    TENSOR_NAME,
    fields_of,
    spans_of,
    write_field,
)

MOST_BYTES: Final = 2 << 30
"""Of a graph: the most that the format can have."""

_AGAIN: Final = "Convert or download the model again."
_LOOP: Final = b"Loop"
_MOST_NESTED: Final = 8
_MODEL_FUNCTIONS: Final = 25
_ATTRIBUTE_GRAPHS: Final = 11
_TENSOR_EXTERNAL: Final = 13
_ENTRY_KEY, _ENTRY_VALUE = 1, 2
_DRIVE: Final = re.compile(r"[A-Za-z]:|[/\\]")


def read_graph(path: Path) -> bytes:
    """Return the content of a graph's file.

    Raises:
        ModelFolderError: it is no regular file, too large, or cannot be read.
    """
    try:
        return read_bytes(path, MOST_BYTES)
    except ForeignFileError as error:
        raise _damaged(error) from error


def graph_size(path: Path) -> int:
    """Return the size of a graph's file. Raises as :func:`read_graph`, but reads nothing."""
    try:
        return check_file(path, MOST_BYTES).st_size
    except ForeignFileError as error:
        raise _damaged(error) from error


def check_graph(path: Path, content: bytes | mmap.mmap, *, loops: bool = True) -> None:
    """Look over a graph.

    Args:
        path: its file.
        content: what it holds.
        loops: whether it may have any: experts and attention in blocks are computed by some.

    Raises:
        ModelFolderError: it is no graph that Larimar runs.
    """
    try:
        for number, part in fields_of(memoryview(content)):
            if number == _MODEL_FUNCTIONS:
                raise ModelFolderError(f"{path} has functions of its own, which Larimar does not run. {_AGAIN}")
            # the search is a hundred times faster than the look, and finds nothing as a rule
            if number == MODEL_GRAPH and content.find(_LOOP) >= 0:
                _check_nodes(path, part, 0, loops)
    except (IndexError, ValueError) as error:
        raise ModelFolderError(f"{path} cannot be loaded: it is damaged or incomplete. {_AGAIN}") from error


def located_weights(path: Path, content: bytes | mmap.mmap) -> tuple[bytes | None, Path]:
    """Return a graph whose weights the runtime finds, and the folder that their names count from.

    Args:
        path: the graph's file.
        content: what it holds, or what it was rewritten to.

    Returns:
        None and the graph's own folder, where the weights are no links; otherwise content that names the files that
        the links lead to, and a folder above all of these.

    Raises:
        ModelFolderError: a file of weights is missing, no regular file, shorter than the graph says, or would lie
            outside of the folder.
    """
    try:
        tensors = dict(_external(content))
    except (IndexError, ValueError) as error:
        raise ModelFolderError(f"{path} cannot be loaded: it is damaged or incomplete. {_AGAIN}") from error
    needed: dict[str, int] = {}
    for location, end in tensors.values():
        needed[location] = max(needed.get(location, 0), end)
    files = {location: _weights(path, location, end) for location, end in needed.items()}
    folder = Path(os.path.realpath(path.parent))
    real = {location: Path(os.path.realpath(file)) for location, file in files.items()}
    graph_folder = Path(os.path.realpath(path)).parent
    if not files or (all(file.is_relative_to(folder) for file in real.values()) and graph_folder == folder):
        return None, path.parent
    try:
        above = Path(os.path.commonpath([file.parent for file in real.values()]))
    except ValueError as error:  # of several drives
        raise ModelFolderError(
            f"The weights beside {path} are links to several drives. Put copies of the files in their place."
        ) from error
    names = {location: file.relative_to(above).as_posix() for location, file in real.items()}
    return _renamed(content, names), above


def _check_nodes(path: Path, graph: memoryview, depth: int, loops: bool) -> None:
    if depth > _MOST_NESTED:
        raise ModelFolderError(f"{path} nests graphs too deeply. {_AGAIN}")
    for number, node in fields_of(graph):
        if number != GRAPH_NODE:
            continue
        parts = list(fields_of(node))
        if any(which == NODE_OP_TYPE and bytes(part) == _LOOP for which, part in parts):
            rounds = next((part for which, part in parts if which == NODE_INPUT), b"")
            if not loops or not len(rounds):
                raise ModelFolderError(f"{path} contains a loop that may have no end. {_AGAIN}")
        for _, attribute in (part for part in parts if part[0] == NODE_ATTRIBUTE):
            for kind, inner in fields_of(attribute):
                if kind in (ATTRIBUTE_GRAPH, _ATTRIBUTE_GRAPHS):
                    _check_nodes(path, inner, depth + 1, loops)


def _external(content: bytes | mmap.mmap) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield name, location and end of the data of each initializer whose data are in another file."""
    for number, graph in fields_of(memoryview(content)):
        if number != MODEL_GRAPH:
            continue
        for which, tensor in fields_of(graph):
            if which == GRAPH_INITIALIZER:
                name, entries = "", {}
                for field, part in fields_of(tensor):
                    if field == TENSOR_NAME:
                        name = bytes(part).decode()
                    elif field == _TENSOR_EXTERNAL:
                        entry = dict(fields_of(part))
                        key, value = entry.get(_ENTRY_KEY, b""), entry.get(_ENTRY_VALUE, b"")
                        entries[bytes(key)] = bytes(value).decode()
                if entries:
                    offset, length = (_count(entries.get(key, "0")) for key in (b"offset", b"length"))
                    yield name, (entries.get(b"location", ""), offset + length)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(text[:40])
    return int(text)


def _weights(path: Path, location: str, end: int) -> Path:
    outside = _DRIVE.match(location) or ".." in PurePosixPath(location.replace("\\", "/")).parts or "\0" in location
    if outside or not location:
        raise ModelFolderError(f"{path} looks for its weights outside of its own folder. {_AGAIN}")
    file = path.parent / location
    try:
        size = check_file(file).st_size
    except ForeignFileError as error:
        raise _damaged(error) from error
    if size < end:
        raise ModelFolderError(f"{file} is incomplete: {end - size:,} bytes are missing. {_AGAIN}")
    return file


def _renamed(content: bytes | mmap.mmap, names: dict[str, str]) -> bytes:
    """Return a graph whose initializers have their data in files of other names."""
    encoded = {old.encode(): new.encode() for old, new in names.items()}
    parts: list[bytes | memoryview] = []
    whole = memoryview(content)
    for number, graph, start, end in spans_of(whole):
        if number != MODEL_GRAPH or not isinstance(graph, memoryview):
            parts.append(whole[start:end])
            continue
        inner: list[bytes | memoryview] = []
        for which, tensor, first, last in spans_of(graph):
            if which == GRAPH_INITIALIZER and isinstance(tensor, memoryview):
                inner.append(write_field(GRAPH_INITIALIZER, _renamed_tensor(tensor, encoded)))
            else:
                inner.append(graph[first:last])
        parts.append(write_field(MODEL_GRAPH, b"".join(inner)))
    return b"".join(parts)


def _renamed_tensor(tensor: memoryview, names: dict[bytes, bytes]) -> bytes:
    parts: list[bytes | memoryview] = []
    for field, entry, start, end in spans_of(tensor):
        if field == _TENSOR_EXTERNAL and isinstance(entry, memoryview):
            known = dict(fields_of(entry))
            if bytes(known.get(_ENTRY_KEY, b"")) == b"location":
                name = names[bytes(known.get(_ENTRY_VALUE, b""))]
                renamed = write_field(_ENTRY_KEY, b"location") + write_field(_ENTRY_VALUE, name)
                parts.append(write_field(_TENSOR_EXTERNAL, renamed))
                continue
        parts.append(tensor[start:end])
    return b"".join(parts)


def _damaged(error: ForeignFileError) -> ModelFolderError:
    return ModelFolderError(f"{str(error).removesuffix('.')}: the model is damaged or incomplete. {_AGAIN}")
