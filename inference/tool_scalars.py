"""Terminals of a grammar for strings, keys and numbers that a JSON schema limits."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from inference.schema_alternatives import Node, limit, numbers, texts
from inference.schema_patterns import FORMATS, admits_text, found, terminal, whole
from inference.schema_references import is_list
from inference.tool_calls import is_bare_name

_LONGEST_COUNTED: Final = 10_000
"""Characters of a string that are counted."""
_GREATEST_BOUND: Final = 1 << 63
_GREATEST_FACTOR: Final = 1000
"""``multipleOf`` up to this: a state of the automaton stands for each remainder."""


def string_terminal(nodes: Sequence[Node], notes: dict[str, None]) -> str | None:
    """Return the terminal for a string that all ``nodes`` admit: empty where any is, ``None`` where none is."""
    conditions = []
    for pattern in dict.fromkeys(texts(nodes, "pattern")):
        if (expression := whole(pattern)) is None:
            notes[f"the pattern {pattern[:60]!r}"] = None
        elif expression not in conditions:
            conditions.append(expression)
    for name in dict.fromkeys(texts(nodes, "format")):
        if name in FORMATS:
            conditions.append(FORMATS[name])
        else:
            notes[f"the format {name[:60]!r}"] = None
    length = _length(nodes, notes)
    if length is None:
        return None
    if length:
        conditions.append(length)
    expression = " & ".join(map(terminal, conditions))
    if len(conditions) > 1 and not admits_text(expression):
        return None
    return expression


def key_texts(nodes: Sequence[Node]) -> set[str] | None:
    """Return the keys that ``propertyNames`` lists; ``None`` where it lists none."""
    admitted: set[str] | None = None
    for names in _property_names(nodes):
        values = [names["const"]] if "const" in names else names.get("enum")
        if is_list(values):
            listed = {value for value in values if isinstance(value, str)}
            admitted = listed if admitted is None else admitted & listed
    return admitted


def is_admitted_key(name: str, nodes: Sequence[Node]) -> bool:
    """Return whether ``propertyNames`` admits a key; also where its pattern cannot be judged."""
    names = _property_names(nodes)
    listed = key_texts(nodes)
    least, most = limit(names, "minLength", most=False) or 0, limit(names, "maxLength", most=True)
    return (
        (listed is None or name in listed)
        and len(name) >= least
        and (most is None or len(name) <= most)
        and all(found(pattern, name) is not False for pattern in texts(names, "pattern"))
    )


def key_terminals(
    nodes: Sequence[Node],
    like: Iterable[str],
    unlike: Iterable[str],
    declared: Sequence[str],
    notes: dict[str, None],
) -> tuple[str, str]:
    """Return the terminals for a key that is not declared, written bare and in quotes; empty where there is none.

    ``like`` and ``unlike`` are patterns that it fits and does not fit.
    """
    names = _property_names(nodes)
    admitted = key_texts(nodes)
    conditions: list[str] = []
    for pattern in [*like, *texts(names, "pattern")]:
        if (expression := whole(pattern)) is None:
            notes[f"the pattern {pattern[:60]!r}"] = None
        else:
            conditions.append(terminal(expression))
    for pattern in unlike:
        if (expression := whole(pattern)) is not None:
            conditions.append(f"~{terminal(expression)}")
    length = _length(names, notes)
    if length is None:
        return "", ""
    if length:
        conditions.append(terminal(length))
    forbidden = [json.dumps(name, ensure_ascii=False) for name in declared if name]
    if forbidden:
        conditions.append(f"~({' | '.join(forbidden)})")
    bare, quoted = ["NAME", *conditions], ["TEXT", *conditions]
    if admitted is not None:
        left = sorted(name for name in admitted - set(declared) if name)
        bare.append(_any_of([name for name in left if is_bare_name(name)]))
        quoted.append(_any_of(left))
    if "" in declared and admitted is None:
        quoted.append("/(?s:.+)/")
    return _joined(bare), _joined(quoted)


def number_expression(nodes: Sequence[Node], *, integer: bool, notes: dict[str, None]) -> str:
    """Return the expression for a number that all ``nodes`` admit; empty where none is."""
    low, low_open = _bound(nodes, "minimum", "exclusiveMinimum", 1)
    high, high_open = _bound(nodes, "maximum", "exclusiveMaximum", -1)
    factors = list(dict.fromkeys(value for value in numbers(nodes, "multipleOf") if value > 0))
    if integer:
        if low is not None:
            low, low_open = math.floor(low) + 1 if low_open else math.ceil(low), False
        if high is not None:
            high, high_open = math.ceil(high) - 1 if high_open else math.floor(high), False
    if low is not None and high is not None and (low > high or (low == high and (low_open or high_open))):
        return ""
    limits: dict[str, Any] = {}
    for name, bound, is_open in (("inimum", low, low_open), ("aximum", high, high_open)):
        if bound is None:
            continue
        if abs(bound) >= _GREATEST_BOUND:
            notes["limits of numbers beyond 64 bits"] = None
            continue
        first = "m" if not is_open else "exclusiveM"
        limits[first + name] = bound
    kind = "integer" if integer else "number"
    if len(factors) == 1 and (not integer or factors[0] == int(factors[0])) and factors[0] <= _GREATEST_FACTOR:
        factor = int(factors[0]) if factors[0] == int(factors[0]) else factors[0]
        expression = _json_number(json.dumps({"type": kind, **limits, "multipleOf": factor}))
        if expression is not None:
            return expression
    if factors and factors != [1]:
        notes["“multipleOf”"] = None
    if not limits:
        return "INTEGER" if integer else "NUMBER"
    expression = _json_number(json.dumps({"type": kind, **limits}))
    if expression is not None:
        return expression
    notes["“minimum” and “maximum”"] = None
    return "INTEGER" if integer else "NUMBER"


def is_writable(text: str) -> bool:
    """Return whether a text can be written at all; half of a surrogate pair cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bound(nodes: Sequence[Node], closed: str, exclusive: str, sign: int) -> tuple[int | float | None, bool]:
    """Return the strictest bound and whether it is excluded itself; older drafts say that by ``true``."""
    bounds = [(value, True) for value in numbers(nodes, exclusive)]
    for node in nodes:
        for value in numbers((node,), closed):
            bounds.append((value, node.get(exclusive) is True))
    if not bounds:
        return None, False
    return max(bounds, key=lambda bound: (sign * bound[0], bound[1]))


