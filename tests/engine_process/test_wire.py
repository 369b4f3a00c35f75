"""The format between the two processes: what is sent arrives, and nothing else is believed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine_process import wire
from app.engine_process.wire import (
    ANSWER_BYTES,
    Answer,
    Begun,
    Failed,
    Finished,
    Heard,
    LogLine,
    MalformedError,
    MayKeep,
    Opened,
    Progress,
    RequestReader,
    RequestWriter,
    decoded,
    encoded,
)
from inference.messages import (
    Audio,
    Done,
    Image,
    Prefill,
    ReplyOptions,
    ReplyStats,
    Text,
    Thought,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
    Video,
)

texts = st.text(st.characters(), max_size=40)  # lone surrogates, too
said = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
counts = st.integers(0, (1 << 63) - 1)
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | numbers | texts,
    lambda some: st.lists(some, max_size=4) | st.dictionaries(texts, some, max_size=4),
    max_leaves=12,
)
stats = st.builds(
    ReplyStats,
    *(counts if name not in ("time_to_first_token", "decode_seconds") else numbers for name in ReplyStats.__slots__),
)
answers = st.one_of(
    st.builds(Text, said),
    st.builds(Thought, said),
    st.builds(Prefill, counts, counts),
    st.builds(ToolCall, texts, st.dictionaries(texts, values, max_size=4), texts),
    st.builds(Done, st.sampled_from(["stop", "length", "context", "cancelled", "tool_calls"]), stats),
    st.builds(Opened, texts, st.booleans(), st.frozensets(texts, max_size=3), counts, texts, texts),
    st.builds(Progress, texts, numbers),
    st.builds(Heard, st.none() | counts),
    st.builds(Failed, texts, texts),
    st.just(Finished()),
    st.just(MayKeep()),
    st.just(Begun()),
    st.builds(LogLine, counts, texts, texts),
)


@given(answers)
@settings(max_examples=examples(200))
def test_an_answer_arrives_as_it_was_sent(answer: Answer) -> None:
    frame = encoded(answer)
    (size,) = wire.LENGTH.unpack(frame[: wire.LENGTH.size])
    assert size == len(frame) - wire.LENGTH.size
    assert decoded(frame[wire.LENGTH.size :]) == answer


@given(st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=examples(200))
def test_whatever_else_comes_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedError):
        decoded(content)


@given(answers, st.integers(0, 20), values)
@settings(max_examples=examples(200))
def test_a_field_of_another_kind_is_refused_or_right(answer: Answer, place: int, value: object) -> None:
    fields: list[Any] = json.loads(encoded(answer)[wire.LENGTH.size :])
    fields[place % len(fields)] = value
    try:
        found = decoded(json.dumps(fields).encode())
    except MalformedError:
        return
    match found:
        case Text(text) | Thought(text):
            assert isinstance(text, str)
        case Prefill(done, total):
            assert type(done) is int
            assert type(total) is int
        case Progress(_, share):
            assert math.isfinite(share)
        case Opened():
            assert all(isinstance(each, str) for each in found.modalities)
        case Done(_, said):
            assert all(isinstance(getattr(said, name), int | float) for name in ReplyStats.__slots__)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"[[]]",
        b'["unknown"]',
        b'["text"]',
        b'["text", 1]',
        b'["text", "a", "b"]',
        b'["text", "\\ud800"]',
        b'["text", "\xed\xa0\x80"]',
        b'["thought", "a\\udfff"]',
        b'["prefill", -1, 1]',
        b'["prefill", true, 1]',
        b'["prefill", 1e400, 1]',
        b'["progress", "x", NaN]',
        b'["done", "stop", {}]',
        b'["done", [], {}]',
        b'["heard", "1"]',
        b"[" * 100_000,
        b'["call", "x", ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b', ""]',
        b'["prefill", ' + b"9" * 5000 + b", 1]",
    ],
    ids=lambda content: repr(content[:20]),
)
def test_hostile_answers_are_refused(content: bytes) -> None:
    with pytest.raises(MalformedError):
        decoded(content)


def test_an_answer_has_a_largest_size() -> None:
    with pytest.raises(ValueError, match="too long"):
        encoded(Text("x" * (ANSWER_BYTES + 1)))


# --- requests ---

media = st.binary(max_size=20) | st.integers(0, 5).map(lambda number: bytes([number]) * (5000 + number))
parts = st.one_of(
    st.builds(Text, said),
    st.builds(Thought, said),
    st.builds(Image, media, st.none() | st.sampled_from([70, 140])),
    st.builds(Image, st.just(Path("/some/picture.png"))),
    st.builds(Audio, media),
    st.builds(Video, media),
    st.builds(ToolCall, texts),
    st.builds(ToolCall, texts, st.dictionaries(texts, values, max_size=2).map(MappingProxyType), texts),
    st.builds(ToolResult, texts, texts | st.dictionaries(texts, values, max_size=2)),
)
turns = st.lists(
    st.builds(Turn, st.sampled_from(["system", "user", "assistant", "tool"]), st.lists(parts, max_size=3).map(tuple)),
    max_size=3,
).map(tuple)


@given(st.lists(turns, max_size=8), st.sampled_from([0, 6000, 20_000, 1 << 20]))
@settings(max_examples=examples(100))
def test_requests_arrive_whole_whatever_was_forgotten(conversations: list[tuple[Turn, ...]], most: int) -> None:
    writer, reader = RequestWriter(most), RequestReader(most)
    options = ReplyOptions(tools=(Tool("t", "does"),), json_schema=MappingProxyType({"type": "object"}))
    for number, conversation in enumerate(conversations):
        frames = writer.frames("reply", number, conversation, options)
        frames.insert(0, wire.plain_request("cancel", number))
        requests = [reader.read(frame[wire.LENGTH.size :]) for frame in frames]
        assert requests[0] == ("cancel", number)
        assert requests[-1] == ("reply", number, conversation, options)
        assert requests[1:-1] == [None] * (len(frames) - 2)


def test_a_medium_is_sent_once() -> None:
    writer = RequestWriter()
    turn = Turn("user", (Image(b"x" * 1_000_000), Text("What is this?")))
    first = writer.frames("reply", 1, (turn,), ReplyOptions())
    again = writer.frames("reply", 2, (turn, Turn.of("assistant", "An x."), turn), ReplyOptions())
    assert sum(map(len, first)) > 1_000_000
    assert sum(map(len, again)) < 2000
