"""Writes the mixture of experts in ONNX Runtime's operators.

The runtime's own ``QMoE`` has no gated GELU on the CPU. So experts that at least one token was routed to are visited
one after the other: the tokens go through the expert's matrices, and the result is added.

Quantised, for the CPU, every expert has an ``If`` of its own, with its own matrices in it. That makes many nodes, but
the kernel that multiplies by 4 or 8 bits rearranges a matrix when the graph is loaded, and one that comes out of
another node it unpacks to float32 every time: 40 times slower for one token. Otherwise a ``Loop`` takes the matrices of
the experts in use out of a stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from inference.export.products import product
from inference.export.stitching import GraphBuilder
from inference.export.weights import StoredMatrix, WeightPlan


def lower_experts(builder: GraphBuilder, plan: WeightPlan, node: ir.Node) -> list[ir.Node]:
    """Return the nodes that stand for a node ``larimar::Experts``; the last one's output is the result."""
    return _apart(builder, plan, node) if plan.experts_apart else _in_a_loop(builder, plan, node)


def _nothing(states: ir.Value) -> list[ir.Node]:
    """Return nodes that make zeros of the shape of the states."""
    shape = ir.node("Shape", [states])
    zero = {"value": ir.tensor(np.zeros(1, np.float32))}
    return [shape, ir.node("ConstantOfShape", [shape.outputs[0]], attributes=zero)]


def _apart(builder: GraphBuilder, plan: WeightPlan, node: ir.Node) -> list[ir.Node]:
    states, chosen, shares, *weights = node.inputs
    parts: list[list[_Matrix]] = []
    for weight in weights:
        count, rows, columns = (int(size) for size in weight.shape)
        stored = [plan.entry(weight.name or "", index, (count, rows, columns)) for index in range(count)]
        for value in (value for each in stored for value in each.values):
            builder.graph.register_initializer(value)
        parts.append([_Matrix(each, rows, columns) for each in stored])
    flat = ir.node("Reshape", [chosen, builder.integers(-1)])
    zero_one = builder.constant(np.array([0, 1], np.float32))
    hot = ir.node("OneHot", [flat.outputs[0], builder.constant(np.array(count, np.int64)), zero_one])
    used = ir.node("ReduceMax", [hot.outputs[0], builder.integers(0)], attributes={"keepdims": 0})
    flags = ir.node("Cast", [used.outputs[0]], attributes={"to": ir.DataType.BOOL.value})
    split = ir.node("Split", [flags.outputs[0]], attributes={"num_outputs": count}, num_outputs=count)
    nodes = [flat, hot, used, flags, split, *_nothing(states)]
    for index, matrices in enumerate(zip(*parts, strict=True)):
        total = nodes[-1].outputs[0]
        name = f"{node.outputs[0].name}.expert.{index}"
        number = builder.constant(np.array(index, np.int64))
        branches = {
            "then_branch": _Body(builder, name).visited(number, total, states, chosen, shares, matrices),
            "else_branch": _Body(builder, f"{name}.not").passed_by(total, states),
        }
        nodes.append(ir.node("If", [split.outputs[index]], attributes=branches))
    return nodes


def _in_a_loop(builder: GraphBuilder, plan: WeightPlan, node: ir.Node) -> list[ir.Node]:
    states, chosen, shares, gate_up, down = node.inputs
    stacks = []
    for weight in (gate_up, down):
        count, rows, columns = (int(size) for size in weight.shape)
        stored = plan.stack(weight.name or "", count, rows, columns)
        for value in stored.values:
            builder.graph.register_initializer(value)
        stacks.append(_Matrix(stored, rows, columns))
    scalar = builder.constant(np.array([], np.int64))
    flat = ir.node("Reshape", [chosen, builder.integers(-1)])
    used = ir.node("Unique", [flat.outputs[0]], attributes={"sorted": 1})
    size = ir.node("Shape", [used.outputs[0]])
    trips = ir.node("Reshape", [size.outputs[0], scalar])
    shape, nothing = _nothing(states)
    body = _Body(builder, f"{node.outputs[0].name}.expert").of_loop(used.outputs[0], states, chosen, shares, stacks)
    going_on = builder.constant(np.array(True))
    loop = ir.node("Loop", [trips.outputs[0], going_on, nothing.outputs[0]], attributes={"body": body})
    return [flat, used, size, trips, shape, nothing, loop]


