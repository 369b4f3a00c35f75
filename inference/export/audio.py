"""The audio encoder graph of E2B and E4B: log-mel frames of speech to soft tokens.

Two convolutions make one token of four frames; then conformer layers attend within a few hundred milliseconds. Padding
frames influence nothing and leave no soft token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
import torch
from transformers.models.gemma4 import modeling_gemma4

from inference.export import encoder_ops
from inference.export.audio_layer import AudioLayer, state_rows, streams, window
from inference.export.encoder_lowering import lower_encoder
from inference.export.encoder_weights import EncoderWeights
from inference.export.stitching import GraphBuilder
from inference.export.tracing import Piece, trace
from inference.export.vision import select_rows

if TYPE_CHECKING:
    from transformers import Gemma4AudioConfig

TOWER, EMBEDDER = "audio_tower.", "embed_audio."
MEL_BINS = 128

_BATCH, _FRAMES, _TOKENS = 2, 123, 31  # example sizes for tracing
_FLOAT, _INT64, _BOOL = ir.DataType.FLOAT, ir.DataType.INT64, ir.DataType.BOOL


class _Subsampling(torch.nn.Module):
    """Frames to tokens, and which of the tokens are real."""

    def __init__(self, subsampling: torch.nn.Module) -> None:
        super().__init__()
        self.subsample_conv_projection = subsampling

    def forward(self, input_features: torch.Tensor, input_features_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        hidden_states, valid = self.subsample_conv_projection(input_features, input_features_mask)
        return hidden_states, valid


class _Visibility(torch.nn.Module):
    """Which keys of its context each query must not see, bool [B, 1, chunks, chunk, context].

    The same as transformers' sliding window over a square mask that is then cut into chunks, without the square; and
    ``past_tokens`` tokens of the same clip may have come before.
    """

    def __init__(self, config: Gemma4AudioConfig) -> None:
        super().__init__()
        self.chunk = config.attention_chunk_size
        self.past, self.future = window(config), config.attention_context_right

    def forward(self, valid: torch.Tensor, past_tokens: torch.Tensor) -> torch.Tensor:
        chunks = (valid.shape[1] + self.chunk - 1) // self.chunk
        context = self.chunk + self.past + self.future
        starts = self.chunk * torch.arange(chunks)
        keys = starts[:, None] + torch.arange(context) - self.past
        inside = (keys >= 0) & (keys < valid.shape[1])
        real = valid[:, keys.clamp(min=0).clamp(max=valid.shape[1] - 1)] & inside
        real = real | ((keys < 0) & (keys >= -past_tokens))
        distance = torch.arange(self.chunk)[:, None] - torch.arange(context) + self.past
        in_window = ((distance >= 0) & (distance < self.past)) | ((distance < 0) & (-distance < self.future))
        return ~(real[:, None, :, None, :] & in_window)


class _Projection(torch.nn.Module):
    """Encoded tokens to soft tokens, in the language model's size."""

    def __init__(self, tower: Any, embed_audio: torch.nn.Module) -> None:
        super().__init__()
        self.output_proj = tower.output_proj
        self.embed_audio = embed_audio

    def forward(self, encoded: torch.Tensor) -> torch.Tensor:
        tokens: torch.Tensor = self.embed_audio(self.output_proj(encoded))
        return tokens


def build_audio_encoder(
    config: Gemma4AudioConfig,
    text_config: Any,
    prefix: str,
    weights: EncoderWeights,
    progress: Callable[[float], None] | None = None,
) -> GraphBuilder:
    """Build the graph from the configuration.

    Inputs and outputs: ``input_features`` float32 [B, T, 128], log-mel frames of 10 ms, and ``input_features_mask``
    bool [B, T] → ``audio_features`` float32 [n, H], the soft tokens of all clips one after the other, one for each
    four frames or part of four.

    A clip may also come in parts, if the configuration lets no token depend on later ones. Further inputs, which have
    defaults, and a further output serve for that: ``past_tokens`` int64 scalar (0), how many tokens came before, and
    ``past_states`` float32 [layers, 1, rows, hidden] (zeros) → ``present_states``, likewise, for the next call. From
    the second call on, ``input_features`` begins with the last four frames of the call before, which the convolutions
    reach back to; each call but the last takes a multiple of four frames.

    Args:
        config: the audio configuration.
        text_config: the text configuration.
        prefix: what precedes ``audio_tower.`` in the names of the checkpoint's tensors.
        weights: decides how the weights are stored.
        progress: called with the fraction done.

    Returns:
        The graph; what operators of the domain ``larimar`` are left are those of :mod:`inference.export.lowering`.
    """
    report = progress or (lambda _: None)
    with torch.device("meta"):
        tower = modeling_gemma4.Gemma4AudioModel(config).eval()
        embedder = modeling_gemma4.Gemma4MultimodalEmbedder(config, text_config).eval()

    builder = GraphBuilder("gemma4_audio_encoder")
    features = builder.input("input_features", _FLOAT, ["batch_size", "num_frames", MEL_BINS])
    mask = builder.input("input_features_mask", _BOOL, ["batch_size", "num_frames"])

    subsampling = _trace_subsampling(tower)
    names = {name: f"{prefix}{TOWER}{name}" for name in subsampling.weights}
    inputs = {"input_features": features, "input_features_mask": mask}
    hidden, valid = builder.add(subsampling, inputs, "subsampling.", names)
    state = _State(builder, config) if streams(config) else None
    past_tokens = state.past_tokens if state else builder.constant(np.array(0, np.int64))
    if state:
        hidden, valid = state.without_repeated(hidden), state.without_repeated(valid)
    (invisible,) = builder.add(
        _trace_visibility(config), {"valid": valid, "past_tokens": past_tokens}, "visibility.", {}
    )
    report(0.2)

    positions = modeling_gemma4.Gemma4AudioRelPositionalEncoding(config)(torch.zeros(())).numpy()[0]
    layer = _trace_layer(tower.layers[0], config, len(positions))
    for index in range(config.num_hidden_layers):
        place = f"layers.{index}."
        names = {name: f"{prefix}{TOWER}{place}{name.removeprefix('layer.')}" for name in layer.weights}
        inputs = {"hidden_states": hidden, "invisible": invisible}
        if state:
            inputs["past"] = state.past[index]
        hidden, *present = builder.add(layer, inputs, place, names)
        if state:
            state.present.extend(present)
        weights.product(builder, f"{prefix}{TOWER}{place}self_attn.relative_k_proj.weight", positions)
    report(0.8)

    projection = _trace_projection(tower, embedder)
    names = {name: prefix + (name if name.startswith(EMBEDDER) else TOWER + name) for name in projection.weights}
    rows = select_rows(builder, hidden, valid, config.hidden_size)
    (tokens,) = builder.add(projection, {"encoded": rows}, "projection.", names)
    builder.output("audio_features", tokens, _FLOAT, ["num_audio_tokens", text_config.hidden_size])
    if state:
        state.output()
    lower_encoder(builder, weights)
    report(1.0)
    return builder


