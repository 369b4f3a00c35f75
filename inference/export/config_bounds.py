"""Looks at the numbers of a checkpoint's ``config.json`` before anything is made of them.

transformers checks their kinds when it takes a configuration, and few of their ranges; what it builds of a billion
layers or of a head size of 10^12 takes all memory before a file of weights has been looked at. The bounds here lie far
beyond any model of the family.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from inference.errors import CheckpointError, ForeignFileError, UnsupportedModelError
from inference.foreign_json import JsonObject, Range
from inference.foreign_names import display_name

MOST_LAYERS: Final = 1000
_SIZE: Final = Range(1, 1 << 17)
_WIDE: Final = Range(1, 1 << 20)
_TOKENS: Final = Range(1, 1 << 22)
_POSITIONS: Final = Range(1, (1 << 31) - 1)
_LAYERS: Final = Range(1, MOST_LAYERS)
_TOKEN_ID: Final = Range(-1, (1 << 31) - 1)  # -1: none
_FACTOR: Final = Range(1e-9, 1e38)

_INTEGERS: Final[Mapping[str, Range]] = {
    "vocab_size": _TOKENS,
    "vocab_size_per_layer_input": Range(0, 1 << 22),
    "hidden_size": _SIZE,
    "intermediate_size": _WIDE,
    "moe_intermediate_size": Range(0, 1 << 20),
    "hidden_size_per_layer_input": Range(0, 1 << 16),
    "num_hidden_layers": _LAYERS,
    "num_kv_shared_layers": Range(0, MOST_LAYERS),
    "num_attention_heads": Range(1, 4096),
    "num_key_value_heads": Range(1, 4096),
    "num_global_key_value_heads": Range(1, 4096),
    "head_dim": Range(1, 1 << 14),
    "global_head_dim": Range(1, 1 << 14),
    "num_experts": Range(0, 1 << 14),
    "top_k_experts": Range(0, 1 << 14),
    "max_position_embeddings": _POSITIONS,
    "sliding_window": _POSITIONS,
    # pictures
    "patch_size": Range(1, 1024),
    "pooling_kernel_size": Range(1, 64),
    "position_embedding_size": _WIDE,
    "mm_embed_dim": _SIZE,
    "mm_posemb_size": _WIDE,
    # sound
    "output_proj_dims": _SIZE,
    "audio_embed_dim": _SIZE,
    "conv_kernel_size": Range(1, 4096),
    "attention_chunk_size": Range(1, 1 << 14),
    "attention_context_left": Range(0, 1 << 14),
    "attention_context_right": Range(0, 1 << 14),
    # drafters
    "backbone_hidden_size": _SIZE,
    "num_centroids": Range(-(1 << 22), 1 << 22),
    "centroid_intermediate_top_k": Range(-(1 << 22), 1 << 22),
}
_NUMBERS: Final[Mapping[str, Range]] = {
    "rms_norm_eps": Range(0, 1),
    "final_logit_softcapping": _FACTOR,
    "attention_logit_cap": _FACTOR,
    "gradient_clipping": _FACTOR,
    "residual_weight": Range(-1e6, 1e6),
    "attention_invalid_logits_value": Range(-3e38, 3e38),
    "rope_theta": Range(1e-9, 1e18),
    "partial_rotary_factor": Range(1e-9, 1),
}
_LAYER_TYPES: Final = ("sliding_attention", "full_attention")
_ROPE_TYPES: Final = ("default", "proportional", "axial", "linear", "yarn", "llama3")
"""Those whose frequencies do not depend on how long a prompt is: they are constants in the graphs."""
_PARTS: Final = ("text_config", "vision_config", "audio_config")


def check_config(config: dict[str, Any], source: object) -> None:
    """Look at a ``config.json``.

    Args:
        config: its content.
        source: what to call it: its path.

    Raises:
        CheckpointError: a value is of another kind than it must be, or out of range.
        UnsupportedModelError: it describes what we know, and do not do.
    """
    try:
        _check_part(JsonObject(config, source))
        for name in _PARTS:
            _check_part(JsonObject(config, source).object(name))
    except ForeignFileError as error:
        raise CheckpointError(f"{error} Download it again.") from error


def _check_part(part: JsonObject) -> None:
    for name, bounds in _INTEGERS.items():
        part.optional_integer(name, bounds)
    for name, bounds in _NUMBERS.items():
        part.number(name, bounds, 0.0)
    for name in part.values:
        if name == "eos_token_id":
            part.integers(name, _TOKEN_ID, 1000)
        elif name.endswith(("_token_id", "_token_index")):
            part.optional_integer(name, _TOKEN_ID)
    channels = part.integers("subsampling_conv_channels", _SIZE, 16)
    if channels and len(channels) != 2:
        raise part.refused("subsampling_conv_channels", "a list of two whole numbers")
    for size in ("head_dim", "global_head_dim"):
        if (number := part.values.get(size)) is not None and number % 2:
            raise part.refused(size, "an even number")
    _check_layers(part)
    _check_rope(part.object("rope_parameters"))
    _check_direction(part)


def _check_layers(part: JsonObject) -> None:
    types = part.texts("layer_types", MOST_LAYERS, 100)
    count = part.values.get("num_hidden_layers")
    if types and count is not None and len(types) != count:
        raise part.refused("layer_types", f"a list with one of {' and '.join(_LAYER_TYPES)} for each of {count} layers")
    if unknown := sorted(set(types) - set(_LAYER_TYPES)):
        raise UnsupportedModelError(
            f"The checkpoint has layers of the type “{display_name(unknown[0])}”; Larimar knows "
            f"{' and '.join(_LAYER_TYPES)} only."
        )
    heads, kv_heads = part.values.get("num_attention_heads"), part.values.get("num_key_value_heads")
    if heads and kv_heads and heads % kv_heads:
        raise part.refused("num_key_value_heads", f"a number that divides the {heads} heads")
    overrides = part.object("per_layer_config")
    if len(overrides.values) > MOST_LAYERS:
        raise part.refused("per_layer_config", f"settings of at most {MOST_LAYERS} layers")
    for index in overrides.values:
        layer = overrides.object(index)
        for name, bounds in _INTEGERS.items():
            layer.optional_integer(name, bounds)


def _check_rope(parameters: JsonObject) -> None:
    nested = [parameters.object(name) for name in _LAYER_TYPES]
    for part in (parameters, *nested):
        for name in ("rope_theta", "partial_rotary_factor"):
            part.number(name, _NUMBERS[name], 1.0)
        if (kind := part.text("rope_type", "default", 100)) not in _ROPE_TYPES:
            raise UnsupportedModelError(
                f"The checkpoint turns positions in the way “{display_name(kind)}”; Larimar knows "
                f"{', '.join(_ROPE_TYPES)} only."
            )


def _check_direction(part: JsonObject) -> None:
    """Refuse a model whose words see those that come after them: it can be read with, but not answer."""
    value = part.values.get("use_bidirectional_attention")
    if value == "all":
        raise UnsupportedModelError(
            "In this checkpoint every token sees those that come after it (use_bidirectional_attention is “all”). Such "
            "a model makes embeddings; Larimar converts those that write. Choose another checkpoint."
        )
    if value not in (None, "vision"):
        raise part.refused("use_bidirectional_attention", "“vision”, or null")
