"""The stream of a reply: thoughts, text and calls, whatever the model writes and wherever it stops."""

from __future__ import annotations

from itertools import count, groupby

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from inference.messages import Text, Thought, ToolCall
from inference.reply_parser import ReplyParser, ReplyPart, ends_inside_thought

MARKERS = [
    "<|channel>",
    "<channel|>",
    "<|tool_call>",
    "<tool_call|>",
    '<|"|>',
    "<|tool_response>",
    "<|turn>",
    "<pad>",
]
IDS = {name: index for index, name in enumerate(MARKERS)}
NAMES = {index: name for name, index in IDS.items()}
ORDINARY = 1000


def parse(*stream: str, inside_thought: bool = False, finish: bool = True) -> list[ReplyPart]:
    """Feed markers and pieces of text; return the parts, neighbours of one kind joined."""
    numbers = count(1)
    parser = ReplyParser(NAMES, inside_thought=inside_thought, new_call_id=lambda: f"call_{next(numbers)}")
    parts: list[ReplyPart] = []
    for item in stream:
        parts += parser.feed(IDS[item], "") if item in IDS else parser.feed(ORDINARY, item)
    if finish:
        parts += parser.finish()
    return joined(parts)


def joined(parts: list[ReplyPart]) -> list[ReplyPart]:
    merged: list[ReplyPart] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, Text) and isinstance(last, Text):
            merged[-1] = Text(last.text + part.text)
        elif isinstance(part, Thought) and isinstance(last, Thought):
            merged[-1] = Thought(last.text + part.text)
        else:
            merged.append(part)
    return merged


def test_text_streams_at_once() -> None:
    parser = ReplyParser(NAMES)
    assert parser.feed(ORDINARY, "Hello") == [Text("Hello")]
    assert parser.feed(ORDINARY, "") == []
    assert parser.feed(ORDINARY, " world\n") == [Text(" world\n")]
    assert parser.finish("!") == [Text("!")]
    assert parser.finish() == []


def test_a_thought_streams_at_once() -> None:
    parser = ReplyParser(NAMES)
    assert parser.feed(IDS["<|channel>"], "") == []
    assert parser.feed(ORDINARY, "thought") == []
    assert parser.feed(ORDINARY, "\n") == []
    assert parser.feed(ORDINARY, "I") == [Thought("I")]
    assert parser.feed(ORDINARY, " think\n\n") == [Thought(" think")]
    assert parser.feed(ORDINARY, "so") == [Thought("\n\nso")]


@pytest.mark.parametrize("cut", [["thought\nHm\n"], ["tho", "ught", "\n", "H", "m", "\n"], list("thought\nHm\n")])
def test_thought_then_answer(cut: list[str]) -> None:
    assert parse("<|channel>", *cut, "<channel|>", "Yes") == [Thought("Hm"), Text("Yes")]


@pytest.mark.parametrize("content", [[], ["thought\n"], ["thought"], ["thought\n", "\n"], ["thought\n \n"], [" "]])
def test_an_empty_thought_is_nothing(content: list[str]) -> None:
    assert parse("<|channel>", *content, "<channel|>", "Yes") == [Text("Yes")]


def test_line_breaks_before_a_thought_are_dropped() -> None:
    assert parse("<|channel>", "thought\n", "\n\n  Hm", "<channel|>") == [Thought("  Hm")]


def test_a_channel_without_the_header_is_a_thought() -> None:
    assert parse("<|channel>", "though this", "<channel|>") == [Thought("though this")]
    assert parse("<|channel>", "th", "<channel|>") == [Thought("th")]
    assert parse("<|channel>", "analysis\n", "x", "<channel|>") == [Thought("analysis\nx")]


def test_the_header_is_never_shown() -> None:
    for stop in range(len("thought\n") + 1):
        assert parse("<|channel>", "thought\n"[:stop]) == []


def test_a_prompt_may_end_inside_a_thought() -> None:
    assert parse("Hm\n", "<channel|>", "Yes", inside_thought=True) == [Thought("Hm"), Text("Yes")]


def test_several_thoughts() -> None:
    stream = ["<|channel>", "thought\nA\n", "<channel|>", "x", "<|channel>", "thought\nB", "<|channel>", "thought\nC"]
    assert parse(*stream) == [Thought("A"), Text("x"), Thought("BC")]


def test_line_breaks_before_the_answer_are_dropped_but_not_within() -> None:
    assert parse("<|channel>", "thought\nA", "<channel|>", "\n", "\n  x\n\ny") == [Thought("A"), Text("  x\n\ny")]
    assert parse("a", "<|channel>", "thought\n", "<channel|>", "\nb") == [Text("a\nb")]


def call(*arguments: str, name: str = "f") -> list[str]:
    return ["<|tool_call>", f"call:{name}", "{", *arguments, "}", "<tool_call|>"]


def test_calls() -> None:
    stream = [*call("a:", '<|"|>', "<x", '<|"|>'), "\n", *call("b:[1,", "2]", name="g"), "<|tool_response>"]
    assert parse(*stream) == [ToolCall("f", {"a": "<x"}, "call_1"), ToolCall("g", {"b": [1, 2]}, "call_2")]


def test_line_breaks_around_calls_are_dropped() -> None:
    assert parse("a", *call(), "\n\n", *call(), "\n", "b\n") == [
        Text("a"),
        ToolCall("f", {}, "call_1"),
        ToolCall("f", {}, "call_2"),
        Text("b\n"),
    ]


