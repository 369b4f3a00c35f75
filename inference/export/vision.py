"""The vision encoder graph of E2B, E4B, 26B-A4B and 31B: patches of images to soft tokens.

The encoder works on each image by itself; padding patches, whose position is (-1, -1), influence nothing and leave no
soft token. Frames of a video are images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import onnx_ir as ir
import torch
from transformers.models.gemma4 import modeling_gemma4

from inference.export import encoder_ops
from inference.export.encoder_lowering import lower_encoder
from inference.export.encoder_weights import EncoderWeights
from inference.export.stitching import GraphBuilder
from inference.export.tracing import Piece, trace

if TYPE_CHECKING:
    from transformers import Gemma4VisionConfig

TOWER, EMBEDDER = "vision_tower.", "embed_vision."

_BATCH, _PATCHES = 2, 36  # example sizes for tracing
_FLOAT, _INT64 = ir.DataType.FLOAT, ir.DataType.INT64
_TABLES = ("cos_x", "sin_x", "cos_y", "sin_y")


class _Patches(torch.nn.Module):
    """Pixels and positions to patch embeddings; also tells patches from padding."""

    def __init__(self, patch_embedder: Any) -> None:
        super().__init__()
        self.patch_embedder = patch_embedder
        # two tables instead of the two halves of one: a slice of the table would be copied
        table = patch_embedder.position_embedding_table
        del patch_embedder.position_embedding_table
        patch_embedder.position_embedding_table = torch.nn.ParameterList(
            torch.nn.Parameter(torch.empty(table.shape[1:], device="meta")) for _ in range(table.shape[0])
        )

    def forward(
        self, pixel_values: torch.Tensor, pixel_position_ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        padding = (pixel_position_ids == -1).all(dim=-1)
        return self.patch_embedder(pixel_values, pixel_position_ids, padding), ~padding


class _Rotary(torch.nn.Module):
    """Positions to cosines and sines, [B, P, D/4] per axis: of each axis' share of a head, one half."""

    def __init__(self, config: Gemma4VisionConfig) -> None:
        super().__init__()
        self.rotary_embedding = modeling_gemma4.Gemma4VisionRotaryEmbedding(config)

    def forward(self, pixel_position_ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
        cos, sin = self.rotary_embedding(torch.zeros(()), pixel_position_ids)
        (cos_x, cos_y), (sin_x, sin_y) = ([axis.chunk(2, -1)[0] for axis in table.chunk(2, -1)] for table in (cos, sin))
        return cos_x, sin_x, cos_y, sin_y


class _Layer(torch.nn.Module):
    """One encoder layer."""

    def __init__(self, layer: torch.nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self,
        hidden_states: torch.Tensor,
        valid: torch.Tensor,
        cos_x: torch.Tensor,
        sin_x: torch.Tensor,
        cos_y: torch.Tensor,
        sin_y: torch.Tensor,
    ) -> torch.Tensor:
        output: torch.Tensor = self.layer(
            hidden_states, attention_mask=valid, position_embeddings=((cos_x, cos_y), (sin_x, sin_y))
        )
        return output


class _Pooler(torch.nn.Module):
    """Averages squares of patches, and multiplies by sqrt(H); float32 whatever the rest is.

    Transformers' pooler finds the size of the squares from the number of patches, in Python. So its arithmetic is
    repeated here with the size of the configuration, which is what that calculation comes to.
    """

    def __init__(self, config: Gemma4VisionConfig) -> None:
        super().__init__()
        self.kernel = config.pooling_kernel_size
        self.root_hidden_size = config.hidden_size**0.5

    def forward(
        self, hidden_states: torch.Tensor, pixel_position_ids: torch.Tensor, valid: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        square = self.kernel**2
        positions = pixel_position_ids.clamp(min=0)
        width = positions[..., 0].amax(dim=-1, keepdim=True) + 1
        cells = positions // self.kernel
        indices = cells[..., 0] + (width // self.kernel) * cells[..., 1]
        tokens = torch.arange(hidden_states.shape[1] // square, device=indices.device)
        members = indices.unsqueeze(1) == tokens.unsqueeze(1)
        real = torch.where(valid.unsqueeze(-1), hidden_states.float(), 0.0)
        pooled = (members.float() / square) @ real
        return pooled * self.root_hidden_size, members.any(dim=-1)


class _Projection(torch.nn.Module):
    """Pooled states to soft tokens: standardised where the tower says so, normed, in the language model's size."""

    def __init__(self, tower: Any, embed_vision: torch.nn.Module) -> None:
        super().__init__()
        self.standardize = tower.config.standardize
        if self.standardize:
            self.std_bias, self.std_scale = tower.std_bias, tower.std_scale
        self.embed_vision = embed_vision

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        if self.standardize:
            pooled = (pooled - self.std_bias) * self.std_scale
        tokens: torch.Tensor = self.embed_vision(pooled)
        return tokens


def build_vision_encoder(
    config: Gemma4VisionConfig,
    text_config: Any,
    prefix: str,
    weights: EncoderWeights,
    progress: Callable[[float], None] | None = None,
) -> GraphBuilder:
    """Build the graph from the configuration.

    Inputs and outputs: ``pixel_values`` float32 [B, P, 3·16²] from 0 to 1 and ``pixel_position_ids`` int64 [B, P, 2],
    column and row of each patch or -1 → ``image_features`` float32 [n, H], the soft tokens of all images one after
    the other. P must be a multiple of the patches per soft token (9).

    Args:
        config: the vision configuration.
        text_config: the text configuration.
        prefix: what precedes ``vision_tower.`` in the names of the checkpoint's tensors.
        weights: decides how the weights are stored.
        progress: called with the fraction done.

    Returns:
        The graph; what operators of the domain ``larimar`` are left are those of :mod:`inference.export.lowering`.
    """
    report = progress or (lambda _: None)
    config._attn_implementation = encoder_ops.IMPLEMENTATION
    with torch.device("meta"):
        tower = modeling_gemma4.Gemma4VisionModel(config).eval()
        embedder = modeling_gemma4.Gemma4MultimodalEmbedder(config, text_config).eval()

    builder = GraphBuilder("gemma4_vision_encoder")
    pixels = builder.input("pixel_values", _FLOAT, ["batch_size", "num_patches", 3 * config.patch_size**2])
    positions = builder.input("pixel_position_ids", _INT64, ["batch_size", "num_patches", 2])

    hidden, valid = _add_patches(builder, tower, config, prefix, weights, pixels, positions)
    tables = builder.add(_trace_rotary(config), {"pixel_position_ids": positions}, "rotary.", {})
    report(0.2)
    layer = _trace_layer(tower.encoder.layers[0], config)
    for index in range(config.num_hidden_layers):
        place = f"encoder.layers.{index}."
        inputs = {"hidden_states": hidden, "valid": valid, **dict(zip(_TABLES, tables, strict=True))}
        names = {name: f"{prefix}{TOWER}{place}{name.removeprefix('layer.')}" for name in layer.weights}
        (hidden,) = builder.add(layer, inputs, place, names)
    report(0.6)

    inputs = {"hidden_states": hidden, "pixel_position_ids": positions, "valid": valid}
    pooled, occupied = builder.add(_trace_pooler(config), inputs, "pooler.", {})
    pooled = select_rows(builder, pooled, occupied, config.hidden_size)
    report(0.8)
    projection = _trace_projection(tower, embedder)
    names = {name: prefix + (name if name.startswith(EMBEDDER) else TOWER + name) for name in projection.weights}
    (tokens,) = builder.add(projection, {"pooled": pooled}, "projection.", names)
    builder.output("image_features", tokens, _FLOAT, ["num_image_tokens", text_config.hidden_size])
    lower_encoder(builder, weights)
    report(1.0)
    return builder


def select_rows(builder: GraphBuilder, states: ir.Value, chosen: ir.Value, size: int) -> ir.Value:
    """Return the chosen rows of all batch entries one after the other.

    Args:
        builder: the graph.
        states: [B, S, size].
        chosen: bool [B, S].
        size: length of a row.

    Returns:
        [n, size].
    """
    rows = builder.node("Reshape", [states, builder.integers(-1, size)])
    flags = builder.node("Reshape", [chosen, builder.integers(-1)])
    return builder.node("Compress", [rows, flags], {"axis": 0})


def _add_patches(
    builder: GraphBuilder,
    tower: Any,
    config: Gemma4VisionConfig,
    prefix: str,
    weights: EncoderWeights,
    pixels: ir.Value,
    positions: ir.Value,
) -> list[ir.Value]:
    with torch.device("meta"):
        inputs = {
            "pixel_values": torch.zeros(_BATCH, _PATCHES, 3 * config.patch_size**2),
            "pixel_position_ids": torch.zeros(_BATCH, _PATCHES, 2, dtype=torch.int64),
        }
    piece = trace(_Patches(tower.patch_embedder), inputs, {name: [0, 1] for name in inputs}, ["hidden", "valid"])
    names = {name: f"{prefix}{TOWER}{name}" for name in piece.weights}
    values = builder.add(piece, {"pixel_values": pixels, "pixel_position_ids": positions}, "patches.", names)
    table = f"{prefix}{TOWER}patch_embedder.position_embedding_table"
    for axis in range(2):
        weights.part(builder, f"{table}.{axis}", table, axis)
    return values


def _trace_rotary(config: Gemma4VisionConfig) -> Piece:
    positions = torch.zeros(_BATCH, _PATCHES, 2, dtype=torch.int64)
    return trace(_Rotary(config), {"pixel_position_ids": positions}, {"pixel_position_ids": [0, 1]}, _TABLES)


def _trace_layer(layer: torch.nn.Module, config: Gemma4VisionConfig) -> Piece:
    with torch.device("meta"):
        inputs = {
            "hidden_states": torch.zeros(_BATCH, _PATCHES, config.hidden_size),
            "valid": torch.ones(_BATCH, _PATCHES, dtype=torch.bool),
            **{name: torch.zeros(_BATCH, _PATCHES, config.head_dim // 4) for name in _TABLES},
        }
    with encoder_ops.encoder_ops():
        return trace(
            _Layer(layer), inputs, {name: [0, 1] for name in inputs}, ["hidden"], encoder_ops.translation_table()
        )


def _trace_pooler(config: Gemma4VisionConfig) -> Piece:
    with torch.device("meta"):
        inputs = {
            "hidden_states": torch.zeros(_BATCH, _PATCHES, config.hidden_size),
            "pixel_position_ids": torch.zeros(_BATCH, _PATCHES, 2, dtype=torch.int64),
            "valid": torch.ones(_BATCH, _PATCHES, dtype=torch.bool),
        }
    return trace(_Pooler(config), inputs, {name: [0, 1] for name in inputs}, ["pooled", "occupied"])


def _trace_projection(tower: Any, embedder: torch.nn.Module) -> Piece:
    with torch.device("meta"):
        pooled = torch.zeros(_PATCHES, tower.config.hidden_size)
    return trace(_Projection(tower, embedder), {"pooled": pooled}, {"pooled": [0]}, ["image_features"])