def _length(nodes: Sequence[Node], notes: dict[str, None]) -> str | None:
    """Return the expression for the lengths; empty where any will do, ``None`` where none will."""
    least, most = limit(nodes, "minLength", most=False) or 0, limit(nodes, "maxLength", most=True)
    if most is not None and most < least:
        return None
    if least > _LONGEST_COUNTED or (most is not None and most > _LONGEST_COUNTED):
        notes[f"lengths beyond {_LONGEST_COUNTED} characters"] = None
        least, most = min(least, _LONGEST_COUNTED), None if most is None or most > _LONGEST_COUNTED else most
    if least == 0 and most is None:
        return ""
    return f"(?s:.{{{least},{'' if most is None else most}}})"


def _property_names(nodes: Sequence[Node]) -> list[Mapping[str, Any]]:
    return [node["propertyNames"] for node in nodes if isinstance(node.get("propertyNames"), Mapping)]


def _any_of(names: Sequence[str]) -> str:
    return "(" + " | ".join(json.dumps(name, ensure_ascii=False) for name in names) + ")" if names else ""


def _joined(conditions: Sequence[str]) -> str:
    if not all(conditions):
        return ""
    expression = " & ".join(conditions)
    return expression if len(conditions) == 1 or admits_text(expression) else ""


@lru_cache(maxsize=1024)
def _json_number(schema: str) -> str | None:
    """Return the expression for a number by a schema; empty where no number fits, ``None`` where it is not taken."""
    from llguidance import LLMatcher

    error = LLMatcher.validate_grammar(f"start: %json {schema}")
    if not error:
        return f"%json {schema}"
    return "" if "nsatisfiable" in error else None
