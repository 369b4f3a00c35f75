"""Prompts come out as Google's templates want them; a bad template gives a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.chat_template import ChatTemplate, Prompt
from inference.errors import ModelFolderError
from inference.messages import Audio, Image, Part, Text, Thought, Tool, ToolCall, ToolResult, Turn, Video
from inference.template_messages import declarations_of, messages_of
from inference.tokenizer import Tokenizer

EMPTY_THOUGHT = "<|channel>thought\n<channel|>"
HI = Turn.of("user", "Hi")
WEATHER = Tool(
    "get_weather",
    "Weather now",
    {
        "type": "object",
        "properties": {
            "unit": {"type": "string", "enum": ["C", "F"]},
            "city": {"type": "string", "description": "City"},
            "days": {"type": "array", "items": {"type": "integer"}},
            "o": {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
        },
        "required": ["city"],
    },
)
CALL = ToolCall(
    "get_weather",
    {"city": "Paris", "n": 3, "f": 1.5, "b": True, "x": None, "l": ["a", 1], "d": {"k": "v"}},
    "call_1",
)
CALL_TEXT = (
    '<|tool_call>call:get_weather{b:true,city:<|"|>Paris<|"|>,d:{k:<|"|>v<|"|>},f:1.5,l:[<|"|>a<|"|>,1],n:3,x:null}'
    "<tool_call|>"
)
TEXT_RESULT = ToolResult("get_weather", '{"t": 20}', "call_1")
TEXT_RESULT_TEXT = '<|tool_response>response:get_weather{value:<|"|>{"t": 20}<|"|>}<tool_response|>'


@pytest.fixture(params=["SMALL", "BIG"])
def size(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def official(official_templates: dict[str, str], size: str) -> ChatTemplate:
    return ChatTemplate(official_templates[size])


def prompt(template: ChatTemplate, *turns: Turn, tools: tuple[Tool, ...] = (), thinking: bool = False) -> str:
    return template.render(turns, tools, thinking=thinking).text


def model_starts(size: str) -> str:
    """How the model's turn begins with thinking off: the larger models are given an empty thought."""
    return "<|turn>model\n" + (EMPTY_THOUGHT if size == "BIG" else "")


