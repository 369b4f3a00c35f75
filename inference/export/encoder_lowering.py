"""Writes the operators of the encoders in those of ONNX Runtime; runs before :mod:`inference.export.lowering`.

Attention becomes ``MultiHeadAttention``, which on the CPU walks over the keys in blocks (flash attention) as long as
it is given neither mask nor bias: scores of 10,080 patches would take gigabytes. So padding is not masked but scored
away: queries get one more component, 1, and keys one more, 0 or -1e9, the product of which is added to each score.
Where nothing is padded, as in all our own runs, a branch of the graph leaves the component out.

Quantised linear layers have blockwise int8 weights, whose operator rounds its input in blocks too. One scale for each
output channel and one step for the whole input is no faster where the processor multiplies bytes well, and its error
is 1.6 times as large: at E2B's true size, with random weights, 3.3 % of a soft token against 2.1 % (images) and 6.6 %
against 4.1 % (sound); computing in bfloat16 costs 1.1 % (sound).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from inference.export.encoder_weights import EncoderWeights
from inference.export.quantize import BLOCK_SIZE
from inference.export.stitching import GraphBuilder

_MICROSOFT = "com.microsoft"
_SCORED_AWAY = -1e9


def lower_encoder(builder: GraphBuilder, weights: EncoderWeights) -> None:
    """Replace the encoder operators of the graph; other ``larimar`` nodes stay."""
    _Lowering(builder, weights).run()


class _Lowering:
    def __init__(self, builder: GraphBuilder, weights: EncoderWeights) -> None:
        self._builder = builder
        self._graph = builder.graph
        self._weights = weights
        self._node: ir.Node  # the one being replaced; new ones go before it
        self._count = 0
        self._clipped: dict[tuple[ir.Value, float, float], ir.Value] = {}
        self._padding: dict[ir.Value, _Padding] = {}

    def run(self) -> None:
        handlers = {
            "BidirectionalAttention": self._attention,
            "ClippedLinear": self._clipped_linear,
            "Linear": self._linear,
        }
        for node in list(self._graph):
            if node.domain != "larimar" or node.op_type not in handlers:
                continue
            self._node = node
            output, old = handlers[node.op_type](node), node.outputs[0]
            output.shape, output.type = old.shape, old.type
            ir.convenience.replace_all_uses_with(old, output)
            producers = [value.producer() for value in node.inputs]
            self._graph.remove(node, safe=True)
            for producer in producers:
                if producer is not None and producer.op_type == "Transpose" and not producer.outputs[0].uses():
                    self._graph.remove(producer, safe=True)

    def _new(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: dict[str, Any] | None = None,
        domain: str = "",
        outputs: int = 1,
    ) -> Sequence[ir.Value]:
        """Add a node before the one that is being replaced."""
        node = self._detached(op_type, inputs, attributes, domain, outputs)
        self._graph.insert_before(self._node, node)
        values: Sequence[ir.Value] = node.outputs
        return values

    def _detached(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        attributes: dict[str, Any] | None = None,
        domain: str = "",
        outputs: int = 1,
    ) -> ir.Node:
        node = ir.node(op_type, list(inputs), attributes=attributes or {}, domain=domain, num_outputs=outputs)
        self._count += 1
        node.name = f"encoder.{op_type.lower()}.{self._count}"
        for number, value in enumerate(node.outputs):
            value.name = f"{node.name}.{number}"
        return node

    # linear layers

    def _clipped_linear(self, node: ir.Node) -> ir.Value:
        states, weight, *limits = node.inputs
        input_min, input_max, output_min, output_max = (self._weights.scalar(limit.name or "") for limit in limits)
        clipped = self._clip(states, input_min, input_max)
        return self._clip(self._product(clipped, weight), output_min, output_max)

    def _linear(self, node: ir.Node) -> ir.Value:
        states, weight = node.inputs
        return self._product(states, weight)

    def _clip(self, states: ir.Value, least: float, greatest: float) -> ir.Value:
        if least == -np.inf and greatest == np.inf:
            return states
        key = (states, least, greatest)
        if key not in self._clipped:
            limits = [self._builder.constant(np.array(limit, np.float32)) for limit in (least, greatest)]
            (self._clipped[key],) = self._new("Clip", [states, *limits])
        return self._clipped[key]

    def _product(self, states: ir.Value, weight: ir.Value) -> ir.Value:
        name, (rows, columns) = weight.name or "", (int(size) for size in weight.shape)
        if not self._weights.quantizes(name):
            matrix = self._registered(self._weights.matrix(name, rows, columns))
            return self._new("MatMul", [states, matrix])[0]
        packed, scales = (self._registered(value) for value in self._weights.blockwise(name, rows, columns))
        attributes = {"K": columns, "N": rows, "bits": 8, "block_size": BLOCK_SIZE, "accuracy_level": 4}
        return self._new("MatMulNBits", [states, packed, scales], attributes, _MICROSOFT)[0]

    def _registered(self, value: ir.Value) -> ir.Value:
        self._graph.register_initializer(value)
        return value

    # attention

    def _attention(self, node: ir.Node) -> ir.Value:
        *states, valid = node.inputs
        if valid not in self._padding:
            self._padding[valid] = self._pad(valid, heads=int(states[0].shape[1]), size=int(states[0].shape[3]))
        padding = self._padding[valid]
        # transformers hands over transposed states, [B, H, S, D]; the operator wants [B, S, H·D]
        query, key, value = (state.producer().inputs[0] for state in states)
        attributes = {"num_heads": int(states[0].shape[1]), "scale": node.attributes["scale"].as_float()}

        def attend(query: ir.Value, key: ir.Value) -> list[ir.Node]:
            flat = [
                self._detached("Reshape", [state, self._builder.integers(0, 0, -1)]) for state in (query, key, value)
            ]
            inputs = [node.outputs[0] for node in flat]
            return [*flat, self._detached("MultiHeadAttention", inputs, attributes, _MICROSOFT)]

        longer = [
            self._detached("Concat", [state, component], {"axis": -1})
            for state, component in ((query, padding.query_component), (key, padding.key_component))
        ]
        masked = [*longer, *attend(*(node.outputs[0] for node in longer))]
        if not self._weights.for_cpu:
            self._graph.insert_before(node, masked)
            return masked[-1].outputs[0]
        branches = {"then_branch": attend(query, key), "else_branch": masked}
        return self._new("If", [padding.absent], {name: _branch(name, nodes) for name, nodes in branches.items()})[0]

    def _pad(self, valid: ir.Value, heads: int, size: int) -> _Padding:
        def scalar(number: float) -> ir.Value:
            return self._builder.constant(np.array(number, np.float32))

        (per_key,) = self._new("Where", [valid, scalar(0), scalar(_SCORED_AWAY)])
        (least,) = self._new("ReduceMin", [per_key], {"keepdims": 0})
        (absent,) = self._new("Equal", [least, scalar(0)])
        (column,) = self._new("Unsqueeze", [per_key, self._builder.integers(2, 3)])
        (key_component,) = self._new("Tile", [column, self._builder.integers(1, 1, heads, 1)])
        (shape,) = self._new("Shape", [key_component])
        (query_component,) = self._new("ConstantOfShape", [shape], {"value": ir.tensor(np.array([1], np.float32))})
        components = [query_component, key_component]
        if not self._weights.for_cpu:
            # kernels of GPUs want head sizes that are multiples of eight
            widths = self._builder.integers(0, 0, 0, 0, 0, 0, 0, -(size + 1) % 8)
            components = [self._new("Pad", [component, widths])[0] for component in components]
        return _Padding(absent, *components)


def _branch(name: str, nodes: list[ir.Node]) -> ir.AttrGraph:
    output = nodes[-1].outputs[0]
    output.type = ir.TensorType(ir.DataType.FLOAT)
    return ir.AttrGraph(name, ir.Graph([], [output], nodes=nodes, name=f"{output.name}.{name}"))


@dataclass(frozen=True)
class _Padding:
    absent: ir.Value
    """Whether no patch is padding, bool scalar."""
    query_component: ir.Value
    """What queries are made longer by, [B, S, H, 1] or a little more."""
    key_component: ir.Value
