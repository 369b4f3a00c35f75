"""The files that say how media are prepared: ``processor_config.json`` and ``preprocessor_config.json``.

Published checkpoints have the first, which may leave out whatever is transformers' default. transformers.js knows no
defaults for sound, and looks into the second to find out which class reads the first. So both are written, and whole.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from inference.errors import CheckpointError
from inference.export.checkpoint import Checkpoint
from inference.export.families import UNIFIED
from inference.export.safetensors_files import read_object

PROCESSOR, PREPROCESSOR = "processor_config.json", "preprocessor_config.json"

_PROCESSOR: dict[str, Any] = {"image_seq_length": 280, "audio_seq_length": 750, "audio_ms_per_token": 40}
_IMAGES: dict[str, Any] = {
    "do_convert_rgb": True,
    "do_resize": True,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": False,
    "patch_size": 16,
    "max_soft_tokens": 280,
    "pooling_kernel_size": 3,
    "image_mean": [0.0, 0.0, 0.0],
    "image_std": [1.0, 1.0, 1.0],
}
_VIDEOS: dict[str, Any] = {"max_soft_tokens": 70, "num_frames": 32}
_SOUND: dict[str, Any] = {
    "feature_size": 128,
    "sampling_rate": 16000,
    "padding_value": 0.0,
    "padding_side": "right",
    "return_attention_mask": True,
    "min_frequency": 0.0,
    "max_frequency": 8000.0,
    "preemphasis": 0.0,
    "preemphasis_htk_flavor": True,
    "fft_overdrive": False,
    "dither": 0.0,
    "input_scale_factor": 1.0,
    "frame_length": 320,
    "hop_length": 160,
    "mel_floor": 0.001,
    "fft_length": 512,
    "per_bin_mean": None,
    "per_bin_stddev": None,
}
_RAW_SOUND: dict[str, Any] = {
    "feature_size": 640,
    "sampling_rate": 16000,
    "padding_value": 0.0,
    "padding_side": "right",
    "return_attention_mask": True,
    "audio_samples_per_token": 640,
}
"""Of 12B Unified, which hears samples as they are."""


def processor_files(source: Checkpoint, graphs: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return the two files by name; of a model that neither sees nor hears, those that its checkpoint has.

    Args:
        source: the checkpoint; what its own files say stays.
        graphs: the names of the graphs that were made.

    Raises:
        CheckpointError: one of its files is damaged.
    """
    found = {name: read_object(source.folder / name) for name in (PROCESSOR, PREPROCESSOR) if _is_there(source, name)}
    sees, hears = "vision_encoder" in graphs, "audio_encoder" in graphs
    if not sees and not hears:
        return found
    prefix = "Gemma4Unified" if source.family is UNIFIED else "Gemma4"
    own, own_other = found.get(PROCESSOR, {}), found.get(PREPROCESSOR, {})
    processor = {"processor_class": f"{prefix}Processor", **_PROCESSOR, **own}
    parts = []
    if sees:
        vision = source.raw_config.get("vision_config") or {}
        sizes = {key: vision[key] for key in ("patch_size", "pooling_kernel_size") if vision.get(key)}
        images = {"image_processor_type": f"{prefix}ImageProcessor", **_IMAGES, **sizes}
        videos = {"video_processor_type": f"{prefix}VideoProcessor", **_VIDEOS}
        parts += [("image_processor", images), ("video_processor", videos)]
    if hears:
        sound = _RAW_SOUND if source.family is UNIFIED else _SOUND
        parts.append(("feature_extractor", {"feature_extractor_type": f"{prefix}AudioFeatureExtractor", **sound}))
    both: dict[str, Any] = {}
    for part, content in parts:
        given = own.get(part) or {}
        if not isinstance(given, dict):
            raise CheckpointError(
                f"{source.folder / PROCESSOR} is damaged: “{part}” is no group of settings. Download it again."
            )
        # an older layout has these settings in the other file alone
        older = {key: own_other[key] for key in content if key in own_other}
        processor[part] = {**content, **older, **given}
        if part != "video_processor":
            both |= processor[part]
    return {
        PROCESSOR: processor,
        PREPROCESSOR: {"processor_class": processor["processor_class"], **both, **own_other},
    }


def _is_there(source: Checkpoint, name: str) -> bool:
    return (source.folder / name).exists()
