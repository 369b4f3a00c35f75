"""Gemma's notation of calls, read back into values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.tool_calls import MAX_DEPTH, QUOTE, MalformedCallError, parse_call


def pieces(text: str) -> list[tuple[str, bool]]:
    """Cut a text at the string token, and letter by letter between, as tokens might come."""
    cut: list[tuple[str, bool]] = []
    for index, run in enumerate(text.split(QUOTE)):
        if index:
            cut.append((QUOTE, True))
        cut += [(letter, False) for letter in run]
    return cut


def write(value: Any) -> str:
    """Write a value as the chat template does."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"{QUOTE}{value}{QUOTE}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{write(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(item) for item in value) + "]"
    return repr(value)


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("call:f{}", "f", {}),
        ('call:get_weather{city:<|"|>Paris<|"|>}', "get_weather", {"city": "Paris"}),
        (
            'call:f{b:true,d:{k:<|"|>v<|"|>},f:1.5,l:[<|"|>a<|"|>,1],n:-3,x:null,y:false}',
            "f",
            {"b": True, "d": {"k": "v"}, "f": 1.5, "l": ["a", 1], "n": -3, "x": None, "y": False},
        ),
        (' call : f { a : [ ] , b : { } , c : <|"|> x <|"|> } \n', "f", {"a": [], "b": {}, "c": " x "}),
        ('call:f{a:<|"|>{[,:]} "quoted" \n <turn|><|"|>}', "f", {"a": '{[,:]} "quoted" \n <turn|>'}),
        ('call:f{<|"|>a key<|"|>:1,"b":2}', "f", {"a key": 1, "b": 2}),
        ('call:f{a:"json \\"é\\" \\u00e9"}', "f", {"a": 'json "é" é'}),
        ('call:f{a:<|"|><|"|>}', "f", {"a": ""}),
        ("call:fs.read-file/2{a:1e3,b:.5,c:2.,d:1E-2}", "fs.read-file/2", {"a": 1000.0, "b": 0.5, "c": 2.0, "d": 0.01}),
        ("call:名前{键:1}", "名前", {"键": 1}),
        ("call:f{a:1,a:2}", "f", {"a": 2}),
        (f"call:f{{a:{10**30}}}", "f", {"a": 10**30}),
    ],
)
def test_calls_are_read(text: str, name: str, arguments: dict[str, Any]) -> None:
    read_name, read_arguments = parse_call(pieces(text))
    assert read_name == name
    assert read_arguments == arguments
    assert [type(value) for value in read_arguments.values()] == [type(value) for value in arguments.values()]


@pytest.mark.parametrize(
    "text",
    [
        "", "call", "call:", "call:f", "call:f{", "call:f}", "call:{}", "f{}", "call:f{}x", "call:f{}{}", "call:f{a}",
        "call:f{a:}", "call:f{:1}", "call:f{a:1,}", "call:f{a:1 b:2}", "call:f{a:[1,]}", "call:f{a:[1}", "call:f{a:b}",
        "call:f{a:1.2.3}", "call:f{a:1x}", "call:f{a:truely}", 'call:f{a:<|"|>x}', 'call:f{a:<|"|>x<|"|>y}',
        'call:f{}<|"|>x<|"|>', 'call:f{a:<|"|>x<|"|><|"|>y<|"|>}', 'call:f{a:"x}', 'call:<|"|>f<|"|>{}', "call:f g{}",
        "call:f{a:1e999}", "call:f{a:" + "9" * 5000 + "}", "call:f{a:" + "[" * 5000, "call:f{a:" + "{a:" * 5000,
    ],
)  # fmt: skip
def test_everything_else_is_malformed(text: str) -> None:
    with pytest.raises(MalformedCallError):
        parse_call(pieces(text))


def test_nesting_has_a_limit() -> None:
    parse_call(pieces("call:f{a:" + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}"))
    with pytest.raises(MalformedCallError, match="nested"):
        parse_call(pieces("call:f{a:" + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1) + "}"))


keys = st.from_regex(r"[A-Za-z_]\w{0,5}", fullmatch=True)
strings = st.text(max_size=8).filter(lambda text: QUOTE not in text)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | strings
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))


@given(name=keys, arguments=st.dictionaries(keys, values, max_size=4))
@settings(deadline=None)
def test_what_the_template_writes_is_read_back(name: str, arguments: dict[str, Any]) -> None:
    assert parse_call(pieces(f"call:{name}{write(arguments)}")) == (name, arguments)


@given(
    st.lists(
        st.sampled_from([QUOTE, "call:", "f", "{", "}", "[", "]", ",", ":", "1", "-", ".", '"', "\\", "true", " "])
        | st.text(max_size=3),
        max_size=20,
    )
)
@settings(deadline=None, max_examples=500)
def test_nothing_but_malformed_call_error_is_raised(fragments: list[str]) -> None:
    try:
        name, arguments = parse_call((fragment, fragment == QUOTE) for fragment in fragments)
    except MalformedCallError:
        return
    assert name
    assert isinstance(dict(arguments), dict)
