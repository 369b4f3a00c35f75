"""The reference's bug is still there, and our mending of it holds."""

from __future__ import annotations

from typing import Any

import pytest
import transformers
from packaging.version import Version
from transformers import (
    Gemma4AssistantConfig,
    Gemma4AssistantForCausalLM,
    Gemma4TextConfig,
    Gemma4UnifiedAssistantConfig,
    Gemma4UnifiedAssistantForCausalLM,
    Gemma4UnifiedTextConfig,
)

from inference.export.reference_fixes import kv_sharing_fixed

SLIDING, FULL = "sliding_attention", "full_attention"

TINY: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 16,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "global_head_dim": 8,
    "num_hidden_layers": 4,
    "layer_types": [SLIDING, FULL, SLIDING, FULL],
    "vocab_size": 32,
    "use_bidirectional_attention": None,
}
WITHOUT_PER_LAYER_EMBEDDINGS = {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}

FAMILIES = pytest.mark.parametrize(
    ("text", "drafter_config", "drafter"),
    [
        (
            lambda **sizes: Gemma4TextConfig(**TINY, **WITHOUT_PER_LAYER_EMBEDDINGS, **sizes),
            Gemma4AssistantConfig,
            Gemma4AssistantForCausalLM,
        ),
        (
            lambda **sizes: Gemma4UnifiedTextConfig(**TINY, **sizes),
            Gemma4UnifiedAssistantConfig,
            Gemma4UnifiedAssistantForCausalLM,
        ),
    ],
    ids=["towers", "unified"],
)


@FAMILIES
def test_transformers_could_not_do_it_before_5_24(text: Any, drafter_config: Any, drafter: Any) -> None:
    """If 5.23 is no longer taken, see what is left of inference/export/reference_fixes.py."""
    config = drafter_config(text_config=text(num_kv_shared_layers=4), backbone_hidden_size=16)
    if Version(transformers.__version__) >= Version("5.24"):
        drafter(config)
        return
    with pytest.raises(ValueError, match="layer types"):
        drafter(config)
    assert "store" not in text(num_kv_shared_layers=0).kv_sharing_modes


@FAMILIES
def test_within_the_block_it_can(text: Any, drafter_config: Any, drafter: Any) -> None:
    config = drafter_config(text_config=text(num_kv_shared_layers=4), backbone_hidden_size=16)
    with kv_sharing_fixed():
        model = drafter(config)
        assert text(num_kv_shared_layers=0).kv_sharing_modes == [None, None, "store", "store"]
    assert all(layer.self_attn.is_kv_shared_layer for layer in model.model.layers)
    assert not any("k_proj" in name for name, _ in model.named_parameters())


def test_what_works_already_stays_as_it_is() -> None:
    config = Gemma4TextConfig(**TINY, **WITHOUT_PER_LAYER_EMBEDDINGS, num_kv_shared_layers=2)
    modes = config.kv_sharing_modes
    with kv_sharing_fixed():
        assert config.kv_sharing_modes == modes == ["store", "store", "reuse", "reuse"]


def test_the_block_leaves_no_trace() -> None:
    original = Gemma4TextConfig.kv_sharing_modes
    with pytest.raises(KeyError), kv_sharing_fixed():
        raise KeyError
    assert Gemma4TextConfig.kv_sharing_modes is original
