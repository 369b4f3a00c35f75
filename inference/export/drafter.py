"""The drafter graph: one step of multi-token prediction (MTP).

A drafter guesses the token after next from the target's last hidden state and the embedding of the token just chosen.
Its few layers have no keys and values: they attend to those of the target, read in place from the target's KV cache.
From its own output it goes on to the next guess, at the same position, since no keys are added in between.

Inputs (T: hidden size of the target, V: vocabulary):

* ``inputs_embeds`` float32 [1, 1, 2·T]: the token's scaled embedding, as the embedder graph gives it, then the hidden
  state: the target's ``last_hidden_state``, later the drafter's own ``projected_state``;
* ``position_ids`` int64 [1, 1]: the number of tokens before the token just chosen;
* ``shared_kv.{layer type}.key`` and ``.value`` float32 [1, Hkv, capacity, D]: the buffers of the target's last layer of
  that type that has keys and values of its own, whatever their capacity;
* ``shared_kv.{layer type}.length`` int64 [1]: how many positions at the front of those buffers are valid.

Outputs: ``projected_state`` float32 [1, 1, T], ``logits`` float32 [1, 1, V], and for ordered embeddings
``candidate_ids`` int64 [1, 1, C] and ``candidate_logits`` float32 [1, 1, C]: the tokens of the likeliest clusters, in
no particular order. ``logits`` then holds the candidates' logits and, everywhere else, the least of them less 1; who
asks for the candidates only, with ``only_execute_path_to_fetches``, does not pay for it.

A query of a sliding layer sees the last W + 1 of the valid positions, one more than the target's own queries do: so
does transformers 5.23, which we equal number by number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
import torch

from inference.export import attention_ops
from inference.export.drafter_checkpoint import Clusters, DrafterCheckpoint, cache_shapes
from inference.export.embedder import lookup
from inference.export.lowering import lower
from inference.export.reference_fixes import kv_sharing_fixed
from inference.export.stitching import GraphBuilder
from inference.export.tracing import LINEAR, Piece, trace
from inference.export.weights import Precision, WeightPlan

if TYPE_CHECKING:
    from transformers import Gemma4TextConfig

DRAFTER = "drafter"
"""Stem of the graph's file."""

_LENGTH, _CAPACITY = 5, 7  # example sizes for tracing: different from each other and from 1
_SLIDING = "sliding_attention"
_FLOAT, _INT64, _INT32 = ir.DataType.FLOAT, ir.DataType.INT64, ir.DataType.INT32


class _Layer(torch.nn.Module):
    """One layer, the target's keys and values being plain arguments."""

    def __init__(self, layer: torch.nn.Module, layer_type: str) -> None:
        super().__init__()
        self.layer = layer
        self.layer_type = layer_type

    def forward(
        self,
        hidden_states: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        last_index: torch.Tensor,
        total_length: torch.Tensor,
    ) -> torch.Tensor:
        context = attention_ops.AttentionContext(key, value, last_index, total_length)
        with attention_ops.attention_context(context):
            output: torch.Tensor = self.layer(
                hidden_states,
                shared_kv_states={self.layer_type: (key, value)},
                position_embeddings=(cos, sin),
                attention_mask=None,
            )
        return output


