"""A tokenizer laid out like Gemma's, a small chat template, and a language model that says what it is told to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers

from inference.cancellation import CancelToken
from inference.graphs import native_operators
from inference.prompt import Prompt
from inference.tokenizer import Tokenizer

CONTROL_IDS = {
    "<pad>": 0,
    "<eos>": 1,
    "<bos>": 2,
    "<unk>": 3,
    "<mask>": 4,
    "<|tool>": 46,
    "<tool|>": 47,
    "<|tool_call>": 48,
    "<tool_call|>": 49,
    "<|tool_response>": 50,
    "<tool_response|>": 51,
    '<|"|>': 52,
    "<|think|>": 98,
    "<|channel>": 100,
    "<channel|>": 101,
    "<|turn>": 105,
    "<turn|>": 106,
    "<|image>": 255999,
    "<|audio>": 256000,
    "<|image|>": 258880,
    "<|audio|>": 258881,
    "<image|>": 258882,
    "<audio|>": 258883,
    "<|video|>": 258884,
}
"""Gemma 4's control tokens with their real ids."""

WORD_IDS = {
    "\n": 107,
    "\n\n": 108,
    "user": 2364,
    "model": 4368,
    "thought": 45518,
    "call": 6639,
    ":": 236787,
    "Here": 8291,
    "▁is": 563,
    "▁my": 1041,
    "▁poem": 27355,
    "Hello": 9259,
    "Describe": 82858,
    "▁this": 672,
    "▁image": 2471,
    "▁in": 528,
    "▁detail": 8408,
    ".": 236761,
    "T": 236774,
    "ranscribe": 2000,
    "▁audio": 2001,
}
"""Some words with their ids, most of them real."""


