"""Joins linear layers that read the same states — Q, K and V; gate and up — into one matrix product.

One larger product rounds the activations to int8 once and lets the threads meet once, where three would do both
three times; the numbers are the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from inference.export.products import product
from inference.export.stitching import GraphBuilder
from inference.export.tracing import LINEAR
from inference.export.weights import WeightPlan

_GROUPS = (
    ("q_proj.weight", "k_proj.weight", "v_proj.weight"),
    ("gate_proj.weight", "up_proj.weight"),
)
"""Endings of the names of weights that may be joined, in their order within the joint matrix."""


def pack_linears(builder: GraphBuilder, plan: WeightPlan) -> None:
    """Replace groups of ``larimar::Linear`` nodes by one product and a split."""
    for nodes in list(_groups(builder.graph)):
        weights = [node.inputs[1] for node in nodes]
        rows = [int(weight.shape[0]) for weight in weights]
        stored = plan.packed_linear([weight.name for weight in weights], rows, int(weights[0].shape[1]))
        if stored is None:
            continue
        for value in stored.values:
            builder.graph.register_initializer(value)
        joint = product(nodes[0].inputs[0], stored, sum(rows), int(weights[0].shape[1]))
        sizes = builder.constant(np.array(rows, np.int64))
        split = ir.node("Split", [joint.outputs[0], sizes], attributes={"axis": -1}, num_outputs=len(nodes))
        name = nodes[0].outputs[0].name
        for number, new in enumerate((joint, split)):
            new.name = f"{name}.packed.{number}"
        joint.outputs[0].name = f"{name}.packed"
        old_values = [node.outputs[0] for node in nodes]
        for new_value, old in zip(split.outputs, old_values, strict=True):
            new_value.name, new_value.shape, new_value.type = old.name, old.shape, old.type
        first = min(nodes, key=list(builder.graph).index)
        ir.convenience.replace_nodes_and_values(builder.graph, first, nodes, [joint, split], old_values, split.outputs)


def _groups(graph: ir.Graph) -> Iterator[list[ir.Node]]:
    """Yield the nodes that can be joined, each group in the order of its names."""
    readers: dict[ir.Value, list[ir.Node]] = defaultdict(list)
    for node in graph:
        if node.domain == "larimar" and node.op_type == LINEAR:
            readers[node.inputs[0]].append(node)
    for nodes in readers.values():
        for endings in _GROUPS:
            members = [node for ending in endings for node in nodes if node.inputs[1].name.endswith(ending)]
            if len(members) > 1:
                yield members
