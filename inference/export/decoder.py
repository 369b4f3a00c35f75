"""The decoder graph: all layers, their KV cache, and the logits.

Inputs and outputs are those of the ``onnx-community`` folders, so that a decoder of ours runs in transformers.js;
``last_hidden_state`` (for the drafter) is an output that other runtimes do not ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
import torch

from inference.export import attention_ops, expert_ops
from inference.export.families import CACHE_ARGUMENT, Family
from inference.export.stitching import GraphBuilder
from inference.export.tracing import Piece, trace

if TYPE_CHECKING:
    from transformers import Gemma4TextConfig

_LENGTH, _PAST = 5, 7  # example sizes for tracing: different from each other and from 1
_SLIDING, _FULL = "sliding_attention", "full_attention"
_FLOAT, _INT64 = ir.DataType.FLOAT, ir.DataType.INT64
_END = np.iinfo(np.int64).max


class _NewStatesOnly:
    """Stands in for transformers' cache: hands back the new keys and values, since the attention op keeps the cache."""

    is_compileable = False

    def update(self, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        return key, value


class _Layer(torch.nn.Module):
    """One decoder layer with its cache as plain arguments."""

    def __init__(self, layer: torch.nn.Module, layer_type: str) -> None:
        super().__init__()
        self.layer = layer
        self.layer_type = layer_type

    def forward(
        self,
        hidden_states: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        past_key: torch.Tensor,
        past_value: torch.Tensor,
        last_index: torch.Tensor,
        total_length: torch.Tensor,
        per_layer_input: torch.Tensor | None = None,
        block_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        context = attention_ops.AttentionContext(past_key, past_value, last_index, total_length, block_ids)
        with attention_ops.attention_context(context):
            hidden_states = self.layer(
                hidden_states,
                **({} if per_layer_input is None else {"per_layer_input": per_layer_input}),
                shared_kv_states={self.layer_type: (past_key, past_value)},
                position_embeddings=(cos, sin),
                attention_mask=None,
                **{CACHE_ARGUMENT: _NewStatesOnly()},
            )
        return (hidden_states, *(context.present or ()))


class _Rotary(torch.nn.Module):
    """Positions to cosines and sines, one half of each, per layer type."""

    def __init__(self, rotary_embedding: torch.nn.Module, layer_types: list[str]) -> None:
        super().__init__()
        self.rotary_embedding = rotary_embedding
        self.layer_types = layer_types

    def forward(self, position_ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        like = torch.zeros(())
        halves = []
        for layer_type in self.layer_types:
            for table in self.rotary_embedding(like, position_ids, layer_type):
                halves.append(table[..., : table.shape[-1] // 2])
        return tuple(halves)


class _PerLayerInputs(torch.nn.Module):
    """Per-layer embeddings: the looked-up part and the projection of the input embeddings, combined."""

    def __init__(self, text_model: Any) -> None:
        super().__init__()
        self.per_layer_model_projection = text_model.per_layer_model_projection
        self.per_layer_projection_norm = text_model.per_layer_projection_norm
        self._project: Callable[..., torch.Tensor] = type(text_model).project_per_layer_inputs
        self.config = text_model.config
        self.hidden_size_per_layer_input = text_model.hidden_size_per_layer_input
        self.per_layer_model_projection_scale = text_model.per_layer_model_projection_scale
        self.per_layer_input_scale = text_model.per_layer_input_scale

    def forward(self, inputs_embeds: torch.Tensor, per_layer_inputs: torch.Tensor) -> torch.Tensor:
        return self._project(self, inputs_embeds, per_layer_inputs)


class _Head(torch.nn.Module):
    """Final norm and logits with the soft cap."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.norm = model.model.norm
        self.lm_head = model.lm_head
        self.cap = model.config.final_logit_softcapping

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden_states = self.norm(hidden_states)
        logits = self.lm_head(hidden_states)
        if self.cap is not None:
            logits = torch.tanh(logits / self.cap) * self.cap
        return logits, hidden_states


def build_decoder(
    config: Gemma4TextConfig,
    family: Family,
    text_prefix: str,
    lm_head: str,
    progress: Callable[[float], None] | None = None,
) -> GraphBuilder:
    """Build the decoder graph from the configuration alone.

    Args:
        config: the text configuration.
        family: its branch of Gemma 4.
        text_prefix: what precedes the names of the text model's tensors in the checkpoint.
        lm_head: the name of the matrix that makes logits, in the checkpoint.
        progress: called with the fraction done.

    Returns:
        The graph, its operators still those of the domain ``larimar``, its weights named as in the checkpoint.
    """
    report = progress or (lambda _: None)
    config._attn_implementation = attention_ops.IMPLEMENTATION
    with torch.device("meta"):
        model = family.causal_lm(config).eval()
    text_model = model.model
    layer_count = config.num_hidden_layers
    owners = layer_count - config.num_kv_shared_layers
    per_layer_size = getattr(config, "hidden_size_per_layer_input", 0)

    builder = GraphBuilder("gemma4_decoder")
    inputs_embeds = builder.input("inputs_embeds", _FLOAT, ["batch_size", "sequence_length", config.hidden_size])
    if per_layer_size:
        per_layer_inputs = builder.input(
            "per_layer_inputs", _FLOAT, ["batch_size", "sequence_length", layer_count, per_layer_size]
        )
    attention_mask = builder.input("attention_mask", _INT64, ["batch_size", "total_sequence_length"])
    position_ids = builder.input("position_ids", _INT64, ["batch_size", "sequence_length"])
    kept = builder.input("num_logits_to_keep", _INT64, [], default=np.array(0, np.int64))
    lengths = _lengths(builder, attention_mask, layer_types := sorted(set(config.layer_types)))
    block_ids: ir.Value | None = None
    if config.use_bidirectional_attention == "vision":
        block_ids = builder.input("vision_block_ids", _INT64, [1, "vision_rows"], default=np.zeros((1, 0), np.int64))

    kept_rows = _KeptRows(builder, inputs_embeds, kept)
    tables = dict(zip(layer_types, _rotary_tables(builder, config, family, layer_types, position_ids), strict=True))
    per_layer: ir.Value | None = None
    if per_layer_size:
        per_layer = _add_per_layer_inputs(builder, text_model, text_prefix, inputs_embeds, per_layer_inputs)

    pieces: dict[Any, Piece] = {}
    hidden = inputs_embeds
    caches: dict[str, tuple[ir.Value, ir.Value]] = {}
    presents: list[tuple[str, ir.Value, list[int | str]]] = []
    for index, (layer, layer_type) in enumerate(zip(text_model.layers, config.layer_types, strict=True)):
        shared = index >= owners
        if index == owners:
            hidden = kept_rows.of(hidden)
            per_layer = kept_rows.of(per_layer)
            tables = {name: tuple(kept_rows.of(table) for table in pair) for name, pair in tables.items()}
        heads, size = _cache_shape(config, index)
        kind = (layer_type, shared, layer.mlp.intermediate_size)
        if kind not in pieces:
            blocks = block_ids is not None and layer_type == _SLIDING
            pieces[kind] = _trace_layer(layer, layer_type, shared, config, heads, size, blocks)
        if not shared:
            caches[layer_type] = tuple(
                builder.input(
                    f"past_key_values.{index}.{part}", _FLOAT, ["batch_size", heads, "past_sequence_length", size]
                )
                for part in ("key", "value")
            )
        past_key, past_value = caches[layer_type]
        inputs = {
            "hidden_states": hidden,
            "cos": tables[layer_type][0],
            "sin": tables[layer_type][1],
            "past_key": past_key,
            "past_value": past_value,
            "last_index": lengths[layer_type][0],
            "total_length": lengths[layer_type][1],
        }
        if block_ids is not None:
            inputs["block_ids"] = block_ids
        if per_layer is not None:
            inputs["per_layer_input"] = builder.node(
                "Gather", [per_layer, builder.constant(np.array(index, np.int64))], {"axis": 2}
            )
        prefix = f"layers.{index}."
        names = {name: text_prefix + prefix + name.removeprefix("layer.") for name in pieces[kind].weights}
        hidden, *present = builder.add(pieces[kind], inputs, prefix, names)
        if present:
            caches[layer_type] = (present[0], present[1])
            shape: list[int | str] = ["batch_size", heads, "total_sequence_length", size]
            presents.append((f"present.{index}.key", present[0], shape))
            presents.append((f"present.{index}.value", present[1], shape))
        report((index + 1) / (layer_count + 1))
    if owners == layer_count:
        hidden = kept_rows.of(hidden)

    logits, hidden = _add_head(builder, model, text_prefix, lm_head, hidden)
    builder.output("logits", logits, _FLOAT, ["batch_size", "num_logits", config.vocab_size])
    for name, value, shape in presents:
        builder.output(name, value, _FLOAT, shape)
    builder.output("last_hidden_state", hidden, _FLOAT, ["batch_size", "num_logits", config.hidden_size])
    return builder


def _cache_shape(config: Gemma4TextConfig, index: int) -> tuple[int, int]:
    """Return the number of key/value heads and the head size of a layer."""
    layer = config.per_layer_config[index]
    return layer.num_key_value_heads, layer.head_dim


def _lengths(
    builder: GraphBuilder, attention_mask: ir.Value, layer_types: list[str]
) -> dict[str, tuple[ir.Value, ir.Value]]:
    """Return, by layer type, the index of the last valid position, int32 [B], and the total length, int32 scalar.

    Caches of sliding layers may hold fewer positions than those of full layers: the optional input ``sliding_length``
    then says how many are valid after this call. 0, its default, means: as many as everywhere.
    """
    count = builder.node("ReduceSum", [attention_mask, builder.integers(1)], {"keepdims": 0})
    total = builder.node("Squeeze", [builder.node("Shape", [attention_mask], {"start": 1, "end": 2})])
    lengths = {_FULL: (count, total)}
    if _SLIDING in layer_types:
        zero = builder.constant(np.array(0, np.int64))
        given = builder.input("sliding_length", _INT64, [], default=np.array(0, np.int64))
        absent = builder.node("Equal", [given, zero])
        lengths[_SLIDING] = (
            builder.node("Where", [absent, count, given]),
            builder.node("Where", [absent, total, given]),
        )
    cast = {"to": ir.DataType.INT32.value}
    one = builder.integers(1)
    return {
        layer_type: (
            builder.node("Cast", [builder.node("Sub", [valid, one])], cast),
            builder.node("Cast", [end], cast),
        )
        for layer_type, (valid, end) in lengths.items()
    }


class _KeptRows:
    """Slices the last ``num_logits_to_keep`` rows (all for 0) of [B, S, …] values."""

    def __init__(self, builder: GraphBuilder, inputs_embeds: ir.Value, kept: ir.Value) -> None:
        self._builder = builder
        length = builder.node("Shape", [inputs_embeds], {"start": 1, "end": 2})
        start = builder.node("Max", [builder.node("Sub", [length, kept]), builder.integers(0)])
        everything = builder.node("Equal", [kept, builder.constant(np.array(0, np.int64))])
        self._start = builder.node("Where", [everything, builder.integers(0), start])

    def of(self, value: Any) -> Any:
        if value is None:
            return None
        kept = self._builder.node(
            "Slice", [value, self._start, self._builder.integers(_END), self._builder.integers(1)]
        )
        kept.type = value.type
        kept.shape = ir.Shape([value.shape[0], "num_logits", *value.shape[2:]])
        return kept


def _rotary_tables(
    builder: GraphBuilder, config: Gemma4TextConfig, family: Family, layer_types: list[str], position_ids: ir.Value
) -> Iterator[tuple[ir.Value, ir.Value]]:
    module = _Rotary(family.rotary_embedding(config), layer_types)
    names = [f"{table}_{layer_type}" for layer_type in layer_types for table in ("cos", "sin")]
    positions = torch.arange(_LENGTH).unsqueeze(0)
    piece = trace(module, {"position_ids": positions}, {"position_ids": [1]}, names)
    tables = builder.add(piece, {"position_ids": position_ids}, "rotary.", {})
    return zip(tables[::2], tables[1::2], strict=True)


def _add_per_layer_inputs(
    builder: GraphBuilder, text_model: Any, text_prefix: str, inputs_embeds: ir.Value, per_layer_inputs: ir.Value
) -> ir.Value:
    config = text_model.config
    with torch.device("meta"):
        inputs = {
            "inputs_embeds": torch.zeros(1, _LENGTH, config.hidden_size),
            "per_layer_inputs": torch.zeros(1, _LENGTH, config.num_hidden_layers, config.hidden_size_per_layer_input),
        }
    piece = trace(_PerLayerInputs(text_model), inputs, {name: [1] for name in inputs}, ["per_layer"])
    names = {name: text_prefix + name for name in piece.weights}
    values = {"inputs_embeds": inputs_embeds, "per_layer_inputs": per_layer_inputs}
    return builder.add(piece, values, "per_layer.", names)[0]


def _trace_layer(
    layer: torch.nn.Module,
    layer_type: str,
    shared: bool,
    config: Gemma4TextConfig,
    heads: int,
    size: int,
    blocks: bool,
) -> Piece:
    per_layer_size = getattr(config, "hidden_size_per_layer_input", 0)
    with torch.device("meta"):
        cache = torch.zeros(1, heads, _PAST + _LENGTH if shared else _PAST, size)
        inputs = {
            "hidden_states": torch.zeros(1, _LENGTH, config.hidden_size),
            "cos": torch.zeros(1, _LENGTH, size // 2),
            "sin": torch.zeros(1, _LENGTH, size // 2),
            "past_key": cache,
            "past_value": cache.clone(),
            "last_index": torch.zeros(1, dtype=torch.int32),
            "total_length": torch.zeros((), dtype=torch.int32),
        }
        if per_layer_size:
            inputs["per_layer_input"] = torch.zeros(1, _LENGTH, per_layer_size)
        if blocks:
            inputs["block_ids"] = torch.zeros(1, _LENGTH, dtype=torch.int64)
    dynamic = {
        **{name: [1] for name in ("hidden_states", "cos", "sin", "per_layer_input", "block_ids")},
        **{name: [2] for name in ("past_key", "past_value")},
    }
    outputs = ["hidden"] if shared else ["hidden", "present_key", "present_value"]
    with expert_ops.expert_ops():
        return trace(_Layer(layer, layer_type), inputs, dynamic, outputs, expert_ops.translation_table())


def _add_head(builder: GraphBuilder, model: Any, text_prefix: str, lm_head: str, hidden: ir.Value) -> list[ir.Value]:
    with torch.device("meta"):
        example = torch.zeros(1, _LENGTH, model.config.hidden_size)
    piece = trace(_Head(model), {"hidden_states": example}, {"hidden_states": [1]}, ["logits", "last_hidden_state"])
    names = {"norm.weight": f"{text_prefix}norm.weight", "lm_head.weight": lm_head}
    return builder.add(piece, {"hidden_states": hidden}, "head.", names)
