"""Gemma 4's special tokens, with Gemma 4's ids wherever they fit into a small vocabulary."""

from __future__ import annotations

PAD, END_OF_SEQUENCE, START_OF_SEQUENCE, UNKNOWN, MASK = range(5)
START_OF_TURN, END_OF_TURN, NEWLINE = 105, 106, 107
START_OF_TOOL_RESPONSE, END_OF_TOOL_RESPONSE = 50, 51
CHAT_TEMPLATE_BOS = "<bos>"
MODEL_TURN_LENGTH = 3
"""Tokens of ``<|turn>model\\n``."""

SPECIAL_TOKENS = {
    "<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<mask>": 4, "<|tool>": 46, "<tool|>": 47, "<|tool_call>": 48,
    "<tool_call|>": 49, "<|tool_response>": 50, "<tool_response|>": 51, '<|"|>': 52, "<|think|>": 98, "<|channel>": 100,
    "<channel|>": 101, "<|turn>": 105, "<turn|>": 106,
}  # fmt: skip
"""Name to id, the same as in Gemma 4."""

MEDIA_TOKENS = ("<|image>", "<|audio>", "<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>")
"""The last tokens of the vocabulary, in the order of Gemma 4's ids."""

NEWLINE_RUNS = range(107, 138)
"""Ids of 1 to 31 line breaks."""
SPACE_RUNS = range(138, 168)
"""Ids of 2 to 31 spaces."""
BYTES = range(238, 494)
"""Ids of the bytes 0 to 255, for characters that have no token."""
FIRST_PIECE = 494
"""Everything below is fixed; the learned pieces follow."""
