"""The grammar of tool calls admits every call that a tool's schema admits, and is held to what it can be held to."""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from inference.errors import SchemaError
from inference.messages import ReplyOptions, Tool, ToolCall
from inference.schema_patterns import FORMATS
from inference.template_messages import declarations_of
from tests.fuzzing import examples
from tests.inference.schema_instances import NAMES, SCHEMAS, NoInstance, instance, parameters_of, written
from tests.inference.test_constraints import CALL_CLOSE, CALL_OPEN, COMPILER, QUOTE, TOKENIZER, generate, parts_of

FUZZ = settings(
    deadline=None,
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)


def tokens_of(call: str) -> list[int]:
    """Return the tokens of a call; only ``<|"|>`` in it is one of its own."""
    tokens = [CALL_OPEN]
    for piece in re.split(r'(<\|"\|>)', call):
        tokens += [QUOTE] if piece == '<|"|>' else TOKENIZER.encode_literally(piece) if piece else []
    return [*tokens, CALL_CLOSE]


def rules_for(parameters: Mapping[str, Any]) -> Any:
    rules = COMPILER.rules(ReplyOptions(tools=[Tool("f", "", parameters)], tool_choice="required"))
    assert rules is not None
    return rules


def admits(parameters: Mapping[str, Any], arguments: Mapping[str, Any] | str) -> bool:
    text = arguments if isinstance(arguments, str) else written(arguments)
    tokens = tokens_of(f"call:f{text}")
    return rules_for(parameters).constraint().allowed_prefix(tokens) == len(tokens)


CHECKED = jsonschema.FormatChecker(formats=())
"""Knows the formats that calls are held to; to the others, everything is admitted."""
for _name, _expression in FORMATS.items():
    CHECKED.checks(_name)(
        lambda value, whole=re.compile(_expression): not isinstance(value, str) or bool(whole.fullmatch(value))
    )


def strict(schema: Any) -> Any:
    """Return the schema as calls are held to it: where one of several may hold, several may."""
    if isinstance(schema, dict):
        changed = {("anyOf" if key == "oneOf" else key): strict(value) for key, value in schema.items()}
        if schema.get("nullable"):
            return {"anyOf": [changed, {"type": "null"}]}
        return changed
    return [strict(each) for each in schema] if isinstance(schema, list) else schema


PARAMETERS = st.builds(
    lambda properties, required: parameters_of(properties, [name for name in properties if name in required]),
    st.dictionaries(NAMES, SCHEMAS, min_size=1, max_size=3),
    st.lists(NAMES, max_size=2),
)


@given(parameters=PARAMETERS, seed=st.integers(0, 10**6))
@FUZZ
def test_every_call_that_the_schema_admits_is_admitted(parameters: dict[str, Any], seed: int) -> None:
    chance = random.Random(seed)
    validator = jsonschema.Draft202012Validator(parameters, format_checker=CHECKED)
    found = []
    for _ in range(8):
        try:
            arguments = instance(parameters, parameters, chance)
        except NoInstance:
            continue
        if validator.is_valid(arguments):
            found.append(arguments)
    assume(found)
    rules = rules_for(parameters)
    for arguments in found:
        tokens = tokens_of(f"call:f{written(arguments)}")
        assert rules.constraint().allowed_prefix(tokens) == len(tokens), written(arguments)


@given(parameters=PARAMETERS, seed=st.integers(0, 10**6))
@FUZZ
def test_every_call_that_is_admitted_can_be_read_and_fits(parameters: dict[str, Any], seed: int) -> None:
    try:
        rules = rules_for(parameters)
    except SchemaError:  # an empty intersection, say
        reject()
    tokens, reason = generate(rules.constraint(), seed, 1.0)
    assume(reason != "length")
    (call, *_) = parts_of(tokens)
    assert isinstance(call, ToolCall)
    if not rules.notes:
        jsonschema.Draft202012Validator(strict(parameters)).validate(dict(call.arguments))


TREE = {
    "type": "object",
    "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/N"}}},
    "required": ["v"],
}
ONE_OF = [
    {"required": ["a"], "properties": {"a": {}}},
    {"required": ["b"], "properties": {"b": {}}},
]
ALL_OF = [{"type": "object", "properties": {"a": {"type": "integer"}}}, {"properties": {"b": {"type": "null"}}}]


