"""The grammar of the calls that declared tools allow, in llguidance's dialect of Lark.

It describes what the model writes between ``<|tool_call>`` and ``<tool_call|>``, the latter included, in the form in
which the chat template writes calls: no white space, bare keys, strings between two tokens ``<|"|>``. All that it
admits, :func:`inference.tool_calls.parse_call` reads, with the types that the tool's schema names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from inference.errors import SchemaError
from inference.messages import Tool
from inference.tool_calls import is_bare_name
from inference.tool_schema import flatten_for_grammar

_FREE_DEPTH: Final = 8
"""How deep values of no declared shape may be nested."""
_MOST_BITS: Final = 63
"""An object's keys may come in any order as long as a bit of a rule's parameter can stand for each of them."""

_TERMINALS: Final = r"""
TEXT: /(?s:.*)/
INTEGER: /-?(0|[1-9][0-9]{0,17})/
NUMBER: /-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,17})?([eE][+-]?[0-9]{1,2})?/
NAME: /[\w\-.$@\/]{1,64}/
"""


def tool_call_grammar(tools: Sequence[Tool], quote: int, close: int) -> str:
    """Return the grammar of one call of any of ``tools``, after ``<|tool_call>``.

    ``quote`` and ``close`` are the ids of ``<|"|>`` and ``<tool_call|>``. Raises :class:`SchemaError` for a tool whose
    name cannot stand in a call.
    """
    return _GrammarWriter(quote, close).grammar(tools)


class _GrammarWriter:
    """Collects rules; an expression is what may stand on the right side of one."""

    def __init__(self, quote: int, close: int) -> None:
        self._quote = f"<[{quote}]>"
        self._close = f"<[{close}]>"
        self._rules: list[str] = []

    def grammar(self, tools: Sequence[Tool]) -> str:
        calls = [self._call(tool) for tool in tools]
        start = f'start: "call:" ({" | ".join(calls)}) {self._close}'
        return "\n".join([start, *self._rules, f"string: {self._quote} TEXT {self._quote}", *self._free(), _TERMINALS])

    def _call(self, tool: Tool) -> str:
        if not is_bare_name(tool.name):
            raise SchemaError(
                f"The tool “{tool.name}” cannot be called by this name; give it one of letters, digits and underscores."
            )
        parameters = flatten_for_grammar(tool.parameters)
        # Where properties are declared, none but these; what was not declared at all may be anything.
        closed = {"additionalProperties": False} if "properties" in tool.parameters else {}
        arguments = self._object({**closed, **parameters})
        return f"{_literal(tool.name)} {arguments}"

    def _value(self, schema: Mapping[str, Any]) -> str:
        kinds = {"string": "string", "integer": "INTEGER", "number": "NUMBER", "null": '"null"'}
        kind = str(schema.get("type", "string")).lower()
        choices = [choice for value in schema.get("enum", ()) if (choice := self._constant(value))]
        if choices:
            expression = " | ".join(dict.fromkeys(choices))
        elif kind in kinds:
            expression = kinds[kind]
        elif kind == "boolean":
            expression = '"true" | "false"'
        elif kind == "array":
            items = schema.get("items")
            item = self._value(items) if isinstance(items, Mapping) else f"free{_FREE_DEPTH}"
            expression = f'"[]" | "[" {item} ("," {item})* "]"'
        elif kind == "object":
            expression = self._object(schema)
        else:
            expression = f"free{_FREE_DEPTH}"
        return self._rule(expression + (' | "null"' if schema.get("nullable") else ""))

    def _object(self, schema: Mapping[str, Any]) -> str:
        properties: Mapping[str, Any] = schema.get("properties") or {}
        others = schema.get("additionalProperties", True)
        if not properties:
            if others is False:
                return '"{}"'
            value = self._value(others) if isinstance(others, Mapping) else f"free{_FREE_DEPTH}"
            pair = f'(NAME | string) ":" {value}'
            return self._rule(f'"{{}}" | "{{" {pair} ("," {pair})* "}}"')
        required = [name in schema.get("required", ()) for name in properties]
        pairs = [f'{self._key(name)} ":" {self._value(value)}' for name, value in properties.items()]
        empty = "" if any(required) else '"{}" | '
        members = self._in_any_order if len(pairs) <= _MOST_BITS else self._in_order
        return self._rule(f'{empty}"{{" {members(pairs, required)}')

    def _in_any_order(self, pairs: Sequence[str], required: Sequence[bool]) -> str:
        """Members up to the closing brace: bit n of the rules' parameter says whether pair n has been written."""
        member, following = self._name(), self._name()
        choices = [f"{pair} {following}::set_bit({n}) %if bit_clear({n})" for n, pair in enumerate(pairs)]
        self._rules.append(f"{member}::_: " + "\n    | ".join(choices))
        complete = "true"
        for n in (n for n, needed in enumerate(required) if needed):
            complete = f"bit_set({n})" if complete == "true" else f"and({complete}, bit_set({n}))"
        more = f"bit_count_lt([0:{len(pairs)}], {len(pairs)})"
        self._rules.append(f'{following}::_: "}}" %if {complete}\n    | "," {member}::_ %if {more}')
        return f"{member}::0x0"

    def _in_order(self, pairs: Sequence[str], required: Sequence[bool]) -> str:
        """Members up to the closing brace in the order of the schema, for objects of very many."""
        first, later = "", '"}"'
        for pair, needed in zip(reversed(pairs), reversed(required), strict=True):
            skipped_first, skipped_later = ("", "") if needed else (first, later)
            first = self._rule(f"{pair} {later}" + (f" | {skipped_first}" if skipped_first else ""))
            later = self._rule(f'"," {pair} {later}' + (f" | {skipped_later}" if skipped_later else ""))
        return first

    def _free(self) -> list[str]:
        rules = ['free0: string | NUMBER | "true" | "false" | "null" | "[]" | "{}"']
        for depth in range(1, _FREE_DEPTH + 1):
            item = f"free{depth - 1}"
            pair = f'(NAME | string) ":" {item}'
            rules.append(f'free{depth}: free0 | "[" {item} ("," {item})* "]" | "{{" {pair} ("," {pair})* "}}"')
        return rules

    def _key(self, name: str) -> str:
        return _literal(name) if is_bare_name(name) else self._text(name)

    def _constant(self, value: Any) -> str:
        """Return how one value is written; empty for one that is no scalar."""
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
            return _literal(json.dumps(value))
        return ""

    def _text(self, text: str) -> str:
        return f"{self._quote} {_literal(text)} {self._quote}" if text else f"{self._quote} {self._quote}"

    def _rule(self, expression: str) -> str:
        name = self._name()
        self._rules.append(f"{name}: {expression}")
        return name

    def _name(self) -> str:
        self._names += 1
        return f"r{self._names}"

    _names = 0


def _literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
