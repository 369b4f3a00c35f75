"""The embedder graph: token ids to input embeddings, and to per-layer embeddings where the model has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from inference.export.stitching import GraphBuilder
from inference.export.weights import WeightPlan

if TYPE_CHECKING:
    from transformers import Gemma4TextConfig


def build_embedder(
    config: Gemma4TextConfig, text_prefix: str, plan: WeightPlan, media_tokens: Sequence[int] = ()
) -> GraphBuilder:
    """Build the graph.

    Inputs and outputs: ``input_ids`` int64 [B, S] → ``inputs_embeds`` float32 [B, S, H], already multiplied by
    sqrt(H), and ``per_layer_inputs`` float32 [B, S, L, P], already multiplied by sqrt(P), not yet combined with the
    projection of the input embeddings: that needs the soft tokens of media, so the decoder does it.

    Args:
        config: the text configuration.
        text_prefix: what precedes the names of the text model's tensors in the checkpoint.
        plan: decides how the tables are stored.
        media_tokens: ids that stand for soft tokens of images, sound or video. Their per-layer embedding is that of
            the padding token, and so it is here: whoever runs the graph need not know.
    """
    builder = GraphBuilder("gemma4_embed_tokens")
    input_ids = builder.input("input_ids", ir.DataType.INT64, ["batch_size", "sequence_length"])
    embeds = lookup(
        builder, plan, f"{text_prefix}embed_tokens.weight", config.vocab_size, config.hidden_size, input_ids
    )
    embeds = builder.node("Mul", [embeds, builder.constant(np.array(config.hidden_size**0.5, np.float32))])
    builder.output("inputs_embeds", embeds, ir.DataType.FLOAT, ["batch_size", "sequence_length", config.hidden_size])
    size = getattr(config, "hidden_size_per_layer_input", 0)
    if size:
        layers = config.num_hidden_layers
        name = f"{text_prefix}embed_tokens_per_layer.weight"
        ids = _without_media(builder, input_ids, media_tokens, config.pad_token_id or 0)
        per_layer = lookup(builder, plan, name, config.vocab_size_per_layer_input, layers * size, ids)
        per_layer = builder.node("Mul", [per_layer, builder.constant(np.array(size**0.5, np.float32))])
        per_layer = builder.node("Reshape", [per_layer, builder.integers(0, 0, layers, size)])
        builder.output(
            "per_layer_inputs", per_layer, ir.DataType.FLOAT, ["batch_size", "sequence_length", layers, size]
        )
    del builder.graph.opset_imports["larimar"]
    return builder


def _without_media(builder: GraphBuilder, input_ids: ir.Value, media_tokens: Sequence[int], pad_token: int) -> ir.Value:
    for token in media_tokens:
        found = builder.node("Equal", [input_ids, builder.constant(np.array(token, np.int64))])
        input_ids = builder.node("Where", [found, builder.constant(np.array(pad_token, np.int64)), input_ids])
    return input_ids


def lookup(
    builder: GraphBuilder, plan: WeightPlan, name: str, rows: int, columns: int, input_ids: ir.Value
) -> ir.Value:
    """Add the lookup of rows of the matrix ``name``, [rows, columns], and return them, float32 [..., columns]."""
    stored = plan.table(name, rows, columns)
    for value in stored.values:
        builder.graph.register_initializer(value)
    if stored.bits is None:
        found = builder.node("Gather", [stored.values[0], input_ids], {"axis": 0})
        if stored.values[0].dtype == ir.DataType.FLOAT:
            return found
        return builder.node("Cast", [found], {"to": ir.DataType.FLOAT.value})
    packed, *parameters = stored.values
    attributes = {"bits": stored.bits, "block_size": stored.block_size, "gather_axis": 0, "quantize_axis": 1}
    rows_found = builder.node(
        "GatherBlockQuantized", [packed, input_ids, *parameters], attributes, domain="com.microsoft"
    )
    if columns % stored.block_size == 0:
        return rows_found
    padding_starts = builder.integers(columns)
    return builder.node("Slice", [rows_found, builder.integers(0), padding_starts, builder.integers(-1)])
