"""How much of a very long message is shown before the reader asks for more.

What is laid out at once has a bounded cost, so that no message, whatever is in it, holds the window up. What is left
out is said under it, can be shown, and is copied with the rest.
"""

from __future__ import annotations

from typing import Final

from PySide6.QtCore import QCoreApplication

translate = QCoreApplication.translate  # the name that lupdate looks for

AT_FIRST: Final = 36_000
"""Cost of what is shown of a message at first; a character costs 1, a line 20 more."""
FACTOR: Final = 4
"""How many times as much is shown each time that the reader asks for more."""
_LINE: Final = 20


def affordable(text: str, budget: int | None) -> int:
    """Return how many characters of ``text`` are shown for ``budget``; ``None``: all."""
    if budget is None or len(text) + _LINE * text.count("\n", 0, budget) <= budget:
        return len(text)
    at, cost = 0, 0
    while cost < budget:
        end = text.find("\n", at)
        length = (len(text) if end < 0 else end + 1) - at
        if cost + length + _LINE > budget:
            return _whole_characters(text, at + min(length, max(0, budget - cost)))
        cost, at = cost + length + _LINE, at + length
        if at >= len(text):
            break
    return at


def _whole_characters(text: str, end: int) -> int:
    """Return where to cut so that no accent and no joined pictograph is torn from what it belongs to."""
    begin = end
    while (
        0 < end < len(text) and begin - end < 64 and (text[end] in "\u200d\ufe0f" or "\u0300" <= text[end] <= "\u036f")
    ):
        end -= 1
    return end if end > 0 else begin


def cost_of(text: str) -> int:
    """Return what showing ``text`` costs."""
    return len(text) + _LINE * text.count("\n")


def more_words(count: int) -> str:
    """Return what is said in place of ``count`` characters."""
    return translate("Layouter", "… {count} more characters").format(count=f"{count:,}")