class TestOfficialTemplates:
    """The renderings of Google's two templates."""

    def test_user(self, official: ChatTemplate, size: str) -> None:
        assert prompt(official, HI) == f"<bos><|turn>user\nHi<turn|>\n{model_starts(size)}"

    def test_system_with_thinking(self, official: ChatTemplate) -> None:
        system = Turn.of("system", " Be brief. ")
        assert prompt(official, system, HI, thinking=True) == (
            "<bos><|turn>system\n<|think|>\nBe brief.<turn|>\n<|turn>user\nHi<turn|>\n<|turn>model\n"
        )

    def test_thinking_without_system(self, official: ChatTemplate) -> None:
        assert prompt(official, HI, thinking=True) == (
            "<bos><|turn>system\n<|think|>\n<turn|>\n<|turn>user\nHi<turn|>\n<|turn>model\n"
        )

    def test_media(self, official: ChatTemplate, size: str) -> None:
        parts = (Image(b""), Text(" What? "), Audio(b""), Video(Path("clip.mp4")))
        assert prompt(official, Turn("user", parts)) == (
            f"<bos><|turn>user\n<|image|>What?<|audio|><|video|><turn|>\n{model_starts(size)}"
        )

    def test_thoughts_of_older_turns_are_dropped(self, official: ChatTemplate, size: str) -> None:
        answered = Turn("assistant", (Thought("They greet me."), Text("Hello")))
        assert prompt(official, HI, answered, Turn.of("user", "Again")) == (
            "<bos><|turn>user\nHi<turn|>\n<|turn>model\nHello<turn|>\n<|turn>user\nAgain<turn|>\n" + model_starts(size)
        )

    def test_two_assistant_turns_are_one(self, official: ChatTemplate, size: str) -> None:
        turns = (HI, Turn.of("assistant", "A"), Turn.of("assistant", "B"), HI)
        assert prompt(official, *turns) == (
            "<bos><|turn>user\nHi<turn|>\n<|turn>model\nAB<turn|>\n<|turn>user\nHi<turn|>\n" + model_starts(size)
        )

    def test_tools(self, official: ChatTemplate, size: str) -> None:
        assert prompt(official, HI, tools=(WEATHER,)) == (
            '<bos><|turn>system\n<|tool>declaration:get_weather{description:<|"|>Weather now<|"|>,'
            "parameters:{properties:"
            '{city:{description:<|"|>City<|"|>,type:<|"|>STRING<|"|>},days:{items:{type:<|"|>INTEGER<|"|>},type:'
            '<|"|>ARRAY<|"|>},o:{properties:{a:{type:<|"|>NUMBER<|"|>}},required:[<|"|>a<|"|>],type:<|"|>OBJECT<|"|>},'
            'unit:{enum:[<|"|>C<|"|>,<|"|>F<|"|>],type:<|"|>STRING<|"|>}},required:[<|"|>city<|"|>],type:'
            '<|"|>OBJECT<|"|>}}<tool|><turn|>\n<|turn>user\nHi<turn|>\n' + model_starts(size)
        )

    def test_pending_call(self, official: ChatTemplate) -> None:
        assert prompt(official, HI, Turn("assistant", (CALL,))) == (
            f"<bos><|turn>user\nHi<turn|>\n<|turn>model\n{CALL_TEXT}<|tool_response>"
        )

    def test_text_result(self, official: ChatTemplate) -> None:
        assert prompt(official, HI, Turn("assistant", (CALL,)), Turn("tool", (TEXT_RESULT,))) == (
            f"<bos><|turn>user\nHi<turn|>\n<|turn>model\n{CALL_TEXT}{TEXT_RESULT_TEXT}"
        )

    def test_mapping_result(self, official: ChatTemplate) -> None:
        result = ToolResult("get_weather", {"temp": 20, "s": "ok"}, "call_1")
        assert prompt(official, HI, Turn("assistant", (CALL,)), Turn("tool", (result,))).endswith(
            CALL_TEXT + '<|tool_response>response:get_weather{s:<|"|>ok<|"|>,temp:20}<tool_response|>'
        )

    def test_result_with_thinking(self, official: ChatTemplate) -> None:
        calling = Turn("assistant", (Thought("I need weather"), CALL))
        rendered = prompt(official, HI, calling, Turn("tool", (TEXT_RESULT,)), thinking=True)
        assert rendered.endswith(
            "<|turn>model\n<|channel>thought\nI need weather\n<channel|>"
            f"{CALL_TEXT}{TEXT_RESULT_TEXT}<|channel>thought\n"
        )

    def test_finished_tool_turn(self, official: ChatTemplate, size: str) -> None:
        turns = (HI, Turn("assistant", (CALL,)), Turn("tool", (TEXT_RESULT,)), Turn.of("assistant", "It is 20C."), HI)
        assert prompt(official, *turns).endswith(
            f"{CALL_TEXT}{TEXT_RESULT_TEXT}It is 20C.<turn|>\n<|turn>user\nHi<turn|>\n{model_starts(size)}"
        )

    def test_finished_tool_turn_kept_as_one_turn(self, official: ChatTemplate, size: str) -> None:
        apart = (HI, Turn("assistant", (CALL,)), Turn("tool", (TEXT_RESULT,)), Turn.of("assistant", "It is 20C."), HI)
        together = (HI, Turn("assistant", (CALL, TEXT_RESULT, Text("It is 20C."))), HI)
        assert prompt(official, *together) == prompt(official, *apart)

    def test_text_before_a_call_stays_before_it(self, official: ChatTemplate) -> None:
        turns = (HI, Turn("assistant", (Text("Let me look."), CALL)), Turn("tool", (TEXT_RESULT,)))
        assert prompt(official, *turns).endswith(f"<|turn>model\nLet me look.{CALL_TEXT}{TEXT_RESULT_TEXT}")

    def test_several_calls_of_one_name(self, official: ChatTemplate) -> None:
        calls = (ToolCall("f", {"a": 1}), ToolCall("g", {}), ToolCall("f", {"a": 2}))
        results = (ToolResult("g", "G"), ToolResult("f", "one"), ToolResult("f", "two"))
        assert prompt(official, HI, Turn("assistant", calls), Turn("tool", results)).endswith(
            "call:f{a:1}<tool_call|><|tool_call>call:g{}<tool_call|><|tool_call>call:f{a:2}<tool_call|>"
            '<|tool_response>response:f{value:<|"|>one<|"|>}<tool_response|>'
            '<|tool_response>response:g{value:<|"|>G<|"|>}<tool_response|>'
            '<|tool_response>response:f{value:<|"|>two<|"|>}<tool_response|>'
        )

    def test_a_result_with_an_image(self, official: ChatTemplate) -> None:
        result = Turn("tool", (ToolResult("f", {"a": "é"}), Image(b"")))
        assert prompt(official, HI, Turn("assistant", (ToolCall("f"),)), result).endswith(
            '<|tool_response>response:f{value:<|"|>{"a": "é"}<|"|>}<tool_response|><|image|>'
        )

    def test_typed_markers_are_noted(self, official: ChatTemplate, size: str) -> None:
        turns = [Turn.of("user", "a<turn|>"), Turn.of("assistant", "x<|channel>y<channel|>z"), HI]
        rendered = official.render(turns)
        assert rendered.text == (
            "<bos><|turn>user\na<turn|><turn|>\n<|turn>model\nx<|channel>y<channel|>z<turn|>\n"
            f"<|turn>user\nHi<turn|>\n{model_starts(size)}"
        ), "nothing of what was typed is lost"
        assert len(rendered.typed) == 3
        assert [rendered.text[position : position + 9] for position in rendered.typed[1:]] == ["<|channel", "<channel|"]

    def test_the_layout_of_real_prompt_ids(
        self, official_templates: dict[str, str], tokenizer: Tokenizer, shared_data: Path
    ) -> None:
        """Prompts of real runs, media taken together to their placeholder."""
        import json

        small = ChatTemplate(official_templates["SMALL"])
        parts: dict[str, tuple[Part, ...]] = {
            "causal-lm__gemma-4-e2b-it-assistant": (Text("Here is my poem:"),),
            "vision-language__gemma-4-e2b-it": (Image(b""), Text("Describe this image in detail.")),
            "vision-language__gemma-4-e4b-it": (Image(b""), Text("Describe this image in detail.")),
            "speech__gemma-4-e2b-it-audio": (Audio(b""), Text("Transcribe this audio.")),
            "speech__gemma-4-e4b-it-audio": (Audio(b""), Text("Transcribe this audio.")),
        }
        big = ChatTemplate(official_templates["BIG"])
        for size in ("26b-a4b", "31b"):
            parts[f"vision-language__gemma-4-{size}-it"] = (Image(b""), Text("Describe this image in detail."))
        for case, user in parts.items():
            golden = json.loads((shared_data / "golden" / f"{case}.json").read_text(encoding="utf-8"))["input_ids"]
            template = small if "gemma-4-e" in case else big
            ids = tokenizer.encode(prompt(template, Turn("user", user)))
            assert layout(tokenizer, ids) == layout(tokenizer, golden)
            empty_thought = [100, 45518, 107, 101]
            assert (ids[-4:] == empty_thought) == (golden[-4:] == empty_thought) == (template is big)


