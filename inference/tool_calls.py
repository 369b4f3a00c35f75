"""Gemma 4's own notation of a tool call: ``call:name{key:value,…}``.

Strings are not quoted with a character but wrapped in the token ``<|"|>``, and nothing inside them is escaped. So
the grammar is read from *pieces*: a :data:`QUOTE` piece opens or closes a string, every other piece is text.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

QUOTE: Final = '<|"|>'
"""Name of the token that opens and closes a string."""

MAX_DEPTH: Final = 64
"""Deeper nesting is taken for a model that lost itself in brackets."""

_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[^\s{}\[\],:\"<>]+")
_NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.])")
_CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "null": None}
_CONSTANT = re.compile(r"(?:true|false|null)(?!\w)")


class MalformedCallError(ValueError):
    """The model wrote something between the tool call markers that is not a call."""


def parse_call(pieces: Iterable[tuple[str, bool]]) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the arguments of one call.

    ``pieces`` is what stood between ``<|tool_call>`` and ``<tool_call|>`` as ``(text, is_quote)`` pairs, where
    ``is_quote`` marks the token :data:`QUOTE`. Argument values are str, int, float, bool, None, dict and list.
    Raises :class:`MalformedCallError`, and nothing else, for everything that is not exactly one call.
    """
    return _CallReader(pieces).call()


def is_bare_name(name: str) -> bool:
    """Whether a tool or a key of this name can stand in a call without quotes."""
    return _NAME.fullmatch(name) is not None


class _CallReader:
    """Recursive descent over alternating runs: text outside strings, and whole strings."""

    def __init__(self, pieces: Iterable[tuple[str, bool]]) -> None:
        # Even runs are syntax, odd runs are the contents of strings.
        runs = [""]
        for text, is_quote in pieces:
            if is_quote:
                runs.append("")
            else:
                runs[-1] += text
        if len(runs) % 2 == 0:
            raise MalformedCallError("a string is not closed")
        self._runs = runs
        self._run = 0
        self._at = 0

    def call(self) -> tuple[str, Mapping[str, Any]]:
        self._expect("call")
        self._expect(":")
        self._skip_space()
        name = self._match(_NAME)
        if not name:
            raise MalformedCallError("the call has no name")
        arguments = self._mapping(0)
        self._skip_space()
        if self._run != len(self._runs) - 1 or self._at != len(self._runs[-1]):
            raise MalformedCallError("something follows the call")
        return name, MappingProxyType(arguments)

    def _value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise MalformedCallError("the arguments are nested too deeply")
        string = self._string()
        if string is not None:
            return string
        following = self._peek()
        if following == "{":
            return self._mapping(depth)
        if following == "[":
            return self._list(depth)
        if following == '"':
            return self._json_string()
        if constant := self._match(_CONSTANT):
            return _CONSTANTS[constant]
        if number := self._match(_NUMBER):
            return _number(number)
        raise MalformedCallError("a value is missing")

    def _mapping(self, depth: int) -> dict[str, Any]:
        self._expect("{")
        mapping: dict[str, Any] = {}
        if self._accept("}"):
            return mapping
        while True:
            key = self._key()
            self._expect(":")
            mapping[key] = self._value(depth + 1)
            if self._accept("}"):
                return mapping
            self._expect(",")

    def _list(self, depth: int) -> list[Any]:
        self._expect("[")
        items: list[Any] = []
        if self._accept("]"):
            return items
        while True:
            items.append(self._value(depth + 1))
            if self._accept("]"):
                return items
            self._expect(",")

    def _key(self) -> str:
        string = self._string()
        if string is not None:
            return string
        if self._peek() == '"':
            return self._json_string()
        key = self._match(_NAME)
        if not key:
            raise MalformedCallError("a key is missing")
        return key

    def _string(self) -> str | None:
        """Take the string that starts here, if the syntax before it is used up."""
        self._skip_space()
        if self._at < len(self._runs[self._run]) or self._run + 1 >= len(self._runs):
            return None
        string = self._runs[self._run + 1]
        self._run += 2
        self._at = 0
        return string

    def _json_string(self) -> str:
        """Take a string in ordinary double quotes, which small models write now and then."""
        try:
            string, self._at = json.JSONDecoder(strict=False).raw_decode(self._runs[self._run], self._at)
        except ValueError as error:
            raise MalformedCallError("a string is not closed") from error
        return str(string)

    def _skip_space(self) -> None:
        match = _SPACE.match(self._runs[self._run], self._at)
        if match:
            self._at = match.end()

    def _peek(self) -> str:
        self._skip_space()
        return self._runs[self._run][self._at : self._at + 1]

    def _accept(self, literal: str) -> bool:
        self._skip_space()
        if not self._runs[self._run].startswith(literal, self._at):
            return False
        self._at += len(literal)
        return True

    def _expect(self, literal: str) -> None:
        if not self._accept(literal):
            raise MalformedCallError(f"{literal!r} is missing")

    def _match(self, pattern: re.Pattern[str]) -> str:
        self._skip_space()
        match = pattern.match(self._runs[self._run], self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match.group()


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:  # not whole, or more digits than Python reads
        number = float(text)
    if not math.isfinite(number):
        raise MalformedCallError("a number is out of range")
    return number