@pytest.mark.parametrize(
    ("schema", "call", "more"),
    [
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "5", {}),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, '<|"|>five<|"|>', {}),
        ({"type": ["string", "integer"]}, "5", {}),
        ({"type": ["integer", "null"]}, "null", {}),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, '<|"|>s<|"|>', {}),
        ({"oneOf": ONE_OF}, "{b:3}", {}),
        ({"$ref": "#/anyThing/1"}, "true", {"anyThing": [{"type": "integer"}, {"type": "boolean"}]}),
        ({"$ref": "#/$defs/My%20Type"}, "3", {"$defs": {"My Type": {"type": "integer"}}}),
        ({"$ref": "#/$defs/a~1b~0c"}, "3", {"$defs": {"a/b~c": {"type": "integer"}}}),
        ({"$ref": "#number"}, "3", {"$defs": {"x": {"$anchor": "number", "type": "integer"}}}),
        ({"$ref": "item#/items"}, "3", {"$defs": {"x": {"$id": "item", "items": {"type": "integer"}}}}),
        ({"$ref": "#/$defs/N"}, "{v:1,kids:[{v:2,kids:[{kids:[],v:3}]}]}", {"$defs": {"N": TREE}}),
        ({"enum": ["a", 1, None, {"k": [1]}]}, "{k:[1]}", {}),
        ({"enum": ["a", 1, None, {"k": [1]}]}, "null", {}),
        ({}, '[{a:<|"|>x<|"|>},null]', {}),
        (True, "3", {}),
        ({"prefixItems": [{"type": "string"}]}, '[<|"|>s<|"|>,3,{}]', {}),
        ({"items": [{"type": "string"}, {"type": "integer"}]}, '[<|"|>s<|"|>,3]', {}),
        ({"properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "null"}}, "{b:null,a:1}", {}),
        ({"type": "object", "patternProperties": {"^x": {"type": "integer"}}}, "{x1:3,y:{}}", {}),
        ({"type": "integer"}, "123456789012345678901234567890", {}),
        ({"type": "number"}, "1.7976931348623157e+308", {}),
        ({"type": "string", "format": "email"}, '<|"|>no mail<|"|>', {}),
        ({"type": "array", "uniqueItems": True}, "[1,1]", {}),
        ({"type": "string", "pattern": "(?=a)"}, '<|"|>b<|"|>', {}),
        ({"type": "STRING"}, '<|"|>b<|"|>', {}),
        ({"$ref": "#/nowhere"}, '<|"|>b<|"|>', {}),
        ({"$ref": "#/properties/v"}, "1", {}),
        ({"allOf": ALL_OF}, "{b:null,a:1}", {}),
        ({"not": {"type": "string"}}, "1", {}),
        ({"type": "integer", "enum": ["1", "2"]}, '<|"|>1<|"|>', {}),
    ],
)
def test_what_is_admitted(schema: Any, call: str, more: dict[str, Any]) -> None:
    assert admits({"type": "object", "properties": {"v": schema}, "required": ["v"], **more}, f"{{v:{call}}}")


