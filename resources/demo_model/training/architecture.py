"""The demo model's shape: Gemma 4 E2B's architecture, a thousand times smaller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .special_tokens import (
    END_OF_SEQUENCE,
    END_OF_TURN,
    MEDIA_TOKENS,
    PAD,
    START_OF_SEQUENCE,
    START_OF_TOOL_RESPONSE,
)

if TYPE_CHECKING:
    import torch
    from transformers import (
        Gemma4AudioConfig,
        Gemma4Config,
        Gemma4ForCausalLM,
        Gemma4ForConditionalGeneration,
        Gemma4TextConfig,
        Gemma4VisionConfig,
    )

VOCAB_SIZE = 3072
HIDDEN_SIZE = 160
HEAD_SIZE, FULL_HEAD_SIZE = 32, 64
"""In sliding layers, and in those that attend to everything."""
CONTEXT_LENGTH = 4096
LAYERS = 8
PATTERN = 4
"""Every fourth layer attends to everything, the others to a sliding window."""


IMAGE_SOFT_TOKENS = 70
"""With how many soft tokens the model sees a picture, unless it is told otherwise."""
VISION_POSITIONS = 3456
"""Patches that a picture may have in a row or column: three for each of at most 1120 soft tokens, and some to spare."""


def vision_configuration() -> Gemma4VisionConfig:
    """Return the configuration of the vision tower: patches of 16 pixels, 3 × 3 of them for a soft token."""
    from transformers import Gemma4VisionConfig

    return Gemma4VisionConfig(
        hidden_size=160,
        intermediate_size=320,
        num_hidden_layers=4,
        num_attention_heads=5,
        num_key_value_heads=5,
        head_dim=32,
        position_embedding_size=VISION_POSITIONS,
        use_clipped_linears=True,
    )


def audio_configuration() -> Gemma4AudioConfig:
    """Return the configuration of the audio conformer; subsampling, chunks and context are the family's."""
    from transformers import Gemma4AudioConfig

    return Gemma4AudioConfig(
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        use_clipped_linears=True,
        output_proj_dims=HIDDEN_SIZE,
    )


def media_configuration() -> Gemma4Config:
    """Return the configuration of the whole model; the media tokens are the last of the vocabulary."""
    from transformers import Gemma4Config

    ids = {text: VOCAB_SIZE - len(MEDIA_TOKENS) + index for index, text in enumerate(MEDIA_TOKENS)}
    return Gemma4Config(
        architectures=["Gemma4ForConditionalGeneration"],
        text_config=configuration(),
        vision_config=vision_configuration(),
        audio_config=audio_configuration(),
        boi_token_id=ids["<|image>"],
        eoi_token_id=ids["<image|>"],
        image_token_id=ids["<|image|>"],
        video_token_id=ids["<|video|>"],
        boa_token_id=ids["<|audio>"],
        eoa_token_index=ids["<audio|>"],
        audio_token_id=ids["<|audio|>"],
        dtype="float32",
    )


def configuration() -> Gemma4TextConfig:
    """Return the configuration of the language model; every input width is a multiple of 32, the int4 block."""
    from transformers import Gemma4TextConfig

    return Gemma4TextConfig(
        architectures=["Gemma4ForCausalLM"],
        vocab_size=VOCAB_SIZE,
        hidden_size=HIDDEN_SIZE,
        intermediate_size=320,
        num_hidden_layers=LAYERS,
        layer_types=["sliding_attention" if (i + 1) % PATTERN else "full_attention" for i in range(LAYERS)],
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=HEAD_SIZE,
        global_head_dim=FULL_HEAD_SIZE,
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


def new_media_model(seed: int) -> Gemma4ForConditionalGeneration:
    """Return an untrained model with eyes and ears, its language model as :func:`new_model` makes it."""
    import torch
    from transformers import Gemma4ForConditionalGeneration

    text = new_model(seed)
    model = Gemma4ForConditionalGeneration(media_configuration())
    model.model.language_model.load_state_dict(text.model.state_dict())
    with torch.no_grad():
        for name, parameter in model.model.vision_tower.named_parameters():
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                parameter.fill_(parameter.numel() ** -0.25)
            elif name.endswith(("post_attention_layernorm.weight", "post_feedforward_layernorm.weight")):
                parameter.fill_(0.5)
            elif name.endswith("position_embedding_table"):
                parameter.copy_(position_waves(parameter.shape[1], parameter.shape[2]))
    return model


def position_waves(positions: int, size: int) -> torch.Tensor:
    """Return a position table to begin with, [2, positions, size]: waves along each axis in fixed random directions.

    The shortest spans the three patches of a soft token, so that a patch knows at once where in its soft token it lies;
    learned from nothing, every position would have to find that out by itself.
    """
    import torch

    waves = []
    for length in (3, 3, 6, 12, 24, 48, 96):
        angles = torch.arange(positions) * (2 * torch.pi / length)
        waves += [angles.cos(), angles.sin()]
    directions = torch.randn(2, len(waves), size, generator=torch.Generator().manual_seed(3))
    return torch.einsum("wp,awd->apd", torch.stack(waves), directions) * 0.08


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
