"""Whatever a model would rather write: with a schema it writes JSON that the schema admits, and calls as declared."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from inference.cancellation import CancelToken
from inference.constraints import ConstraintCompiler, ReplyConstraint
from inference.errors import SchemaError
from inference.generation import Finished, Token, generate_tokens
from inference.messages import ReplyOptions, Text, Thought, Tool, ToolCall, ToolChoice
from inference.reply_parser import ReplyParser, ReplyPart
from inference.sampling import Sampler
from inference.tokenizer import Tokenizer

DEMO = Path(__file__).parents[2] / "resources" / "demo_model" / "tokenizer.json"
STOP = frozenset({1, 106, 50})
VOCAB = 3100
"""More ids than the tokenizer has, as models often do."""

TOKENIZER = Tokenizer.open(DEMO)
COMPILER = ConstraintCompiler(TOKENIZER, VOCAB, STOP)
CALL_OPEN, CALL_CLOSE, QUOTE = (TOKENIZER.control_id(name) for name in ("<|tool_call>", "<tool_call|>", '<|"|>'))
CHANNEL_OPEN, CHANNEL_CLOSE = TOKENIZER.control_id("<|channel>"), TOKENIZER.control_id("<channel|>")
CLOSERS = [QUOTE, CALL_CLOSE, CHANNEL_CLOSE, *STOP, *(TOKENIZER.encode(text)[-1] for text in ('"', "}", "]"))]

CALM = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])


class BabblingModel:
    """Wants something else with every token, but sooner or later the end of whatever it is in."""

    context_length = 600

    def __init__(self, seed: int, haste: float, wishes: Sequence[int] = ()) -> None:
        self._random = np.random.default_rng(seed)
        self._haste = haste
        self._wishes = list(wishes)
        self.logits = self._babble()

    def prefill(self, prompt: Any, cancel: CancelToken) -> Any:
        yield len(prompt)

    def step(self, token: int, cancel: CancelToken) -> np.ndarray:
        return self._babble()

    def _babble(self) -> np.ndarray:
        logits = self._random.standard_normal(VOCAB).astype(np.float32) * 2
        logits[CLOSERS] += self._haste
        if self._wishes:
            logits[self._wishes.pop(0)] = 50
        return logits


def constraint_for(options: ReplyOptions, **begin: Any) -> ReplyConstraint:
    rules = COMPILER.rules(options)
    assert rules is not None
    return rules.constraint(**begin)


class Checked:
    """A constraint whose answers are compared with each other at every token."""

    def __init__(self, constraint: ReplyConstraint) -> None:
        self._constraint = constraint
        self.forced_tokens = 0

    def mask(self, logits: np.ndarray) -> np.ndarray:
        self._masked = self._constraint.mask(logits)
        forced = self._constraint.forced()
        assert self._constraint.allowed_prefix(forced) == len(forced)
        if forced:
            self.forced_tokens += 1
            assert np.flatnonzero(self._masked > -np.inf).tolist() == [forced[0]]
        return self._masked

    def accept(self, token: int) -> None:
        forbidden = int(np.argmin(self._masked))
        if self._masked[forbidden] == -np.inf:
            assert self._constraint.allowed_prefix([forbidden]) == 0
        assert self._constraint.allowed_prefix([token, token]) >= 1
        self._constraint.accept(token)

    def allowed_prefix(self, tokens: Sequence[int]) -> int:
        return self._constraint.allowed_prefix(tokens)

    def forced(self) -> tuple[int, ...]:
        return self._constraint.forced()


def generate(
    constraint: Any, seed: int, temperature: float, haste: float = 9.0, wishes: Sequence[int] = (), limit: int = 300
) -> tuple[list[int], str]:
    """Return the tokens, without the stop token, and the reason."""
    sampler = Sampler(temperature, seed=seed, constraint=constraint)
    tokens: list[int] = []
    model = BabblingModel(seed, haste, wishes)
    for event in generate_tokens(model, [2], sampler, STOP, limit, CancelToken()):
        if isinstance(event, Token) and event.id not in STOP:
            tokens.append(event.id)
        elif isinstance(event, Finished):
            return tokens, event.reason
    raise AssertionError("no end")


def parts_of(tokens: Sequence[int], *, inside_thought: bool = False) -> list[ReplyPart]:
    parser = ReplyParser(TOKENIZER.control_names, inside_thought=inside_thought)
    detokenizer = TOKENIZER.detokenizer()
    parts: list[ReplyPart] = []
    for token in tokens:
        marker = token in TOKENIZER.control_names
        parts += parser.feed(token, detokenizer.finalize() if marker else detokenizer.add_token(token))
    return [*parts, *parser.finish(detokenizer.finalize())]


def text_of(parts: Sequence[ReplyPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


NAMES = st.text("abcxyz_", min_size=1, max_size=5)
SCALARS = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 3},
        {"type": "integer"},
        {"type": "integer", "minimum": -3, "maximum": 12},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "null"},
        {"enum": ["red", "line\nbreak", 'quo"te', 3, None]},
        {"const": "é€🙂"},
        {"type": ["integer", "null"]},
    ]
)


def objects_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    def schema(properties: dict[str, Any], needed: list[bool]) -> dict[str, Any]:
        required = [name for name, need in zip(properties, needed, strict=False) if need]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}

    return st.builds(schema, st.dictionaries(NAMES, values, max_size=4), st.lists(st.booleans(), min_size=4))


def arrays_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.builds(lambda items, most: {"type": "array", "items": items, "maxItems": most}, values, st.integers(0, 3))


SCHEMAS = st.recursive(
    SCALARS,
    lambda inner: (
        arrays_of(inner)
        | objects_of(inner)
        | st.builds(lambda a, b: {"anyOf": [a, b]}, inner, st.just({"type": "null"}))
    ),
    max_leaves=6,
)


@given(schema=SCHEMAS, seed=st.integers(0, 10**6), temperature=st.sampled_from([0.0, 1.0, 3.0]))
@CALM
def test_an_answer_is_json_of_the_schema(schema: dict[str, Any], seed: int, temperature: float) -> None:
    tokens, reason = generate(Checked(constraint_for(ReplyOptions(json_schema=schema))), seed, temperature)
    assume(reason != "length")
    assert reason == "stop"
    jsonschema.validate(json.loads(text_of(parts_of(tokens))), schema)


@given(seed=st.integers(0, 10**6), thinking=st.booleans(), inside=st.booleans())
@CALM
def test_thoughts_are_free_and_the_schema_holds_for_the_answer(seed: int, thinking: bool, inside: bool) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    constraint = constraint_for(ReplyOptions(json_schema=schema, thinking=thinking), inside_thought=inside)
    wishes = [] if inside else [CHANNEL_OPEN]
    tokens, reason = generate(Checked(constraint), seed, 1.0, haste=5.0, wishes=wishes)
    parts = parts_of(tokens, inside_thought=inside)
    if not inside:
        assert (CHANNEL_OPEN in tokens) == thinking, "no thought where none was asked for"
    if reason == "stop":
        jsonschema.validate(json.loads(text_of(parts)), schema)
        assert not any(isinstance(part, ToolCall) for part in parts)
    else:
        assert reason == "length"
    if CHANNEL_CLOSE not in tokens and (inside or thinking):
        assert all(isinstance(part, Thought) for part in parts), "nothing of a broken-off thought is an answer"


def test_a_cut_answer_ends_for_its_length() -> None:
    schema = {"type": "string", "minLength": 500}
    tokens, reason = generate(constraint_for(ReplyOptions(json_schema=schema)), 0, 1.0, limit=20)
    assert (len(tokens), reason) == (20, "length")


PARAMETERS = objects_of(
    st.recursive(
        st.sampled_from(
            [
                {"type": "string"},
                {"type": "string", "enum": ["C", "F", "", 'a "b" {c}']},
                {"type": "integer"},
                {"type": "integer", "enum": [1, 20, 300]},
                {"type": "number"},
                {"type": "boolean"},
                {"type": "object"},
                {"type": "object", "additionalProperties": {"type": "integer"}},
                {"type": "array"},
                {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            ]
        ),
        lambda inner: st.builds(lambda items: {"type": "array", "items": items}, inner) | objects_of(inner),
        max_leaves=4,
    )
)


@given(
    parameters=st.lists(PARAMETERS, min_size=1, max_size=3),
    choice=st.sampled_from(["auto", "required"]),
    seed=st.integers(0, 10**6),
    temperature=st.sampled_from([0.0, 1.0]),
)
@CALM
def test_calls_are_as_declared(
    parameters: list[dict[str, Any]], choice: ToolChoice, seed: int, temperature: float
) -> None:
    tools = [Tool(f"tool{number}", "does", each) for number, each in enumerate(parameters)]
    constraint = Checked(constraint_for(ReplyOptions(tools=tools, tool_choice=choice)))
    wishes = [CALL_OPEN] if choice == "auto" else []
    tokens, reason = generate(constraint, seed, temperature, wishes=wishes)
    assume(reason != "length")
    parts = parts_of(tokens)
    calls = [part for part in parts if isinstance(part, ToolCall)]
    assert calls
    assert constraint.forced_tokens >= 2
    for call in calls:
        jsonschema.validate(dict(call.arguments), parameters[int(call.name.removeprefix("tool"))])
    assert "call:" not in text_of(parts)
    if choice == "required":
        assert len(parts) == len(calls), "nothing but calls"


def test_a_call_may_name_its_arguments_in_any_order_but_each_once() -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "my key": {"type": "boolean"}},
        "required": ["city"],
    }
    constraint = constraint_for(ReplyOptions(tools=[Tool("weather", "", schema), Tool("now", "")]))

    def admitted(call: str) -> bool:
        tokens = TOKENIZER.encode(f"Text. <|tool_call>call:{call}<tool_call|>")
        count = constraint.allowed_prefix(tokens)
        return count == len(tokens)

    assert admitted('weather{city:<|"|>Paris "{}" <b><|"|>}')
    assert admitted('weather{days:3,city:<|"|><|"|>}')
    assert admitted('weather{<|"|>my key<|"|>:true,city:<|"|>a<|"|>,days:-12}')
    assert admitted("now{}<tool_call|>and<|tool_call>call:now{at:[1,{x:null}]}")
    assert not admitted("weather{days:3}")
    assert not admitted('weather{city:<|"|>a<|"|>,city:<|"|>b<|"|>}')
    assert not admitted('weather{city:<|"|>a<|"|>,}')
    assert not admitted('weather{city:"a"}')
    assert not admitted('weather{city:<|"|>a<|"|>,days:1.5}')
    assert not admitted("snow{}")


def test_objects_of_very_many_properties() -> None:
    schema = {
        "type": "object",
        "properties": {f"p{n}": {"type": "integer"} for n in range(80)},
        "required": ["p3", "p70"],
    }
    constraint = constraint_for(ReplyOptions(tools=[Tool("many", "", schema)]))
    for arguments, good in (("p1:1,p3:2,p70:3,p79:4", True), ("p3:2,p70:3", True), ("p3:2", False), ("p4:1", False)):
        tokens = TOKENIZER.encode(f"<|tool_call>call:many{{{arguments}}}<tool_call|>")
        assert (constraint.allowed_prefix(tokens) == len(tokens)) == good


def test_tool_choice_none_never_calls() -> None:
    constraint = constraint_for(ReplyOptions(tools=[Tool("look", "looks")], tool_choice="none"))
    logits = np.zeros(VOCAB, np.float32)
    masked = constraint.mask(logits)
    assert np.flatnonzero(masked == -np.inf).tolist() == [CALL_OPEN]
    assert not logits.any()
    assert constraint.allowed_prefix([300, CALL_OPEN, 300]) == 1
    assert constraint.forced() == ()


def test_text_before_a_call_is_untouched() -> None:
    constraint = constraint_for(ReplyOptions(tools=[Tool("look", "looks")]))
    logits = np.zeros(VOCAB, np.float32)
    assert constraint.mask(logits) is logits
    constraint.accept(CALL_OPEN)
    assert np.isneginf(constraint.mask(logits)).any()


def test_a_required_call_comes_before_the_schema_is_asked() -> None:
    options = ReplyOptions(json_schema={"type": "integer"}, tools=[Tool("look", "")], tool_choice="required")
    assert constraint_for(options).forced() == (CALL_OPEN,)


def test_a_model_that_may_answer_or_call() -> None:
    options = ReplyOptions(json_schema={"type": "integer"}, tools=[Tool("look", "")], thinking=True)
    constraint = constraint_for(options)
    admitted = set(np.flatnonzero(constraint.mask(np.zeros(VOCAB, np.float32)) > -np.inf).tolist())
    digits = {TOKENIZER.encode(str(digit))[-1] for digit in range(10)}
    assert {CALL_OPEN, CHANNEL_OPEN} | digits <= admitted
    assert not admitted & STOP
    for token in TOKENIZER.encode("<|tool_call>call:look{}<tool_call|>"):
        constraint.accept(token)
    admitted = set(np.flatnonzero(constraint.mask(np.zeros(VOCAB, np.float32)) > -np.inf).tolist())
    assert admitted == STOP | {CALL_OPEN}, "after a call its answer is waited for"


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "strin"}, "strin"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"$ref": "#/nowhere"}, "nowhere"),
        ({"type": "integer", "minimum": 3, "maximum": 1}, "minimum"),
        ({"const": object()}, "not one"),
    ],
)
def test_schemas_that_cannot_be_followed(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(SchemaError, match=reason) as caught:
        COMPILER.rules(ReplyOptions(json_schema=schema))
    assert str(caught.value).startswith("The JSON schema")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("objects", [1, 1000])
def test_a_schema_of_too_many_properties_is_refused_before_it_takes_a_minute(objects: int) -> None:
    properties = {f"p{n}": {"type": "string"} for n in range(12_000 // objects)}
    wide = {f"q{n}": {"type": "object", "properties": properties} for n in range(objects)}
    before = time.thread_time()
    with pytest.raises(SchemaError, match="too big"):
        COMPILER.rules(ReplyOptions(json_schema={"type": "object", "properties": wide}))
    assert time.thread_time() - before < 20


def test_a_schema_of_many_properties_is_followed() -> None:
    properties = {f"p{n}": {"type": "string"} for n in range(3000)}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    constraint = constraint_for(ReplyOptions(json_schema=schema))
    assert constraint.allowed_prefix(tokens := TOKENIZER.encode('{"p0": "a", "p1": "b"')) == len(tokens)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="tool_choice"):
        COMPILER.rules(ReplyOptions(tool_choice="required"))
    with pytest.raises(ValueError, match="tool_choice"):
        COMPILER.rules(ReplyOptions(tool_choice="maybe"))  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="my tool"):
        COMPILER.rules(ReplyOptions(tools=[Tool("my tool", "")]))


def test_nothing_asked_for_costs_nothing() -> None:
    assert ConstraintCompiler(TOKENIZER, VOCAB, STOP).rules(ReplyOptions(thinking=True)) is None


def test_tokens_beyond_the_tokenizer_are_never_drawn_in_json() -> None:
    constraint = constraint_for(ReplyOptions(json_schema={"type": "string"}))
    constraint.accept(TOKENIZER.encode('"')[-1])
    masked = constraint.mask(np.zeros(VOCAB, np.float32))
    assert np.isneginf(masked[TOKENIZER.vocab_size :]).all()
    assert np.isneginf(masked[[QUOTE, CALL_OPEN, *STOP]]).all()


def test_json_needs_no_tokens_of_tools_and_thoughts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tokenizer, "optional_control_id", lambda self, name: None)
    monkeypatch.setattr(Tokenizer, "control_id", lambda self, name: pytest.fail(f"{name} was asked for"))
    options = ReplyOptions(json_schema={"type": "object"}, tool_choice="none", thinking=True)
    constraint = constraint_for(options)
    admitted = np.flatnonzero(constraint.mask(np.zeros(VOCAB, np.float32)) > -np.inf)
    assert not {CALL_OPEN, CHANNEL_OPEN, VOCAB - 1} & set(admitted.tolist())
    tokens, _ = generate(constraint_for(options), 1, 1.0)
    assert text_of(parts_of(tokens)).startswith("{")


@pytest.mark.parametrize("multiple", [999_983, 2**31, 2**63, 0.123456789, 10**30 + 1])
def test_multiples_of_too_many_remainders_are_left_out_and_told(multiple: float) -> None:
    schema = {"type": "object", "properties": {"const": {"type": "number", "multipleOf": multiple}}}
    rules = COMPILER.rules(ReplyOptions(json_schema=schema))  # a million would take 20 seconds and a gigabyte
    assert rules is not None
    assert len(rules.notes) == 1
    assert "multipleOf" in rules.notes[0]
    many = {"allOf": [{"type": "integer", "multipleOf": factor} for factor in (7919, 7907, 7901)]}
    rules = COMPILER.rules(ReplyOptions(json_schema=many))
    assert rules is not None
    assert len(rules.notes) == 2


def test_ordinary_multiples_are_kept() -> None:
    schema = {
        "properties": {"multipleOf": {"multipleOf": 0.01}, "b": {"multipleOf": 1_000_000}, "c": {"multipleOf": 5}}
    }
    rules = COMPILER.rules(ReplyOptions(json_schema={"type": "object", **schema}))
    assert rules is not None
    assert rules.notes == ()


def test_what_is_left_out_several_times_is_told_once() -> None:
    part = {"if": {"type": "integer"}, "then": {"minimum": 3}}
    schema = {"type": "object", "properties": {"a": part, "b": {"anyOf": [part, {"type": "string"}]}}}
    rules = COMPILER.rules(ReplyOptions(json_schema=schema))
    assert rules is not None
    assert rules.notes == ("The JSON is not held to “if”, “then”.",)


@pytest.mark.parametrize("length", [150, 667])
def test_a_chain_of_references_does_not_end_the_process(length: int) -> None:
    chain = {
        f"a{i}": {"type": "object", "properties": {"x": {"anyOf": [{"$ref": f"#/$defs/a{i + 1}"}]}}}
        for i in range(length)
    }
    schema = {"$ref": "#/$defs/a0", "$defs": {**chain, f"a{length}": {"type": "integer"}}}
    if length < 200:
        assert COMPILER.rules(ReplyOptions(json_schema=schema)) is not None
    else:
        with pytest.raises(SchemaError, match="too many parts"):
            COMPILER.rules(ReplyOptions(json_schema=schema))


def test_patterns_of_names_are_bounded() -> None:
    patterns = {f"^{chr(0x4E00 + place)}": {"type": "integer"} for place in range(400)}
    with pytest.raises(SchemaError, match="too many patternProperties"):  # it would take a minute
        COMPILER.rules(ReplyOptions(json_schema={"type": "object", "patternProperties": patterns}))
