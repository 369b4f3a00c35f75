"""Tiny random checkpoints with the real architecture, for parity tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SLIDING, FULL = "sliding_attention", "full_attention"

_COMMON: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "head_dim": 16,
    "global_head_dim": 32,
    "sliding_window": 8,
    "max_position_embeddings": 1024,
    "final_logit_softcapping": 30.0,
    "vocab_size": 512,
    "vocab_size_per_layer_input": 512,
    "pad_token_id": 0,
}

TEXT_CONFIGS: dict[str, dict[str, Any]] = {
    # KV-shared layers with a double-wide MLP, per-layer embeddings, one KV head
    "e2b": {
        **_COMMON,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "num_hidden_layers": 8,
        "layer_types": [SLIDING, SLIDING, FULL, SLIDING, FULL, SLIDING, SLIDING, FULL],
        "num_kv_shared_layers": 3,
        "hidden_size_per_layer_input": 16,
        "use_double_wide_mlp": True,
    },
    # k = v in full layers, grouped heads that differ between sliding and full layers, no sharing, no PLE
    "31b": {
        **_COMMON,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_global_key_value_heads": 1,
        "num_hidden_layers": 6,
        "layer_types": [SLIDING, SLIDING, FULL, SLIDING, SLIDING, FULL],
        "num_kv_shared_layers": 0,
        "hidden_size_per_layer_input": 0,
        "attention_k_eq_v": True,
        "use_bidirectional_attention": "vision",
    },
    # odd sizes everywhere: heads, widths that no block divides, a window of 5
    "odd": {
        **_COMMON,
        "hidden_size": 72,
        "intermediate_size": 104,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "head_dim": 24,
        "global_head_dim": 40,
        "sliding_window": 5,
        "num_hidden_layers": 7,
        "layer_types": [SLIDING, FULL, SLIDING, SLIDING, FULL, SLIDING, FULL],
        "num_kv_shared_layers": 2,
        "hidden_size_per_layer_input": 24,
        "use_double_wide_mlp": False,
    },
    # 26B-A4B: experts beside a dense MLP, k = v, expert widths that no block divides
    "moe": {
        **_COMMON,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "num_global_key_value_heads": 1,
        "num_hidden_layers": 4,
        "layer_types": [SLIDING, SLIDING, SLIDING, FULL],
        "num_kv_shared_layers": 0,
        "hidden_size_per_layer_input": 0,
        "attention_k_eq_v": True,
        "use_bidirectional_attention": "vision",
        "enable_moe_block": True,
        "num_experts": 7,
        "top_k_experts": 3,
        "moe_intermediate_size": 44,
    },
    # 12B Unified: its own classes in transformers; one global head, k = v
    "unified": {
        **{key: value for key, value in _COMMON.items() if key != "vocab_size_per_layer_input"},
        "num_attention_heads": 6,
        "num_key_value_heads": 3,
        "num_global_key_value_heads": 1,
        "num_hidden_layers": 5,
        "layer_types": [SLIDING, SLIDING, FULL, SLIDING, FULL],
        "num_kv_shared_layers": 0,
        "attention_k_eq_v": True,
        "use_bidirectional_attention": "vision",
    },
}


def build_checkpoint(folder: Path, kind: str, seed: int = 0, **overrides: Any) -> Path:
    """Write a random checkpoint of the given kind in Hugging Face layout, float32."""
    config_class, model_class = text_classes(kind)
    config = config_class(**{**TEXT_CONFIGS[kind], **overrides})
    model = model_class(config).eval()
    randomize(model, seed)
    model.save_pretrained(folder)
    write_tokenizer(folder, config.vocab_size)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 106, 50]}))
    return folder


def text_classes(kind: str) -> tuple[Any, Any]:
    """Return transformers' configuration and model class for a kind of checkpoint."""
    import transformers

    prefix = "Gemma4Unified" if kind == "unified" else "Gemma4"
    return getattr(transformers, f"{prefix}TextConfig"), getattr(transformers, f"{prefix}ForCausalLM")


def randomize(model: Any, seed: int) -> None:
    """Fill every weight with values that make attention and the soft cap matter."""
    import torch

    generator = torch.Generator().manual_seed(seed)

    def normal(shape: Any) -> Any:
        return torch.randn(shape, generator=generator)

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_scale = "norm" in name or name.endswith("scale")
            parameter.copy_(1 + 0.2 * normal(parameter.shape) if is_scale else 0.08 * normal(parameter.shape))
        for name, buffer in model.named_buffers():
            if name.endswith("layer_scalar"):
                buffer.copy_(0.7 + 0.3 * torch.rand(buffer.shape, generator=generator))


def write_tokenizer(folder: Path, vocab_size: int) -> None:
    """Write a tokenizer of words ``t0 t1 …`` that has Gemma 4's special tokens at their own ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    special = {
        0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 46: "<|tool>", 47: "<tool|>", 48: "<|tool_call>",
        49: "<tool_call|>", 50: "<|tool_response>", 51: "<tool_response|>", 52: '<|"|>', 98: "<|think|>",
        100: "<|channel>", 101: "<channel|>", 105: "<|turn>", 106: "<turn|>", 107: "\n",
    }  # fmt: skip
    vocabulary = {special.get(index, f"t{index}"): index for index in range(vocab_size)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([token for token in special.values() if token != "\n"])
    tokenizer.save(str(folder / "tokenizer.json"))
