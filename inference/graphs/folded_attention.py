"""Writes a graph's attention out for the CPU, the query heads of a key/value head folded into rows.

``GroupQueryAttention`` goes through the keys and values once for each query head, one row at a time. Gemma 4 has up to
eight query heads to a key/value head: as rows of one matrix, they all meet the keys in one product, which takes a
third of the time at some thousand positions. And since a single token then is several rows as well, the runtime
multiplies it by the same routine as a run that verifies drafts, to the same bits: see :mod:`inference.speculation`.

The graph's file stays as it is, for it is made for other runtimes too. What is opened is its content with each such
node replaced by::

    keys, values = ScatterND(past, rows of this run)          in place: past and present are bound to one buffer
    weights = Softmax(rows of queries · keysᵀ · scale + mask)
    output = weights · values

with the keys and values as long as the buffers that are bound: who binds parts of them saves the rest. The mask and the
places to write to are made once for all layers of a kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from inference.graphs.attention_nodes import MICROSOFT, AttentionNode, replace_attention
from inference.graphs.onnx_bytes import (
    GRAPH_INITIALIZER,
    MODEL_GRAPH,
    Attribute,
    Node,
    write_field,
    write_tensor,
)

_INVISIBLE = np.float32(np.finfo(np.float32).min)
_INT64 = 7  # as in onnx.proto


def with_folded_attention(content: bytes) -> bytes | None:
    """Return the content of a decoder or drafter graph with its attention written out, for one sequence at a time.

    Args:
        content: of an ONNX file, in ONNX Runtime's operators; its inputs and outputs stay what they are.

    Returns:
        What to open in its place, with the same external data; ``None`` where
        :func:`inference.graphs.attention_nodes.replace_attention` finds nothing to replace.
    """
    writer = _Writer()
    return replace_attention(content, writer.written_out, lambda: write_field(MODEL_GRAPH, b"".join(writer.constants)))


@dataclass(slots=True)
class _Writer:
    """Writes nodes out, and what they have in common once."""

    constants: list[bytes] = field(default_factory=list)
    _nodes: list[Node] = field(default_factory=list)
    _known: dict[object, str] = field(default_factory=dict)
    _prefix: str = ""

    def written_out(self, node: AttentionNode) -> list[Node]:
        """Return what takes the place of an attention node."""
        self._nodes = []
        self._prefix = f"folded/{node.output}"
        heads, kv_heads, size = node.heads, node.kv_heads, node.size
        keys, values = node.past_key, node.past_value
        if node.owns:
            # the places to write to come from the rows of the query, as the mask does
            rows = self._rows(node.query, node.last, node.owns)
            indices = self._indices(rows, kv_heads)
            keys, values = (
                self._append(past, self._by_head(new, kv_heads, size), indices, name)
                for past, new, name in (
                    (node.past_key, node.key, node.present_key),
                    (node.past_value, node.value, node.present_value),
                )
            )
        group = heads // kv_heads
        folded = self._folded(node.query, kv_heads, group, size)
        scores = self._new("FusedMatMul", [folded, keys], {"transB": 1, "alpha": node.scale}, domain=MICROSOFT)
        scores = self._reshaped(scores, kv_heads, -1, group, 0)
        scores = self._new("Add", [scores, self._mask(node.query, node.last, node.owns, keys, node.window)])
        weights = self._reshaped(self._new("Softmax", [scores], {"axis": -1}), 1, kv_heads, -1, 0)
        output = self._new("MatMul", [weights, values])
        if kv_heads > 1:
            by_group = self._reshaped(output, 1, kv_heads, -1, group * size)
            output = self._new("Transpose", [by_group], {"perm": (0, 2, 1, 3)})
        self._nodes.append(Node("Reshape", [output, self._integers(1, -1, heads * size)], [node.output]))
        return self._nodes

    def _folded(self, query: str, kv_heads: int, group: int, size: int) -> str:
        """Turn [1, S, H·D] into [1, Hkv, S·H/Hkv, D]."""
        if kv_heads > 1:
            query = self._by_head(query, kv_heads, group * size)
        return self._reshaped(query, 1, kv_heads, -1, size)

    def _by_head(self, states: str, kv_heads: int, size: int) -> str:
        """Turn [1, S, Hkv·D] into [1, Hkv, S, D]."""
        if kv_heads == 1:
            return self._reshaped(states, 1, 1, -1, size)
        return self._new("Transpose", [self._reshaped(states, 1, -1, kv_heads, size)], {"perm": (0, 2, 1, 3)})

    def _append(self, past: str, rows: str, indices: str, present: str) -> str:
        self._nodes.append(Node("ScatterND", [past, indices, rows], [present]))
        return present

    def _rows(self, query: str, last: str, owns: bool) -> str:
        """Return the positions of this run's rows in the buffers, int64 [S]."""
        key = ("rows", last, owns)
        if key not in self._known:
            end = self._new("Add", [self._new("Cast", [last], {"to": _INT64}), self._integers(1)])
            count = self._new("Shape", [query], {"start": 1, "end": 2})
            start, end = (self._reshaped(value) for value in (self._new("Sub", [end, count]), end))
            self._known[key] = self._new("Range", [start, end, self._number(1)])
        return self._known[key]

    def _indices(self, rows: str, kv_heads: int) -> str:
        """Return where to write rows of keys, int64 [1, Hkv, S, 3]."""
        key = ("indices", rows, kv_heads)
        if key not in self._known:
            heads = self._constant(np.arange(kv_heads, dtype=np.int64).reshape(1, -1, 1, 1))
            places = self._new("Add", [self._reshaped(rows, 1, 1, -1, 1), self._new("Mul", [heads, self._number(0)])])
            nothing = self._new("Mul", [places, self._number(0)])
            parts = [nothing, self._new("Add", [nothing, heads]), places]
            self._known[key] = self._new("Concat", parts, {"axis": -1})
        return self._known[key]

    def _mask(self, query: str, last: str, owns: bool, keys: str, window: int) -> str:
        """Return what is added to the scores, float32 [S, 1, T]: rows see themselves and what came before."""
        key = ("mask", last, owns, window)
        if key not in self._known:
            rows = self._reshaped(self._rows(query, last, owns), -1, 1, 1)
            count = self._reshaped(self._new("Shape", [keys], {"start": 2, "end": 3}))
            columns = self._new("Range", [self._number(0), count, self._number(1)])
            distance = self._new("Sub", [rows, columns])
            visible = self._new("GreaterOrEqual", [distance, self._number(0)])
            if window > 0:
                visible = self._new("And", [visible, self._new("Less", [distance, self._number(window)])])
            nothing, invisible = (self._constant(np.array(each, np.float32)) for each in (0, _INVISIBLE))
            self._known[key] = self._new("Where", [visible, nothing, invisible])
        return self._known[key]

    def _reshaped(self, value: str, *shape: int) -> str:
        return self._new("Reshape", [value, self._integers(*shape)])

    def _integers(self, *numbers: int) -> str:
        return self._constant(np.array(numbers, np.int64))

    def _number(self, number: int) -> str:
        return self._constant(np.array(number, np.int64))

    def _constant(self, values: np.ndarray) -> str:
        key = (values.dtype.str, values.shape, values.tobytes())
        if key not in self._known:
            self._known[key] = f"folded/constant.{len(self.constants)}"
            self.constants.append(write_field(GRAPH_INITIALIZER, write_tensor(self._known[key], values)))
        return self._known[key]

    def _new(
        self, op_type: str, inputs: list[str], attributes: dict[str, Attribute] | None = None, domain: str = ""
    ) -> str:
        output = f"{self._prefix}/{len(self._nodes)}"
        self._nodes.append(Node(op_type, inputs, [output], attributes or {}, domain))
        return output
