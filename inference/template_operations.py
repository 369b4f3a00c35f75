"""Which of Jinja's filters, tests and methods chat templates are given, and what each is charged before it runs.

A filter is one call into Python or C, in which nobody looks at the clock: what it may cost must be known before. So
there is a list of those that chat templates use, the published ones of Gemma and of its peers and what else is
harmless, each with a price: the characters that it makes at most. What is made for HTML pages (``urlize``,
``xmlattr``), of quadratic cost (``wordwrap``) or an answer of chance (``random``) is not given.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Any, Final, TypeVar

from jinja2.exceptions import SecurityError

from inference import template_budget
from inference.template_budget import ITEM, SLOT, Budget

Price = Callable[..., None]
"""Takes the budget and a filter's or method's arguments, and raises :class:`SecurityError` for too high a cost."""

AnyPrice = TypeVar("AnyPrice", bound=Price | None)

_MAX_WIDTH: Final = 10_000
_MAX_INDENT: Final = 20
_MAX_BITS: Final = 4096
_MAX_DOTS: Final = 20
_MAX_NUMBER: Final = 1_000
"""Characters of a text that is read as a number."""
_MAX_SET: Final = 1_000
"""Characters of a text that is a set of characters."""
_LONG_NUMBER: Final = re.compile(r"\*|[0-9]{5}")
_WIDTH: Final = re.compile(r"[0-9]+")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _free(budget: Budget, *args: Any, **kwargs: Any) -> None:
    """Looks at one value, or at a few."""


def _whole(budget: Budget, value: Any, *args: Any, **kwargs: Any) -> None:
    """Makes a text no longer than three times its value."""
    budget.write(3 * budget.text_size(value))


def _words(budget: Budget, value: Any) -> None:
    """Takes a text apart at its words."""
    budget.write((3 + ITEM) * budget.text_size(value))


def _deep(budget: Budget, value: Any, *others: Any, **kwargs: Any) -> None:
    """Goes through all that is in its values; makes nothing."""
    for each in (value, *others):
        if isinstance(each, str):
            budget.work(len(each) >> 7)
        else:
            budget.size(each)


def _each(budget: Budget, value: Any, *args: Any, **kwargs: Any) -> None:
    """Makes a list, or the like, of the items of its value."""
    if isinstance(value, str):
        budget.write(ITEM * len(value))
    elif hasattr(value, "__len__"):
        budget.size(value)
        budget.write(SLOT * len(value))


def _number(budget: Budget, value: Any, *args: Any, **kwargs: Any) -> None:
    if isinstance(value, str) and len(value) > _MAX_NUMBER:
        raise SecurityError("it reads too long a text as a number")


def _round(budget: Budget, value: Any, precision: int = 0, method: str = "common") -> None:
    check_width(precision, most=_MAX_NUMBER)


def _attribute(budget: Budget, value: Any, *args: Any, **kwargs: Any) -> None:
    """Looks at an attribute of each item, perhaps, later."""
    for name in (*args, *kwargs.values()):
        if isinstance(name, str) and name.count(".") > _MAX_DOTS:
            raise SecurityError("it looks too deeply into values")


def _sum(budget: Budget, iterable: Iterable[Any], attribute: Any = None, start: Any = 0) -> None:
    if not isinstance(start, int | float):
        raise SecurityError("it sums what are no numbers")


def _trim(budget: Budget, value: Any, chars: Any = None) -> None:
    if chars is not None:
        check_set(chars)
    budget.write(budget.text_size(value))


def _center(budget: Budget, value: Any, width: int = 80, *fill: Any) -> None:
    check_width(width)
    budget.write(budget.text_size(value) + abs(width))


def _indent(budget: Budget, s: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> None:
    check_width(width)
    indention = len(width) if isinstance(width, str) else abs(width)
    text = _text(s)
    budget.write(6 * len(text) + _lines(text) * (6 * indention + ITEM))


def _truncate(
    budget: Budget, s: Any, length: int = 255, killwords: bool = False, end: str = "...", leeway: int | None = None
) -> None:
    budget.write(budget.text_size(s) + len(end))


def _replace(budget: Budget, s: Any, old: Any, new: Any, count: int | None = None) -> None:
    text, old, new = _text(s), _text(old), _text(new)
    times = text.count(old)
    if count is not None and count >= 0:
        times = min(times, count)
    budget.write(len(text) + times * 6 * len(new) if hasattr(s, "__html__") else len(text) + times * len(new))


def _join(budget: Budget, value: Iterable[Any], d: Any = "", attribute: Any = None) -> None:
    _attribute(budget, value, attribute)
    if isinstance(value, Sized):
        budget.write(budget.text_size(value) + len(value) * (6 * len(_text(d)) + ITEM))


def _joined(budget: Budget, text: str, items: Iterable[Any]) -> None:
    if isinstance(items, Sized):
        budget.write(budget.text_size(items) + len(items) * (6 * len(text) + ITEM))


def price_of_format(budget: Budget, text: Any, *args: Any, **kwargs: Any) -> None:
    """Widths in format strings ask for memory too, written there or given as a value."""
    values = (*args, *kwargs.values())
    text = _text(text)
    if _LONG_NUMBER.search(text):
        raise SecurityError("it needs too much memory")
    widths = [int(width) for width in _WIDTH.findall(text)]
    if "{" in text:
        check_width(*values)
        widths += [abs(value) for value in values if isinstance(value, int)]
    places = max(text.count("%"), text.count("{"))
    escaped = 6 if hasattr(text, "__html__") else 1
    budget.write(len(text) + places * (max(widths, default=0) + escaped * budget.text_size(values)))


def _json(budget: Budget, value: Any, indent: int | None = None, *args: Any, **kwargs: Any) -> None:
    width = len(indent) if isinstance(indent, str) else abs(indent or 0)
    if width > _MAX_INDENT:
        raise SecurityError("it needs too much memory")
    characters, items = (len(value), 1) if isinstance(value, str) else budget.size(value)
    budget.write(6 * characters + items * (8 + width * template_budget.MAX_DEPTH // 4))


def _batch(budget: Budget, value: Iterable[Any], linecount: int, fill_with: Any = None) -> None:
    check_width(linecount)
    _each(budget, value)
    budget.write(SLOT * abs(linecount))


def _split(budget: Budget, text: str, sep: str | None = None, maxsplit: int = -1) -> None:
    pieces = len(text) // 2 + 1 if sep is None else text.count(sep) + 1 if sep else 1
    pieces = min(pieces, maxsplit + 1) if maxsplit >= 0 else pieces
    budget.write(len(text) + ITEM * pieces)


def _rsplit(budget: Budget, text: str, sep: str | None = None, maxsplit: int = -1) -> None:
    budget.check_work(len(text) * len(sep or " "))
    _split(budget, text, sep, maxsplit)


def _splitlines(budget: Budget, text: str, keepends: bool = False) -> None:
    budget.write(len(text) + ITEM * _lines(text))


def _lines(text: str) -> int:
    return 1 + sum(map(text.count, "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"))


def _find(budget: Budget, text: str, *args: Any) -> None:
    budget.work(len(text) >> 7)


def _find_from_end(budget: Budget, text: str, wanted: str, *args: Any) -> None:
    budget.check_work(len(text) * len(wanted))


def _find_item(budget: Budget, values: Any, *args: Any) -> None:
    budget.size(values)


def _copied(budget: Budget, value: Any) -> None:
    budget.write(ITEM * len(value))


def check_width(*values: Any, most: int = _MAX_WIDTH) -> None:
    """Raise :class:`SecurityError` where one of the values is a number that is too large for a width."""
    if any(isinstance(value, int) and abs(value) > most for value in values):
        raise SecurityError("it needs too much memory")


def check_set(characters: Any) -> None:
    """Raise :class:`SecurityError` where a text is too long as a set of characters to look for."""
    if isinstance(characters, str) and len(characters) > _MAX_SET:
        raise SecurityError("it takes too long")


def _strip(budget: Budget, text: str, characters: str | None = None) -> None:
    check_set(characters)
    budget.write(len(text))


def price_of_product(operator: str, left: Any, right: Any) -> None:
    """Raise :class:`SecurityError` where a product or a power would be too large."""
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * abs(right) if operator == "**" else left.bit_length() + right.bit_length()
        too_large = bits > _MAX_BITS
    else:
        sizes = [len(value) if isinstance(value, str | list | tuple) else value for value in (left, right)]
        numbers = [size for size in sizes if isinstance(size, int)]
        too_large = len(numbers) == 2 and numbers[0] * numbers[1] > template_budget.MAX_ITEMS
    if too_large:
        raise SecurityError("it needs too much memory")


def _alike(names: str, price: AnyPrice) -> dict[str, AnyPrice]:
    return dict.fromkeys(re.split(" ", names), price)


FILTERS: Final[Mapping[str, Price]] = {
    "abs": _free,
    "batch": _batch,
    "capitalize": _whole,
    "center": _center,
    "count": _free,
    "d": _free,
    "default": _free,
    "dictsort": _each,
    "e": _whole,
    "escape": _whole,
    "first": _free,
    "float": _number,
    "forceescape": _whole,
    "format": price_of_format,
    "groupby": _each,
    "indent": _indent,
    "int": _number,
    "items": _free,
    "join": _join,
    "last": _free,
    "length": _free,
    "list": _each,
    "lower": _whole,
    "map": _attribute,
    "max": _deep,
    "min": _deep,
    "reject": _attribute,
    "rejectattr": _attribute,
    "replace": _replace,
    "reverse": _each,
    "round": _round,
    "safe": _whole,
    "select": _attribute,
    "selectattr": _attribute,
    "slice": _batch,
    "sort": _each,
    "string": _whole,
    "sum": _sum,
    "title": _words,
    "tojson": _json,
    "trim": _trim,
    "truncate": _truncate,
    "unique": _each,
    "upper": _whole,
    "wordcount": _words,
}
"""Filters by name, with their prices."""

TESTS: Final[Mapping[str, Price | None]] = {
    **_alike(
        "boolean callable defined divisibleby escaped even false filter float integer iterable mapping none", None
    ),
    **_alike("number odd sameas sequence string test true undefined", None),
    **_alike("== != > >= < <= eq equalto ge greaterthan gt in le lessthan lower lt ne upper", _deep),
}
"""Tests by name; those that look at nothing but the kind of a value have no price."""

METHODS: Final[Mapping[type, Mapping[str, Price]]] = {
    str: {
        **_alike("capitalize casefold lower swapcase title upper", _whole),
        **_alike("lstrip rstrip strip", _strip),
        **_alike("removeprefix removesuffix", _whole),
        **_alike("center ljust rjust zfill", _center),
        **_alike("count endswith find index startswith", _find),
        **_alike("rfind rindex", _find_from_end),
        **_alike("isalnum isalpha isascii isdecimal isdigit isidentifier islower isnumeric", _find),
        **_alike("isprintable isspace istitle isupper", _find),
        "format": price_of_format,
        "join": _joined,
        "partition": _whole,
        "replace": _replace,
        "rpartition": _rsplit,
        "rsplit": _rsplit,
        "split": _split,
        "splitlines": _splitlines,
    },
    dict: {"get": _free, "items": _free, "keys": _free, "values": _free, "copy": _copied},
    list: {"count": _find_item, "index": _find_item, "copy": _copied},
    tuple: {"count": _find_item, "index": _find_item},
}
"""Methods by the type that they belong to and their name, with their prices. Whatever changes a value is missing."""


_LAZY: Final = (_free, _attribute)


def charged(budget: Budget, price: Price, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter or test that pays before it runs."""
    given = 1 if hasattr(function, "jinja_pass_arg") else 0  # the context, or the like, comes first
    lazy = price in _LAZY

    @functools.wraps(function)
    def paid(*args: Any, **kwargs: Any) -> Any:
        budget.step()
        if not lazy and args[given:] and hasattr(args[given], "__next__"):
            args = (*args[:given], budget.listed(args[given]), *args[given + 1 :])
        price(budget, *args[given:], **kwargs)
        return function(*args, **kwargs)

    return paid
