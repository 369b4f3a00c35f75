"""transformers' own processors, as the reference that ``inference.media`` is measured against.

The processors of videos and of the 12B Unified need torchvision, of which they use one function, ``resize``. It stands
in here, so that their own code runs without it; for 8-bit pictures torchvision calls the same kernel of torch.
"""

from __future__ import annotations

import importlib
import sys
import types
from functools import cache
from typing import Any

import numpy as np
import torch
import transformers.image_processing_backends
import transformers.utils
import transformers.video_processing_utils
from numpy.typing import NDArray
from PIL import Image
from transformers.models.gemma4.feature_extraction_gemma4 import Gemma4AudioFeatureExtractor
from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil
from transformers.models.gemma4_unified.feature_extraction_gemma4_unified import Gemma4UnifiedAudioFeatureExtractor

_MODELS = "transformers.models."
_SETTINGS = {
    "do_resize": True,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": False,  # mean 0 and deviation 1 change nothing
    "image_mean": None,
    "image_std": None,
    "patch_size": 16,
    "pooling_kernel_size": 3,
    "return_tensors": "np",
}


def resize_like_pillow(image: torch.Tensor, size: list[int], **_: object) -> torch.Tensor:
    batch = image if image.ndim == 4 else image[None]
    frames = [
        np.asarray(Image.fromarray(frame.permute(1, 2, 0).numpy()).resize(size[::-1], Image.Resampling.BICUBIC))
        for frame in batch
    ]
    resized = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    return resized if image.ndim == 4 else resized[0]


def resize_like_torchvision(image: torch.Tensor, size: list[int], **_: object) -> torch.Tensor:
    batch = image if image.ndim == 4 else image[None]
    resized = torch.nn.functional.interpolate(batch, size=size, mode="bicubic", antialias=True)
    return resized if image.ndim == 4 else resized[0]


@cache
def image_processor() -> Any:
    return Gemma4ImageProcessorPil()


@cache
def audio_extractor(layout: str) -> Any:
    return Gemma4AudioFeatureExtractor() if layout == "tower" else Gemma4UnifiedAudioFeatureExtractor()


def tower_image(pixels: NDArray[np.uint8], budget: int) -> dict[str, Any]:
    made = image_processor()([pixels], max_soft_tokens=budget, return_tensors="np", input_data_format="channels_last")
    return {
        "pixel_values": made["pixel_values"][0],
        "position_ids": made["image_position_ids"][0],
        "soft_tokens": int(made["num_soft_tokens_per_image"][0]),
    }


def unified_image(pixels: NDArray[np.uint8], budget: int, resize: Any = resize_like_pillow) -> dict[str, Any]:
    made = _run(
        "gemma4_unified.image_processing_gemma4_unified",
        "Gemma4UnifiedImageProcessor",
        resize,
        images=[torch.from_numpy(pixels.copy()).permute(2, 0, 1)],
        max_soft_tokens=budget,
    )
    return {
        "pixel_values": made["pixel_values"][0],
        "position_ids": made["image_position_ids"][0],
        "soft_tokens": int(made["num_soft_tokens_per_image"][0]),
    }


def video_frames(frames: NDArray[np.uint8], layout: str, budget: int = 70) -> dict[str, Any]:
    """Frames are uint8 [F, H, W, 3], sampled already."""
    module, name = {
        "tower": ("gemma4.video_processing_gemma4", "Gemma4VideoProcessor"),
        "unified": ("gemma4_unified.video_processing_gemma4_unified", "Gemma4UnifiedVideoProcessor"),
    }[layout]
    video = torch.from_numpy(frames.copy()).permute(0, 3, 1, 2)
    return dict(_run(module, name, resize_like_pillow, videos=[video], max_soft_tokens=budget))


def _run(module: str, name: str, resize: Any, **inputs: Any) -> Any:
    loaded = _module(module)
    loaded.tvF.resize = resize  # type: ignore[attr-defined]
    cls = getattr(loaded, name)
    # Its constructor asks for torchvision; nothing that it sets is needed.
    return cls._preprocess(object.__new__(cls), **_SETTINGS, **inputs)


@cache
def _module(name: str) -> types.ModuleType:
    names = [
        "torchvision",
        "torchvision.transforms",
        "torchvision.transforms.v2",
        "torchvision.transforms.v2.functional",
    ]
    stand_in = {each: types.ModuleType(each) for each in names}
    functional: Any = stand_in[names[-1]]
    functional.InterpolationMode = type("InterpolationMode", (), {})
    stand_in[names[2]].functional = functional  # type: ignore[attr-defined]
    absent = [each for each in names if each not in sys.modules]
    available = transformers.utils.is_torchvision_v2_available
    sys.modules.update({each: stand_in[each] for each in absent})
    transformers.utils.is_torchvision_v2_available = lambda: True
    try:
        return importlib.import_module(_MODELS + name)
    finally:
        transformers.utils.is_torchvision_v2_available = available
        for each in absent:
            del sys.modules[each]
