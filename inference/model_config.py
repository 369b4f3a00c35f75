"""What the JSON files of a model folder may say: each number that we use, with its range.

A folder is checked once, when it is opened; what reads its numbers later can rely on their ranges.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from inference.foreign_json import JsonObject, Range

MOST_LAYERS: Final = 1024
TOKEN_IDS: Final = Range(0, 2**31 - 1)
POSITIONS: Final = Range(1, 2**24)
"""Of a context, or of a sliding window: 16 million."""
VOCABULARY: Final = Range(1, 2**24)
SIZES: Final = Range(1, 2**17)
"""Of a hidden state, or of a head."""

MOST_IDS: Final = 100_000
_LONGEST_NAME: Final = 10_000
_TEXT_NUMBERS: Final[Mapping[str, Range]] = {
    "max_position_embeddings": POSITIONS,
    "sliding_window": POSITIONS,
    "vocab_size": VOCABULARY,
    "hidden_size": SIZES,
    "head_dim": SIZES,
    "global_head_dim": SIZES,
    "num_hidden_layers": Range(1, MOST_LAYERS),
    "num_kv_shared_layers": Range(0, MOST_LAYERS),
}
_TOKENS: Final = (
    *("image_token_id", "audio_token_id", "video_token_id", "boi_token_id", "eoi_token_id", "boa_token_id"),
    *("eoa_token_id", "eoa_token_index", "pad_token_id"),
)


def check_config(config: Mapping[str, Any], source: object) -> None:
    """Look over ``config.json``.

    Raises:
        ForeignFileError: a value that we use is of another kind, or out of its range.
    """
    whole = JsonObject(config, source)
    text = whole.object("text_config") if "text_config" in config else whole
    for name, bounds in _TEXT_NUMBERS.items():
        text.optional_integer(name, bounds)
    text.texts("layer_types", MOST_LAYERS, 100)
    for values in (whole, text):
        values.integers("eos_token_id", TOKEN_IDS, MOST_IDS)
        for name in _TOKENS:
            values.optional_integer(name, TOKEN_IDS)
        values.integers("bos_token_id", TOKEN_IDS, MOST_IDS)
    whole.object("audio_config").optional_integer("attention_context_right", Range(-1, POSITIONS.most))
    whole.object("vision_config")


def check_generation_config(config: Mapping[str, Any], source: object) -> None:
    """Look over ``generation_config.json``, but for what :mod:`inference.generation_config` reads itself."""
    values = JsonObject(config, source)
    values.integers("bos_token_id", TOKEN_IDS, MOST_IDS)
    values.integers("eos_token_id", TOKEN_IDS, MOST_IDS)
    values.integers("suppress_tokens", TOKEN_IDS, MOST_IDS)
    values.flag("do_sample", True)


def check_record(record: Mapping[str, Any], source: object) -> None:
    """Look over ``larimar.json``."""
    values = JsonObject(record, source)
    values.text("name", "", _LONGEST_NAME)
    values.flag("demo", False)
    values.optional_integer("most_image_soft_tokens", Range(1, 2**16))


def check_processor_config(config: Mapping[str, Any], source: object) -> None:
    """Look over ``processor_config.json``."""
    JsonObject(config, source).object("image_processor").optional_integer("max_soft_tokens", Range(1, 2**16))
