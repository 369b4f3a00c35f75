"""Writes attention with bidirectional image blocks in ONNX Runtime's operators.

``GroupQueryAttention`` is causal whatever bias it is given. So it runs for all rows — it also appends to the cache —
and rows of images are then computed a second time, with the mask written out, and put in place of the causal ones.
Without images the second computation works on zero rows: a few empty operators per layer, no arithmetic, no copies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from inference.export.stitching import GraphBuilder

_INVISIBLE = np.float32(np.finfo(np.float32).min)

NewNode = Callable[..., ir.Value]
"""``new(op_type, inputs, attributes=None, domain="")``: makes a node and returns its output."""


class BlockRows:
    """Recomputes the rows of images; what the layers have in common is computed once.

    Args:
        builder: the graph.
        insert: how to make a node that stands before all layers.
        last_index: int32 [B], of the sliding cache.
        block_ids: int64 [1, n]; n is the number of rows or 0.
        window: of the sliding layers.
    """

    def __init__(
        self, builder: GraphBuilder, insert: NewNode, last_index: ir.Value, block_ids: ir.Value, window: int
    ) -> None:
        self._builder = builder
        self._insert = insert
        self._shapes: dict[tuple[int, ...], ir.Value] = {}
        zero, one = builder.integers(0), builder.integers(1)
        self.rows = insert("Shape", [block_ids], {"start": 1, "end": 2})
        total = insert("Add", [insert("Cast", [last_index], {"to": ir.DataType.INT64.value}), one])
        used = insert("Min", [self.rows, one])
        # with no rows, the part of the cache that is looked at is empty too
        self.cache_end = insert("Mul", [total, used])
        earliest = insert("Sub", [self.cache_end, insert("Add", [self.rows, builder.integers(window - 1)])])
        self.cache_start = insert("Max", [earliest, zero])
        self._mask = self._visible(block_ids, window)

    def _visible(self, block_ids: ir.Value, window: int) -> ir.Value:
        """Return what is added to the scores, float32 [1, 1, rows, keys]."""
        insert, builder = self._insert, self._builder
        zero, one = builder.constant(np.array(0, np.int64)), builder.constant(np.array(1, np.int64))
        self.keys = insert("Sub", [self.cache_end, self.cache_start])
        before = insert("Sub", [self.keys, self.rows])
        scalar = builder.constant(np.array([], np.int64))
        count, offset, key_count = (insert("Reshape", [value, scalar]) for value in (self.rows, before, self.keys))
        row_positions = insert("Add", [insert("Range", [zero, count, one]), offset])
        distance = insert(
            "Sub",
            [
                insert("Unsqueeze", [row_positions, builder.integers(1)]),
                insert("Range", [zero, key_count, one]),
            ],
        )
        ids = insert("Squeeze", [block_ids, builder.integers(0)])
        nothing = insert("Expand", [builder.integers(-1), before])
        key_ids = insert("Concat", [nothing, ids], {"axis": 0})
        row_ids = insert("Unsqueeze", [ids, builder.integers(1)])
        same = insert("And", [insert("Equal", [row_ids, key_ids]), insert("GreaterOrEqual", [row_ids, zero])])
        either = insert("Or", [same, insert("GreaterOrEqual", [distance, zero])])
        inside = insert("Less", [distance, builder.constant(np.array(window, np.int64))])
        nothing_added = builder.constant(np.array(0, np.float32))
        mask = insert("Where", [insert("And", [either, inside]), nothing_added, builder.constant(np.array(_INVISIBLE))])
        return insert("Unsqueeze", [mask, builder.integers(0, 1)])

    def recompute(
        self, new: NewNode, causal: ir.Value, query: ir.Value, cache: Sequence[ir.Value], scale: float, heads: int
    ) -> ir.Value:
        """Return the attention output with the rows of images put right.

        Args:
            new: how to make a node of this layer.
            causal: [B, S, H·D].
            query: [B, H, S, D].
            cache: keys and values, [B, Hkv, capacity, D] each, the rows of this call in them.
            scale: factor on the scores.
            heads: H.
        """
        builder = self._builder
        kv_heads, size = int(cache[0].shape[1]), int(cache[0].shape[3])
        axis = builder.integers(2)
        keys, values = (new("Slice", [part, self.cache_start, self.cache_end, axis]) for part in cache)
        length = new("Shape", [query], {"start": 2, "end": 3})
        first = new("Sub", [length, self.rows])
        rows = new("Slice", [query, first, length, axis])
        groups = heads // kv_heads
        grouped = new("Reshape", [rows, self._shape(1, kv_heads, -groups, size)], {"allowzero": 1})
        transposed = new("Transpose", [keys], {"perm": (0, 1, 3, 2)})
        scores = new("Mul", [new("MatMul", [grouped, transposed]), builder.constant(np.array(scale, np.float32))])
        by_head = new("Reshape", [scores, self._shape(1, heads, -1, 0)], {"allowzero": 1})
        weights = new("Softmax", [new("Add", [by_head, self._mask])], {"axis": -1})
        regrouped = new("Reshape", [weights, self._shape(1, kv_heads, -groups, 0)], {"allowzero": 1})
        output = new("Reshape", [new("MatMul", [regrouped, values]), self._shape(1, heads, -1, size)], {"allowzero": 1})
        rows_first = new("Transpose", [output], {"perm": (0, 2, 1, 3)})
        flat = new("Reshape", [rows_first, self._flat_shape(heads * size)], {"allowzero": 1})
        kept = new("Slice", [causal, builder.integers(0), first, builder.integers(1)])
        return new("Concat", [kept, flat], {"axis": 1})

    def _shape(self, *sizes: int) -> ir.Value:
        """Return a shape in which -n stands for n times the number of rows, and 0 for the number of keys."""
        if sizes not in self._shapes:
            parts = []
            for size in sizes:
                if size > 0:
                    parts.append(self._builder.integers(size))
                elif size == 0:
                    parts.append(self.keys)
                else:
                    parts.append(self._insert("Mul", [self.rows, self._builder.integers(-size)]))
            self._shapes[sizes] = self._insert("Concat", parts, {"axis": 0})
        return self._shapes[sizes]

    def _flat_shape(self, width: int) -> ir.Value:
        return self._shape(1, -1, width)
