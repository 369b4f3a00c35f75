"""Cleans names that come from somebody else's files, so that they can be shown anywhere."""

from __future__ import annotations

import re
from typing import Final

_UNSEEN: Final = re.compile(
    # controls, line and paragraph separators, half characters, and what has no width: marks that turn the order of
    # display around, joiners, tags
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff\ud800-\udfff]"
)
_ESCAPE_SEQUENCE: Final = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor, screen
    "|(?:\x1b[PX^_\\]]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"  # titles, links, the clipboard
    "|\x1b[ -/]*[0-~]?"
)


def display_name(text: str, most: int = 100) -> str:
    """Return a name on one line and without anything that steers a terminal or hides in a window.

    Escape sequences, control characters, line breaks, marks that turn the order of display around and others that
    cannot be seen are taken out; what is longer than ``most`` characters is cut, with an ellipsis. Empty where
    nothing is left.
    """
    text = " ".join(printable(text[: 16 * most]).split())
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def printable(text: str) -> str:
    """Return a text without what steers a terminal or cannot be seen: a space for each such character."""
    return _UNSEEN.sub(" ", _ESCAPE_SEQUENCE.sub("", text))