@pytest.mark.parametrize(
    ("schema", "call"),
    [
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, '<|"|>5<|"|>'),
        ({"type": "integer", "minimum": 1, "maximum": 5}, "9"),
        ({"type": "string", "pattern": "^[a-z]+$", "minLength": 2}, '<|"|>A<|"|>'),
        ({"type": "string", "pattern": "^[a-z]+$", "minLength": 2}, '<|"|>a<|"|>'),
        ({"type": "string", "format": "date"}, '<|"|>2026-13-01<|"|>'),
        ({"allOf": [{"type": "integer"}, {"enum": [1, 2, "x"]}]}, '<|"|>x<|"|>'),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, "[1,2,3]"),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": False}, "[1,2]"),
        ({"type": "object", "properties": {"a": {}}}, "{b:1}"),
        ({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": True}, "{a:1}"),
        ({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": True}, '{<|"|>a<|"|>:1}'),
        ({"type": "object", "patternProperties": {"^x": {"type": "integer"}}}, "{x1:null}"),
        ({"type": "object", "patternProperties": {"^x": {}}, "additionalProperties": False}, "{y:null}"),
        ({"type": "object", "propertyNames": {"maxLength": 2}}, "{abc:1}"),
        ({"type": "object", "minProperties": 1}, "{}"),
        ({"const": {"a": [1, 2]}}, "{a:[1,3]}"),
    ],
)
def test_what_is_refused(schema: Any, call: str) -> None:
    assert not admits({"type": "object", "properties": {"v": schema}, "required": ["v"]}, f"{{v:{call}}}")


def test_notes_name_what_calls_are_not_held_to() -> None:
    schema = {"v": {"type": "array", "uniqueItems": True}, "w": {"type": "string", "format": "iri"}, "x": {"not": {}}}
    rules = rules_for({"type": "object", "properties": schema})
    assert sorted(rules.notes) == [
        "Calls of “f” are not held to the format 'iri'.",
        "Calls of “f” are not held to “not”.",
        "Calls of “f” are not held to “uniqueItems”.",
    ]
    answer = {"type": "array", "items": {"format": "iri"}, "uniqueItems": True}
    answer_rules = COMPILER.rules(ReplyOptions(json_schema=answer))
    assert answer_rules is not None
    assert sorted(answer_rules.notes) == [
        "The JSON is not held to the format 'iri'.",
        "The JSON is not held to “uniqueItems”.",
    ]


def nested(levels: int, wrap: Any, inner: Any) -> Any:
    for _ in range(levels):
        inner = wrap(inner)
    return inner


def doubling(levels: int, combination: str) -> dict[str, Any]:
    """Return a schema of a few lines that comes to 2 ** levels parts."""
    definitions: dict[str, Any] = {"d0": {"type": "string"}}
    for n in range(levels):
        reference = {"$ref": f"#/$defs/d{n}"}
        parts: Any = {"a": reference, "b": reference} if combination == "properties" else [reference, reference]
        definitions[f"d{n + 1}"] = {combination: parts}
    return {"properties": {"v": {"$ref": f"#/$defs/d{levels}"}}, "$defs": definitions}


CIRCLE = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
WRONG = {"items": 5, "minItems": "2", "pattern": 3, "required": [None, {}], "$ref": 9, "format": [], "enum": 3}
NONE_NUMBERS = {"minimum": float("nan"), "maximum": float("inf"), "multipleOf": 0}
ABSURD: dict[str, Any] = {
    "nested properties": nested(100_000, lambda inner: {"properties": {"v": inner}}, {}),
    "nested allOf": {"properties": {"v": nested(100_000, lambda inner: {"allOf": [inner]}, {})}},
    "nested anyOf": {"properties": {"v": nested(100_000, lambda inner: {"anyOf": [inner, {"type": "null"}]}, {})}},
    "nested items": {"properties": {"v": nested(100_000, lambda inner: {"items": inner}, {})}},
    "nested constant": {"properties": {"v": {"const": nested(100_000, lambda inner: [inner], 1)}}},
    "many digits": {"properties": {"v": {"minimum": 10**5000, "multipleOf": 10**5000}}},
    "a constant of many digits": {"properties": {"v": {"const": 10**5000}}},
    "not a number": {"properties": {"v": {**NONE_NUMBERS, "type": "number"}, "w": {"enum": [float("nan"), 1]}}},
    "a reference to itself": {"properties": {"v": {"$ref": "#/properties/v"}}},
    "references in a circle": {"$ref": "#/$defs/a", "$defs": CIRCLE},
    "an object that must contain itself": {"required": ["v"], "properties": {"v": {"$ref": "#"}}},
    "doubling properties": doubling(60, "properties"),
    "doubling anyOf": doubling(60, "anyOf"),
    "doubling allOf": doubling(60, "allOf"),
    "a million values": {"properties": {"v": {"enum": list(range(1_000_000))}}},
    "a long list of texts": {"properties": {"v": {"enum": ["x" * 1000 + str(n) for n in range(10_000)]}}},
    "very many items": {"properties": {"v": {"minItems": 10**9, "items": {"type": "integer"}}}},
    "very long texts": {"properties": {"v": {"type": "string", "minLength": 10**9, "maxLength": 10**12}}},
    "a pattern that backtracks": {"patternProperties": {"(x+x+)+y": {}}, "properties": {"x" * 5000: {}}},
    "a pattern that repeats": {"properties": {"v": {"pattern": "((((a{1,99}){1,99}){1,99}){1,99}){1,99}"}}},
    "many pattern properties": {"patternProperties": {f"a{n}": {} for n in range(500)}},
    "many properties": {"properties": {f"p{n}": {"type": "integer"} for n in range(3000)}},
    "properties that are none": {"properties": [1], "required": 7, "enum": "abc", "anyOf": {}, "type": 3},
    "half characters": {"properties": {"\ud800": {"enum": ["\udfff", "a"]}, "b": {"pattern": "\ud800"}}},
    "wrong types everywhere": {"properties": {"v": WRONG}},
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_schemas_are_followed_or_refused_with_a_sentence(name: str) -> None:
    started = time.monotonic()
    tool = Tool("f", "", {"type": "object", **ABSURD[name]})
    declarations_of([tool])
    sentences: list[str] = []
    try:
        rules = COMPILER.rules(ReplyOptions(tools=[tool], tool_choice="required"))
        assert rules is not None
        generate(rules.constraint(), 1, 1.0, limit=50)
    except SchemaError as error:
        sentences.append(str(error))
    try:
        COMPILER.rules(ReplyOptions(json_schema=ABSURD[name]))
    except SchemaError as error:
        sentences.append(str(error))
    for sentence in sentences:
        assert sentence.startswith("The ")
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert len(sentence) < 500
    assert time.monotonic() - started < 60


KEYWORDS = """
type properties required items prefixItems enum const anyOf oneOf allOf $ref pattern format minLength maxLength minimum
maximum exclusiveMinimum multipleOf minItems maxItems additionalProperties patternProperties nullable propertyNames
minProperties maxProperties unevaluatedProperties not uniqueItems $defs description a
"""
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("#/properties/a"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS.split()), inner, max_size=4),
    max_leaves=12,
)


@given(parameters=st.dictionaries(st.sampled_from(["type", "properties", "anyOf", "$ref", "required", "allOf"]), JUNK))
@FUZZ
def test_no_schema_ends_in_anything_but_a_schema_error(parameters: dict[str, Any]) -> None:
    tool = Tool("f", "", parameters)
    declarations_of([tool])
    for options in (ReplyOptions(tools=[tool], tool_choice="required"), ReplyOptions(json_schema=parameters)):
        with contextlib.suppress(SchemaError):
            rules = COMPILER.rules(options)
            assert rules is not None
            rules.constraint().forced()
