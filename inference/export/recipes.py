"""Which graphs a checkpoint becomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inference.export.checkpoint import Checkpoint
from inference.export.decoder import build_decoder
from inference.export.embedder import build_embedder
from inference.export.lowering import lower
from inference.export.media import build_audio, build_vision, has_audio, has_vision
from inference.export.stitching import GraphBuilder
from inference.export.weights import WeightPlan

Report = Callable[[float], None]


@dataclass(frozen=True)
class GraphRecipe:
    """How one graph of a model folder is made."""

    name: str
    """Stem of its file, as the ecosystem calls it."""
    applies: Callable[[Checkpoint], bool]
    """Whether a checkpoint has this part."""
    build: Callable[[Checkpoint, WeightPlan, Report], GraphBuilder]
    """Returns the finished graph, in ONNX Runtime's operators, every weight with its source."""


def _decoder(source: Checkpoint, plan: WeightPlan, report: Report) -> GraphBuilder:
    builder = build_decoder(source.text_config, source.family, source.text_prefix, source.lm_head, report)
    lower(builder, plan)
    return builder


def _embedder(source: Checkpoint, plan: WeightPlan, report: Report) -> GraphBuilder:
    builder = build_embedder(source.text_config, source.text_prefix, plan, source.media_tokens)
    report(1.0)
    return builder


RECIPES: tuple[GraphRecipe, ...] = (
    GraphRecipe("decoder_model_merged", lambda source: True, _decoder),
    GraphRecipe("embed_tokens", lambda source: True, _embedder),
    GraphRecipe("vision_encoder", has_vision, build_vision),
    GraphRecipe("audio_encoder", has_audio, build_audio),
)
