"""Lays copies of traced pieces one after the other in one graph, and adds the glue between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from inference.export.tracing import Piece


class GraphBuilder:
    """Grows one ONNX graph.

    Weights are initialisers without a value that carry the name of a checkpoint tensor; :attr:`weights` lists them.
    """

    def __init__(self, name: str) -> None:
        self.graph = ir.Graph([], [], nodes=[], name=name, opset_imports={"": 21, "com.microsoft": 1, "larimar": 1})
        self.weights: dict[str, ir.Value] = {}
        self._constants: dict[Any, ir.Value] = {}
        self._counter = 0

    def input(
        self, name: str, element_type: ir.DataType, shape: Sequence[int | str], default: np.ndarray | None = None
    ) -> ir.Value:
        """Add a graph input; with a default (an initialiser of the same name) callers may leave it out."""
        value = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(element_type))
        self.graph.inputs.append(value)
        if default is not None:
            value.const_value = ir.tensor(default, name=name)
            self.graph.register_initializer(value)
        return value

    def output(self, name: str, value: ir.Value, element_type: ir.DataType, shape: Sequence[int | str]) -> None:
        """Make ``value`` a graph output called ``name``."""
        if value.is_graph_output() or value.is_graph_input():
            value = self.node("Identity", [value])
        value.name = name
        value.shape = ir.Shape(shape)
        value.type = ir.TensorType(element_type)
        self.graph.outputs.append(value)

    def constant(self, array: np.ndarray) -> ir.Value:
        """Return an initialiser that holds ``array``, shared by all who ask for the same one."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            value = ir.Value(name=self._fresh("constant"), const_value=None)
            value.const_value = ir.tensor(array, name=value.name)
            value.shape, value.type = ir.Shape(array.shape), ir.TensorType(ir.DataType.from_numpy(array.dtype))
            self.graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def integers(self, *numbers: int) -> ir.Value:
        """Return an int64 vector."""
        return self.constant(np.array(numbers, np.int64))

    def weight(self, name: str, shape: Sequence[int]) -> ir.Value:
        """Return the initialiser for the checkpoint tensor ``name``."""
        if name not in self.weights:
            value = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(ir.DataType.FLOAT))
            self.weights[name] = value
        return self.weights[name]

    def node(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: Mapping[str, Any] | None = None,
        domain: str = "",
    ) -> ir.Value:
        """Append a node with one output and return the output."""
        node = ir.node(op_type, list(inputs), attributes=dict(attributes or {}), domain=domain)
        node.outputs[0].name = self._fresh(op_type)
        node.name = node.outputs[0].name
        self.graph.append(node)
        return node.outputs[0]

    def add(
        self, piece: Piece, inputs: Mapping[str, ir.Value], prefix: str, weights: Mapping[str, str]
    ) -> list[ir.Value]:
        """Append a copy of ``piece``.

        Args:
            piece: the traced module.
            inputs: a value for each input that the piece reads.
            prefix: prepended to the names of its nodes.
            weights: checkpoint name of each weight that the piece reads.

        Returns:
            The values that stand for the outputs of the piece.
        """
        values: dict[ir.Value, ir.Value] = {}
        for value in piece.graph.inputs:
            if value.uses() or value.is_graph_output():
                values[value] = inputs[value.name or ""]
        for name, value in piece.graph.initializers.items():
            if name in piece.weights:
                values[value] = self.weight(weights[name], [int(size) for size in value.shape])
            else:
                values[value] = self.constant(value.const_value.numpy())
        for node in piece.graph:
            copy = ir.node(
                node.op_type,
                [None if value is None else values[value] for value in node.inputs],
                attributes=dict(node.attributes),
                domain=node.domain,
                num_outputs=len(node.outputs),
            )
            copy.name = f"{prefix}{node.name}"
            for new, old in zip(copy.outputs, node.outputs, strict=True):
                new.name, new.shape, new.type = f"{prefix}{old.name}", old.shape, old.type
                values[old] = new
            self.graph.append(copy)
        return [values[value] for value in piece.graph.outputs]

    def model(self) -> ir.Model:
        """Return the finished model; every weight must have got its content by now."""
        return ir.Model(self.graph, ir_version=10, producer_name="larimar")

    def _fresh(self, stem: str) -> str:
        self._counter += 1
        return f"{stem}_{self._counter}"