def build_backend() -> tokenizers.Tokenizer:
    """A BPE tokenizer in Gemma's layout: ▁ for the space, byte fallback, no pre-tokenizer that splits words."""
    vocabulary = dict(CONTROL_IDS) | {f"<0x{byte:02X}>": 238 + byte for byte in range(256)} | WORD_IDS
    merges: list[tuple[str, str]] = []
    spare = iter(range(200_000, 236_000))
    letters = [chr(code) for code in range(33, 127)] + ["▁", "é", "ß", "你", "好", "а"]
    for piece in letters:
        vocabulary.setdefault(piece, next(spare))
    for word in WORD_IDS:
        for end in range(2, len(word) + 1):
            vocabulary.setdefault(word[:end], next(spare))
            if (pair := (word[: end - 1], word[end - 1])) not in merges:
                merges.append(pair)
    backend = tokenizers.Tokenizer(
        models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Replace(" ", "▁")
    backend.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    # Not all of them are flagged as special, as in files of some converters.
    backend.add_tokens([AddedToken('<|"|>', normalized=False), AddedToken("<|channel>", normalized=False)])
    backend.add_special_tokens(
        [
            AddedToken(name, normalized=False, special=True)
            for name in CONTROL_IDS
            if name not in ('<|"|>', "<|channel>")
        ]
    )
    return backend


TEMPLATE = """\
{{- bos_token -}}
{%- if enable_thinking or tools -%}
    {{- '<|turn>system\\n' + ('<|think|>\\n' if enable_thinking else '') -}}
    {%- for tool in tools or [] %}{{ '<|tool>declaration:' + tool['function']['name'] + '<tool|>' }}{% endfor -%}
    {{- '<turn|>\\n' -}}
{%- endif -%}
{%- for message in messages if message['role'] != 'tool' -%}
    {{- '<|turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' -}}
    {%- for call in message.get('tool_calls') or [] -%}
        {{- '<|tool_call>call:' + call['function']['name'] + '{' -}}
        {%- for key, value in call['function']['arguments'] | dictsort -%}
            {{- key + ':<|"|>' + value ~ '<|"|>' + ('' if loop.last else ',') -}}
        {%- endfor -%}
        {{- '}<tool_call|>' -}}
    {%- endfor -%}
    {%- if message['content'] is string -%}
        {{- message['content'] | trim -}}
    {%- else -%}
        {%- for item in message['content'] -%}
            {{- item['text'] | trim if item['type'] == 'text' else '<|' + item['type'] + '|>' -}}
        {%- endfor -%}
    {%- endif -%}
    {{- '<turn|>\\n' -}}
{%- endfor -%}
{{- '<|turn>model\\n' -}}
"""
"""What the official templates do, without their finer points."""


class ScriptedModel:
    """Says the scripted replies, one a prefill, and keeps a KV cache of token ids only."""

    provider = "CPU"
    vocab_size = 262_144
    has_drafter = False
    most_rows = 13

    def __init__(self, *replies: Sequence[int], context_length: int = 4096, chunk: int = 8) -> None:
        self.context_length = context_length
        self.cached_tokens: tuple[int, ...] = ()
        self.logits = np.zeros(self.vocab_size, np.float32)
        self.prompts: list[list[int]] = []
        self.prepared: list[list[int]] = []
        self.kept = 0
        self.closed = False
        self.during_step: Callable[[], None] = lambda: None
        self._replies = list(replies)
        self._reply: list[int] = []
        self._chunk = chunk

    def prefill(self, prompt: Prompt | Sequence[int], cancel: CancelToken, *, ahead: bool = False) -> Iterator[int]:
        ids = prompt.reuse_ids if isinstance(prompt, Prompt) else tuple(prompt)
        if ahead:
            self.prepared.append(list(ids))
        else:
            self.prompts.append(list(ids))
            self._reply = list(self._replies.pop(0)) if self._replies else []
        common = 0
        while (
            common < min(len(ids) - (not ahead), len(self.cached_tokens)) and ids[common] == self.cached_tokens[common]
        ):
            common += 1
        self.cached_tokens = tuple(ids[:common])
        yield common
        for start in range(common, len(ids), self._chunk):
            if cancel.cancelled:
                return
            self.cached_tokens = tuple(ids[: start + self._chunk])
            if not ahead:
                self._say_next()
            yield len(self.cached_tokens)

    def step(self, token: int, cancel: CancelToken) -> np.ndarray | None:
        self.during_step()
        if cancel.cancelled:
            return None
        assert len(self.cached_tokens) < self.context_length, "the cache is full"
        assert token == self._reply[0], "another token was drawn than the scripted one"
        self._reply.pop(0)
        self.cached_tokens += (token,)
        self._say_next()
        return self.logits

    def keep(self) -> None:
        self.kept += 1

    def close(self) -> None:
        self.closed = True

    def _say_next(self) -> None:
        self.logits = np.full(self.vocab_size, -1000, np.float32)
        self.logits[self._reply[0] if self._reply else CONTROL_IDS["<turn|>"]] = 1000
        if not self._reply:
            self._reply = [CONTROL_IDS["<turn|>"]]


if built_for_tests := os.environ.get("LARIMAR_TEST_OPERATORS"):  # with sanitizers, say
    native_operators.LIBRARY = Path(built_for_tests)


@pytest.fixture(scope="session")
def native_library() -> Path:
    """Our own operators; skips where they are for other processors."""
    reason = native_operators.why_not()
    if reason.startswith("this processor"):
        pytest.skip(reason)
    assert not reason, f"{reason}: python packaging/build_operators.py"
    return native_operators.LIBRARY


@pytest.fixture(scope="session")
def backend() -> tokenizers.Tokenizer:
    return build_backend()


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer(build_backend(), "tokenizer.json")


@pytest.fixture(scope="session")
def control_ids() -> dict[str, int]:
    return CONTROL_IDS


@pytest.fixture(scope="session")
def template_source() -> str:
    return TEMPLATE


@pytest.fixture(scope="session")
def official_templates(shared_data: Path) -> dict[str, str]:
    """Google's templates: SMALL is that of E2B and E4B, BIG that of the others."""
    return {
        "SMALL": (shared_data / "templates" / "gemma-4-E2B-it.jinja").read_text(encoding="utf-8"),
        "BIG": (shared_data / "templates" / "gemma-4-12B-it.jinja").read_text(encoding="utf-8"),
    }


@pytest.fixture
def scripted() -> Callable[..., Any]:
    """Makes a model that says the given replies."""
    return ScriptedModel
