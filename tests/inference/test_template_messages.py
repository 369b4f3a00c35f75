"""How turns become messages, beyond what the renderings of the templates show."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.chat_template import ChatTemplate
from inference.messages import Audio, Image, Part, Role, Text, Thought, Tool, ToolCall, ToolResult, Turn, Video
from inference.template_messages import declarations_of, media_of, messages_of
from inference.tool_schema import MAX_DEPTH

ROOT = Path(__file__).parents[2]
DEMO_TEMPLATE = ROOT / "resources" / "demo_model" / "chat_template.jinja"
SHARED = Path(os.environ.get("LARIMAR_SHARED", ROOT.parent / "shared"))
SHARED_TEMPLATES = sorted((SHARED / "data" / "templates").glob("*.jinja"))

HI = Turn.of("user", "Hi")


def test_texts_side_by_side_are_joined_with_their_spaces() -> None:
    assert messages_of([Turn("user", (Text("a "), Text(" b")))]) == [{"role": "user", "content": "a  b"}]


def test_media_keep_their_place() -> None:
    parts = (Text("a"), Text("b"), Image(b""), Text("c"))
    content = [{"type": "text", "text": "ab"}, {"type": "image"}, {"type": "text", "text": "c"}]
    assert messages_of([Turn("user", parts)]) == [{"role": "user", "content": content}]


def test_an_empty_system_prompt_is_none() -> None:
    assert messages_of([Turn.of("system", ""), HI])[0]["role"] == "system"
    assert messages_of([Turn("system", ()), HI]) == messages_of([HI])


def test_an_empty_question_is_still_a_question() -> None:
    assert messages_of([Turn("user", ())]) == [{"role": "user", "content": ""}]


def test_a_reply_of_thoughts_alone_is_left_out() -> None:
    assert messages_of([HI, Turn("assistant", (Thought("hm"),)), HI]) == messages_of([HI, HI])


def test_unanswered_calls_of_older_turns_are_left_out() -> None:
    stopped = Turn("assistant", (Text("Let me look."), ToolCall("f")))
    messages = messages_of([HI, stopped, HI])
    assert messages[1] == {"role": "assistant", "content": "Let me look."}
    assert len(messages) == 3


def test_an_order_of_its_own_becomes_several_messages() -> None:
    parts = (Thought("1"), Text("2"), Thought("3"), ToolCall("f"), ToolResult("f", "4"), ToolCall("g"), Text("5"))
    roles = [
        (message["role"], message["content"], message.get("reasoning_content"), "tool_calls" in message)
        for message in messages_of([HI, Turn("assistant", parts)])
    ]
    assert roles == [
        ("user", "Hi", None, False),
        ("assistant", "2", "1", False),
        ("assistant", "", "3", True),
        ("tool", "4", None, False),
        ("assistant", "5", None, True),
    ]


def test_results_are_matched_by_id_then_by_name_then_by_order() -> None:
    calls = (ToolCall("f", {}, "x"), ToolCall("f", {}, "y"), ToolCall("g"), ToolCall("h"))
    results = (ToolResult("f", "for y", "y"), ToolResult("g", "for g"), ToolResult("f", "for x"), ToolResult("?", "h"))
    messages = messages_of([HI, Turn("assistant", calls), Turn("tool", results)])
    names = {call["id"]: call["function"]["name"] for call in messages[1]["tool_calls"]}
    ids = {message["content"]: message["tool_call_id"] for message in messages[2:]}
    assert ids["for y"] == messages[1]["tool_calls"][1]["id"]
    assert ids["for x"] == messages[1]["tool_calls"][0]["id"]
    assert names[ids["for g"]] == "g"
    assert names[ids["h"]] == "h"


def test_a_plain_text_of_a_tool_is_its_result() -> None:
    messages = messages_of([HI, Turn("assistant", (ToolCall("f"),)), Turn.of("tool", "42")])
    assert messages[2]["content"] == "42"
    assert messages[2]["name"] == "f"


def test_a_result_without_a_call_is_left_out() -> None:
    assert messages_of([HI, Turn("tool", (ToolResult("f", "x"),))]) == messages_of([HI])


ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")
texts = st.text(alphabet="ab<", max_size=3)
parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, texts),
    st.builds(Thought, texts),
    st.just(Image(b"")),
    st.builds(ToolCall, st.sampled_from("fg"), st.just({"a": 1}), st.sampled_from(["", "1", "2"])),
    st.builds(ToolResult, st.sampled_from("fg"), texts, st.sampled_from(["", "1", "2"])),
)
turns = st.builds(Turn, st.sampled_from(ROLES), st.lists(parts, max_size=5).map(tuple))


@given(st.lists(turns, max_size=6))
def test_no_visible_text_is_lost_whatever_the_turns(conversation: list[Turn]) -> None:
    messages = messages_of(conversation)
    said = "".join(turn.text for turn in conversation if turn.role != "tool")
    assert "".join(_text(message) for message in messages if message["role"] != "tool") == said
    calls: dict[str, Any] = {}
    for message in messages:
        for call in message.get("tool_calls", ()):
            assert call["id"] not in calls
            calls[call["id"]] = call
        if message["role"] == "tool":
            assert calls[message["tool_call_id"]]["function"]["name"] == message["name"]


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(item.get("text", "") for item in content)


class TestDeclarations:
    """Schemas are simplified to what the template can write."""

    def flat(self, parameters: dict[str, Any]) -> Any:
        (declaration,) = declarations_of([Tool("f", "does", parameters)])
        return declaration["function"]["parameters"]

    def property(self, schema: Any, **root: Any) -> Any:
        return self.flat({"type": "object", "properties": {"x": schema}, **root})["properties"]["x"]

    def test_no_parameters(self) -> None:
        assert self.flat({}) == {}

    def test_what_the_template_knows_stays(self) -> None:
        schema = {"type": "string", "description": "which", "enum": ["a", "b"]}
        assert self.property(schema) == schema
        assert self.flat({"type": "object", "properties": {}, "required": ["x"]})["required"] == ["x"]

    def test_the_outer_type_is_filled_in(self) -> None:
        assert self.flat({"properties": {"x": {"type": "string"}}})["type"] == "object"

    @pytest.mark.parametrize(
        ("schema", "expected"),
        [
            ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
            ({"type": ["null"]}, {"type": "string", "nullable": True}),
            ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"type": "integer", "nullable": True}),
            ({"oneOf": [{"type": "number"}, {"type": "string"}]}, {"type": "number"}),
            ({"const": "a"}, {"type": "string", "enum": ["a"]}),
            ({"enum": ["a", None]}, {"type": "string", "enum": ["a"]}),
            ({"items": {"type": "integer"}}, {"type": "array", "items": {"type": "integer"}}),
            ({"type": "object"}, {"type": "object", "properties": {}}),
            ({"minimum": 1, "type": "integer"}, {"type": "integer"}),
            (True, {"type": "string"}),
            ({"$ref": "#/nowhere"}, {"type": "string"}),
            ({"$ref": "#/$defs/Unit", "description": "d"}, {"type": "string", "enum": ["C"], "description": "d"}),
            ({"items": {"$ref": "#/$defs/Unit"}}, {"type": "array", "items": {"type": "string", "enum": ["C"]}}),
            (
                {"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": {"type": "integer"}}, "required": ["b"]}]},
                {
                    "type": "object",
                    "properties": {"a": {"type": "string"}, "b": {"type": "integer"}},
                    "required": ["a", "b"],
                },
            ),
        ],
    )
    def test_everything_else_is_resolved(self, schema: Any, expected: Any) -> None:
        definitions = {
            "Unit": {"enum": ["C"]},
            "A": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        }
        assert self.property(schema, **{"$defs": definitions}) == expected

    def test_a_schema_that_contains_itself_ends(self) -> None:
        branch = {"$ref": "#/$defs/Tree"}
        tree = {"type": "object", "properties": {"left": branch, "right": {"anyOf": [branch, {"type": "null"}]}}}
        end = {"type": "object", "properties": {}}
        assert self.property(branch, **{"$defs": {"Tree": tree}}) == {
            "type": "object",
            "properties": {"left": end, "right": {**end, "nullable": True}},
        }

    def test_references_in_a_circle_end(self) -> None:
        definitions = {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A", "description": "b"}}
        assert self.property({"$ref": "#/$defs/A"}, **{"$defs": definitions})["description"] == "b"

    def test_a_schema_without_end_is_cut(self) -> None:
        schema: dict[str, Any] = {"type": "string"}
        for _ in range(500):
            schema = {"type": "array", "items": schema}
        assert str(self.property(schema)).count("array") <= MAX_DEPTH


class TestResultsStandUnderTheirCalls:
    """Whatever order they come in: tools that run side by side end in any."""

    CALLS = Turn("assistant", (ToolCall("w", {"city": "Oslo"}, "c1"), ToolCall("w", {"city": "Rome"}, "c2")))

    @pytest.mark.parametrize("template", [DEMO_TEMPLATE, *SHARED_TEMPLATES], ids=lambda path: path.stem)
    @pytest.mark.parametrize("values", [("3 C in Oslo", "20 C in Rome"), ({"t": "Oslo"}, {"t": "Rome"})])
    def test_in_the_prompt(self, template: Path, values: tuple[Any, Any]) -> None:
        oslo, rome = ToolResult("w", values[0], "c1"), ToolResult("w", values[1], "c2")
        for results in ([Turn("tool", (rome, oslo))], [Turn("tool", (rome,)), Turn("tool", (oslo,))]):
            written = ChatTemplate(template.read_text(encoding="utf-8")).render([HI, self.CALLS, *results]).text
            behind = written.rpartition("<tool_call|>")[2]
            assert 0 < behind.index("Oslo") < behind.index("Rome")

    def test_a_result_without_an_id_takes_no_call_that_another_is_meant_for(self) -> None:
        results = (ToolResult("w", "any"), ToolResult("w", "Oslo", "c1"))
        messages = messages_of([HI, self.CALLS, Turn("tool", results)])
        assert [message["content"] for message in messages[2:]] == ["Oslo", "any"]

    @pytest.mark.parametrize("template", [DEMO_TEMPLATE, *SHARED_TEMPLATES], ids=lambda path: path.stem)
    def test_their_media_go_with_them(self, template: Path) -> None:
        rome, oslo, own = Image(b"rome"), Audio(b"oslo"), Image(b"own")
        results = (ToolResult("w", "Rome", "c2"), rome, ToolResult("w", "Oslo", "c1"), oslo, ToolResult("?", "x"), own)
        said = Turn("assistant", (*self.CALLS.parts, Text("see"), Image(b"said")))
        turns = [HI, said, Turn("tool", results), Turn("user", (Video(b"last"),))]
        assert media_of(turns) == [oslo, rome, Image(b"said"), Video(b"last")]
        written = ChatTemplate(template.read_text(encoding="utf-8")).render(turns).text
        assert re.findall(r"<\|(image|audio|video)\|>", written) == ["audio", "image", "image", "video"]
        assert written.index("Oslo") < written.index("<|audio|>") < written.index("<|image|>") < written.index("see")

    @given(st.lists(turns, max_size=6))
    def test_media_are_as_many_and_in_the_order_of_their_places(self, conversation: list[Turn]) -> None:
        conversation = [turn for turn in conversation if turn.role != "system"]  # templates write only their text
        places = ChatTemplate(DEMO_TEMPLATE.read_text(encoding="utf-8")).render(conversation).text.count("<|image|>")
        assert len(media_of(conversation)) == places