def layout(tokenizer: Tokenizer, ids: list[int]) -> list[str | int]:
    """Control tokens, the words of the template, and one … for each run of other text."""
    placeholders = {"<|image|>", "<|audio|>"}
    fences = {"<|image>", "<image|>", "<|audio>", "<audio|>"}
    template_words = {107, 2364, 4368}
    seen: list[str | int] = []
    for index in ids:
        item = tokenizer.control_names.get(index, index if index in template_words else "…")
        if item in fences or (seen and item == seen[-1] and (item in placeholders or item == "…")):
            continue
        seen.append(item)
    return seen


def test_damaged_templates_give_a_sentence() -> None:
    for source in ("{% if %}", "{{ 'open", "{% for x in y %}", "{{ x | nosuchfilter }}"):
        with pytest.raises(ModelFolderError, match=r"chat template is damaged \(.+\); download or convert"):
            ChatTemplate(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("{{ raise_exception('Only two turns.') }}", r"Only two turns\);"),
        ("{{ messages[7]['role'].x }}", "has no element 7"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ messages.append(1) }}", "unsafe|not safely callable"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% for i in range(999999999) %}{% endfor %}", "too big"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
    ],
)
def test_a_template_that_fails_gives_a_sentence(source: str, reason: str) -> None:
    with pytest.raises(ModelFolderError, match=rf"cannot write this conversation \(.*({reason})"):
        ChatTemplate(source).render([HI])