@dataclass(frozen=True)
class _Matrix:
    """A matrix, or a stack of them."""

    stored: StoredMatrix
    rows: int
    columns: int


class _Body:
    """What happens for one expert; everything but the running sum comes from the graph around it."""

    def __init__(self, builder: GraphBuilder, name: str) -> None:
        self._builder = builder
        self._name = name
        self._nodes: list[ir.Node] = []

    def of_loop(
        self, used: ir.Value, states: ir.Value, chosen: ir.Value, shares: ir.Value, stacks: Sequence[_Matrix]
    ) -> ir.Graph:
        """Return the graph for the expert whose turn it is."""
        trip, going_on, total = (
            ir.Value(name=f"{self._name}.{name}", type=ir.TensorType(kind), shape=shape)
            for name, kind, shape in (
                ("trip", ir.DataType.INT64, ir.Shape([])),
                ("going_on", ir.DataType.BOOL, ir.Shape([])),
                ("total", ir.DataType.FLOAT, states.shape),
            )
        )
        expert = self._new("Gather", [used, trip])
        taken = [[self._new("Gather", [value, expert], {"axis": 0}) for value in each.stored.values] for each in stacks]
        result = self._added(expert, total, states, chosen, shares, stacks, taken)
        still = self._new("Identity", [going_on])
        still.type, still.shape = going_on.type, going_on.shape
        return ir.Graph([trip, going_on, total], [still, result], nodes=self._nodes, name=self._name)

    def visited(
        self,
        expert: ir.Value,
        total: ir.Value,
        states: ir.Value,
        chosen: ir.Value,
        shares: ir.Value,
        matrices: Sequence[_Matrix],
    ) -> ir.Graph:
        """Return the graph for an expert that is in use."""
        values = [each.stored.values for each in matrices]
        result = self._added(expert, total, states, chosen, shares, matrices, values)
        return ir.Graph([], [result], nodes=self._nodes, name=self._name)

    def passed_by(self, total: ir.Value, states: ir.Value) -> ir.Graph:
        """Return the graph for an expert that is not."""
        result = self._new("Identity", [total])
        result.type, result.shape = ir.TensorType(ir.DataType.FLOAT), states.shape
        return ir.Graph([], [result], nodes=self._nodes, name=self._name)

    def _added(
        self,
        expert: ir.Value,
        total: ir.Value,
        states: ir.Value,
        chosen: ir.Value,
        shares: ir.Value,
        matrices: Sequence[_Matrix],
        values: Sequence[Sequence[ir.Value]],
    ) -> ir.Value:
        integers = self._builder.integers
        where = self._new("NonZero", [self._new("Equal", [chosen, expert])])
        pairs = self._new("Transpose", [where], {"perm": (1, 0)})
        tokens = self._new("Slice", [pairs, integers(0), integers(1), integers(1)])
        rows = self._new("GatherND", [states, tokens])
        gate_up = self._linear(rows, matrices[0], values[0])
        half = matrices[0].rows // 2
        gate = self._new("Slice", [gate_up, integers(0), integers(half), integers(1)])
        up = self._new("Slice", [gate_up, integers(half), integers(2 * half), integers(1)])
        hidden = self._new("Mul", [self._new("Gelu", [gate], {"approximate": "tanh"}), up])
        given = self._linear(hidden, matrices[1], values[1])
        share = self._new("Unsqueeze", [self._new("GatherND", [shares, pairs]), integers(1)])
        shared = self._new("Mul", [given, share])
        result = self._new("ScatterND", [total, tokens, shared], {"reduction": "add"})
        result.type, result.shape = ir.TensorType(ir.DataType.FLOAT), states.shape
        return result

    def _linear(self, states: ir.Value, matrix: _Matrix, values: Sequence[ir.Value]) -> ir.Value:
        return self._add(product(states, matrix.stored, matrix.rows, matrix.columns, values))

    def _new(self, op_type: str, inputs: list[ir.Value], attributes: dict[str, Any] | None = None) -> ir.Value:
        return self._add(ir.node(op_type, inputs, attributes=attributes))

    def _add(self, node: ir.Node) -> ir.Value:
        node.name = node.outputs[0].name = f"{self._name}.{node.op_type.lower()}.{len(self._nodes)}"
        self._nodes.append(node)
        return node.outputs[0]
