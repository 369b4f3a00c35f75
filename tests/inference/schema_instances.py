"""Random JSON schemas, values that they admit, and how Gemma 4 writes these values in a call."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

from inference.schema_references import referred
from inference.tool_calls import is_bare_name

PATTERNS = {
    "^[a-z]+$": ["a", "xyz"],
    "b": ["b", "abc", "\nb\n"],
    "^x": ["x", "xé", "x }"],
    "y$|^z": ["y", "z", "zoo"],
    r"^\d{2,3}-[A-F\-]$": ["12-A", "123--"],
    "^(red|green)$": ["red", "green"],
}
FORMATS = {
    "date": ["2026-02-28"],
    "date-time": ["2026-02-28T23:59:60Z", "2026-11-30t01:02:03.25+01:00"],
    "time": ["12:00:00Z"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000"],
    "ipv4": ["127.0.0.1", "255.0.10.249"],
    "email": ["a@example.org"],
    "regex": ["a"],
}
KEYS = ["a", "b", "xy", "my key", "type", "größe", "", "x.1", 'q"{']
NAMES = st.sampled_from(KEYS)
TEXTS = st.sampled_from(["", "a", "b", "line\nbreak", 'quo"te', "é€🙂", "} ]", "true", "1", "<|tool_call>"])
NUMBERS = st.integers(-30, 30) | st.sampled_from([0.5, -2.25, 1e-7, 3.0, 10**20, 2.5e300])
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=4,
)


class NoInstance(Exception):  # noqa: N818 — the schema may well have one
    """None was found."""


def _optional(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=values)


def _typed(kind: str, keywords: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return keywords.map(lambda values: {"type": kind, **values})


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.just(True),
    st.just({}),
    _typed("string", _optional(minLength=st.integers(0, 3), maxLength=st.integers(3, 9))),
    _typed("string", _optional(pattern=st.sampled_from(sorted(PATTERNS)))),
    _typed("string", _optional(format=st.sampled_from(sorted(FORMATS)))),
    _typed("integer", _optional(minimum=st.integers(-9, 5), maximum=st.integers(5, 1000))),
    _typed("integer", _optional(exclusiveMinimum=st.integers(-9, 5), multipleOf=st.integers(1, 7))),
    _typed("number", _optional(minimum=st.sampled_from([-1, 0, 0.5]), exclusiveMaximum=st.sampled_from([2, 3.75]))),
    st.sampled_from(["boolean", "null", "string", "number", "integer", "object", "array"]).map(lambda t: {"type": t}),
    st.lists(
        st.sampled_from(["boolean", "null", "string", "number", "integer", "array"]),
        min_size=1,
        max_size=3,
        unique=True,
    ).map(lambda kinds: {"type": kinds}),
    st.lists(VALUES, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    VALUES.map(lambda value: {"const": value}),
    st.just({"type": "string", "nullable": True}),
    st.builds(lambda low: {"minimum": low, "minLength": 2}, st.integers(-3, 3)),
    st.sampled_from(["N", "My Type", "a/b", "Tree"]).map(
        lambda name: {"$ref": "#/$defs/" + name.replace(" ", "%20").replace("/", "~1")}
    ),
    st.just({"$ref": "#/$defs/List/prefixItems/1"}),
)


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keywords = _optional(
        properties=st.dictionaries(NAMES, inner, max_size=4),
        required=st.lists(NAMES, max_size=2, unique=True),
        additionalProperties=st.just(True) | inner,
        patternProperties=st.dictionaries(st.sampled_from(sorted(PATTERNS)), inner, min_size=1, max_size=2),
        propertyNames=st.sampled_from([{"maxLength": 3}, {"pattern": "^[a-z]+$"}, {"enum": ["a", "b"]}]),
        minProperties=st.integers(0, 2),
        maxProperties=st.integers(2, 4),
    )
    return _typed("object", keywords)


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keywords = _optional(
        items=inner | st.just(False),
        prefixItems=st.lists(inner, min_size=1, max_size=3),
        minItems=st.integers(0, 2),
        maxItems=st.integers(2, 4),
        uniqueItems=st.booleans(),
    )
    return _typed("array", keywords)


SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        _objects(inner),
        _arrays(inner),
        st.lists(inner, min_size=1, max_size=3).map(lambda options: {"anyOf": options}),
        st.lists(inner, min_size=1, max_size=2).map(lambda options: {"oneOf": options}),
        st.lists(inner, min_size=1, max_size=2).map(lambda all_of: {"allOf": all_of}),
        st.builds(lambda a, b: {"anyOf": [a, {"type": "null"}], **(b if isinstance(b, dict) else {})}, inner, inner),
    ),
    max_leaves=8,
)

DEFINITIONS = {
    "N": {"type": "integer", "minimum": 0},
    "My Type": {"type": "boolean"},
    "a/b": {"enum": ["a", 1, None]},
    "Tree": {
        "type": "object",
        "properties": {"v": {"type": "integer"}, "kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        "required": ["v"],
    },
    "List": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer", "maximum": 3}]},
}


def parameters_of(properties: Mapping[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": required, "$defs": DEFINITIONS}


def instance(schema: Any, root: Any, chance: random.Random, depth: int = 0) -> Any:
    """Return a value that probably fits; the caller checks. Raises :class:`NoInstance`."""
    if schema is False or depth > 12:
        raise NoInstance
    if not isinstance(schema, Mapping) or not schema:
        return chance.choice([None, True, 7, -0.5, "free", "", [], [1, "a"], {}, {"k": {"l": [None]}}])
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chance.choice(schema["enum"])
    for combination in ("anyOf", "oneOf"):
        if combination in schema:
            rest = {key: value for key, value in schema.items() if key != combination}
            chosen = chance.choice(schema[combination])
            return instance(_joined(rest, chosen), root, chance, depth + 1)
    if "allOf" in schema:
        merged: Any = {key: value for key, value in schema.items() if key != "allOf"}
        for each in schema["allOf"]:
            merged = _joined(merged, each)
        return instance(merged, root, chance, depth + 1)
    if "$ref" in schema:
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return instance(_joined(rest, referred(root, schema["$ref"])), root, chance, depth + 1)
    if schema.get("nullable") and "type" not in schema:
        return None
    kind = schema.get("type", ["string", "integer", "boolean", "null"])
    kind = chance.choice(kind) if isinstance(kind, list) else kind
    return _of_kind(kind, schema, root, chance, depth)


def _of_kind(kind: str, schema: Mapping[str, Any], root: Any, chance: random.Random, depth: int) -> Any:
    match kind:
        case "null":
            return None
        case "boolean":
            return chance.random() < 0.5
        case "integer" | "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum", -20))
            value = low + chance.choice([0, 1, 2, 7, 11, 100])
            value -= value % schema.get("multipleOf", 1)
            whole = kind == "integer"
            return int(value) if whole else chance.choice([float(value), value + 0.25, int(value)])
        case "string":
            choices = PATTERNS.get(schema.get("pattern", ""), FORMATS.get(schema.get("format", "")))
            if choices is None:
                choices = ["", "a", "two\nlines", "é€🙂", "abc", "} { ] ,", "<|turn>", "x" * schema.get("minLength", 0)]
            return chance.choice(choices)
        case "array":
            return _array(schema, root, chance, depth)
        case "object":
            return _object(schema, root, chance, depth)
    raise NoInstance


def _array(schema: Mapping[str, Any], root: Any, chance: random.Random, depth: int) -> list[Any]:
    prefix = schema.get("prefixItems", [])
    count = chance.randint(schema.get("minItems", 0), min(schema.get("maxItems", 3), 3))
    items = []
    for index in range(count):
        item = prefix[index] if index < len(prefix) else schema.get("items", True)
        try:
            items.append(instance(item, root, chance, depth + 1))
        except NoInstance:
            break
    return items


def _object(schema: Mapping[str, Any], root: Any, chance: random.Random, depth: int) -> dict[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    required = schema.get("required", [])
    members: dict[str, Any] = {}
    for name, value in properties.items():
        if name in required or (chance.random() < 0.5 and depth < 8):
            members[name] = instance(value, root, chance, depth + 1)
    others = schema.get("additionalProperties", True)
    patterns = schema.get("patternProperties", {})
    if "additionalProperties" in schema or patterns or not properties:
        for pattern, value in patterns.items():
            members.setdefault(chance.choice(PATTERNS[pattern]), instance(value, root, chance, depth + 1))
        if others is not False and chance.random() < 0.5:
            members.setdefault(chance.choice([*KEYS, "other"]), instance(others, root, chance, depth + 1))
    for name in required:
        if name not in members:
            members[name] = instance(others, root, chance, depth + 1)
    order = list(members)
    chance.shuffle(order)
    return {name: members[name] for name in order}


def _joined(first: Any, second: Any) -> Any:
    if first is False or second is False:
        return False
    if not isinstance(first, Mapping) or not first:
        return second
    if not isinstance(second, Mapping) or not second:
        return first
    if set(first) & set(second) - {"type"} or first.get("type", second.get("type")) != second.get(
        "type", first.get("type")
    ):
        return {"allOf": [first, second]} if "allOf" not in first and "allOf" not in second else first
    return {**first, **second}


def written(value: Any) -> str:
    """Return a value as Gemma 4 writes it in a call."""
    if isinstance(value, str):
        return f'<|"|>{value}<|"|>'
    if isinstance(value, Mapping):
        pairs = (f"{written_key(str(key))}:{written(each)}" for key, each in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    if isinstance(value, float) and abs(value) < 1e20:
        return np.format_float_positional(value, trim="0")
    return (
        {True: "true", False: "false", None: "null"}[value]
        if (value in (None, True, False) and not isinstance(value, int | float)) or isinstance(value, bool)
        else repr(value)
    )


def written_key(name: str) -> str:
    return name if is_bare_name(name) else f'<|"|>{name}<|"|>'
