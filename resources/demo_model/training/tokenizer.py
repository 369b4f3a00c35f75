"""A small byte-pair tokenizer in the manner of Gemma's: spaces are ``▁``, unknown characters fall back to bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from .special_tokens import BYTES, FIRST_PIECE, MEDIA_TOKENS, NEWLINE_RUNS, SPACE_RUNS, SPECIAL_TOKENS

SPACE = "▁"
# line breaks, single digits, a word with the space before it, any other character with the space before it, spaces
_PIECES = r"\n+|\p{N}|▁?[\p{L}\p{M}]+|▁?[^\s\p{L}\p{M}\p{N}▁]|▁+"
_ALWAYS = "".join(chr(code) for code in range(33, 127)) + SPACE + "äöüßéèáàóíñçôê’‘“”–—…×÷°€£"
_WHOLE_WORDS = ("user", "model", "system", "thought", "content", "call", "response", "declaration")
"""Words of the chat template that must be one token each."""


def train(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Return a tokenizer with ``vocab_size`` tokens in all, learned from plain texts (no special tokens in them)."""
    learner = _bare(models.BPE(unk_token="<unk>", byte_fallback=True))
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - FIRST_PIECE - len(MEDIA_TOKENS) + 1,
        initial_alphabet=sorted(_ALWAYS),
        limit_alphabet=len(_ALWAYS) + 8,
        special_tokens=["<unk>"],
        show_progress=False,
    )
    words = [" ".join(_WHOLE_WORDS)] * 1000 + ["\n".join(_WHOLE_WORDS)] * 1000
    learner.train_from_iterator((text for source in (words, texts) for text in source), trainer)
    learned = json.loads(learner.to_str())["model"]
    pieces = [piece for piece, _ in sorted(learned["vocab"].items(), key=lambda item: item[1]) if piece != "<unk>"]
    return _with_fixed_ids(pieces, [tuple(merge) for merge in learned["merges"]], vocab_size)


def _with_fixed_ids(pieces: list[str], merges: list[tuple[str, str]], vocab_size: int) -> Tokenizer:
    vocab = dict(SPECIAL_TOKENS)
    newlines = {length: "\n" * length for length in range(1, len(NEWLINE_RUNS) + 1)}
    spaces = {length: SPACE * length for length in range(2, len(SPACE_RUNS) + 2)}
    vocab |= {text: NEWLINE_RUNS[length - 1] for length, text in newlines.items()}
    vocab |= {text: SPACE_RUNS[length - 2] for length, text in spaces.items()}
    vocab |= {f"<0x{byte:02X}>": BYTES[byte] for byte in range(256)}
    fresh = [piece for piece in pieces if piece not in vocab]
    vocab |= {piece: FIRST_PIECE + index for index, piece in enumerate(fresh)}
    first_media = vocab_size - len(MEDIA_TOKENS)
    vocab |= {text: first_media + index for index, text in enumerate(MEDIA_TOKENS)}
    taken = set(vocab.values())
    unused = (token for token in range(vocab_size) if token not in taken)
    vocab |= {f"<unused{number}>": token for number, token in enumerate(unused)}
    merges = [*_run_merges("\n", len(NEWLINE_RUNS)), *_run_merges(SPACE, len(SPACE_RUNS) + 1), *merges]
    tokenizer = _bare(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL_TOKENS])
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in MEDIA_TOKENS])
    return tokenizer


def _run_merges(char: str, longest: int) -> list[tuple[str, str]]:
    """Return merges that turn any run of up to ``longest`` equal characters into one token."""
    return [(char * left, char * (total - left)) for total in range(2, longest + 1) for left in range(1, total)]


def _bare(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Replace(" ", SPACE)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_PIECES), "isolated")
    tokenizer.decoder = decoders.Sequence([decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def configuration(tokenizer: Tokenizer) -> dict[str, object]:
    """Return ``tokenizer_config.json`` with Gemma 4's names of its tokens."""
    names = {
        "bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>",
        "sot_token": "<|turn>", "eot_token": "<turn|>", "soc_token": "<|channel>", "eoc_token": "<channel|>",
        "think_token": "<|think|>", "escape_token": '<|"|>', "std_token": "<|tool>", "etd_token": "<tool|>",
        "stc_token": "<|tool_call>", "etc_token": "<tool_call|>", "str_token": "<|tool_response>",
        "etr_token": "<tool_response|>", "boi_token": "<|image>", "eoi_token": "<image|>", "image_token": "<|image|>",
        "boa_token": "<|audio>", "eoa_token": "<audio|>", "audio_token": "<|audio|>",
    }  # fmt: skip
    special = ("<|image>", "<image|>", "<|audio>", "<audio|>", "<|video|>")
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "backend": "tokenizers",
        "add_bos_token": False,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 4096,
        "padding_side": "left",
        **names,
        "extra_special_tokens": ["<|video|>"],
        "media_token_ids": {text: tokenizer.token_to_id(text) for text in (*special, "<|image|>", "<|audio|>")},
    }


def characters_per_token(texts: Iterable[str], tokenizer: Tokenizer) -> float:
    """Return the mean number of characters a token of ``texts`` stands for."""
    characters = tokens = 0
    for text in texts:
        characters += len(text)
        tokens += len(tokenizer.encode(text, add_special_tokens=False).ids)
    return characters / max(tokens, 1)
