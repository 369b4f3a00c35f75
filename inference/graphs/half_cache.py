"""Lets a float32 decoder keep its keys and values in float16, which halves the memory of a long conversation.

ONNX Runtime's attention takes a cache of another type than its activations. Which one a graph has is said by its inputs
and outputs alone, in one byte each: these are changed in the file's content, before the graph is opened.
"""

from __future__ import annotations

from inference.graphs.onnx_bytes import (
    GRAPH_INPUT,
    GRAPH_OUTPUT,
    GRAPH_VALUE_INFO,
    MODEL_GRAPH,
    TYPE_TENSOR,
    VALUE_NAME,
    VALUE_TYPE,
    fields_of,
)

# as in onnx.proto
_ELEMENT_TYPE, _FLOAT, _FLOAT16 = 0x08, 1, 10
_CACHES = (b"past_key_values.", b"present.", b"shared_kv.")
_READS_CACHE_ITSELF = b"vision_block_ids"
_MIXES_TYPES = b"GroupQueryAttention"


def with_half_cache(content: bytes) -> bytes | None:
    """Return the content of a decoder or drafter graph with keys and values in float16.

    ``None`` where that cannot be: graphs whose pictures see both ways compute with keys and values themselves, and so
    do those that are made of standard operators alone; and for what is no such file.
    """
    if _READS_CACHE_ITSELF in content or _MIXES_TYPES not in content:
        return None
    changed = bytearray(content)
    try:
        _halve(memoryview(changed))
    except (LookupError, ValueError):  # damaged: its opening will tell
        return None
    return bytes(changed)


def _halve(model: memoryview) -> None:
    """Change, in place, the element type of keys and values."""
    for number, graph in fields_of(model):
        if number != MODEL_GRAPH:
            continue
        for kind, value in fields_of(graph):
            if kind not in (GRAPH_INPUT, GRAPH_OUTPUT, GRAPH_VALUE_INFO):
                continue
            fields = dict(fields_of(value))
            name = bytes(fields.get(VALUE_NAME, b""))
            if not name.startswith(_CACHES) or name.endswith(b".length"):
                continue
            tensor = dict(fields_of(fields[VALUE_TYPE]))[TYPE_TENSOR]
            if tensor[0] == _ELEMENT_TYPE and tensor[1] == _FLOAT:
                tensor[1] = _FLOAT16
