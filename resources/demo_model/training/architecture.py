"""The demo model's shape: Gemma 4 E2B's architecture, a thousand times smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .special_tokens import END_OF_SEQUENCE, END_OF_TURN, PAD, START_OF_SEQUENCE, START_OF_TOOL_RESPONSE

if TYPE_CHECKING:
    from transformers import Gemma4ForCausalLM, Gemma4TextConfig

VOCAB_SIZE = 3072
CONTEXT_LENGTH = 4096
LAYERS = 8
PATTERN = 4
"""Every fourth layer attends to everything, the others to a sliding window."""


def configuration() -> Gemma4TextConfig:
    """Return the configuration; every matrix has an input width that is a multiple of 32, the int4 block."""
    from transformers import Gemma4TextConfig

    return Gemma4TextConfig(
        architectures=["Gemma4ForCausalLM"],
        vocab_size=VOCAB_SIZE,
        hidden_size=160,
        intermediate_size=320,
        num_hidden_layers=LAYERS,
        layer_types=["sliding_attention" if (i + 1) % PATTERN else "full_attention" for i in range(LAYERS)],
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=32,
        global_head_dim=64,
        sliding_window=128,
        max_position_embeddings=CONTEXT_LENGTH,
        num_kv_shared_layers=4,
        use_double_wide_mlp=True,
        vocab_size_per_layer_input=VOCAB_SIZE,
        hidden_size_per_layer_input=32,
        final_logit_softcapping=30.0,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=START_OF_SEQUENCE,
        eos_token_id=[END_OF_SEQUENCE, END_OF_TURN],
        dtype="float32",
    )


def new_model(seed: int) -> Gemma4ForCausalLM:
    """Return an untrained model.

    Gemma 4 does not scale attention by the head size; the norms of query and key take that over, so they start at
    ``head_dim ** -0.25`` here. The norms after each block start small, so that the residual stream does too.
    """
    import torch
    from transformers import Gemma4ForCausalLM

    torch.manual_seed(seed)
    model = Gemma4ForCausalLM(configuration())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                parameter.fill_(parameter.numel() ** -0.25)
            elif name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
                parameter.fill_(0.5)
            elif name.endswith("post_per_layer_input_norm.weight"):
                parameter.fill_(0.2)
    return model


GENERATION = {
    "bos_token_id": START_OF_SEQUENCE,
    "pad_token_id": PAD,
    "eos_token_id": [END_OF_SEQUENCE, END_OF_TURN, START_OF_TOOL_RESPONSE],
    "do_sample": True,
    "temperature": 0.3,
    "top_k": 64,
    "top_p": 0.95,
}
"""``generation_config.json``: as Gemma 4's, but cooler, because a small model is sure of little."""
