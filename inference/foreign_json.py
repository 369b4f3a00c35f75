"""Reads JSON that somebody else wrote, in bounded time and memory.

What ``json.loads`` takes and this does not: values nested without end, numbers of thousands of digits, ``NaN`` and
``Infinity``, numbers beyond float64, a key given twice (which of the two holds is anybody's guess), more values than
anybody needs, other encodings than Unicode's. Half characters (``"\\ud800"``), which no file, screen or tokenizer
takes, become U+FFFD.

:class:`JsonObject` then gives the values of an object by kind and range.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from inference.errors import ForeignFileError
from inference.foreign_files import decoded, read_bytes

MOST_BYTES: Final = 16 << 20
"""Of one file, unless the caller says otherwise; a tokenizer's settings may have one or two."""
MOST_DEPTH: Final = 100
MOST_VALUES: Final = 1_000_000
_MOST_DIGITS: Final = 300
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class JsonLimits:
    """How much of it is taken."""

    bytes: int = MOST_BYTES
    depth: int = MOST_DEPTH
    """Lists and objects inside of one another."""
    values: int = MOST_VALUES
    """Values and keys, counted by their separators, those within texts included."""


_LIMITS: Final = JsonLimits()


def read_json(path: Path | str, limits: JsonLimits = _LIMITS) -> Any:
    """Return what a JSON file holds.

    Raises:
        ForeignFileError: there is no such file (``missing``), it is no regular one, or what it holds is refused.
    """
    return parse_json(read_bytes(path, limits.bytes), path, limits)


def read_json_object(path: Path | str, limits: JsonLimits = _LIMITS) -> dict[str, Any]:
    """Return the object that a JSON file holds. Raises as :func:`read_json`, and where it holds something else."""
    content = read_json(path, limits)
    if not isinstance(content, dict):
        raise ForeignFileError(path, "does not hold a JSON object (text in braces)")
    return content


def parse_json(content: bytes | str, source: object, limits: JsonLimits = _LIMITS) -> Any:
    """Return what a JSON text holds.

    Args:
        content: the text; bytes in UTF-8, or in what their byte order mark says.
        source: what to call it in an error: a path, or words for it.
        limits: how much of it is taken.

    Raises:
        ForeignFileError: what it holds is refused.
    """
    if len(content) > limits.bytes:
        raise ForeignFileError(source, "is larger than such a text can be")
    text = content.removeprefix("\ufeff") if isinstance(content, str) else decoded(content, source)
    if text.count(",") + text.count("[") + text.count("{") > limits.values:
        raise ForeignFileError(source, "holds too many values")

    def refuse(reason: str) -> ForeignFileError:
        return ForeignFileError(source, reason)

    def integer(digits: str) -> int:
        if len(digits) > _MOST_DIGITS:
            raise refuse("holds a number of too many digits")
        return int(digits)

    def fraction(digits: str) -> float:
        # one that is written out to a few hundred digits is odd, but right
        number = float(digits) if len(digits) <= 4 * _MOST_DIGITS else math.inf
        if not math.isfinite(number):
            raise refuse("holds a number of too many digits")
        return number

    def constant(name: str) -> float:
        raise refuse(f"holds {name}, which is no number in JSON")

    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            raise refuse("gives the same name two values")
        return made

    try:
        found = json.loads(
            text, parse_int=integer, parse_float=fraction, parse_constant=constant, object_pairs_hook=mapping
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ForeignFileError(source, f"is no JSON ({_plain(error.msg)}, {where})") from error
    except RecursionError:
        raise refuse("is nested too deeply") from None
    if _depth_exceeds(found, limits.depth):
        raise refuse("is nested too deeply")
    return _whole_characters(found) if _ESCAPED_SURROGATE.search(text) or _SURROGATE.search(text) else found


@dataclass(frozen=True, slots=True)
class Range:
    """Which numbers are taken, both ends included."""

    least: float
    most: float

    def __contains__(self, number: float) -> bool:
        return self.least <= number <= self.most

    def __str__(self) -> str:
        return f"from {_number_text(self.least)} to {_number_text(self.most)}"


@dataclass(frozen=True, slots=True)
class JsonObject:
    """An object of a foreign file whose values are asked for by kind and range; what is null counts as missing.

    Every question raises :class:`ForeignFileError` for a value of another kind, or out of range.
    """

    values: Mapping[str, Any]
    source: object
    """What to call it in an error: the file's path."""

    def integer(self, name: str, bounds: Range, default: int) -> int:
        """Return a whole number, also one written as ``64.0``; ``default`` where there is none."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value not in bounds:
            raise self.refused(name, f"a whole number {bounds}")
        return value

    def optional_integer(self, name: str, bounds: Range) -> int | None:
        """Return a whole number as :meth:`integer` does, or ``None`` where there is none."""
        return None if self.values.get(name) is None else self.integer(name, bounds, 0)

    def number(self, name: str, bounds: Range, default: float) -> float:
        """Return a number; ``default`` where there is none."""
        value = self.values.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or value not in bounds:
            raise self.refused(name, f"a number {bounds}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false; ``default`` where there is neither."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refused(name, "true or false")
        return value

    def text(self, name: str, default: str, most: int) -> str:
        """Return a text of at most ``most`` characters; ``default`` where there is none."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > most:
            raise self.refused(name, f"a text of at most {most} characters")
        return value

    def integers(self, name: str, bounds: Range, most: int) -> tuple[int, ...]:
        """Return a list of at most ``most`` whole numbers; a single number is a list of one, nothing an empty one."""
        value = self.values.get(name)
        items = [] if value is None else value if isinstance(value, list) else [value]
        if len(items) > most or any(
            isinstance(item, bool) or not isinstance(item, int) or item not in bounds for item in items
        ):
            raise self.refused(name, f"a list of at most {most} whole numbers {bounds}")
        return tuple(items)

    def texts(self, name: str, most: int, longest: int) -> tuple[str, ...]:
        """Return a list of at most ``most`` texts of at most ``longest`` characters; nothing is an empty one."""
        value = self.values.get(name)
        items = [] if value is None else value
        if (
            not isinstance(items, list)
            or len(items) > most
            or any(not isinstance(item, str) or len(item) > longest for item in items)
        ):
            raise self.refused(name, f"a list of at most {most} texts")
        return tuple(items)

    def object(self, name: str) -> JsonObject:
        """Return an object within; an empty one where there is none."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.refused(name, "an object")
        return JsonObject(value or {}, self.source)

    def refused(self, name: str, wanted: str) -> ForeignFileError:
        """Return the error for a value that is not what was wanted."""
        return ForeignFileError(self.source, f"says something unusable about {name}: that must be {wanted}")


def _depth_exceeds(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        if not containers:
            return False
        level = [item for each in containers for item in (each.values() if isinstance(each, dict) else each)]
    return True


def _whole_characters(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole_characters(item) for item in value]
    if isinstance(value, dict):
        return {_whole_characters(key): _whole_characters(item) for key, item in value.items()}
    return value


def _plain(message: str) -> str:
    return message[:1].lower() + message[1:]


def _number_text(number: float) -> str:
    return f"{int(number):,}" if float(number).is_integer() and abs(number) < 1e15 else f"{number:g}"


def strings_of(value: Any) -> Iterator[str]:
    """Yield every text in a parsed value, keys included."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            stack += item.keys()
            stack += item.values()
        elif isinstance(item, list):
            stack += item
