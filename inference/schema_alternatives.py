"""A JSON schema with its references followed and its combinations written out: what a value may be, one by one.

Several schemas may have to hold for one value at once: what ``allOf``, ``$ref`` and a branch of ``anyOf`` ask for
beside what the schema itself asks. So everything here goes by *conjunctions*, tuples of schemas that all hold.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from inference.errors import SchemaError
from inference.schema_references import MISSING, is_list, referred

Node = Mapping[str, Any]

KINDS: Final = ("string", "integer", "number", "boolean", "null", "array", "object")
"""The types of JSON schema; a number that is no integer is only a ``number``."""

_MOST_BRANCHES: Final = 128
"""Alternatives of one value; combinations that come to more are not held to."""
_MOST_CONSTANTS: Final = 50_000
"""Values of one ``enum``."""
_MOST_NODES: Final = 500
"""Schemas that hold for one value at once."""

_UNENFORCED: Final = frozenset(
    ("not", "if", "contains", "minContains", "maxContains", "dependentRequired", "dependentSchemas", "dependencies")
) | {"unevaluatedItems"}
"""Keywords that no grammar of calls is held to, besides ``uniqueItems``."""


@dataclass(frozen=True, slots=True)
class _Choice:
    options: tuple[Any, ...]


class Alternatives:
    """Resolves the schemas inside one ``root``; ``notes`` collects what is not held to."""

    def __init__(self, root: Any, notes: dict[str, None]) -> None:
        self._root = root
        self._notes = notes

    def of(self, schemas: Iterable[Any]) -> list[tuple[Node, ...]]:
        """Return the alternatives of a conjunction: for each the schemas whose own keywords hold together.

        References, ``allOf``, ``anyOf`` and ``oneOf`` in them are dealt with. A circle of references asks for nothing.
        Empty where no value can be.
        """
        done: list[tuple[Node, ...]] = []
        waiting: list[tuple[tuple[Any, ...], tuple[Node, ...], frozenset[int]]] = [(tuple(schemas), (), frozenset())]
        while waiting:
            todo, nodes, seen = waiting.pop()
            while todo:
                first, todo = todo[0], todo[1:]
                if first is False:
                    break
                if isinstance(first, _Choice):
                    if len(done) + len(waiting) + len(first.options) > _MOST_BRANCHES:
                        self._notes["combinations of so many alternatives"] = None
                        continue
                    waiting += [((option, *todo), nodes, seen) for option in reversed(first.options)]
                    break
                if not isinstance(first, Mapping) or id(first) in seen:
                    continue
                seen |= {id(first)}
                nodes = (*nodes, first)
                if len(nodes) > _MOST_NODES:
                    raise SchemaError("it is nested too deeply")
                todo = (*self._references(first), *todo)
            else:
                done.append(nodes)
        return done

    def _references(self, node: Node) -> list[Any]:
        """Return what has to hold besides the node's own keywords."""
        more: list[Any] = []
        if isinstance(reference := node.get("$ref", node.get("$dynamicRef")), str):
            target = referred(self._root, reference)
            if target is MISSING:
                self._notes[f"the reference {reference[:60]!r}, which leads nowhere"] = None
            else:
                more.append(target)
        if is_list(node.get("allOf")):
            more += node["allOf"][: _MOST_NODES + 1]
        for combination in ("anyOf", "oneOf"):
            if is_list(options := node.get(combination)) and options:
                more.append(_Choice(tuple(options[: _MOST_BRANCHES + 1])))
        return more


def kinds_of(nodes: Sequence[Node], notes: dict[str, None]) -> set[str]:
    """Return the types that all ``nodes`` admit."""
    kinds = set(KINDS)
    for node in nodes:
        declared = node.get("type")
        names = [declared] if isinstance(declared, str) else declared if is_list(declared) else []
        admitted = {str(name).lower() for name in names}
        if not admitted:
            continue
        if not admitted <= set(KINDS):
            notes["a type that JSON schema does not know"] = None
            continue
        if "number" in admitted:
            admitted.add("integer")
        if node.get("nullable") is True:
            admitted.add("null")
        kinds &= admitted
    return kinds


def constants_of(nodes: Sequence[Node], kinds: set[str], notes: dict[str, None]) -> list[Any] | None:
    """Return the values that ``const`` and ``enum`` of all ``nodes`` leave; ``None`` where neither is there."""
    left: dict[str, Any] | None = None
    for node in nodes:
        if "const" in node:
            values: Sequence[Any] = [node["const"]]
        elif is_list(node.get("enum")):
            values = [*node["enum"], *([None] if node.get("nullable") is True else [])]
        else:
            continue
        if len(values) > _MOST_CONSTANTS:
            raise SchemaError("it lists too many values")
        named = {_canonical(value): value for value in values}
        left = named if left is None else {key: value for key, value in left.items() if key in named}
    if left is None:
        return None
    fitting = [value for value in left.values() if kind_of(value) in kinds]
    if left and not fitting:  # {"type": "integer", "enum": ["1", "2"]}: it is clear what is meant
        notes["a type that none of the values of enum has"] = None
        return list(left.values())
    return fitting


def kind_of(value: Any) -> str:
    """Return the JSON type of a value; empty for what JSON cannot say."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case int():
            return "integer"
        case float():
            return "" if not math.isfinite(value) else "integer" if value.is_integer() else "number"
        case Mapping():
            return "object"
        case Sequence():
            return "array"
    return ""


def unenforced(node: Node) -> list[str]:
    """Return the keywords of ``node`` that a grammar is not held to."""
    names = [name for name in node if name in _UNENFORCED]
    return names + (["uniqueItems"] if node.get("uniqueItems") is True else [])


def limit(nodes: Sequence[Node], keyword: str, *, most: bool) -> int | None:
    """Return the strictest whole number, 0 or more, that ``keyword`` has in ``nodes``."""
    values = [node[keyword] for node in nodes if _is_number(node.get(keyword))]
    whole = [int(value) if value == int(value) else math.floor(value) + (not most) for value in values if value >= 0]
    if not whole:
        return None
    return min(whole) if most else max(whole)


def numbers(nodes: Sequence[Node], keyword: str) -> list[int | float]:
    """Return the finite numbers that ``keyword`` has in ``nodes``."""
    return [node[keyword] for node in nodes if _is_number(node.get(keyword))]


def texts(nodes: Sequence[Node], keyword: str) -> list[str]:
    """Return the strings that ``keyword`` has in ``nodes``."""
    return [node[keyword] for node in nodes if isinstance(node.get(keyword), str)]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _canonical(value: Any) -> str:
    """Return the same text for values that JSON schema takes for equal."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    try:
        return json.dumps(value, sort_keys=True, default=dict)
    except (TypeError, ValueError):
        return repr(value)
