"""The ``pattern`` and ``format`` of JSON schemas as regular expressions that match a whole string.

JSON schema searches its patterns anywhere in a string and writes them in JavaScript's dialect; the grammar matches
whole strings in Rust's. What cannot be brought over is left out, never refused: a call that the schema admits must
stay possible.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from llguidance import LLTokenizer

_LONGEST: Final = 2000
"""Characters of a pattern that is still looked at."""
_LONGEST_TRIED: Final = 100
"""Characters of a text that Python's backtracking ``re`` is let loose on."""

_DAY = r"(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9])"
_DATE = f"[0-9]{{4}}-(?:{_DAY})"
_CLOCK = (
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]{1,9})?(?:[zZ]|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
NAME: Final = r"""NAME: /[^\s\x00-\x1f\x7f{}\[\],:"<>]{1,64}/"""
"""The terminal of a key or a tool that stands in a call without quotes."""

FORMATS: Final = {
    "date": _DATE,
    "time": _CLOCK,
    "date-time": f"{_DATE}[tT]{_CLOCK}",
    "ipv4": rf"{_BYTE}(?:\.{_BYTE}){{3}}",
    "uuid": r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
}
"""Formats that are enforced, as expressions for a whole string. The others are too loose, or too much, for one."""

_NESTED_REPEAT = re.compile(r"[*+}][^()]*\)[*+{]|\\[1-9]|\(\?[=!<]")


@lru_cache(maxsize=512)
def whole(pattern: str) -> str | None:
    """Return the expression for the whole of every string that contains a match of ``pattern``.

    ``None`` where there is none: look-around, back references, boundaries inside the pattern, or no pattern at all.
    """
    if len(pattern) > _LONGEST:
        return None
    branches = _Translator(pattern).branches()
    if branches is None:
        return None
    expression = "|".join(
        ("" if begins else "(?s:.*)") + f"(?:{body})" + ("" if ends else "(?s:.*)") for begins, body, ends in branches
    )
    return expression if compiles(expression) else None


@lru_cache(maxsize=512)
def compiles(expression: str) -> bool:
    """Return whether llguidance takes the expression as a terminal."""
    from llguidance import LLMatcher

    try:
        error = LLMatcher.validate_grammar(f"start: T\nT: {terminal(expression)}")
    except (UnicodeEncodeError, ValueError):
        return False
    return not error or error.startswith("WARNING")


@lru_cache(maxsize=1024)
def admits_text(definition: str) -> bool:
    """Return whether any text fits a terminal: the model must not be led where nothing can follow."""
    import numpy as np
    from llguidance import LLMatcher

    matcher = LLMatcher(_bytes(), f"start: T\nT: {definition}\nTEXT: /(?s:.*)/\n{NAME}", log_level=0)
    if matcher.is_error() or matcher.is_accepting():
        return not matcher.is_error()
    admitted = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
    return bool(admitted[:256].any())


@lru_cache(maxsize=1)
def _bytes() -> LLTokenizer:
    from llguidance import LLTokenizer

    return LLTokenizer("byte")


def terminal(expression: str) -> str:
    """Return the expression between slashes, as the grammar wants it."""
    return "/" + expression.replace("/", r"\/").replace("\n", r"\n").replace("\r", r"\r") + "/"


def found(pattern: str, text: str) -> bool | None:
    """Return whether ``pattern`` occurs in ``text``; ``None`` where finding out might take for ever."""
    if len(text) > _LONGEST_TRIED or len(pattern) > _LONGEST_TRIED or _NESTED_REPEAT.search(pattern):
        return None
    try:
        return re.search(pattern, text) is not None
    except (re.error, RecursionError, OverflowError):
        return None


class _Translator:
    """Walks over a pattern once."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

    def branches(self) -> list[tuple[bool, str, bool]] | None:
        """Return (begins with ``^``, what is between, ends with ``$``) for each top-level alternative."""
        branches: list[tuple[bool, str, bool]] = []
        begins, ends, body, depth = False, False, "", 0
        while self._at < len(self._pattern):
            letter = self._pattern[self._at]
            self._at += 1
            if ends and letter != "|":
                return None  # a $ that is not at the end
            if letter == "|" and depth == 0:
                branches.append((begins, body, ends))
                begins, ends, body = False, False, ""
            elif letter == "^":
                if body or begins or depth:
                    return None
                begins = True
            elif letter == "$":
                if depth:
                    return None
                ends = True
            else:
                depth += {"(": 1, ")": -1}.get(letter, 0)
                piece = self._piece(letter)
                if piece is None or depth < 0:
                    return None
                body += piece
        return None if depth else [*branches, (begins, body, ends)]

    def _piece(self, letter: str) -> str | None:
        if letter == "\\":
            return self._escape(in_class=False)
        if letter == "[":
            return self._class()
        if letter == "(" and self._rest("?"):
            if self._rest("?:"):
                return "("  # the rest follows by itself
            name = re.match(r"\?<[A-Za-z_]\w*>", self._pattern[self._at :])
            if name is None:
                return None
            self._at += name.end()
            return "(?:"
        return letter

    def _rest(self, beginning: str) -> bool:
        return self._pattern.startswith(beginning, self._at)

    def _escape(self, *, in_class: bool) -> str | None:
        letter = self._pattern[self._at : self._at + 1]
        self._at += 1
        if letter in "dDwWsSnrtfv" and letter:
            return "\\" + letter
        if letter == "0" and not self._pattern[self._at : self._at + 1].isdigit():
            return r"\x00"
        if letter == "b" and in_class:
            return r"\x08"
        if letter in ("x", "u", "p", "P"):
            forms = {"x": r"[0-9a-fA-F]{2}", "u": r"[0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\}"}
            match = re.match(forms.get(letter, r"\{[\w=]+\}"), self._pattern[self._at :])
            if match is None:
                return None
            self._at += match.end()
            return f"\\{letter}{match.group()}"
        if letter and not letter.isalnum():
            return re.escape(letter) if letter != "/" else "/"
        return None  # a boundary, a back reference, or an escape of another dialect

    def _class(self) -> str | None:
        written = "["
        if self._rest("^"):
            self._at += 1
            written += "^"
        if self._rest("]"):
            return None  # nothing and everything in JavaScript, a bracket in Python
        while self._at < len(self._pattern):
            letter = self._pattern[self._at]
            self._at += 1
            if letter == "]":
                return written + "]"
            if letter == "\\":
                escaped = self._escape(in_class=True)
                if escaped is None:
                    return None
                written += escaped
            elif letter == "-" and self._rest("-"):
                return None  # a difference of classes in Rust
            else:
                written += f"\\{letter}" if letter in "[&~" else letter
        return None
