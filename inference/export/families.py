"""Which of transformers' classes stand for a checkpoint's model type."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

from transformers import (
    Gemma4ForCausalLM,
    Gemma4TextConfig,
    Gemma4UnifiedForCausalLM,
    Gemma4UnifiedTextConfig,
)
from transformers.models.gemma4 import modeling_gemma4
from transformers.models.gemma4_unified import modeling_gemma4_unified

_LAYER_ARGUMENTS = signature(modeling_gemma4.Gemma4TextDecoderLayer.forward).parameters
CACHE_ARGUMENT = "cache" if "cache" in _LAYER_ARGUMENTS else "past_key_values"
"""What a layer calls its cache: ``cache`` from transformers 5.24 on."""


@dataclass(frozen=True)
class Family:
    """The classes of one branch of Gemma 4."""

    modeling: Any
    """Holds ``apply_rotary_pos_emb``, which the custom operators replace while a module is traced."""
    rms_norm: Any
    rotary_embedding: Any
    text_config: Any
    causal_lm: Any

    @property
    def text_model_type(self) -> str:
        """``model_type`` of the text model alone."""
        return str(self.text_config.model_type)


TOWERS = Family(
    modeling_gemma4,
    modeling_gemma4.Gemma4RMSNorm,
    modeling_gemma4.Gemma4TextRotaryEmbedding,
    Gemma4TextConfig,
    Gemma4ForCausalLM,
)
"""E2B, E4B, 26B-A4B, 31B: encoders for images and sound before the language model."""

UNIFIED = Family(
    modeling_gemma4_unified,
    modeling_gemma4_unified.Gemma4UnifiedRMSNorm,
    modeling_gemma4_unified.Gemma4UnifiedTextRotaryEmbedding,
    Gemma4UnifiedTextConfig,
    Gemma4UnifiedForCausalLM,
)
"""12B: raw patches and raw sound go straight into the language model."""

FAMILIES: dict[str, Family] = {
    "gemma4": TOWERS,
    "gemma4_text": TOWERS,
    "gemma4_unified": UNIFIED,
    "gemma4_unified_text": UNIFIED,
}
"""By the ``model_type`` of ``config.json``."""
