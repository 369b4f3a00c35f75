"""Attention in standard operators, with a KV cache that may be appended to in place.

A past that has room for the new rows is a buffer: the new rows are scattered into it, and the present has its size.
Runtimes may then be given one and the same buffer for both, for nothing reads the past but the operator that writes
the present, and ONNX Runtime's copies nothing where both are one already. A past that has no room is the runtime's own
(the ecosystem's, which grows by the rows of each call): the present then is as long as all rows.

Either way attention reads the valid rows of the present that a query can see: all of them, or a window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from inference.errors import UnsupportedModelError
from inference.export.portable_nodes import NodeWriter

_INVISIBLE = np.float32(np.finfo(np.float32).min)
_GROUPED_ATTRIBUTES = frozenset({"num_heads", "kv_num_heads", "scale", "local_window_size"})
_MULTI_HEAD_ATTRIBUTES = frozenset({"num_heads", "scale"})
_QUERY_ROWS = 1024
"""Most rows of which all scores are in memory at once, where a picture may have ten thousand of them."""


@dataclass
class _Span:
    """Which rows of the cache are written and read; the same for all layers of a kind, so it is worked out once."""

    total: ir.Value
    """int64 [1]: valid rows, those of this call included."""
    start: ir.Value
    """int64 [1]: the first row of this call."""
    first: ir.Value
    """int64 [1]: the first row that is read."""
    mask: ir.Value
    """What is added to the scores, float32 [S, total - first]."""
    length: ir.Value
    """int64 [1]: S."""
    indices: dict[int, ir.Value] = field(default_factory=dict)
    """Where new rows go, int64 [B, Hkv, S, 3], by Hkv."""


class PortableAttention:
    """Writes attention out; each method takes a node and returns the values that stand for its outputs.

    Args:
        write: takes the nodes.
    """

    def __init__(self, write: NodeWriter) -> None:
        self._write = write
        self._totals: dict[ir.Value, ir.Value] = {}
        self._spans: dict[tuple[ir.Value, ir.Value, int], _Span] = {}
        self._count = 0

    def grouped_query(self, node: ir.Node) -> list[ir.Value]:
        """Write a ``GroupQueryAttention`` out: causal, with a window or without, head groups, one batch at a time.

        Where it has no keys of its own, its present, which nobody reads, is left out.
        """
        query, key, value, past_key, past_value, _, total = node.inputs[:7]
        if not _GROUPED_ATTRIBUTES.issuperset(node.attributes) or any(node.inputs[7:]):
            raise UnsupportedModelError("This form of grouped-query attention has no portable form yet.")
        write = self._write
        heads, kv_heads = (node.attributes[name].as_int() for name in ("num_heads", "kv_num_heads"))
        size = int(past_key.shape[3])
        span = self._span(query, total, node.attributes["local_window_size"].as_int())
        cache = [past_key, past_value]
        if not _is_empty(key):
            cache = list(self._append(span, kv_heads, size, cache, (key, value)))
        axis = write.integers(2)
        keys, values = (write("Slice", [part, span.first, span.total, axis]) for part in cache)
        rows = self._heads_first(query, heads, size)
        rows = self._scaled(rows, node.attributes["scale"].as_float())
        grouped = write("Reshape", [rows, write.integers(0, kv_heads, -1, size)])
        scores = write("MatMul", [grouped, write("Transpose", [keys], {"perm": (0, 1, 3, 2)})])
        by_head = write("Reshape", [scores, write.integers(0, heads, -1, 0)])
        weights = write("Softmax", [write("Add", [by_head, span.mask])], {"axis": -1})
        regrouped = write("Reshape", [weights, write.integers(0, kv_heads, -1, 0)])
        output = write("Reshape", [write("MatMul", [regrouped, values]), write.integers(0, heads, -1, size)])
        flat = self._flat(output, heads * size)
        return [flat] if _is_empty(key) else [flat, *cache][: len(node.outputs)]

    def multi_head(self, node: ir.Node) -> list[ir.Value]:
        """Write a ``MultiHeadAttention`` out: every row sees every row.

        Rows are taken in blocks of equal size, in a loop, so that memory for the scores grows with their number and
        not with its square.
        """
        query, key, value, *others = node.inputs
        if not _MULTI_HEAD_ATTRIBUTES.issuperset(node.attributes) or any(others):
            raise UnsupportedModelError("This form of attention has no portable form yet.")
        write = self._write
        heads = node.attributes["num_heads"].as_int()
        # [B, S, H·D] to [B, H, S, D]; D may differ between queries and values
        by_head = [
            write(
                "Transpose",
                [write("Reshape", [states, write.integers(0, 0, heads, -1)])],
                {"perm": (0, 2, 1, 3)},
            )
            for states in (query, key, value)
        ]
        rows = self._scaled(by_head[0], node.attributes["scale"].as_float())
        keys = write("Transpose", [by_head[1]], {"perm": (0, 1, 3, 2)})
        length = write("Shape", [rows], {"start": 2, "end": 3})
        blocks = self._rounded_up(length, write.integers(_QUERY_ROWS))
        height = self._rounded_up(length, blocks)
        missing = write("Sub", [write("Mul", [blocks, height]), length])
        pads = write("Concat", [write.integers(0, 0, 0, 0, 0, 0), missing, write.integers(0)], {"axis": 0})
        padded = write("Pad", [rows, pads])
        trips = write("Reshape", [blocks, write.integers()])
        stacked = write(
            "Loop", [trips, None], {"body": self._block_of_rows(padded, keys, by_head[2], height)}
        )  # [blocks, B, H, height, D]
        ordered = write("Transpose", [stacked], {"perm": (1, 0, 3, 2, 4)})
        shape = write("Shape", [query], {"start": 0, "end": 1})
        shape = write("Concat", [shape, write.integers(-1), write.integers(heads), self._last(by_head[2])], {"axis": 0})
        joined = write("Reshape", [ordered, shape])
        kept = write("Slice", [joined, write.integers(0), length, write.integers(1)])
        return [write("Reshape", [kept, write.integers(0, 0, -1)])]

    def _block_of_rows(self, rows: ir.Value, keys: ir.Value, values: ir.Value, height: ir.Value) -> ir.Graph:
        """Return the body of the loop: attention of one block of rows."""
        write, before = self._write, self._write.count
        self._count += 1
        name = f"row_blocks.{self._count}"
        trip, going_on = (
            ir.Value(name=f"{name}.{label}", type=ir.TensorType(kind), shape=ir.Shape([]))
            for label, kind in (("trip", ir.DataType.INT64), ("going_on", ir.DataType.BOOL))
        )
        still = write("Identity", [going_on])
        still.type, still.shape = going_on.type, going_on.shape
        start = write("Mul", [trip, height])
        block = write("Slice", [rows, start, write("Add", [start, height]), write.integers(2)])
        weights = write("Softmax", [write("MatMul", [block, keys])], {"axis": -1})
        output = write("MatMul", [weights, values])
        output.type = ir.TensorType(ir.DataType.FLOAT)
        output.shape = ir.Shape([None, None, None, None])
        return write.graph(name, [trip, going_on], [still, output], before)

    def _rounded_up(self, number: ir.Value, divisor: ir.Value) -> ir.Value:
        """Return how many times ``divisor`` makes at least ``number``."""
        write = self._write
        less = write("Sub", [write("Add", [number, divisor]), write.integers(1)])
        return write("Div", [less, divisor])

    def _last(self, value: ir.Value) -> ir.Value:
        return self._write("Shape", [value], {"start": -1})

    def _scaled(self, states: ir.Value, scale: float) -> ir.Value:
        return states if scale == 1 else self._write("Mul", [states, self._write.number(scale)])

    def _heads_first(self, states: ir.Value, heads: int, size: int) -> ir.Value:
        """Turn [B, S, H·D] into [B, H, S, D]."""
        by_head = self._write("Reshape", [states, self._write.integers(0, 0, heads, size)])
        return self._write("Transpose", [by_head], {"perm": (0, 2, 1, 3)})

    def _flat(self, states: ir.Value, width: int) -> ir.Value:
        """Turn [B, H, S, D] into [B, S, H·D]."""
        rows_first = self._write("Transpose", [states], {"perm": (0, 2, 1, 3)})
        return self._write("Reshape", [rows_first, self._write.integers(0, 0, width)])

    def _append(
        self, span: _Span, kv_heads: int, size: int, past: Sequence[ir.Value], new: Sequence[ir.Value]
    ) -> Sequence[ir.Value]:
        write = self._write
        if kv_heads not in span.indices:
            span.indices[kv_heads] = self._indices(span, new[0], kv_heads)
        indices = span.indices[kv_heads]
        rows = [self._heads_first(states, kv_heads, size) for states in new]
        capacity = write("Shape", [past[0]], {"start": 2, "end": 3})
        fits = write("GreaterOrEqual", [capacity, span.total])
        self._count += 1
        name = f"cache.{self._count}"
        before = write.count
        kept = [write("ScatterND", [part, indices, states]) for part, states in zip(past, rows, strict=True)]
        branches = {"then_branch": write.graph(f"{name}.kept", [], _typed(kept, past), before)}
        missing = write("Sub", [span.total, capacity])
        pads = write("Concat", [write.integers(0, 0, 0, 0, 0, 0), missing, write.integers(0)], {"axis": 0})
        longer = [write("Pad", [part, pads]) for part in past]
        grown = [write("ScatterND", [part, indices, states]) for part, states in zip(longer, rows, strict=True)]
        branches["else_branch"] = write.graph(f"{name}.grown", [], _typed(grown, past), before)
        return write.several("If", [fits], 2, branches)

    def _indices(self, span: _Span, new: ir.Value, kv_heads: int) -> ir.Value:
        write = self._write
        zero, one, scalar = write.integer(0), write.integer(1), write.integers()
        batch = write("Shape", [new], {"start": 0, "end": 1})
        shape = write("Concat", [batch, write.integers(kv_heads), span.length, write.integers(1)], {"axis": 0})
        batches = write("Range", [zero, write("Reshape", [batch, scalar]), one])
        heads = write.constant(np.arange(kv_heads, dtype=np.int64).reshape(1, -1, 1, 1))
        rows = write("Range", [write("Reshape", [span.start, scalar]), write("Reshape", [span.total, scalar]), one])
        parts = [
            write("Reshape", [batches, write.integers(-1, 1, 1, 1)]),
            heads,
            write("Reshape", [rows, write.integers(1, 1, -1, 1)]),
        ]
        return write("Concat", [write("Expand", [part, shape]) for part in parts], {"axis": -1})

    def _span(self, query: ir.Value, total: ir.Value, window: int) -> _Span:
        key = (_origin(query), total, window)
        if key not in self._spans:
            self._spans[key] = self._new_span(query, total, window)
        return self._spans[key]

    def _new_span(self, query: ir.Value, total: ir.Value, window: int) -> _Span:
        write = self._write
        zero, one, scalar = write.integer(0), write.integer(1), write.integers()
        if total not in self._totals:
            wide = write("Cast", [total], {"to": ir.DataType.INT64.value})
            self._totals[total] = write("Reshape", [wide, write.integers(1)])
        end = self._totals[total]
        length = write("Shape", [query], {"start": 1, "end": 2})
        start = write("Sub", [end, length])
        first = write.integers(0)
        if window > 0:
            first = write("Max", [write("Sub", [start, write.integers(window - 1)]), first])
        row, last, column = (write("Reshape", [value, scalar]) for value in (start, end, first))
        rows = write("Unsqueeze", [write("Range", [row, last, one]), write.integers(1)])
        distance = write("Sub", [rows, write("Range", [column, last, one])])
        visible = write("GreaterOrEqual", [distance, zero])
        if window > 0:
            visible = write("And", [visible, write("Less", [distance, write.integer(window)])])
        mask = write("Where", [visible, write.number(0), write.constant(np.array(_INVISIBLE))])
        return _Span(end, start, first, mask, length)


def _origin(query: ir.Value) -> ir.Value:
    """Return a value that is the same for all queries that have the same rows: their table of cosines, say."""
    value = query
    while (producer := value.producer()) is not None and producer.op_type in ("Reshape", "Transpose"):
        value = producer.inputs[0]
    if producer is not None and producer.op_type == "RotaryEmbedding":
        cosines: ir.Value = producer.inputs[2]
        return cosines
    return query


def _is_empty(states: ir.Value) -> bool:
    """Whether these are the keys of a layer that has none of its own: no rows."""
    return states.const_value is not None and 0 in tuple(states.const_value.shape)


def _typed(values: Sequence[ir.Value], like: Sequence[ir.Value]) -> Sequence[ir.Value]:
    """Give results of a branch the type of the caches, whose length is not known."""
    for value, other in zip(values, like, strict=True):
        value.type = ir.TensorType(ir.DataType.FLOAT)
        value.shape = ir.Shape([None, other.shape[1], None, other.shape[3]])
    return values
