"""Random checkpoints of any size, written piece by piece: the shapes of real Gemma 4 models and nothing else."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from fixtures_checkpoints import FULL, SLIDING, write_tokenizer

_POOL = 1 << 20  # random numbers that large tensors repeat: only their number matters

_ROPE = {
    SLIDING: {"rope_type": "default", "rope_theta": 10_000.0},
    FULL: {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1_000_000.0},
}
_COMMON: dict[str, Any] = {
    "vocab_size": 262_144,
    "vocab_size_per_layer_input": 262_144,
    "head_dim": 256,
    "global_head_dim": 512,
    "final_logit_softcapping": 30.0,
    "rope_parameters": _ROPE,
    "pad_token_id": 0,
}


def _large(period: int, **shape: Any) -> dict[str, Any]:
    return {
        **_COMMON,
        "layer_pattern": [SLIDING] * (period - 1) + [FULL],
        "sliding_window": 1024,
        "num_kv_shared_layers": 0,
        "hidden_size_per_layer_input": 0,
        "attention_k_eq_v": True,
        "use_bidirectional_attention": "vision",
        "max_position_embeddings": 262_144,
        **shape,
    }


SHAPES: dict[str, dict[str, Any]] = {
    "e2b": {
        **_COMMON,
        "layer_pattern": [SLIDING] * 4 + [FULL],
        "hidden_size": 1536,
        "intermediate_size": 6144,
        "num_hidden_layers": 35,
        "num_attention_heads": 8,
        "num_key_value_heads": 1,
        "sliding_window": 512,
        "num_kv_shared_layers": 20,
        "hidden_size_per_layer_input": 256,
        "use_double_wide_mlp": True,
        "max_position_embeddings": 131_072,
    },
    "12b": _large(
        6,
        hidden_size=3840,
        intermediate_size=15_360,
        num_hidden_layers=48,
        num_attention_heads=16,
        num_key_value_heads=8,
        num_global_key_value_heads=1,
    ),
    "26b": _large(
        6,
        hidden_size=2816,
        intermediate_size=2112,
        num_hidden_layers=30,
        num_attention_heads=16,
        num_key_value_heads=8,
        num_global_key_value_heads=2,
        enable_moe_block=True,
        num_experts=128,
        top_k_experts=8,
        moe_intermediate_size=704,
    ),
    "31b": _large(
        6,
        hidden_size=5376,
        intermediate_size=21_504,
        num_hidden_layers=60,
        num_attention_heads=32,
        num_key_value_heads=16,
        num_global_key_value_heads=4,
    ),
}
"""Text configurations of the published models, but for ``layer_pattern``, which repeats to make ``layer_types``."""


def text_config(shape: str, layers: int | None = None, **overrides: Any) -> Any:
    """Return the configuration of one of :data:`SHAPES`, perhaps of fewer layers."""
    from transformers import Gemma4TextConfig, Gemma4UnifiedTextConfig

    keywords = {**SHAPES[shape], **overrides}
    pattern = keywords.pop("layer_pattern")
    if layers is not None:
        keywords["num_kv_shared_layers"] = keywords["num_kv_shared_layers"] * layers // keywords["num_hidden_layers"]
        keywords["num_hidden_layers"] = layers
    count = keywords["num_hidden_layers"]
    keywords["layer_types"] = (pattern * count)[:count]
    keywords["layer_types"][-1] = FULL
    return (Gemma4UnifiedTextConfig if shape == "12b" else Gemma4TextConfig)(**keywords)


def multimodal_config() -> Any:
    """Return E2B's configuration with both encoders."""
    from transformers import Gemma4AudioConfig, Gemma4Config, Gemma4VisionConfig

    vision = Gemma4VisionConfig(use_clipped_linears=True, position_embedding_size=10_240)
    return Gemma4Config(text_config=text_config("e2b"), vision_config=vision, audio_config=Gemma4AudioConfig())


def drafter_config() -> Any:
    """Return the configuration of E2B's drafter."""
    from transformers import Gemma4AssistantConfig

    text = text_config(
        "e2b",
        layer_pattern=[SLIDING] * 3 + [FULL],
        hidden_size=256,
        intermediate_size=2048,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_kv_shared_layers=4,
        vocab_size_per_layer_input=0,
        hidden_size_per_layer_input=0,
        use_double_wide_mlp=False,
        final_logit_softcapping=None,
    )
    return Gemma4AssistantConfig(
        text_config=text,
        backbone_hidden_size=1536,
        use_ordered_embeddings=True,
        num_centroids=2048,
        centroid_intermediate_top_k=32,
    )


def stream_checkpoint(folder: Path, config: Any, seed: int = 0, *, words: int = 512) -> Path:
    """Write a bfloat16 checkpoint with random weights of this configuration; memory stays small.

    Args:
        folder: to write.
        config: of a language model, of a model with encoders, or of a drafter.
        seed: of the weights.
        words: that the tokenizer knows.

    Returns:
        ``folder``.
    """
    import torch

    from inference.export.reference_fixes import kv_sharing_fixed

    folder.mkdir(parents=True, exist_ok=True)
    config.dtype = "bfloat16"
    config.save_pretrained(folder)
    write_tokenizer(folder, words)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 106, 50]}))
    with torch.device("meta"), kv_sharing_fixed():
        model = _model_class(config)(config)
    header: dict[str, Any] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    offset = 0
    for name, value in model.state_dict().items():
        if name == "lm_head.weight":
            continue
        whole = value.dtype == torch.int64
        shapes[name] = tuple(value.shape)
        size = (8 if whole else 2) * prod(shapes[name])
        header[name] = {
            "dtype": "I64" if whole else "BF16",
            "shape": list(value.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    generator = np.random.default_rng(seed)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for name, shape in shapes.items():
            for piece in _values(name, shape, generator):
                file.write(piece.data)
    return folder


def _model_class(config: Any) -> Any:
    import transformers

    names = {
        "gemma4_text": "Gemma4ForCausalLM",
        "gemma4_unified_text": "Gemma4UnifiedForCausalLM",
        "gemma4": "Gemma4ForConditionalGeneration",
        "gemma4_assistant": "Gemma4AssistantForCausalLM",
    }
    return getattr(transformers, names[config.model_type])


def _values(name: str, shape: tuple[int, ...], generator: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the bfloat16 bits of a tensor, or the integers of an ordering."""
    count = prod(shape)
    if name.endswith("token_ordering"):
        yield generator.permutation(count)
        return
    if len(shape) < 2 or name.endswith("scale"):
        limit = 100 * (name.endswith("_max") - name.endswith("_min"))  # of clipped linears
        bias = name.endswith("bias")
        yield _bfloat16(np.full(count, 0 if bias else limit or 1, np.float32))
        return
    pool = _bfloat16(generator.standard_normal(min(count, _POOL), np.float32) * np.float32(0.02))
    while count:
        piece = pool[: min(count, _POOL)]
        yield piece
        count -= len(piece)


def _bfloat16(values: np.ndarray) -> np.ndarray:
    return (values.view(np.uint32) >> 16).astype(np.uint16)