class _State:
    """The inputs and the output for clips that come in parts."""

    def __init__(self, builder: GraphBuilder, config: Gemma4AudioConfig) -> None:
        self._builder = builder
        layers, rows = config.num_hidden_layers, state_rows(config)
        shape = [layers, 1, rows, config.hidden_size]
        self.past_tokens = builder.input("past_tokens", _INT64, [], default=np.array(0, np.int64))
        states = builder.input("past_states", _FLOAT, shape, default=np.zeros(shape, np.float32))
        self.past = [
            builder.node("Gather", [states, builder.constant(np.array(index, np.int64))], {"axis": 0})
            for index in range(layers)
        ]
        self.present: list[ir.Value] = []
        self._shape = [layers, "batch_size", rows, config.hidden_size]
        one = builder.integers(1)
        self._repeated = builder.node("Min", [builder.node("Reshape", [self.past_tokens, one]), one])

    def without_repeated(self, tokens: ir.Value) -> ir.Value:
        """Take away the token of the frames that the call before had too; tokens are [B, S, …]."""
        end = self._builder.integers(np.iinfo(np.int64).max)
        return self._builder.node("Slice", [tokens, self._repeated, end, self._builder.integers(1)])

    def output(self) -> None:
        """Make the layers' new states an output of the graph."""
        axis = self._builder.integers(0)
        states = [self._builder.node("Unsqueeze", [state, axis]) for state in self.present]
        self._builder.output("present_states", self._builder.node("Concat", states, {"axis": 0}), _FLOAT, self._shape)


def _trace_subsampling(tower: Any) -> Piece:
    with torch.device("meta"):
        inputs = {
            "input_features": torch.zeros(_BATCH, _FRAMES, MEL_BINS),
            "input_features_mask": torch.ones(_BATCH, _FRAMES, dtype=torch.bool),
        }
    module = _Subsampling(tower.subsample_conv_projection)
    return trace(module, inputs, {name: [0, 1] for name in inputs}, ["hidden", "valid"])


def _trace_visibility(config: Gemma4AudioConfig) -> Piece:
    inputs = {"valid": torch.ones(_BATCH, _TOKENS, dtype=torch.bool), "past_tokens": torch.tensor(5)}
    return trace(_Visibility(config), inputs, {"valid": [0, 1]}, ["invisible"])


def _trace_layer(layer: torch.nn.Module, config: Gemma4AudioConfig, positions: int) -> Piece:
    chunk = config.attention_chunk_size
    context = chunk + window(config) + config.attention_context_right
    outputs = ["hidden"]
    with torch.device("meta"):
        inputs = {
            "hidden_states": torch.zeros(_BATCH, _TOKENS, config.hidden_size),
            "invisible": torch.zeros(_BATCH, 1, -(-_TOKENS // chunk), chunk, context, dtype=torch.bool),
        }
        if streams(config):
            inputs["past"] = torch.zeros(1, state_rows(config), config.hidden_size)
            outputs.append("present")
    dynamic = {"hidden_states": [0, 1], "invisible": [0, 2]}
    with encoder_ops.encoder_ops():
        return trace(AudioLayer(layer, positions), inputs, dynamic, outputs, encoder_ops.translation_table())


def _trace_projection(tower: Any, embedder: torch.nn.Module) -> Piece:
    with torch.device("meta"):
        encoded = torch.zeros(_TOKENS, tower.config.hidden_size)
    return trace(_Projection(tower, embedder), {"encoded": encoded}, {"encoded": [0]}, ["audio_features"])
