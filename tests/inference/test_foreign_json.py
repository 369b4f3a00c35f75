"""JSON by strangers: read in bounds, or refused with a sentence."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.errors import ForeignFileError
from inference.foreign_files import read_bytes
from inference.foreign_json import JsonLimits, JsonObject, Range, parse_json, read_json, read_json_object
from inference.foreign_names import display_name
from tests.fuzzing import examples

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
@settings(max_examples=examples(100), deadline=None)
def test_what_is_json_comes_as_json_has_it(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    for content in (text, text.encode(), text.encode("utf-8-sig"), text.encode("utf-16"), text.encode("utf-32")):
        assert parse_json(content, "it") == value


@given(st.binary(max_size=64) | st.text(alphabet='[]{}",:0123456789eE+-.nulltruefalsNaIity\\ ud8', max_size=64))
@settings(max_examples=examples(300), deadline=None)
def test_anything_is_taken_or_refused_with_a_sentence(content: bytes | str) -> None:
    reason = "it is."
    try:
        parse_json(content, "it")
    except ForeignFileError as error:
        reason = str(error)
    assert re.fullmatch(r"it .+\.", reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[" * 101 + "]" * 101, "nested too deeply"),
        ("9" * 5_000, "too many digits"),
        ("-" + "9" * 301, "too many digits"),
        ("1e999", "too many digits"),
        ("0." + "3" * 100_000, "too many digits"),
        ("[NaN]", "NaN"),
        ("[-Infinity]", "-Infinity"),
        ('{"a": 1, "a": 2}', "same name two values"),
        ("[" + "1," * 1_000_000 + "1]", "too many values"),
        ('{"a": 1', "is no JSON"),
        ("", "is no JSON"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (b'"\xe9"', "no text in UTF-8"),
        (" " * (16 << 20) + "1", "larger than"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_refused_and_why(content: str | bytes, reason: str) -> None:
    with pytest.raises(ForeignFileError, match=reason):
        parse_json(content, "config.json")


def test_as_deep_as_is_allowed() -> None:
    parse_json("[" * 100 + "]" * 100, "it")
    with pytest.raises(ForeignFileError):
        parse_json("[[[]]]", "it", JsonLimits(depth=2))


def test_half_characters_become_whole_ones() -> None:
    assert parse_json(r'{"\ud83d": ["a\udc00b", "\ud83d\ude00"]}', "it") == {"�": ["a�b", "😀"]}


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "large").write_bytes(b"1" * 100)
    for name in ("itself", "pipe", "folder", "zero", "list.json", "nu\0l"):
        with pytest.raises(ForeignFileError) as raised:
            read_json_object(tmp_path / name)
        assert not raised.value.missing
    with pytest.raises(ForeignFileError, match="does not exist") as raised:
        read_json(tmp_path / "none")
    assert raised.value.missing
    with pytest.raises(ForeignFileError, match="larger"):
        read_bytes(tmp_path / "large", 99)
    assert read_bytes(tmp_path / "large", 100) == b"1" * 100
    (tmp_path / "link").symlink_to("list.json")
    assert read_json(tmp_path / "link") == [1]


def test_values_by_kind_and_range() -> None:
    given_values = {
        "n": 5,
        "f": 5.0,
        "half": 0.5,
        "t": "ab",
        "b": True,
        "none": None,
        "ids": [1, 2],
        "o": {"x": 1},
        "big": 10**299,
    }
    values = JsonObject(given_values, "config.json")
    small = Range(0, 10)
    assert [values.integer(name, small, 7) for name in ("n", "f", "none", "missing")] == [5, 5, 7, 7]
    assert values.optional_integer("missing", small) is None
    assert values.number("half", small, 1.0) == 0.5
    assert values.flag("b", False)
    assert values.text("t", "", 2) == "ab"
    assert values.integers("ids", small, 2) == (1, 2)
    assert values.integers("n", small, 1) == (5,)
    assert values.texts("none", 1, 1) == ()
    assert values.object("o").integer("x", small, 0) == 1
    refusals = [
        lambda: values.integer("half", small, 0),
        lambda: values.integer("b", small, 0),
        lambda: values.integer("big", small, 0),
        lambda: values.integer("t", small, 0),
        lambda: values.number("b", small, 0),
        lambda: values.number("big", small, 0),
        lambda: values.flag("n", False),
        lambda: values.text("t", "", 1),
        lambda: values.text("n", "", 1),
        lambda: values.integers("ids", small, 1),
        lambda: values.integers("ids", Range(2, 3), 9),
        lambda: values.texts("ids", 9, 9),
        lambda: values.object("n"),
    ]
    for refusal in refusals:
        with pytest.raises(ForeignFileError, match="says something unusable about"):
            refusal()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Gemma 4 E2B", "Gemma 4 E2B"),
        ("Gemma\x1b[2J\x1b[31m 4", "Gemma 4"),
        ("\x1b]0;owned\x07Gemma", "Gemma"),
        ("\x1b]52;c;ZXZpbA==\x1b\\Gemma", "Gemma"),
        ("Gem\u202ema\u2066\u200b", "Gem ma"),
        ("one\r\ntwo\u2028three", "one two three"),
        ("\x9b31mGemma\x00", "Gemma"),
        ("\ud800x", "x"),
        ("  \x07 ", ""),
        ("x" * 500, "x" * 99 + "…"),
    ],
)
def test_names_can_be_shown_anywhere(name: str, shown: str) -> None:
    assert display_name(name) == shown


@given(st.text(max_size=300))
@settings(max_examples=examples(200), deadline=None)
def test_no_name_steers_a_terminal(name: str) -> None:
    shown = display_name(name)
    assert len(shown) <= 100
    assert shown == display_name(shown)
    assert all(character.isprintable() or character == " " or not character.isascii() for character in shown)
    shown.encode()
