"""The media graphs of 12B Unified: raw patches and raw sound go through a projection, without a tower of layers.

They are named as the encoders of the other models, so that the engine need not tell them apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
import torch
from transformers.models.gemma4_unified import modeling_gemma4_unified

from inference.export.encoder_lowering import lower_encoder
from inference.export.encoder_weights import EncoderWeights
from inference.export.stitching import GraphBuilder
from inference.export.tracing import trace
from inference.export.vision import select_rows

if TYPE_CHECKING:
    from transformers import Gemma4UnifiedAudioConfig, Gemma4UnifiedVisionConfig

VISION, AUDIO = "vision_embedder.", "embed_audio."
"""What precedes the names of the parts' tensors in checkpoints."""

_ROWS = 5  # example size for tracing
_FLOAT, _INT64, _BOOL = ir.DataType.FLOAT, ir.DataType.INT64, ir.DataType.BOOL


class _VisionRows(torch.nn.Module):
    """Soft tokens of patches, whichever image they are from."""

    def __init__(self, embed_vision: torch.nn.Module) -> None:
        super().__init__()
        self.embed_vision = embed_vision

    def forward(self, patches: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.embed_vision(patches, positions).pooler_output
        return tokens


class _AudioRows(torch.nn.Module):
    """Soft tokens of frames."""

    def __init__(self, embed_audio: torch.nn.Module) -> None:
        super().__init__()
        self.embed_audio = embed_audio

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.embed_audio(frames)
        return tokens


def build_unified_vision(
    config: Gemma4UnifiedVisionConfig, text_config: Any, prefix: str, weights: EncoderWeights
) -> GraphBuilder:
    """Build the graph from the configuration.

    Inputs and outputs: ``pixel_values`` float32 [B, P, 3·48²] from 0 to 1 and ``pixel_position_ids`` int64 [B, P, 2],
    column and row of each patch or -1 → ``image_features`` float32 [n, H], one soft token for each patch that is not
    padding.

    Args:
        config: the vision configuration.
        text_config: the text configuration.
        prefix: what precedes ``vision_embedder.`` in the names of the checkpoint's tensors.
        weights: decides how the weights are stored.

    Returns:
        The graph; what operators of the domain ``larimar`` are left are those of :mod:`inference.export.lowering`.
    """
    size = 3 * config.model_patch_size**2
    with torch.device("meta"):
        module = _VisionRows(modeling_gemma4_unified.Gemma4UnifiedVisionEmbedder(config, text_config).eval())
        rows = {"patches": torch.zeros(_ROWS, size), "positions": torch.zeros(_ROWS, 2, dtype=torch.int64)}

    builder = GraphBuilder("gemma4_unified_vision")
    pixels = builder.input("pixel_values", _FLOAT, ["batch_size", "num_patches", size])
    positions = builder.input("pixel_position_ids", _INT64, ["batch_size", "num_patches", 2])
    # an image's patch has both coordinates
    padding = builder.node("Equal", [positions, builder.constant(np.array(-1, np.int64))])
    absent = builder.node("ReduceMax", [_to_int32(builder, padding), builder.integers(-1)], {"keepdims": 0})
    valid = builder.node("Not", [builder.node("Cast", [absent], {"to": _BOOL.value})])
    inputs = {
        "patches": select_rows(builder, pixels, valid, size),
        "positions": select_rows(builder, positions, valid, 2),
    }

    piece = trace(module, rows, {name: [0] for name in rows}, ["image_features"])
    (tokens,) = builder.add(piece, inputs, "", {name: prefix + _stored_name(name) for name in piece.weights})
    builder.output("image_features", tokens, _FLOAT, ["num_image_tokens", text_config.hidden_size])
    lower_encoder(builder, weights)
    return builder


def build_unified_audio(
    config: Gemma4UnifiedAudioConfig, text_config: Any, prefix: str, weights: EncoderWeights
) -> GraphBuilder:
    """Build the graph from the configuration.

    Inputs and outputs: ``input_features`` float32 [B, T, 640], frames of samples, and ``input_features_mask`` bool
    [B, T] → ``audio_features`` float32 [n, H], one soft token for each frame that the mask keeps.

    Args:
        config: the audio configuration.
        text_config: the text configuration.
        prefix: what precedes ``embed_audio.`` in the names of the checkpoint's tensors.
        weights: decides how the weights are stored.

    Returns:
        The graph; what operators of the domain ``larimar`` are left are those of :mod:`inference.export.lowering`.
    """
    size = config.audio_embed_dim
    with torch.device("meta"):
        module = _AudioRows(modeling_gemma4_unified.Gemma4UnifiedMultimodalEmbedder(config, text_config).eval())
        rows = {"frames": torch.zeros(_ROWS, size)}

    builder = GraphBuilder("gemma4_unified_audio")
    features = builder.input("input_features", _FLOAT, ["batch_size", "num_frames", size])
    mask = builder.input("input_features_mask", _BOOL, ["batch_size", "num_frames"])
    piece = trace(module, rows, {"frames": [0]}, ["audio_features"])
    inputs = {"frames": select_rows(builder, features, mask, size)}
    (tokens,) = builder.add(piece, inputs, "", {name: prefix + name for name in piece.weights})
    builder.output("audio_features", tokens, _FLOAT, ["num_audio_tokens", text_config.hidden_size])
    lower_encoder(builder, weights)
    return builder


def _stored_name(name: str) -> str:
    """Return what checkpoints call a weight of transformers' vision embedder."""
    inside = name.removeprefix("embed_vision.")
    if inside.startswith("multimodal_embedder."):
        return f"embed_vision.{inside.removeprefix('multimodal_embedder.')}"
    return f"{VISION}{inside}"


def _to_int32(builder: GraphBuilder, value: ir.Value) -> ir.Value:
    return builder.node("Cast", [value], {"to": ir.DataType.INT32.value})
