"""Which media graphs a checkpoint becomes: encoders, or the projections of 12B Unified under the same names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transformers import (
    Gemma4AudioConfig,
    Gemma4UnifiedAudioConfig,
    Gemma4UnifiedVisionConfig,
    Gemma4VisionConfig,
)

from inference.export import audio, unified_media, vision
from inference.export.checkpoint import Checkpoint, made_of
from inference.export.encoder_weights import EncoderWeights
from inference.export.families import UNIFIED
from inference.export.lowering import lower
from inference.export.stitching import GraphBuilder
from inference.export.weights import WeightPlan

Report = Callable[[float], None]

# a tensor that is there if, and only if, the checkpoint has the part
_VISION = (f"{vision.TOWER}patch_embedder.input_proj.weight", f"{unified_media.VISION}patch_dense.weight")
_AUDIO = (f"{audio.TOWER}output_proj.weight", f"{unified_media.AUDIO}embedding_projection.weight")


def has_vision(source: Checkpoint) -> bool:
    """Whether the checkpoint can see."""
    return _has(source, "vision_config", _VISION)


def has_audio(source: Checkpoint) -> bool:
    """Whether the checkpoint can hear."""
    return _has(source, "audio_config", _AUDIO)


def build_vision(source: Checkpoint, plan: WeightPlan, report: Report) -> GraphBuilder:
    """Build the graph ``vision_encoder``, in ONNX Runtime's operators."""
    weights, prefix = EncoderWeights(source, plan.precision), _prefix(source, _VISION) or ""
    if source.family is UNIFIED:
        unified_config = _config(source, "vision_config", Gemma4UnifiedVisionConfig)
        builder = unified_media.build_unified_vision(unified_config, source.text_config, prefix, weights)
    else:
        config = _config(source, "vision_config", Gemma4VisionConfig)
        builder = vision.build_vision_encoder(config, source.text_config, prefix, weights, report)
    return _finished(builder, plan, report)


def build_audio(source: Checkpoint, plan: WeightPlan, report: Report) -> GraphBuilder:
    """Build the graph ``audio_encoder``, in ONNX Runtime's operators."""
    weights, prefix = EncoderWeights(source, plan.precision), _prefix(source, _AUDIO) or ""
    if source.family is UNIFIED:
        unified_config = _config(source, "audio_config", Gemma4UnifiedAudioConfig)
        builder = unified_media.build_unified_audio(unified_config, source.text_config, prefix, weights)
    else:
        config = _config(source, "audio_config", Gemma4AudioConfig)
        builder = audio.build_audio_encoder(config, source.text_config, prefix, weights, report)
    return _finished(builder, plan, report)


def _finished(builder: GraphBuilder, plan: WeightPlan, report: Report) -> GraphBuilder:
    lower(builder, plan)
    report(1.0)
    return builder


def _config(source: Checkpoint, key: str, config_class: Any) -> Any:
    return made_of(config_class, source.raw_config[key])


def _has(source: Checkpoint, key: str, tensors: tuple[str, ...]) -> bool:
    return bool(source.raw_config.get(key)) and _prefix(source, tensors) is not None


def _prefix(source: Checkpoint, tensors: tuple[str, ...]) -> str | None:
    """Return what precedes the names of the part's tensors, or ``None`` if the checkpoint lacks it."""
    for prefix in ("model.", ""):
        if any(f"{prefix}{tensor}" in source for tensor in tensors):
            return prefix
    return None
