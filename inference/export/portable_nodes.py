"""Makes nodes of the default domain, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from inference.export.stitching import GraphBuilder


class NodeWriter:
    """Collects new nodes until they are taken.

    Args:
        builder: of the graph that the nodes are for; keeps the constants.
    """

    def __init__(self, builder: GraphBuilder) -> None:
        self._builder = builder
        self._nodes: list[ir.Node] = []

    def __call__(
        self, op_type: str, inputs: Sequence[ir.Value | None], attributes: Mapping[str, Any] | None = None
    ) -> ir.Value:
        """Make a node with one output and return the output."""
        return self.several(op_type, inputs, 1, attributes)[0]

    def several(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        outputs: int,
        attributes: Mapping[str, Any] | None = None,
    ) -> Sequence[ir.Value]:
        """Make a node with several outputs and return them."""
        node = ir.node(op_type, list(inputs), attributes=dict(attributes or {}), num_outputs=outputs)
        self._nodes.append(node)
        values: Sequence[ir.Value] = node.outputs
        return values

    def taken(self) -> list[ir.Node]:
        """Return the nodes made since the last call, in order."""
        nodes, self._nodes = self._nodes, []
        return nodes

    def graph(self, name: str, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value], before: int) -> ir.Graph:
        """Make an inner graph of the nodes made since there were ``before`` of them: see :attr:`count`."""
        nodes = self._nodes[before:]
        del self._nodes[before:]
        for position, node in enumerate(nodes):
            node.name = f"{name}.{position}"
            for number, value in enumerate(node.outputs):
                value.name = f"{node.name}.{number}"
        return ir.Graph(list(inputs), list(outputs), nodes=nodes, name=name)

    @property
    def count(self) -> int:
        """How many nodes wait to be taken."""
        return len(self._nodes)

    def integers(self, *numbers: int) -> ir.Value:
        """Return an int64 vector."""
        return self._builder.integers(*numbers)

    def integer(self, number: int) -> ir.Value:
        """Return an int64 scalar."""
        return self._builder.constant(np.array(number, np.int64))

    def number(self, number: float) -> ir.Value:
        """Return a float32 scalar."""
        return self._builder.constant(np.array(number, np.float32))

    def constant(self, array: np.ndarray) -> ir.Value:
        """Return an initialiser that holds ``array``."""
        return self._builder.constant(array)
