"""The probes of the encoders: soft tokens of a made-up image and recording, ours and transformers'."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import Gemma4Config, Gemma4Model

from inference.errors import UnsupportedModelError
from inference.export.check import CheckContext, Row
from inference.export.checkpoint import Checkpoint
from inference.export.families import UNIFIED
from inference.export.recipes import RECIPES

_GRIDS = ((6, 9), (4, 3))
_FRAMES = 210
_MEL_BINS = 128
_ROUNDED_LIMIT = 0.2
"""For encoders in 8 bits, which are compared with the weights before rounding."""

_PARTS = {
    "vision_encoder": ("vision_tower.", "embed_vision."),
    "audio_encoder": ("audio_tower.", "embed_audio."),
}
"""What the names of an encoder's tensors begin with."""


def probe_media(context: CheckContext) -> Iterator[Row]:
    """Encode an image and a recording, where the model has towers for them.

    12B has none: what its encoders do to patches and frames is a few products, which its parity tests cover.
    """
    if context.source.family is UNIFIED:
        return
    recipes = {recipe.name: recipe for recipe in RECIPES}
    graphs = [name for name in _PARTS if recipes[name].applies(context.source)]
    for name in graphs:
        context.report("Checking encoders", graphs.index(name) / len(graphs))
        inputs = _image(context) if name == "vision_encoder" else _sound()
        found, *_ = context.session(name).run(None, inputs)  # the audio encoder also gives its state
        limit = _ROUNDED_LIMIT if context.plan.precision in ("q4", "q8") else context.limit
        label = "image" if name == "vision_encoder" else "sound"
        yield context.judged(
            f"{label}, {len(found)} soft tokens",
            "transformers",
            found,
            partial(_reference, context, name, inputs),
            limit=limit,
            size=4 * sum(prod(context.source.shape(each)) for each in context.source.names() if _is_part(each, name)),
        )


def _is_part(tensor: str, graph: str) -> bool:
    return tensor.removeprefix("model.").startswith(_PARTS[graph])


def _image(context: CheckContext) -> dict[str, NDArray[Any]]:
    """Return two images, the smaller one padded."""
    config = context.source.raw_config["vision_config"]
    merge, side = int(config.get("pooling_kernel_size", 3)), int(config.get("patch_size", 16))
    draw = np.random.default_rng(0)
    count = max(rows * columns for rows, columns in _GRIDS) * merge**2
    pixels = np.zeros((len(_GRIDS), count, 3 * side**2), np.float32)
    positions = np.full((len(_GRIDS), count, 2), -1, np.int64)
    for image, (rows, columns) in enumerate(_GRIDS):
        patches = np.arange(rows * columns * merge**2)
        y, x = np.divmod(patches, columns * merge)
        pixels[image, patches] = draw.random((len(patches), pixels.shape[2]), np.float32)
        positions[image, patches] = np.stack([x, y], -1)
    return {"pixel_values": pixels, "pixel_position_ids": positions}


def _sound() -> dict[str, NDArray[Any]]:
    features = np.random.default_rng(1).normal(-2, 2, (1, _FRAMES, _MEL_BINS)).astype(np.float32)
    return {"input_features": features, "input_features_mask": np.ones((1, _FRAMES), np.bool_)}


def _reference(context: CheckContext, name: str, inputs: dict[str, NDArray[Any]], dtype: torch.dtype) -> NDArray[Any]:
    """Return transformers' soft tokens, [n, H]."""
    encode = reference_encoder(context.source, name, dtype=dtype)
    tensors = (torch.from_numpy(value) for value in inputs.values())
    with torch.no_grad():
        tokens = encode(*(each.to(dtype) if each.is_floating_point() else each for each in tensors))
    if isinstance(tokens, (tuple, list)):
        tokens = torch.cat([each.reshape(-1, each.shape[-1]) for each in tokens])
    result: NDArray[Any] = tokens.reshape(-1, tokens.shape[-1]).numpy()
    return result


def reference_encoder(
    source: Checkpoint, name: str, attention: str = "eager", dtype: torch.dtype = torch.float32
) -> Callable[..., Any]:
    """Return transformers' encoder: its whole model but for the language model, which shrinks.

    Args:
        source: the checkpoint.
        name: "vision_encoder" or "audio_encoder".
        attention: transformers' implementation of it.
        dtype: of the weights.

    Returns:
        What makes soft tokens of the graph's inputs, as tensors and in the graph's order.

    Raises:
        UnsupportedModelError: 12B, which has no towers.
    """
    if source.family is UNIFIED:
        raise UnsupportedModelError("12B Unified has no encoders that could be compared.")
    raw = source.raw_config
    text = {
        "hidden_size": source.text_config.hidden_size,
        "rms_norm_eps": source.text_config.rms_norm_eps,
        "num_hidden_layers": 1,
        "layer_types": ["full_attention"],
        "intermediate_size": 8,
        "vocab_size": 8,
        "num_attention_heads": 1,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "global_head_dim": 8,
        "pad_token_id": 0,
        "num_kv_shared_layers": 0,
        "hidden_size_per_layer_input": 0,
    }
    media = {
        key: raw.get(key) if part == name else None
        for key, part in (("vision_config", "vision_encoder"), ("audio_config", "audio_encoder"))
    }
    model = Gemma4Model(Gemma4Config(text_config=text, **media)).eval()
    model.set_attn_implementation(attention)
    prefix = "model." if any(each.startswith("model.") for each in source.names()) else ""
    state = {
        each: torch.from_numpy(np.array(source.read(f"{prefix}{each}")))
        for each in model.state_dict()
        if each.startswith(_PARTS[name])
    }
    model.load_state_dict(state, strict=False)
    model.to(dtype)
    encode = model.get_image_features if name == "vision_encoder" else model.get_audio_features
    return lambda *tensors: encode(*tensors, return_dict=True).pooler_output
