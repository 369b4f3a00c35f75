"""Ends an answer before a text that must not appear in it."""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    """Holds text back as long as it could be the beginning of a stop string.

    What comes out does not depend on how the text was cut into pieces: the first stop string to be complete ends the
    answer; of several that are complete at once the longest is taken. Raises :class:`ValueError` for an empty one.
    """

    def __init__(self, strings: Sequence[str]) -> None:
        if isinstance(strings, str) or not all(strings):
            raise ValueError("stop must be a sequence of texts that are not empty")
        self._strings = tuple(strings)
        self._held = ""
        self.found = False
        """Whether a stop string came: nothing follows it."""

    def feed(self, piece: str) -> str:
        """Take the next text and return what can be shown now."""
        if self.found:
            return ""
        text, self._held = self._held + piece, ""
        matches = [(at + len(string), at) for string in self._strings if (at := text.find(string)) >= 0]
        if matches:
            self.found = True
            return text[: min(matches)[1]]
        held = max((_overlap(text, string) for string in self._strings), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def flush(self) -> str:
        """Return what was held back: the text ends here, or something else than text follows."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, string: str) -> int:
    """Return how long the longest end of ``text`` is with which ``string``, being longer, begins."""
    return next((n for n in range(min(len(text), len(string) - 1), 0, -1) if text.endswith(string[:n])), 0)
