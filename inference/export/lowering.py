"""Writes the operators of the domain ``larimar`` in those of ONNX Runtime.

Attention becomes ``GroupQueryAttention``: with the past and the present bound to one buffer it appends in place. A
layer that shares a donor's cache passes no keys of its own (length 0). Nobody reads its present, but it is named all
the same: ONNX Runtime before 1.31, which transformers.js still runs on, writes to it and crashes where there is none.
We open such graphs without it, so that nothing is copied: see :mod:`inference.graphs.attention_nodes`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from inference.export.block_lowering import BlockRows
from inference.export.expert_lowering import lower_experts
from inference.export.products import product
from inference.export.stitching import GraphBuilder
from inference.export.tidying import tidy
from inference.export.weights import WeightPlan

_MICROSOFT = "com.microsoft"

_Lowered = list[ir.Node] | tuple[list[ir.Node], Sequence[ir.Value]]
"""Nodes that replace one; with the values that replace its outputs, where those are not the outputs of the last."""


def lower(builder: GraphBuilder, plan: WeightPlan) -> None:
    """Replace every ``larimar`` node of the graph, and give every weight a source.

    Args:
        builder: the graph, from :mod:`inference.export.decoder` say.
        plan: decides how each weight is stored.
    """
    lowering = _Lowering(builder, plan)
    for node in list(builder.graph):
        if node.domain == "larimar":
            lowering.replace(node)
    tidy(builder.graph)
    for name, value in builder.weights.items():
        if value.uses():
            plan.keep(value, name)
            builder.graph.register_initializer(value)
    del builder.graph.opset_imports["larimar"]


class _Lowering:
    def __init__(self, builder: GraphBuilder, plan: WeightPlan) -> None:
        self._builder = builder
        self._graph = builder.graph
        self._plan = plan
        self._tables: dict[ir.Value, ir.Value] = {}
        self._rows: dict[ir.Value, ir.Value] = {}
        self._block_rows: BlockRows | None = None
        self._inserted = 0
        self._handlers: dict[str, Callable[[ir.Node], _Lowered]] = {
            "Attention": self._attention,
            "BlockAttention": self._block_attention,
            "SharedAttention": self._shared_attention,
            "Rotary": self._rotary,
            "RMSNorm": self._rms_norm,
            "Linear": self._linear,
            "Experts": lambda node: lower_experts(builder, plan, node),
        }

    def replace(self, node: ir.Node) -> None:
        lowered = self._handlers[node.op_type](node)
        nodes, outputs = lowered if isinstance(lowered, tuple) else (lowered, lowered[-1].outputs)
        for position, new in enumerate(nodes):
            new.name = f"{node.outputs[0].name}.{position}"
            for number, value in enumerate(new.outputs):
                value.name = f"{new.name}.{number}"
        for new_value, old in zip(outputs, node.outputs, strict=True):
            new_value.name, new_value.shape, new_value.type = old.name, old.shape, old.type
        ir.convenience.replace_nodes_and_values(self._graph, node, [node], nodes, node.outputs, outputs)
        for value in node.inputs:
            if value is not None:
                self._drop_unused(value)

    def _drop_unused(self, value: ir.Value) -> None:
        producer = value.producer()
        if producer is not None and producer.op_type == "Transpose" and not value.uses():
            self._graph.remove(producer, safe=True)

    def _flat(self, states: ir.Value) -> ir.Node:
        """Turn heads-first states, [B, H, S, D], into [B, S, H·D], going around the transpose that made them."""
        transpose = states.producer()
        assert transpose.op_type == "Transpose", "transformers' attention hands over transposed states"
        return ir.node("Reshape", [transpose.inputs[0], self._builder.integers(0, 0, -1)])

    def _attention(self, node: ir.Node) -> list[ir.Node]:
        query, key, value, past_key, past_value, last_index, total_length = node.inputs
        flats = [self._flat(states) for states in (query, key, value)]
        heads, kv_heads = _heads(query), _heads(key)
        inputs = [flat.outputs[0] for flat in flats] + [past_key, past_value, last_index, total_length]
        return [*flats, self._grouped_query_attention(node, inputs, heads, kv_heads)]

    def _block_attention(self, node: ir.Node) -> _Lowered:
        query, key, value, past_key, past_value, last_index, total_length, block_ids = node.inputs
        window = node.attributes["window"].as_int()
        if self._block_rows is None:
            insert = self._inserter(last_index)
            self._block_rows = BlockRows(self._builder, insert, last_index, block_ids, window)
        flats = [self._flat(states) for states in (query, key, value)]
        inputs = [flat.outputs[0] for flat in flats] + [past_key, past_value, last_index, total_length]
        heads = _heads(query)
        causal = self._grouped_query_attention(node, inputs, heads, _heads(key))
        nodes = [*flats, causal]

        def new(op_type: str, inputs: list[ir.Value], attributes: dict[str, Any] | None = None) -> ir.Value:
            nodes.append(ir.node(op_type, inputs, attributes=attributes))
            return nodes[-1].outputs[0]

        cache = causal.outputs[1:]
        for part, past in zip(cache, (past_key, past_value), strict=True):
            part.shape = past.shape
        scale = node.attributes["scale"].as_float()
        output = self._block_rows.recompute(new, causal.outputs[0], query, cache, scale, heads)
        return nodes, [output, *cache]

    def _inserter(self, anchor: ir.Value) -> Callable[..., ir.Value]:
        """Return how to make nodes that stand right behind ``anchor``, in order."""
        latest = anchor

        def insert(op_type: str, inputs: list[ir.Value], attributes: dict[str, Any] | None = None) -> ir.Value:
            nonlocal latest
            node = ir.node(op_type, inputs, attributes=attributes)
            node.name = node.outputs[0].name = f"blocks.{op_type.lower()}.{self._inserted}"
            self._inserted += 1
            self._graph.insert_after(latest.producer(), node)
            latest = node.outputs[0]
            return latest

        return insert

    def _shared_attention(self, node: ir.Node) -> _Lowered:
        query, key_cache, value_cache, last_index, total_length = node.inputs
        flat = self._flat(query)
        kv_heads = _heads(key_cache)
        nothing = self._builder.constant(np.zeros((1, 0, kv_heads * int(key_cache.shape[3])), np.float32))
        inputs = [flat.outputs[0], nothing, nothing, key_cache, value_cache, last_index, total_length]
        attention = self._grouped_query_attention(node, inputs, _heads(query), kv_heads)
        for present, past in zip(attention.outputs[1:], (key_cache, value_cache), strict=True):
            present.shape, present.type = past.shape, past.type
        return [flat, attention], attention.outputs[:1]

    @staticmethod
    def _grouped_query_attention(node: ir.Node, inputs: list[ir.Value | None], heads: int, kv_heads: int) -> ir.Node:
        return ir.node(
            "GroupQueryAttention",
            inputs,
            attributes={
                "num_heads": heads,
                "kv_num_heads": kv_heads,
                "scale": node.attributes["scale"].as_float(),
                "local_window_size": node.attributes["window"].as_int(),
            },
            domain=_MICROSOFT,
            num_outputs=3,
        )

    def _rotary(self, node: ir.Node) -> list[ir.Node]:
        states, cos, sin = node.inputs
        heads, size = int(states.shape[2]), int(states.shape[3])
        flat = ir.node("Reshape", [states, self._builder.integers(0, 0, -1)])
        turned = ir.node(
            "RotaryEmbedding",
            [flat.outputs[0], self._row_numbers(cos), self._table(cos), self._table(sin)],
            attributes={"num_heads": heads},
            domain=_MICROSOFT,
        )
        return [flat, turned, ir.node("Reshape", [turned.outputs[0], self._builder.integers(0, 0, heads, size)])]

    def _table(self, half: ir.Value) -> ir.Value:
        """Return [B, S, D/2] cosines or sines as the two-dimensional table that the operator indexes."""
        if half not in self._tables:
            size = int(half.shape[-1])
            self._tables[half] = self._after(half, "Reshape", [half, self._builder.integers(-1, size)])
        return self._tables[half]

    def _row_numbers(self, half: ir.Value) -> ir.Value:
        """Return int64 [B, S]: 0, 1, 2, … — the table holds one row per position of this very call."""
        if half not in self._rows:
            shape = self._after(half, "Shape", [half], {"start": 0, "end": 2})
            count = self._after(shape, "ReduceProd", [shape], {"keepdims": 0})
            zero, one = (self._builder.constant(np.array(number, np.int64)) for number in (0, 1))
            numbers = self._after(count, "Range", [zero, count, one])
            self._rows[half] = self._after(numbers, "Reshape", [numbers, shape])
        return self._rows[half]

    def _after(
        self, anchor: ir.Value, op_type: str, inputs: list[ir.Value], attributes: dict[str, int] | None = None
    ) -> ir.Value:
        """Insert a node right behind the one that makes ``anchor``, so that every later node may read it."""
        node = ir.node(op_type, inputs, attributes=attributes)
        node.name = node.outputs[0].name = f"{anchor.name}.{op_type.lower()}"
        self._graph.insert_after(anchor.producer(), node)
        return node.outputs[0]

    def _rms_norm(self, node: ir.Node) -> list[ir.Node]:
        states = node.inputs[0]
        weight = node.inputs[1] if len(node.inputs) > 1 else None
        if weight is None:
            size = int(node.outputs[0].shape[-1])
            weight = self._builder.constant(np.ones(size, np.float32))
        attributes = {"axis": -1, "epsilon": node.attributes["epsilon"].as_float(), "stash_type": 1}
        return [ir.node("SimplifiedLayerNormalization", [states, weight], attributes=attributes)]

    def _linear(self, node: ir.Node) -> list[ir.Node]:
        states, weight = node.inputs
        rows, columns = (int(size) for size in weight.shape)
        stored = self._plan.linear(weight.name or "", rows, columns)
        for value in stored.values:
            self._graph.register_initializer(value)
        return [product(states, stored, rows, columns)]


def _heads(states: ir.Value) -> int:
    """Return the number of heads of [B, H, S, D] states."""
    return int(states.shape[1])
