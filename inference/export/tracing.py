"""Traces one module at a time, without weights, into a piece of an ONNX graph.

A whole model need not be traced: layers of one kind differ only in their weights. So each kind is traced once, on the
meta device (shapes without memory), and :mod:`inference.export.stitching` lays copies of the pieces one after the
other.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import optimizer
from torch.onnx._internal.exporter import _registration

from inference.export import attention_ops

OPSET = 21
"""ONNX opset of the graphs: the newest that transformers.js' runtime is known to take."""

LINEAR = "Linear"
"""Placeholder operator ``larimar::Linear(x [..., K], weight [N, K]) -> [..., N]``, as torch stores its weights."""

DYNAMIC = torch.export.Dim.AUTO


@dataclass(frozen=True)
class Piece:
    """A traced module: its graph, with weights as initialisers that have a name and a shape but no value."""

    graph: ir.Graph
    weights: frozenset[str]
    """Names of the module's parameters and buffers that the graph reads, as in its ``state_dict``."""


def trace(
    module: torch.nn.Module,
    inputs: Mapping[str, torch.Tensor],
    dynamic: Mapping[str, Sequence[int]],
    outputs: Sequence[str],
    translations: Mapping[Any, Callable[..., Any]] | None = None,
) -> Piece:
    """Trace ``module`` with example inputs.

    Args:
        module: on the meta device where its weights should stay out of the graph; tensors of any other device become
            constants.
        inputs: arguments of its ``forward`` by name, in the order of its signature. Dynamic sizes must be at least 2,
            or the exporter takes them for constants.
        dynamic: for each input, its dynamic axes.
        outputs: names of the outputs.
        translations: how custom operators other than those of :mod:`inference.export.attention_ops` become nodes.

    Returns:
        The piece; its graph uses the operators of the domain ``larimar`` and of ONNX.
    """
    shapes = {name: dict.fromkeys(dynamic.get(name, ()), DYNAMIC) or None for name in inputs}
    with attention_ops.custom_ops(), torch.no_grad(), _quiet(), _operators_listed_once():
        program = torch.export.export(module, (), dict(inputs), dynamic_shapes=shapes, strict=False)
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            custom_translation_table={**attention_ops.translation_table(), **(translations or {})},
            optimize=False,
            verbose=False,
        )
        assert exported is not None
        graph = exported.model.graph
        weights = set()
        for name, value in graph.initializers.items():
            source = getattr(value.const_value, "raw", None)
            if isinstance(source, torch.Tensor) and source.is_meta:
                value.const_value = None
                weights.add(name)
        optimizer.optimize(exported.model)
    _restore_linears(graph)
    return Piece(graph, frozenset(weights & set(graph.initializers)))


def _restore_linears(graph: ir.Graph) -> None:
    """Turn ``MatMul(x, Transpose(weight))`` back into the linear layer that it was."""
    for node in list(graph):
        if node.op_type != "MatMul":
            continue
        transpose = node.inputs[1].producer()
        if transpose is None or transpose.op_type != "Transpose" or not transpose.inputs[0].is_initializer():
            continue
        linear = ir.node(LINEAR, [node.inputs[0], transpose.inputs[0]], domain=attention_ops.DOMAIN)
        _take_over(linear.outputs[0], node.outputs[0])
        ir.convenience.replace_nodes_and_values(graph, node, [node], [linear], node.outputs, linear.outputs)
        if not transpose.outputs[0].uses():
            graph.remove(transpose, safe=True)


def _take_over(new: ir.Value, old: ir.Value) -> None:
    new.name, new.shape, new.type = old.name, old.shape, old.type


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about packages it does not find, and values we left out, off the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


_listed: dict[int, _registration.ONNXRegistry] = {}


@contextmanager
def _operators_listed_once() -> Iterator[None]:
    """Let torch's exporter list its operators once: it would do so for each piece, a third of the time of tracing."""
    registry = _registration.ONNXRegistry
    original = vars(registry)["from_torchlib"]

    def from_torchlib(opset_version: int = OPSET) -> _registration.ONNXRegistry:
        if opset_version not in _listed:
            _listed[opset_version] = original.__func__(registry, opset_version)
        listed = copy(_listed[opset_version])
        # each export adds our operators to its own list
        listed.functions = {target: list(entries) for target, entries in listed.functions.items()}
        return listed

    registry.from_torchlib = staticmethod(from_torchlib)
    try:
        yield
    finally:
        registry.from_torchlib = original
