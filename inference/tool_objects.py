"""Shapes of values on their way to rules of a grammar: which forms a value has, and what the members of one may be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

_MOST_BITS: Final = 63
"""An object's keys may come in any order as long as a bit of a rule's parameter can stand for each of them."""


@dataclass(slots=True, eq=False)
class Shape:
    """A value: one rule of the grammar, which other rules name."""

    name: str
    possible: bool = False
    """Whether there is any value of this shape; known when all shapes are."""
    expressions: list[str] = field(default_factory=list)
    forms: list[ListForm | ObjectForm] = field(default_factory=list)

    def admits(self) -> bool:
        """Return whether a value is known of which all parts are possible."""
        return bool(self.expressions) or any(form.possible() for form in self.forms)


@dataclass(frozen=True, slots=True)
class ListForm:
    """An array: the first items one by one, then any of the shape ``rest``."""

    prefix: Sequence[Shape]
    rest: Shape | None
    least: int
    most: int | None

    def possible(self) -> bool:
        """Return whether there is such an array."""
        if self.most is not None and self.most < self.least:
            return False
        needed = self.prefix[: self.least]
        if not all(shape.possible for shape in needed):
            return False
        return self.least <= len(self.prefix) or (self.rest is not None and self.rest.possible)


@dataclass(frozen=True, slots=True)
class Pair:
    """A declared member: its key as it is written, and its value."""

    key: str
    value: Shape
    required: bool


@dataclass(frozen=True, slots=True)
class Extra:
    """Members that are not declared: an expression for their keys, and the shape of their values."""

    keys: str
    value: Shape


@dataclass(frozen=True, slots=True)
class ObjectForm:
    """An object. Its members come in any order, declared ones at most once."""

    pairs: Sequence[Pair]
    extras: Sequence[Extra]
    least: int
    most: int | None
    notes: dict[str, None] = field(default_factory=dict)

    def possible(self) -> bool:
        """Return whether there is such an object."""
        if not all(pair.value.possible for pair in self.pairs if pair.required):
            return False
        required = sum(pair.required for pair in self.pairs)
        if self.most is not None and max(self.least, required) > self.most:
            return False
        possible = sum(pair.value.possible for pair in self.pairs)
        return possible >= self.least or any(extra.value.possible for extra in self.extras)


def member_lines(form: ObjectForm, new_name: Callable[[], str]) -> tuple[str, list[str]]:
    """Return the expression for an object, and the rules that it needs."""
    pairs = [pair for pair in form.pairs if pair.value.possible]
    extras = [f'{extra.keys} ":" {extra.value.name}' for extra in form.extras if extra.value.possible]
    if len(pairs) > _MOST_BITS:  # those that must be there have a bit first
        pairs.sort(key=lambda pair: not pair.required)
        if pairs[_MOST_BITS].required:
            form.notes[f"more than {_MOST_BITS} required properties"] = None
    required = [pair.required for pair in pairs]
    least, most = form.least, form.most
    extra = " | ".join(extras)
    if len(extras) > 1:
        extra = f"({extra})"
    if not pairs:
        return _map(extra, least, most), []
    if (least > sum(required) or most is not None) and (extra or len(pairs) > _MOST_BITS):
        form.notes["“minProperties” and “maxProperties” beside declared properties"] = None
        least, most = 0, None
    if extra:  # declared and other members are not counted together
        most = None
    written = [f'{pair.key} ":" {pair.value.name}' for pair in pairs]
    empty = "" if any(required) or least else '"{}" | '
    if most == 0:
        return '"{}"', []
    name, lines = _in_any_order(written, required, extra, least, most, new_name)
    return f'{empty}"{{" {name}', lines


def _map(extra: str, least: int, most: int | None) -> str:
    """Members of which none is declared."""
    choices = ['"{}"'] if least == 0 else []
    if extra and most != 0:
        if least <= 1 and most is None:
            choices.append(f'"{{" {extra} ("," {extra})* "}}"')
        else:
            high = "" if most is None else str(most - 1)
            choices.append(f'"{{" {extra} ("," {extra}){{{max(least - 1, 0)},{high}}} "}}"')
    return " | ".join(choices)


def _in_any_order(
    pairs: Sequence[str],
    required: Sequence[bool],
    extra: str,
    least: int,
    most: int | None,
    new_name: Callable[[], str],
) -> tuple[str, list[str]]:
    """Members up to the closing brace: bit n of the rules' parameter says whether pair n has been written.

    Where there are more pairs than bits, those without one may be written again: the last of equal keys counts.
    """
    member, following = new_name(), new_name()
    count = min(len(pairs), _MOST_BITS)
    optional: tuple[int | None, int] = (None, 0)
    if most is not None:  # what may be left out must leave room for what must be there
        order = sorted(range(len(pairs)), key=lambda n: not required[n])
        pairs, required = [pairs[n] for n in order], [required[n] for n in order]
        optional = (sum(required), most - sum(required))
    choices = [
        f"{pair} {following}::set_bit({n}) %if {_open(n, required[n], count, *optional)}"
        for n, pair in enumerate(pairs[:count])
    ]
    choices += [f"{pair} {following}::_" for pair in [*pairs[count:], *([extra] if extra else [])]]
    conditions = [f"bit_set({n})" for n, needed in enumerate(required[:count]) if needed]
    if least > sum(required):
        conditions.append(f"bit_count_ge([0:{count}], {least})")
    complete = "true"
    for condition in conditions:
        complete = condition if complete == "true" else f"and({complete}, {condition})"
    limited = count == len(pairs) and not extra
    more = f" %if bit_count_lt([0:{count}], {count if most is None else min(most, count)})" if limited else ""
    lines = [
        f"{member}::_: " + "\n    | ".join(choices),
        f'{following}::_: "}}" %if {complete}\n    | "," {member}::_{more}',
    ]
    return f"{member}::0x0", lines


def _open(number: int, required: bool, count: int, first_optional: int | None, room: int) -> str:
    """Return the condition for pair ``number``: not written yet, and of the optional ones fewer than ``room``."""
    clear = f"bit_clear({number})"
    if required or first_optional is None:
        return clear
    return f"and({clear}, bit_count_lt([{first_optional}:{count}], {room}))"
