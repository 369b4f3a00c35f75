"""A tool's arguments and results as text: JSON in lines, and in one line where lines would be mostly indentation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from PySide6.QtCore import QCoreApplication

translate = QCoreApplication.translate  # the name that lupdate looks for

_INDENTED_AT_MOST: Final = 24
"""Levels of nesting that are shown by indentation; of more, the indentation alone grows with the square."""
_CHILDREN_SEEN: Final = 100_000


def json_words(value: object) -> str:
    """Return ``value`` as JSON. Never raises."""
    try:
        if _depth(value) <= _INDENTED_AT_MOST:
            return json.dumps(value, ensure_ascii=False, indent=2, default=str)
        return json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):
        return translate("Tools", "(nested too deeply to be shown)")


def _depth(value: object) -> int:
    """Return how deeply ``value`` is nested, as far as it matters here."""
    depth, seen, level = 0, 0, [value]
    while level and depth <= _INDENTED_AT_MOST and seen <= _CHILDREN_SEEN:
        below: list[object] = []
        for one in level:
            if isinstance(one, Mapping):
                below += one.values()
            elif isinstance(one, list | tuple):
                below += one
        level = [one for one in below if isinstance(one, Mapping | list | tuple)]
        seen += len(below)
        depth += bool(level)
    return depth + 1
