"""Gives a graph's attention to our own operators, when a graph is opened: ``inference/native/attention.cpp``.

They read each key and value once for all query heads, only those that a row sees, and append in place. Where the
library is missing, :mod:`inference.graphs.folded_attention` does this with the runtime's operators.
"""

from __future__ import annotations

from inference.graphs import native_operators
from inference.graphs.attention_nodes import AttentionNode, UnknownFormError, replace_attention
from inference.graphs.onnx_bytes import MODEL_OPSET, Attribute, Node, write_field, write_opset

_LANES = 8
"""Numbers of a register: sizes of heads are multiples of it."""


def with_native_attention(content: bytes) -> bytes | None:
    """Return the content of a decoder or drafter graph with its attention made by our operators.

    The session has to know them: :func:`inference.graphs.session.open_session` sees to that.

    Args:
        content: of an ONNX file, in ONNX Runtime's operators; its inputs and outputs stay what they are.

    Returns:
        What to open in its place, with the same external data. ``None`` where the library does not run here, where
        :func:`inference.graphs.attention_nodes.replace_attention` finds nothing to replace, and for heads of odd sizes.
    """
    if native_operators.library() is None:
        return None
    opset = write_field(MODEL_OPSET, write_opset(native_operators.DOMAIN, 1))
    return replace_attention(content, lambda node: [_native(node)], lambda: opset)


def _native(node: AttentionNode) -> Node:
    if node.size % _LANES:
        raise UnknownFormError
    cache = [node.past_key, node.past_value, node.last]
    attributes: dict[str, Attribute] = {
        "num_heads": node.heads,
        "kv_num_heads": node.kv_heads,
        "window": max(node.window, 0),
        "scale": node.scale,
    }
    if node.owns:
        inputs, outputs = [node.key, node.value, *cache], [node.output, node.present_key, node.present_value]
    else:
        inputs, outputs = cache, [node.output]
    name = "Attention" if node.owns else "SharedAttention"
    return Node(name, [node.query, *inputs], outputs, attributes, native_operators.DOMAIN)
