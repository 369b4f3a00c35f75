"""Rules of a grammar for values by JSON schemas, written as Gemma 4 writes the arguments of a call.

Schemas become *shapes* first, one for each conjunction of schemas that some value is held to; a shape lists the forms
that the value may take. Only then is it known which shapes admit no value at all (``false``, or an object that must
contain itself), and what needs them is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from inference.errors import SchemaError
from inference.schema_alternatives import Alternatives, Node, constants_of, kind_of, kinds_of, limit, unenforced
from inference.schema_patterns import NAME, found
from inference.schema_references import is_list
from inference.tool_calls import MAX_DEPTH, is_bare_name
from inference.tool_objects import Extra, ListForm, ObjectForm, Pair, Shape, member_lines
from inference.tool_scalars import is_admitted_key, is_writable, key_terminals, number_expression, string_terminal

_MOST_SHAPES: Final = 20_000
_MOST_CONSTANTS: Final = 50_000
_LONGEST_CONSTANTS: Final = 1 << 20
_MOST_REPEATS: Final = 2_000
"""Numbers of items and members are held to up to this; nothing that is longer fits into an answer."""
_MOST_PREFIXES: Final = 200
_MOST_PATTERNS: Final = 3
"""Kinds of keys by ``patternProperties`` that are told apart where they overlap."""
_MOST_APART: Final = 20
"""Patterns for keys of one object."""
_MOST_PROPERTIES: Final = 500
"""Of one object; llguidance looks at no more than 2,000 possibilities at a time."""
_OPENING: Final = frozenset(("additionalProperties", "patternProperties", "anyOf", "oneOf", "allOf", "required"))
_FREE_DEPTH: Final = MAX_DEPTH - 1
"""How deep values of no declared shape may be nested: as deep as calls are read."""

_GREATEST = "1.7976931348623157e+308"  # the default limit of many a schema
_EXPONENT = r"(-[0-9]{1,3}|\+?([0-9]{1,2}|[12][0-9]{2}|30[0-7]))"
_TERMINALS: Final = rf"""
TEXT: /(?s:.*)/
INTEGER: /-?(0|[1-9][0-9]{{0,39}})/
NUMBER: PLAIN_NUMBER | POWER_OF_TEN | "{_GREATEST}" | "-{_GREATEST}"
PLAIN_NUMBER: /-?(0|[1-9][0-9]{{0,39}})(\.[0-9]{{1,40}})?/
POWER_OF_TEN: /-?[0-9](\.[0-9]{{1,40}})?[eE]{_EXPONENT}/
"""


class RuleWriter:
    """Collects the rules for all tools of one grammar; an expression is what may stand on the right side of one."""

    def __init__(self, quote: int) -> None:
        self._quote = f"<[{quote}]>"
        self._shapes: list[Shape] = []
        self._terminals: dict[str, str] = {}
        self._constants = 0
        self._constants_length = 0
        self._names = 0

    def arguments(self, parameters: Mapping[str, Any]) -> tuple[str, Mapping[str, None]]:
        """Return the expression for the arguments of a call, and what of the schema it is not held to.

        The latter is complete when :meth:`lines` was called.
        """
        notes: dict[str, None] = {}
        outer: dict[str, Any] = {"type": "object"}
        if parameters.get("properties") == {} and not _OPENING & set(parameters) and "$ref" not in parameters:
            outer["additionalProperties"] = False  # “no properties” is how a tool says that it takes nothing
        reader = _Reader(self, parameters, notes)
        shape = reader.shape((outer, parameters))
        reader.finish()
        return shape.name, notes

    def lines(self) -> list[str]:
        """Return all rules and terminals. Raises :class:`SchemaError` where a tool's arguments cannot be written."""
        lines = [line for shape in self._shapes if shape.possible for line in self._lines_of(shape)]
        free = ['free0: string | NUMBER | "true" | "false" | "null" | "[]" | "{}"']
        for depth in range(1, _FREE_DEPTH + 1):
            item = f"free{depth - 1}"
            pair = f'(NAME | string) ":" {item}'
            free.append(f'free{depth}: free0 | "[" {item} ("," {item})* "]" | "{{" {pair} ("," {pair})* "}}"')
        terminals = [f"{name}: {expression}" for expression, name in self._terminals.items()]
        return [*lines, f"string: {self._quote} TEXT {self._quote}", *free, *terminals, NAME, _TERMINALS]

    def literal(self, text: str) -> str:
        """Return a text as it stands in a rule."""
        return json.dumps(text, ensure_ascii=False)

    # --- what a reader of schemas asks for ---

    def new_shape(self) -> Shape:
        """Return a shape that is still to be filled."""
        if len(self._shapes) >= _MOST_SHAPES:
            raise SchemaError("it is too large")
        shape = Shape(self._name("r"))
        self._shapes.append(shape)
        return shape

    def terminal(self, expression: str) -> str:
        """Return the name of a terminal."""
        name = self._terminals.get(expression)
        if name is None:
            name = self._terminals[expression] = self._name("T")
        return name

    def text(self, text: str) -> str:
        """Return a fixed string with the tokens around it."""
        return f"{self._quote} {self.literal(text)} {self._quote}" if text else f"{self._quote} {self._quote}"

    def quoted(self, terminal: str) -> str:
        """Return a string that a terminal describes."""
        return f"{self._quote} {terminal} {self._quote}"

    def key(self, name: str) -> str:
        """Return how a declared key is written."""
        return self.literal(name) if is_bare_name(name) else self.text(name)

    def scalars(self, values: Sequence[Any]) -> list[str]:
        """Return expressions for constants that are strings, numbers, booleans or null."""
        strings = list(dict.fromkeys(value for value in values if isinstance(value, str) and is_writable(value)))
        others: dict[str, None] = {}
        for value in values:
            if kind_of(value) in ("integer", "number", "boolean", "null"):
                others.update(dict.fromkeys(_spellings(value)))
        self._constants += len(strings) + len(others)
        self._constants_length += sum(map(len, strings))
        if self._constants > _MOST_CONSTANTS or self._constants_length > _LONGEST_CONSTANTS:
            raise SchemaError("it lists too many values")
        expressions = [self.text("")] if "" in strings else []
        filled = [text for text in strings if text]
        if len(filled) == 1:
            expressions.append(self.text(filled[0]))
        elif filled:
            expressions.append(self.quoted(self.terminal(" | ".join(map(self.literal, filled)))))
        spelled = [self.literal(text) for text in others]
        if len(spelled) > 8:
            expressions.append(self.terminal(" | ".join(spelled)))
        else:
            expressions += spelled
        return expressions

    # --- how shapes are written ---

    def _lines_of(self, shape: Shape) -> list[str]:
        forms = [*shape.expressions]
        lines: list[str] = []
        for form in shape.forms:
            if form.possible():
                expression, more = (
                    self._list(form) if isinstance(form, ListForm) else member_lines(form, lambda: self._name("m"))
                )
                forms.append(expression)
                lines += more
        return [f"{shape.name}: {' | '.join(dict.fromkeys(forms))}", *lines]

    def _list(self, form: ListForm) -> tuple[str, list[str]]:
        prefix = []
        for shape in form.prefix:
            if not shape.possible:
                break
            prefix.append(shape.name)
        whole = len(prefix) == len(form.prefix)
        rest = form.rest.name if whole and form.rest is not None and form.rest.possible else None
        least, most = form.least, form.most
        lines: list[str] = []

        def more(written: int) -> str:
            """What follows once all of the prefix is written."""
            close = ['"]"'] if written >= least else []
            if rest is not None and (most is None or most > written):
                low = max(least - written, 1)
                high = "" if most is None else str(most - written)
                if low <= 1 and not high:
                    close.append(f'("," {rest})+ "]"')
                else:
                    close.append(f'("," {rest}){{{low},{high}}} "]"')
            return "(" + " | ".join(close) + ")" if close else ""

        following = more(len(prefix)) if prefix and (most is None or most >= len(prefix)) else ""
        for index in range(len(prefix) - 1, 0, -1):
            choices = ['"]"'] if index >= least else []
            if following and (most is None or most > index):
                choices.append(f'"," {prefix[index]} {following}')
            if not choices:
                following = ""
                continue
            following = self._name("l")
            lines.append(f"{following}: {' | '.join(choices)}")
        choices = ['"[]"'] if least == 0 else []
        if most is None or most > 0:
            if prefix and following:
                choices.append(f'"[" {prefix[0]} {following}')
            elif not prefix and rest is not None:
                low = max(least - 1, 0)
                if most is None and low == 0:
                    choices.append(f'"[" {rest} ("," {rest})* "]"')
                else:
                    high = "" if most is None else str(most - 1)
                    choices.append(f'"[" {rest} ("," {rest}){{{low},{high}}} "]"')
        return " | ".join(choices), lines

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"


