"""Converted encoders of tiny random checkpoints beside transformers' own model of each."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures_multimodal import build_multimodal_checkpoint
from numpy.typing import NDArray

from inference.graphs.audio import AudioEncoder
from inference.graphs.vision import VisionEncoder
from inference.media_encoders import MediaEncoders
from inference.model_folder import ModelFolder


@dataclass(frozen=True)
class Encoders:
    """A checkpoint, our conversion of its encoders, and the reference."""

    checkpoint: Path
    folder: Path

    def graph(self, name: str) -> Path:
        """Return the file of a graph, whatever its precision."""
        (file,) = (self.folder / "onnx").glob(f"{name}*.onnx")
        return file

    @cached_property
    def vision(self) -> VisionEncoder:
        return VisionEncoder(self.graph("vision_encoder"), "cpu", threads=1)

    @cached_property
    def audio(self) -> AudioEncoder:
        return AudioEncoder(self.graph("audio_encoder"), "cpu", threads=1)

    def media_encoders(self) -> MediaEncoders:
        """Open the encoders as the engine does, with nothing cached; there is no language model beside them."""
        config = json.loads((self.folder / "config.json").read_text())
        return MediaEncoders(ModelFolder(self.folder, config, {}, "", ""), "cpu", threads=1)

    @cached_property
    def reference(self) -> Any:
        import transformers

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = transformers.AutoModelForImageTextToText.from_pretrained(self.checkpoint).eval()
            model.set_attn_implementation("eager")
        return model.model

    def image_features(self, pixels: NDArray[np.float32], positions: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        """Return transformers' soft tokens of each image."""
        import torch

        with torch.no_grad():
            features = self.reference.get_image_features(torch.from_numpy(pixels), torch.from_numpy(positions))
        return [tokens.numpy() for tokens in features.pooler_output]

    def audio_features(self, frames: NDArray[np.float32], mask: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """Return transformers' soft tokens of each clip, padding removed as its language model does."""
        import torch

        with torch.no_grad():
            output = self.reference.get_audio_features(torch.from_numpy(frames), torch.from_numpy(mask))
        pairs = zip(output.pooler_output, output.attention_mask, strict=True)
        return [tokens[real].numpy() for tokens, real in pairs]


_traced: dict[Any, Any] = {}


@contextmanager
def traced_once(kind: str) -> Iterator[None]:
    """Within the block, encoders of this kind are traced only if they have not been before.

    What a trace gives depends on the configuration alone; converting several times in one run of tests would spend
    most of its time on it.
    """
    from inference.export import audio, unified_media, vision

    original = vision.trace

    def trace(module: Any, *arguments: Any) -> Any:
        key = (kind, type(module))
        if key not in _traced:
            _traced[key] = original(module, *arguments)
        return _traced[key]

    with pytest.MonkeyPatch.context() as patch:
        for module in (vision, audio, unified_media):
            patch.setattr(module, "trace", trace)
        yield


def convert_encoders(checkpoint: Path, kind: str, out: Path, precision: str = "fp32") -> Path:
    """Convert a multimodal checkpoint's encoders, and leave the rest."""
    from inference.export import convert

    with pytest.MonkeyPatch.context() as patch, traced_once(kind):
        media = tuple(recipe for recipe in convert.RECIPES if recipe.name.endswith("_encoder"))
        patch.setattr(convert, "RECIPES", media)
        return convert.convert_checkpoint(checkpoint, out, precision)  # type: ignore[arg-type]


def encoder_factory(folder: Path) -> Callable[..., Encoders]:
    """Return ``make(kind, precision)``, which builds once and then remembers."""

    @cache
    def checkpoint(kind: str) -> Path:
        return build_multimodal_checkpoint(folder / kind / "checkpoint", kind)

    @cache
    def converted(kind: str, precision: str) -> Encoders:
        source = checkpoint(kind)
        return Encoders(source, convert_encoders(source, kind, folder / kind / precision, precision))

    def make(kind: str, precision: str = "fp32") -> Encoders:
        return converted(kind, precision)

    return make