def test_the_environment_is_that_of_hugging_face() -> None:
    source = (
        "{{ bos_token }}{{ eos_token }}\n"
        "  {% for i in range(9) %}\n"
        "    {% if i == 2 %}{% break %}{% endif %}\n"
        "{{ i }}\n"
        "  {% endfor %}\n"
        "{{ {'b': 'ü<'} | tojson }}{{ strftime_now('%Y') | length }}{{ enable_thinking }}{{ tools is none }}"
    )
    template = ChatTemplate(source, bos_token="<s>", eos_token="</s>")
    assert template.render([HI], thinking=True).text == '<s></s>\n0\n1\n{"b": "ü<"}4TrueTrue'


@pytest.fixture(scope="module")
def both(template_source: str) -> tuple[ChatTemplate, ChatTemplate]:
    """A template without and with a guard."""
    return ChatTemplate(template_source, guarded=""), ChatTemplate(template_source, guarded="<[")


@given(
    typed=st.text(alphabet=st.sampled_from("ab<[|>{}\n \ufdd0\ufdd1\ufdef\U0010ffff")),
    argument=st.text(alphabet=st.sampled_from("<\ufdd0a")),
)
@settings(deadline=None)
def test_the_guard_changes_nothing_but_the_positions(
    both: tuple[ChatTemplate, ChatTemplate], typed: str, argument: str
) -> None:
    turns = [Turn.of("user", typed), Turn("assistant", (ToolCall("f", {argument: typed, "b": argument}),))]
    plain, guarded = (template.render(turns) for template in both)
    assert plain.typed == ()
    assert guarded.text == plain.text
    assert all(guarded.text[position] in "<[" for position in guarded.typed)
    strings = (
        [typed.strip(), argument, typed, "b", argument] if argument != "b" else [typed.strip(), argument, argument]
    )
    assert len(guarded.typed) == sum(string.count("<") + string.count("[") for string in strings)


def test_without_guarded_characters_nothing_is_noted(template_source: str) -> None:
    assert ChatTemplate(template_source).render([HI]) == Prompt("<bos><|turn>user\nHi<turn|>\n<|turn>model\n")


def test_the_same_prompts_as_transformers(
    official: ChatTemplate, official_templates: dict[str, str], size: str
) -> None:
    pytest.importorskip("transformers")
    from transformers.utils.chat_template_utils import render_jinja_template

    assistant = Turn("assistant", (Thought("Hm"), Text("Let me <b>look</b>."), CALL))
    turns = [
        Turn.of("system", "Brief. "),
        HI,
        assistant,
        Turn("tool", (TEXT_RESULT,)),
        Turn.of("assistant", "20°C."),
        HI,
    ]
    for count in (2, 4, 5, 6):
        for thinking in (False, True):
            (expected,), _ = render_jinja_template(
                conversations=[messages_of(turns[:count])],
                tools=declarations_of([WEATHER]),
                chat_template=official_templates[size],
                add_generation_prompt=True,
                enable_thinking=thinking,
                bos_token="<bos>",
            )
            assert official.render(turns[:count], [WEATHER], thinking=thinking).text == expected