def test_call_ids_are_unique_by_default() -> None:
    parser = ReplyParser(NAMES)
    parts: list[ReplyPart] = []
    for item in [*call(), *call()]:
        parts += parser.feed(IDS.get(item, ORDINARY), "" if item in IDS else item)
    first, second = parts
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert first.call_id != second.call_id


def test_a_call_within_a_thought_ends_it() -> None:
    assert parse("<|channel>", "thought\nHm\n", *call(), "ok") == [
        Thought("Hm"),
        ToolCall("f", {}, "call_1"),
        Text("ok"),
    ]


def test_a_malformed_call_is_shown_as_it_was_written() -> None:
    assert parse("<|tool_call>", "call:f{a:", '<|"|>', "x}", "<tool_call|>", "!") == [
        Text('<|tool_call>call:f{a:<|"|>x}<tool_call|>!')
    ]
    assert parse("<|tool_call>", "call:f{", "<pad>", "}", "<tool_call|>") == [
        Text("<|tool_call>call:f{<pad>}<tool_call|>")
    ]


def test_a_call_that_breaks_off_is_shown_as_it_was_written() -> None:
    assert parse("<|tool_call>", "call:f{a:") == [Text("<|tool_call>call:f{a:")]
    assert parse("<|tool_call>", "call:f{", "<|tool_call>", "call:g{}", "<tool_call|>") == [
        Text("<|tool_call>call:f{"),
        ToolCall("g", {}, "call_1"),
    ]
    assert parse("<|tool_call>", "oops", "<|channel>", "thought\nHm") == [Text("<|tool_call>oops"), Thought("Hm")]


def test_a_whole_call_without_its_end_marker_is_a_call() -> None:
    assert parse("<|tool_call>", "call:f{a:1}") == [ToolCall("f", {"a": 1}, "call_1")]


def test_stray_markers_are_not_text() -> None:
    assert parse("a", "<channel|>", "<tool_call|>", "<|turn>", "<pad>", "b") == [Text("ab")]


def test_the_string_token_outside_a_call_is_a_quotation_mark() -> None:
    assert parse("say ", '<|"|>', "hi", '<|"|>') == [Text('say "hi"')]


def test_markers_spelt_in_letters_are_text() -> None:
    parser = ReplyParser(NAMES)
    assert parser.feed(ORDINARY, "<|channel>thought\n") == [Text("<|channel>thought\n")]


def test_pending_text_of_a_marker_comes_before_it() -> None:
    parser = ReplyParser(NAMES)
    assert parser.feed(IDS["<|tool_call>"], "\ufffd") == [Text("\ufffd")]
    assert parser.feed(ORDINARY, "call:f{}") == []


def test_ends_inside_thought() -> None:
    opened, closed, turn = IDS["<|channel>"], IDS["<channel|>"], IDS["<|turn>"]
    assert ends_inside_thought([turn, ORDINARY, opened, ORDINARY], NAMES)
    assert not ends_inside_thought([turn, ORDINARY, opened, ORDINARY, closed], NAMES)
    assert not ends_inside_thought([opened, turn, ORDINARY], NAMES)
    assert not ends_inside_thought([ORDINARY], NAMES)
    assert not ends_inside_thought([], NAMES)


items = st.sampled_from([*MARKERS, "thought\n", "thought", "\n", "call:f{}", "call:f{a:1", "}", "x", " ", "é\n"])


@given(stream=st.lists(items | st.text(max_size=3), max_size=25), inside_thought=st.booleans())
@settings(deadline=None, max_examples=1000)
def test_any_stream_cut_anywhere(stream: list[str], inside_thought: bool) -> None:
    """Never raises; no letter that is neither header nor call gets lost; what was shown stays as the stream goes on."""
    shown: list[ReplyPart] = []
    for stop in range(len(stream) + 1):
        running = parse(*stream[:stop], inside_thought=inside_thought, finish=False)
        assert _text(running).startswith(_text(shown))
        shown = running
    parts = parse(*stream, inside_thought=inside_thought)
    assert _text(parts).startswith(_text(shown))
    assert all(part.text for part in parts if isinstance(part, Text | Thought))
    for letters in ("x", "é"):
        written = sum(item.count(letters) for item in stream if item not in IDS)
        kept = sum(part.text.count(letters) for part in parts if isinstance(part, Text | Thought))
        kept += sum(
            str(dict(part.arguments)).count(letters) + part.name.count(letters)
            for part in parts
            if isinstance(part, ToolCall)
        )
        assert kept == written


@given(stream=st.lists(items | st.text(max_size=3), max_size=25), inside_thought=st.booleans())
@settings(deadline=None, max_examples=300)
def test_pieces_make_no_difference(stream: list[str], inside_thought: bool) -> None:
    """What streamed is what the same reply gives in one go: text between two markers taken whole."""
    whole = [
        piece
        for is_marker, group in groupby(stream, IDS.__contains__)
        for piece in (group if is_marker else ["".join(group)])
    ]
    assume(sum(item in IDS for item in whole) == sum(item in IDS for item in stream))  # none spelt by pieces
    assert parse(*stream, inside_thought=inside_thought) == parse(*whole, inside_thought=inside_thought)


@given(stream=st.lists(st.text(max_size=6), max_size=10))
@settings(deadline=None)
def test_plain_text_comes_through_unchanged(stream: list[str]) -> None:
    stream = [item for item in stream if item not in IDS]
    said = "".join(stream)
    parts = parse(*stream)
    assert "".join(part.text for part in parts if isinstance(part, Text)) == said.lstrip("\r\n")


def _text(parts: list[ReplyPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))