class _Rotary(torch.nn.Module):
    """Positions to one half of the cosines and one half of the sines of each layer type."""

    def __init__(self, rotary_embedding: torch.nn.Module, layer_types: list[str]) -> None:
        super().__init__()
        self.rotary_embedding = rotary_embedding
        self.layer_types = layer_types

    def forward(self, position_ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        like = torch.zeros(())
        tables = [table for name in self.layer_types for table in self.rotary_embedding(like, position_ids, name)]
        return tuple(table[..., : table.shape[-1] // 2] for table in tables)


def drafter_plan(source: DrafterCheckpoint, precision: Precision) -> WeightPlan:
    """Return how the weights of a drafter are stored in a folder of the given precision.

    As the target's, except that 4 bits become 8 for ordered embeddings that were not trained for 4: such a drafter
    reads so little for a guess that 4 bits save no time (E2B's takes 1.2 ms with 8 and 1.5 ms with 4, for the lookup is
    slower), and it is so small that they cost it guesses.
    """
    wide = precision == "q4" and source.clusters is not None and not source.trained_for_q4_0
    return WeightPlan(source, "q8" if wide else precision)


def build_drafter(
    source: DrafterCheckpoint, plan: WeightPlan, progress: Callable[[float], None] | None = None
) -> GraphBuilder:
    """Build the graph.

    Args:
        source: the drafter.
        plan: decides how its weights are stored.
        progress: called with the fraction done.

    Returns:
        The finished graph, in ONNX Runtime's operators, every weight with its source.
    """
    report = progress or (lambda _: None)
    config, prefix = source.text_config, source.text_prefix
    config._attn_implementation = attention_ops.IMPLEMENTATION
    with torch.device("meta"), kv_sharing_fixed():
        layers = source.family.causal_lm(config).eval().model.layers

    width, target_width = config.hidden_size, source.target_hidden_size
    builder = GraphBuilder("gemma4_drafter")
    inputs_embeds = builder.input("inputs_embeds", _FLOAT, [1, 1, 2 * target_width])
    position_ids = builder.input("position_ids", _INT64, [1, 1])
    layer_types = sorted(set(config.layer_types))
    context = {layer_type: _shared_keys_and_values(builder, config, layer_type) for layer_type in layer_types}
    tables = _rotary_tables(builder, source, layer_types, position_ids)

    hidden = _linear(builder, inputs_embeds, "pre_projection.weight", width, 2 * target_width)
    pieces: dict[str, Piece] = {}
    for index, (layer, layer_type) in enumerate(zip(layers, config.layer_types, strict=True)):
        if layer_type not in pieces:
            pieces[layer_type] = _trace_layer(layer, layer_type, config)
        piece = pieces[layer_type]
        names = {name: f"{prefix}layers.{index}.{name.removeprefix('layer.')}" for name in piece.weights}
        inputs = {"hidden_states": hidden, **tables[layer_type], **context[layer_type]}
        (hidden,) = builder.add(piece, inputs, f"layers.{index}.", names)
        report((index + 1) / (len(layers) + 1))
    weight = builder.weight(f"{prefix}norm.weight", [width])
    hidden = _typed(
        builder.node("RMSNorm", [hidden, weight], {"epsilon": config.rms_norm_eps}, attention_ops.DOMAIN), [1, 1, width]
    )

    projected = _linear(builder, hidden, "post_projection.weight", target_width, width)
    builder.output("projected_state", projected, _FLOAT, [1, 1, target_width])
    if source.clusters is None:
        logits = _linear(builder, hidden, f"{prefix}embed_tokens.weight", config.vocab_size, width)
    else:
        logits = _add_clusters(builder, plan, source, source.clusters, hidden)
    builder.output("logits", logits, _FLOAT, [1, 1, config.vocab_size])
    lower(builder, plan)
    report(1.0)
    return builder


def _shared_keys_and_values(builder: GraphBuilder, config: Gemma4TextConfig, layer_type: str) -> dict[str, ir.Value]:
    """Add the inputs that bring the target's keys and values to the layers of one type."""
    name = f"shared_kv.{layer_type}"
    heads, size = cache_shapes(config)[layer_type]
    shape: list[int | str] = [1, heads, f"{layer_type}_capacity", size]
    key, value = (builder.input(f"{name}.{part}", _FLOAT, shape) for part in ("key", "value"))
    length = builder.input(f"{name}.length", _INT64, [1])
    narrow = {"to": _INT32.value}
    return {
        "key": key,
        "value": value,
        "last_index": builder.node("Cast", [builder.node("Sub", [length, builder.integers(1)])], narrow),
        "total_length": builder.node("Cast", [builder.node("Squeeze", [length])], narrow),
    }


def _rotary_tables(
    builder: GraphBuilder, source: DrafterCheckpoint, layer_types: list[str], position_ids: ir.Value
) -> dict[str, dict[str, ir.Value]]:
    module = _Rotary(source.family.rotary_embedding(source.text_config), layer_types)
    names = [f"{table}_{layer_type}" for layer_type in layer_types for table in ("cos", "sin")]
    example = {"position_ids": torch.arange(_LENGTH).unsqueeze(0)}
    piece = trace(module, example, {"position_ids": [1]}, names)
    values = iter(builder.add(piece, {"position_ids": position_ids}, "rotary.", {}))
    return {layer_type: {"cos": next(values), "sin": next(values)} for layer_type in layer_types}


def _trace_layer(layer: torch.nn.Module, layer_type: str, config: Gemma4TextConfig) -> Piece:
    heads, size = cache_shapes(config)[layer_type]
    if layer_type == _SLIDING:
        layer.self_attn.sliding_window = config.sliding_window + 1  # see the module's description
    with torch.device("meta"):
        inputs = {
            "hidden_states": torch.zeros(1, _LENGTH, config.hidden_size),
            "cos": torch.zeros(1, _LENGTH, size // 2),
            "sin": torch.zeros(1, _LENGTH, size // 2),
            "key": torch.zeros(1, heads, _CAPACITY, size),
            "value": torch.zeros(1, heads, _CAPACITY, size),
            "last_index": torch.zeros(1, dtype=torch.int32),
            "total_length": torch.zeros((), dtype=torch.int32),
        }
    dynamic = {**{name: [1] for name in ("hidden_states", "cos", "sin")}, "key": [2], "value": [2]}
    return trace(_Layer(layer, layer_type), inputs, dynamic, ["hidden"])


def _add_clusters(
    builder: GraphBuilder, plan: WeightPlan, source: DrafterCheckpoint, clusters: Clusters, hidden: ir.Value
) -> ir.Value:
    """Add the head of ordered embeddings and return the full logits.

    It is written out instead of traced, for transformers' own looks a token's row up one by one and takes a number out
    of the graph on the way. Looking up whole clusters is 3 (int4) to 6 (int8) times as fast.
    """
    vocabulary, width = source.text_config.vocab_size, source.text_config.hidden_size
    count = clusters.chosen * clusters.size
    scores = _linear(builder, hidden, "masked_embedding.centroids.weight", clusters.count, width)
    top = ir.node("TopK", [scores, builder.integers(clusters.chosen)], attributes={"axis": -1}, num_outputs=2)
    top.name = "clusters.top"
    for value, name in zip(top.outputs, ("scores", "indices"), strict=True):
        value.name = f"clusters.top.{name}"
    builder.graph.append(top)
    chosen = builder.node("Reshape", [top.outputs[1], builder.integers(clusters.chosen)])

    members = builder.constant(source.token_ordering().reshape(clusters.count, clusters.size))
    ids = builder.node("Gather", [members, chosen], {"axis": 0})
    ids = builder.node("Reshape", [ids, builder.integers(1, 1, count)])
    rows = lookup(builder, plan, source.CLUSTERS, clusters.count, clusters.size * width, chosen)
    rows = builder.node("Reshape", [rows, builder.integers(count, width)])
    flat = builder.node("Reshape", [hidden, builder.integers(1, width)])
    logits = builder.node("Gemm", [flat, rows], {"transB": 1})
    logits = builder.node("Reshape", [logits, builder.integers(1, 1, count)])
    builder.output("candidate_ids", ids, _INT64, [1, 1, count])
    builder.output("candidate_logits", logits, _FLOAT, [1, 1, count])

    least = builder.node("ReduceMin", [logits], {"keepdims": 1})
    fill = builder.node("Sub", [least, builder.constant(np.array(1, np.float32))])
    everywhere = builder.node("Expand", [fill, builder.integers(1, 1, vocabulary)])
    return builder.node("ScatterElements", [everywhere, ids, logits], {"axis": -1})


def _linear(builder: GraphBuilder, states: ir.Value, name: str, rows: int, columns: int) -> ir.Value:
    """Multiply [1, 1, columns] by the weight ``name``, [rows, columns]."""
    weight = builder.weight(name, [rows, columns])
    return _typed(builder.node(LINEAR, [states, weight], domain=attention_ops.DOMAIN), [1, 1, rows])


def _typed(value: ir.Value, shape: list[Any]) -> ir.Value:
    value.shape, value.type = ir.Shape(shape), ir.TensorType(_FLOAT)
    return value
