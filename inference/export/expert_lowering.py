"""Writes the mixture of experts in ONNX Runtime's operators.

The runtime's own ``QMoE`` has no gated GELU on the CPU. So a ``Loop`` visits the experts that at least one token was
routed to: it takes the expert's matrices out of the stack, sends its tokens through, and adds the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from inference.export.products import product
from inference.export.stitching import GraphBuilder
from inference.export.weights import StoredMatrix, WeightPlan


def lower_experts(builder: GraphBuilder, plan: WeightPlan, node: ir.Node) -> list[ir.Node]:
    """Return the nodes that stand for a node ``larimar::Experts``; the last one's output is the result."""
    states, chosen, shares, gate_up, down = node.inputs
    stacks = []
    for weight in (gate_up, down):
        count, rows, columns = (int(size) for size in weight.shape)
        stored = plan.stack(weight.name, count, rows, columns)
        for value in stored.values:
            builder.graph.register_initializer(value)
        stacks.append((stored, rows, columns))
    scalar = builder.constant(np.array([], np.int64))
    flat = ir.node("Reshape", [chosen, builder.integers(-1)])
    used = ir.node("Unique", [flat.outputs[0]], attributes={"sorted": 1})
    size = ir.node("Shape", [used.outputs[0]])
    trips = ir.node("Reshape", [size.outputs[0], scalar])
    shape = ir.node("Shape", [states])
    nothing = ir.node("ConstantOfShape", [shape.outputs[0]], attributes={"value": ir.tensor(np.zeros(1, np.float32))})
    body = _Body(builder, node.outputs[0].name).build(used.outputs[0], states, chosen, shares, stacks)
    going_on = builder.constant(np.array(True))
    loop = ir.node("Loop", [trips.outputs[0], going_on, nothing.outputs[0]], attributes={"body": body})
    return [flat, used, size, trips, shape, nothing, loop]


class _Body:
    """What happens for one expert."""

    def __init__(self, builder: GraphBuilder, name: str) -> None:
        self._builder = builder
        self._name = f"{name}.expert"
        self._nodes: list[ir.Node] = []

    def build(
        self,
        used: ir.Value,
        states: ir.Value,
        chosen: ir.Value,
        shares: ir.Value,
        stacks: Sequence[tuple[StoredMatrix, int, int]],
    ) -> ir.Graph:
        """Return the graph; everything but the running sum comes from the graph around it."""
        integers = self._builder.integers
        trip, going_on, total = (
            ir.Value(name=f"{self._name}.{name}", type=ir.TensorType(kind), shape=shape)
            for name, kind, shape in (
                ("trip", ir.DataType.INT64, ir.Shape([])),
                ("going_on", ir.DataType.BOOL, ir.Shape([])),
                ("total", ir.DataType.FLOAT, states.shape),
            )
        )
        expert = self._new("Gather", [used, trip])
        where = self._new("NonZero", [self._new("Equal", [chosen, expert])])
        pairs = self._new("Transpose", [where], {"perm": (1, 0)})
        tokens = self._new("Slice", [pairs, integers(0), integers(1), integers(1)])
        rows = self._new("GatherND", [states, tokens])
        gate_up = self._linear(rows, expert, *stacks[0])
        half = stacks[0][1] // 2
        gate = self._new("Slice", [gate_up, integers(0), integers(half), integers(1)])
        up = self._new("Slice", [gate_up, integers(half), integers(2 * half), integers(1)])
        hidden = self._new("Mul", [self._new("Gelu", [gate], {"approximate": "tanh"}), up])
        given = self._linear(hidden, expert, *stacks[1])
        share = self._new("Unsqueeze", [self._new("GatherND", [shares, pairs]), integers(1)])
        shared = self._new("Mul", [given, share])
        result = self._new("ScatterND", [total, tokens, shared], {"reduction": "add"})
        result.type, result.shape = total.type, total.shape
        still = self._new("Identity", [going_on])
        still.type, still.shape = going_on.type, going_on.shape
        return ir.Graph([trip, going_on, total], [still, result], nodes=self._nodes, name=self._name)

    def _linear(self, states: ir.Value, expert: ir.Value, stored: StoredMatrix, rows: int, columns: int) -> ir.Value:
        matrix = [self._new("Gather", [value, expert], {"axis": 0}) for value in stored.values]
        node = product(states, stored, rows, columns, matrix)
        return self._add(node)

    def _new(self, op_type: str, inputs: list[ir.Value], attributes: dict[str, Any] | None = None) -> ir.Value:
        return self._add(ir.node(op_type, inputs, attributes=attributes))

    def _add(self, node: ir.Node) -> ir.Value:
        node.name = node.outputs[0].name = f"{self._name}.{node.op_type.lower()}.{len(self._nodes)}"
        self._nodes.append(node)
        return node.outputs[0]