class _Reader:
    """Fills the shapes of one tool's schema; a list of what is still to be filled stands in for recursion."""

    def __init__(self, writer: RuleWriter, root: Mapping[str, Any], notes: dict[str, None]) -> None:
        self._writer = writer
        self._notes = notes
        self._alternatives = Alternatives(root, notes)
        self._waiting: list[tuple[Shape, tuple[Any, ...]]] = []
        self._filled: list[Shape] = []
        self._shape_of: dict[frozenset[int], Shape] = {}
        self._kept: list[Any] = []  # what shapes are known by stays alive, so that no other object gets its id
        self._free = Shape(f"free{_FREE_DEPTH}", possible=True)

    def shape(self, schemas: Sequence[Any]) -> Shape:
        """Return the shape of a value that is held to all ``schemas``."""
        asking = tuple(schema for schema in schemas if schema is False or (isinstance(schema, Mapping) and schema))
        if not asking:
            return self._free
        identity = frozenset(id(schema) for schema in asking)
        known = self._shape_of.get(identity)
        if known is not None:
            return known
        shape = self._shape_of[identity] = self._writer.new_shape()
        self._kept.append(asking)
        self._waiting.append((shape, asking))
        self._filled.append(shape)
        return shape

    def finish(self) -> None:
        """Fill all shapes, and find out which of them admit a value."""
        if not self._waiting:
            return
        first = self._waiting[0][0]
        while self._waiting:
            shape, schemas = self._waiting.pop()
            for nodes in self._alternatives.of(schemas):
                self._fill(shape, nodes)
        changed = True
        while changed:
            changed = False
            for shape in reversed(self._filled):
                if not shape.possible and shape.admits():
                    shape.possible = changed = True
        if not first.possible:
            raise SchemaError("no call fits it")

    def _fill(self, shape: Shape, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            self._notes.update(dict.fromkeys(f"“{keyword}”" for keyword in unenforced(node)))
        kinds = kinds_of(nodes, self._notes)
        constants = constants_of(nodes, kinds, self._notes)
        if constants is not None:
            shape.expressions += self._writer.scalars(constants)
            shape.forms += [self._constant(value) for value in constants if kind_of(value) in ("array", "object")]
            return
        if "string" in kinds:
            terminal = string_terminal(nodes, self._notes)
            if terminal is not None:
                shape.expressions.append(self._string(terminal) if terminal else "string")
        if "number" in kinds or "integer" in kinds:
            expression = number_expression(nodes, integer="number" not in kinds, notes=self._notes)
            shape.expressions += [expression] if expression else []
        if "boolean" in kinds:
            shape.expressions += ['"true"', '"false"']
        if "null" in kinds:
            shape.expressions.append('"null"')
        if "array" in kinds:
            shape.forms.append(self._list(nodes))
        if "object" in kinds:
            shape.forms.append(self._object(nodes))

    def _string(self, expression: str) -> str:
        return self._writer.quoted(self._writer.terminal(expression))

    def _constant(self, value: Any) -> ListForm | ObjectForm:
        """Return an array or object that is fixed; its members may come in any order."""
        if isinstance(value, Mapping):
            pairs = [
                Pair(self._writer.key(str(name)), self.shape(({"const": each},)), required=True)
                for name, each in value.items()
            ]
            return ObjectForm(pairs, [], 0, None)
        items = [self.shape(({"const": each},)) for each in value]
        return ListForm(items, None, len(items), len(items))

    # --- arrays ---

    def _list(self, nodes: tuple[Node, ...]) -> ListForm:
        least, most = self._range(nodes, "minItems", "maxItems")
        prefixes = [_prefix_and_rest(node) for node in nodes]
        length = max((len(prefix) for prefix, _ in prefixes), default=0)
        if length > _MOST_PREFIXES:
            self._notes["a list of so many items one by one"] = None
            return ListForm([], self._free, least, most)
        prefix = [
            self.shape([own[index] if index < len(own) else rest for own, rest in prefixes]) for index in range(length)
        ]
        return ListForm(prefix, self.shape([rest for _, rest in prefixes]), least, most)

    def _range(self, nodes: tuple[Node, ...], low: str, high: str) -> tuple[int, int | None]:
        least, most = limit(nodes, low, most=False) or 0, limit(nodes, high, most=True)
        if least > _MOST_REPEATS or (most is not None and most > _MOST_REPEATS):
            self._notes[f"“{low}” and “{high}” beyond {_MOST_REPEATS}"] = None
            least, most = min(least, _MOST_REPEATS), None if most is None or most > _MOST_REPEATS else most
        return least, most

    # --- objects ---

    def _object(self, nodes: tuple[Node, ...]) -> ObjectForm:
        required = {str(name) for node in nodes for name in _names(node.get("required"))}
        known = [str(name) for node in nodes for name in _mapping(node.get("properties"))]
        declared = list(dict.fromkeys([*known, *sorted(required)]))
        if len(declared) > _MOST_PROPERTIES:
            raise SchemaError(f"it declares an object of more than {_MOST_PROPERTIES} properties")
        pairs: list[Pair] = []
        for name in declared:
            if is_writable(name) and is_admitted_key(name, nodes):
                shape = self.shape([each for node in nodes for each in _member(node, name)])
                pairs.append(Pair(self._writer.key(name), shape, name in required))
            else:
                pairs.append(Pair("", Shape(""), name in required))
        least, most = self._range(nodes, "minProperties", "maxProperties")
        extras = [] if _closes_itself(nodes) else self._extras(nodes, declared)
        return ObjectForm(pairs, extras, least, most, self._notes)

    def _extras(self, nodes: tuple[Node, ...], declared: list[str]) -> list[Extra]:
        """Return the kinds of keys that are not declared, and what their values are held to."""
        by_pattern = [_mapping(node.get("patternProperties")) for node in nodes]
        patterns = list(dict.fromkeys(str(pattern) for mapping in by_pattern for pattern in mapping))
        extras: list[Extra] = []
        if len(patterns) > _MOST_APART:
            self._notes["so many “patternProperties”"] = None
            return [Extra("(NAME | string)", self._free)]
        for chosen in _subsets(patterns):
            schemas: list[Any] = []
            for node, mapping in zip(nodes, by_pattern, strict=True):
                fitting = [mapping[pattern] for pattern in chosen if pattern in mapping]
                schemas += fitting or [_others(node)]
            if any(schema is False for schema in schemas):
                continue
            exact = len(patterns) <= _MOST_PATTERNS or not chosen
            unlike = [pattern for pattern in patterns if exact and pattern not in chosen]
            bare, quoted = key_terminals(
                nodes, chosen, unlike, [name for name in declared if is_writable(name)], self._notes
            )
            keys = [bare if bare == "NAME" else self._writer.terminal(bare)] if bare else []
            if quoted:
                keys.append("string" if quoted == "TEXT" else self._string(quoted))
            if keys:
                extras.append(Extra(f"({' | '.join(keys)})", self.shape(schemas)))
        return extras


def _closes_itself(nodes: Sequence[Node]) -> bool:
    """Return whether no other keys may stand beside those that are declared, though no ``false`` says so."""
    said = any("additionalProperties" in node or _mapping(node.get("patternProperties")) for node in nodes)
    if any(node.get("unevaluatedProperties") is False for node in nodes):
        return not said
    return not said and any(_mapping(node.get("properties")) for node in nodes)


def _prefix_and_rest(node: Node) -> tuple[Sequence[Any], Any]:
    """Return the schemas of the first items, and of those behind them, in the words of old and new drafts."""
    items = node.get("items", True)
    if is_list(node.get("prefixItems")):
        return node["prefixItems"], items if isinstance(items, Mapping | bool) else True
    if is_list(items):
        others = node.get("additionalItems", True)
        return items, others if isinstance(others, Mapping | bool) else True
    return (), items if isinstance(items, Mapping | bool) else True


def _member(node: Node, name: str) -> list[Any]:
    """Return what ``node`` asks of the value of a key."""
    schemas = [_mapping(node.get("properties"))[name]] if name in _mapping(node.get("properties")) else []
    unsure = False
    for pattern, schema in _mapping(node.get("patternProperties")).items():
        match = found(str(pattern), name)
        unsure = unsure or match is None
        if match:
            schemas.append(schema)
    return schemas or ([] if unsure else [_others(node)])


def _others(node: Node) -> Any:
    others = node.get("additionalProperties", True)
    return others if isinstance(others, Mapping | bool) else True


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(value: Any) -> Sequence[Any]:
    return value if is_list(value) else ()


def _subsets(patterns: list[str]) -> list[list[str]]:
    """Return which patterns a key may fit at once: all combinations, or, of many patterns, each alone and none."""
    if len(patterns) > _MOST_PATTERNS:
        return [[pattern] for pattern in patterns] + [[]]
    return [[p for n, p in enumerate(patterns) if bits >> n & 1] for bits in range(1 << len(patterns))]


def _spellings(value: Any) -> list[str]:
    if isinstance(value, float):
        if not math.isfinite(value):
            return []
        whole = [str(int(value))] if value.is_integer() and abs(value) < 1e40 else []
        digits = format(Decimal(repr(value)), "f")
        return [*whole, json.dumps(value), *([digits] if len(digits) <= 60 else [])]
    return [json.dumps(value)]
