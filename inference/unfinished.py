"""A conversation whose last turn is still being written: what of its prompt is certain already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from inference.messages import Text, Turn

_ENDS: Final = (" a", "\n\n1.")
"""Ways in which a text may go on that have nothing in common; the prompts of both agree as far as any will."""
_LONG_WORD: Final = 24
_UNCERTAIN: Final = 12
"""Characters at the end of a text without spaces whose tokens may yet change."""
_LAST_WORD: Final = re.compile(r"\s*\S*\Z")


def continuations(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Return conversations that go on from this one in different ways.

    The last user turn may be unfinished: its last text may grow, and words may yet change at its end. A conversation
    that ends with another turn goes on with one of the user, except after the result of a tool, which goes to the
    model as it is.
    """
    if turns and turns[-1].role == "tool":
        return [list(turns)]
    last = turns[-1] if turns and turns[-1].role == "user" else Turn("user", ())
    before = list(turns[:-1] if turns and turns[-1].role == "user" else turns)
    at = max((index for index, part in enumerate(last.parts) if isinstance(part, Text)), default=len(last.parts))
    written = last.parts[at] if at < len(last.parts) else Text("")
    assert isinstance(written, Text)
    certain = certain_text(written.text)
    return [[*before, Turn("user", (*last.parts[:at], Text(certain + end), *last.parts[at + 1 :]))] for end in _ENDS]


def certain_text(text: str) -> str:
    """Return the beginning of a text whose tokens no longer depend on what is written next: its whole words.

    In a script without spaces all but the last characters.
    """
    stripped = text.rstrip()
    if len(stripped) < len(text):
        return stripped
    match = _LAST_WORD.search(text)
    begin = match.start() if match else 0
    return text[: max(begin, len(text) - _UNCERTAIN)] if len(text) - begin > _LONG_WORD else text[:begin]
