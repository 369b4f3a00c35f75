"""The whole way from turns to text on real graphs: the same tokens as transformers, whatever happened before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from inference.cancellation import CancelToken
from inference.engine import Engine
from inference.messages import Done, Prefill, ReplyEvent, ReplyOptions, Text, Thought, ToolCall, Turn

pytestmark = pytest.mark.parity

STOP = {1, 106, 50}
GREEDY = ReplyOptions(temperature=0, max_tokens=24)
TEMPLATE = """\
{{- bos_token -}}
{%- for message in messages -%}
    {{- '<|turn>' + ('model' if message['role'] == 'assistant' else message['role']) + '\\n' -}}
    {{- message['content'] | trim + '<turn|>\\n' -}}
{%- endfor -%}
{{- '<|turn>model\\n' -}}
"""
CONTROL_IDS = {
    "<pad>": 0, "<eos>": 1, "<bos>": 2, "<unk>": 3, "<|tool_call>": 48, "<tool_call|>": 49, "<|tool_response>": 50,
    '<|"|>': 52, "<|channel>": 100, "<channel|>": 101, "<|turn>": 105, "<turn|>": 106,
}  # fmt: skip


def write_text_files(folder: Path) -> None:
    """Give a model of 512 token ids a tokenizer in Gemma's layout, in which every text is bytes, and a template."""
    vocabulary = CONTROL_IDS | {f"<0x{byte:02X}>": 238 + byte for byte in range(256)}
    vocabulary |= {f"<unused{index}>": index for index in range(512) if index not in vocabulary.values()}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in CONTROL_IDS])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(TEMPLATE, encoding="utf-8")


@pytest.fixture
def pair(converted: Any, kind: str) -> Any:
    pair = converted(kind)
    write_text_files(pair.folder)
    return pair


@pytest.fixture
def engine(pair: Any) -> Iterator[Engine]:
    engine = Engine.open(pair.folder, provider="cpu", threads=1)
    yield engine
    engine.close()


def said(events: list[ReplyEvent]) -> str:
    """What a reply shows, thoughts and calls included."""
    return "".join(str(event) for event in events if isinstance(event, Text | Thought | ToolCall))


def answer(engine: Engine, turns: list[Turn], cancel: CancelToken | None = None) -> list[ReplyEvent]:
    return list(engine.reply(turns, GREEDY, cancel))


def expected_tokens(pair: Any, engine: Engine, turns: list[Turn]) -> list[int]:
    """Greedy tokens of transformers for the same prompt, up to and with the first that ends a reply."""
    prompt = engine._writer.write(turns, GREEDY, CancelToken()).ids.tolist()
    tokens: list[int] = pair.reference_greedy(prompt, GREEDY.max_tokens)
    end = next((index for index, token in enumerate(tokens) if token in STOP), len(tokens) - 1)
    return tokens[: end + 1]


def questions() -> list[list[Turn]]:
    return [[Turn.of("user", text)] for text in ("Hi", "What is this?", "1+1", "é😀", "a<turn|>b", "x" * 60)]


def test_the_same_tokens_as_transformers(pair: Any, engine: Engine) -> None:
    for turns in questions():
        expected = expected_tokens(pair, engine, turns)
        prompt = engine._writer.write(turns, GREEDY, CancelToken()).ids.tolist()
        done = answer(engine, turns)[-1]
        assert isinstance(done, Done)
        assert list(engine._model.cached_tokens[len(prompt) :]) == expected[:-1]
        assert done.stats.generated_tokens == len(expected)
        assert done.reason == ("stop" if expected[-1] in STOP else "length")


def test_a_conversation_says_the_same_with_and_without_the_cache(pair: Any, engine: Engine) -> None:
    turns: list[Turn] = []
    for text in ("Hi", "And then?", "Why?"):
        turns.append(Turn.of("user", text))
        events = answer(engine, turns)
        first = next(event for event in events if isinstance(event, Prefill))
        assert (first.done > 0) == (len(turns) > 1), "only what is new was read"
        fresh = Engine.open(pair.folder, provider="cpu", threads=1)
        assert said(answer(fresh, turns)) == said(events)
        fresh.close()
        turns.append(Turn.of("assistant", "".join(event.text for event in events if isinstance(event, Text)) or "…"))


def test_after_a_stop_and_an_abandoned_reply_the_same_is_said(pair: Any, engine: Engine) -> None:
    turns, *others = questions()
    undisturbed = said(answer(engine, turns))
    longest = max(others, key=lambda other: len(answer(engine, other)))
    cancel = CancelToken()
    events: list[ReplyEvent] = []
    for event in engine.reply(longest, GREEDY, cancel):
        events.append(event)
        if not isinstance(event, Prefill):
            cancel.cancel()
    done = events[-1]
    assert isinstance(done, Done)
    assert done.reason == "cancelled"
    assert said(answer(engine, turns)) == undisturbed
    abandoned = engine.reply(turns, GREEDY)
    next(abandoned)
    abandoned.close()
    assert said(answer(engine, turns)) == undisturbed
