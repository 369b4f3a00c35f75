"""Tiny random multimodal checkpoints with the real architecture, and media inputs for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from fixtures_checkpoints import TEXT_CONFIGS, randomize, write_tokenizer
from numpy.typing import NDArray

_TINY_TEXT = {"num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"], "num_kv_shared_layers": 0}

MEDIA_CONFIGS: dict[str, dict[str, Any]] = {
    # clipped linears, conformer; heads that do not fill the hidden size, widths that no block divides
    "e2b": {
        "vision_config": {
            "hidden_size": 72,
            "intermediate_size": 100,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "num_key_value_heads": 3,
            "head_dim": 20,
            "position_embedding_size": 256,
            "use_clipped_linears": True,
        },
        "audio_config": {
            "hidden_size": 60,
            "num_hidden_layers": 3,
            "num_attention_heads": 5,
            "subsampling_conv_channels": [128, 5],
            "output_proj_dims": 44,
        },
    },
    # standardised soft tokens, no clipping, no ears
    "31b": {
        "vision_config": {
            "hidden_size": 88,
            "intermediate_size": 134,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "head_dim": 72,
            "position_embedding_size": 256,
            "standardize": True,
        },
        "audio_config": None,
    },
    # everything the configuration allows and no published model has: other chunks, keys ahead, both kinds of tower
    "odd": {
        "vision_config": {
            "hidden_size": 56,
            "intermediate_size": 77,
            "num_hidden_layers": 1,
            "num_attention_heads": 5,
            "num_key_value_heads": 5,
            "head_dim": 12,
            "position_embedding_size": 256,
            "pooling_kernel_size": 2,
            "patch_size": 8,
            "use_clipped_linears": True,
            "standardize": True,
        },
        "audio_config": {
            "hidden_size": 42,
            "num_hidden_layers": 2,
            "num_attention_heads": 3,
            "subsampling_conv_channels": [128, 3],
            "output_proj_dims": 50,
            "attention_chunk_size": 5,
            "attention_context_left": 8,
            "attention_context_right": 3,
            "conv_kernel_size": 3,
            "gradient_clipping": 1.5,
            "attention_logit_cap": 2.0,
            "residual_weight": 0.3,
            "use_clipped_linears": False,
        },
    },
    "unified": {
        "vision_config": {"mm_embed_dim": 52, "mm_posemb_size": 40, "output_proj_dims": 52},
        "audio_config": {},
    },
}


def build_multimodal_checkpoint(folder: Path, kind: str, seed: int = 0, **overrides: dict[str, Any]) -> Path:
    """Write a random checkpoint of the given kind in Hugging Face layout, float32.

    Args:
        folder: the new folder.
        kind: a key of :data:`MEDIA_CONFIGS`.
        seed: of the weights.
        **overrides: changes to ``text_config``, ``vision_config`` and ``audio_config``.
    """
    import transformers

    prefix = "Gemma4Unified" if kind == "unified" else "Gemma4"
    text = {**TEXT_CONFIGS[kind], **_TINY_TEXT, **overrides.get("text_config", {})}
    media = {
        key: None if content is None else {**content, **overrides.get(key, {})}
        for key, content in MEDIA_CONFIGS[kind].items()
    }
    config = getattr(transformers, f"{prefix}Config")(text_config=text, **media)
    model = getattr(transformers, f"{prefix}ForConditionalGeneration")(config).eval()
    randomize(model, seed)
    randomize_limits(model, seed)
    model.save_pretrained(folder)
    write_tokenizer(folder, config.text_config.vocab_size)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 106, 50]}))
    return folder


def randomize_limits(model: Any, seed: int) -> None:
    """Give clipped linears limits that clip, a few of them none, and the tower a mean and a spread."""
    import torch

    generator = torch.Generator().manual_seed(seed + 1)
    for name, buffer in model.named_buffers():
        kind = name.rsplit(".", 1)[-1]
        size = torch.rand(buffer.shape, generator=generator)
        if kind in ("input_min", "input_max", "output_min", "output_max"):
            limit = 0.3 + size if kind.startswith("output") else 1 + size
            if torch.rand((), generator=generator) < 0.1:
                limit = torch.tensor(float("inf"))
            buffer.copy_(-limit if kind.endswith("min") else limit)
        elif kind in ("std_bias", "std_scale"):
            buffer.copy_(size - 0.5 if kind == "std_bias" else 0.5 + size)


def images(
    grids: list[tuple[int, int]], patches: int, merge: int = 3, values: int = 768, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return random images of ``grids`` (rows, columns of soft tokens), padded to ``patches`` patches each.

    Returns:
        Pixels float32 [B, patches, values], and positions int64 [B, patches, 2]; ``merge`` patches make the side of
        a soft token.
    """
    draw = np.random.default_rng(seed)
    pixels = np.zeros((len(grids), patches, values), np.float32)
    positions = np.full((len(grids), patches, 2), -1, np.int64)
    for image, (rows, columns) in enumerate(grids):
        count = rows * columns * merge**2
        y, x = np.divmod(np.arange(count), columns * merge)
        pixels[image, :count] = draw.random((count, values), np.float32)
        positions[image, :count] = np.stack([x, y], -1)
    return pixels, positions


def sounds(
    lengths: list[tuple[int, int]], size: int = 128, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return random sound of ``lengths`` (frames, real frames of them), padded to the longest.

    Returns:
        Features float32 [B, T, size], padding included as random numbers, and mask bool [B, T].
    """
    draw = np.random.default_rng(seed)
    frames = max(length for length, _ in lengths)
    features = draw.normal(-2, 2, (len(lengths), frames, size)).astype(np.float32)
    mask = np.arange(frames) < np.array([real for _, real in lengths])[:, None]
    return features, mask
