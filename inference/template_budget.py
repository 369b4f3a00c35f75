"""What one rendering of a chat template may use up: steps, text, values and time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from jinja2.exceptions import SecurityError
from jinja2.utils import Namespace

MAX_STEPS: Final = 3_000_000
"""Rounds of loops, calls and filters in one rendering; the official templates take a few dozen for a message."""
MAX_CHARACTERS: Final = 50_000_000
"""Text that one rendering may make, all that is thrown away again included, besides :data:`_FACTOR` times what it was
given. A value in a list counts as some characters, too: in all no more than 200 MB are ever made."""
MAX_ITEMS: Final = 1_000_000
"""Values within one list or mapping, those inside of it included."""
MAX_DEPTH: Final = 100
"""Lists and mappings inside of one another."""
MAX_SECONDS: Final = 10.0

SLOT: Final = 2
"""Characters that a place in a list counts as: 8 bytes."""
ITEM: Final = 16
"""The same for a place with a small text of its own, and for an entry of a mapping."""

_FACTOR: Final = 32
_UNITS_A_LOOK: Final = 4096
"""The clock is looked at after so much work; one unit is about a microsecond, or less."""


class Budget:
    """Counts what is used, and raises :class:`SecurityError` where it is too much."""

    def __init__(self) -> None:
        self._steps = self._characters = self._units = 0
        self._most_characters = MAX_CHARACTERS
        self._deadline = float("inf")

    def start(self, given: int = 0) -> None:
        """Begin anew, for a template that was given texts of so many characters."""
        self._steps = self._characters = self._units = 0
        self._most_characters = MAX_CHARACTERS + _FACTOR * given
        self._deadline = time.monotonic() + MAX_SECONDS

    def step(self) -> None:
        """Count a round, a call or a filter."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise SecurityError("it does not come to an end")
        self._units += 1
        if self._units > _UNITS_A_LOOK:
            self.work(0)

    def work(self, units: int) -> None:
        """Count work that makes nothing."""
        self._units += units
        if self._units > _UNITS_A_LOOK:
            self._units = 0
            if time.monotonic() > self._deadline:
                raise SecurityError("it takes too long")

    def check_work(self, operations: int) -> None:
        """Refuse one operation that the processor would be at for seconds; count a smaller one."""
        if operations > 1_000_000_000:
            raise SecurityError("it takes too long")
        self.work(operations >> 10)

    def write(self, characters: int) -> None:
        """Count text that is about to be made, or was."""
        self._characters += characters
        if self._characters > self._most_characters:
            raise SecurityError("it writes without end")
        if characters > 1024:
            self.work(characters >> 10)

    def weighed(self, value: Any) -> Any:
        """Return a value that was made just now if it is not too large, and count it as written."""
        if isinstance(value, str):
            self.write(len(value))
        elif isinstance(value, list | tuple | set | frozenset):
            self.size(value)
            self.write(SLOT * len(value))
        elif isinstance(value, Mapping):
            self.size(value)
            self.write(ITEM * len(value))
        elif isinstance(value, Namespace):
            self.size(value)
            self.write(ITEM * len(namespace_values(value)))
        return value

    def listed(self, value: Any) -> Any:
        """Return what an iterator yields, as a list that can be weighed; anything else as it is."""
        if not hasattr(value, "__next__"):
            return value
        items = list(islice(value, MAX_ITEMS + 1))
        if len(items) > MAX_ITEMS:
            raise SecurityError("it needs too much memory")
        return self.weighed(items)

    def text_size(self, value: Any) -> int:
        """Return how many characters a value has as text, at most."""
        if isinstance(value, str):
            return len(value)
        characters, items = self.size(value)
        return 10 * characters + 32 * items  # what cannot be printed becomes \\U0001f600

    def size(self, value: Any) -> tuple[int, int]:
        """Return how many characters and how many values are in a value, as often as they are in it.

        Raises:
            SecurityError: there are too many, or they are nested too deeply.
        """
        items, characters, level = 1, 0, [value]
        for _ in range(MAX_DEPTH + 1):
            below: list[Any] = []
            for item in level:
                if isinstance(item, str):
                    characters += len(item)
                elif isinstance(item, int):
                    characters += item.bit_length() >> 2
                elif isinstance(item, list | tuple | set | frozenset):
                    below += item
                elif isinstance(item, Mapping):
                    below += item.keys()
                    below += item.values()
                elif isinstance(item, Namespace):
                    below += namespace_values(item).values()
                if items + len(below) > MAX_ITEMS:
                    raise SecurityError("it needs too much memory")
            items += len(below)
            if characters > self._most_characters:
                raise SecurityError("it needs too much memory")
            if not below:
                self.work(items >> 1)
                return characters, items
            level = below
        raise SecurityError("it nests values too deeply")


def namespace_values(namespace: Namespace) -> dict[str, Any]:
    """Return what a template has put into a namespace."""
    values: dict[str, Any] = object.__getattribute__(namespace, "_Namespace__attrs")
    return values
