"""What a user types into a search field, as a question to the index, and what was found in pieces to be shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.store.search_words import Word, words_of

Pieces = tuple[tuple[str, bool], ...]
"""A text in pieces, and whether a piece is one of the words."""

_TYPED = re.compile(r'"([^"]*)"|([^\s"]+)')
_TYPED_AT_MOST = 1000
_WORDS_AT_MOST = 64
"""Of what is typed or pasted into the field; the rest is left out."""
_BEFORE, _AFTER = 40, 90
"""Characters of a text that are shown before what was found, and from there on."""
_EDGE = 16
"""How much less is shown so that no word is cut."""
_READ_AT_MOST = 100_000
"""Characters of a text that are looked through for a snippet."""


@dataclass(frozen=True, slots=True)
class Sought:
    """Words that must stand in a row."""

    words: tuple[str, ...]
    begins: bool
    """Whether the last one may be the beginning of a word."""

    @property
    def expression(self) -> str:
        """The question for FTS5; the words contain no character that means something to it."""
        return f'"{" ".join(self.words)}"' + ("*" if self.begins else "")


def sought(typed: str) -> tuple[Sought, ...]:
    """Return what is searched for: all of it must occur; “quoted words” as they are, others as beginnings."""
    found: list[Sought] = []
    room = _WORDS_AT_MOST
    for phrase, word in _TYPED.findall(typed[:_TYPED_AT_MOST]):
        words = tuple(each.word for each in words_of(phrase or word))[:room]
        room -= len(words)
        if words:
            found.append(Sought(words, begins=not phrase))
    return tuple(found)


def match_expression(asked: Sequence[Sought]) -> str:
    """Return the question for FTS5; empty when there is nothing to search for."""
    return " ".join(each.expression for each in asked)


def marked(text: str, asked: Sequence[Sought]) -> Pieces:
    """Return all of ``text``, with what was found in it marked."""
    words = list(words_of(text))
    return _pieces(text, 0, len(text), _spans(words, asked))


def snippet(text: str, asked: Sequence[Sought]) -> Pieces:
    """Return what stands around the first place in ``text`` at which something was found."""
    if len(text) > _READ_AT_MOST:
        lower = text.lower()
        found = [place for each in asked if (place := lower.find(each.words[0])) >= 0]
        from_here = max(0, min(found, default=0) - 2 * _BEFORE)
        text = text[from_here : from_here + _READ_AT_MOST]
    words: list[Word] = []
    first: int | None = None
    for word in words_of(text):
        words.append(word)
        if first is None:
            starts = [start for each in asked if (start := _ends_here(words, each)) is not None]
            first = min(starts, default=None)
        elif word.start > first + _AFTER:
            break
    begin = _begin(text, max(0, (first or 0) - _BEFORE), first or 0)
    end = _end(text, min(len(text), (first or 0) + _AFTER))
    inside = [word for word in words if word.start >= begin and word.end <= end]
    return _pieces(text, begin, end, _spans(inside, asked))


def _spans(words: Sequence[Word], asked: Sequence[Sought]) -> list[tuple[int, int]]:
    """Return where the sought words are, without overlaps."""
    found: list[tuple[int, int]] = []
    for number in range(len(words)):
        starts = [
            start for each in asked if (start := _ends_here(words[: number + 1][-len(each.words) :], each)) is not None
        ]
        if not starts:
            continue
        start, end = min(starts), words[number].end
        while found and found[-1][1] > start:
            start = min(start, found.pop()[0])
        found.append((start, end))
    return found


def _ends_here(words: Sequence[Word], asked: Sought) -> int | None:
    """Return where a row of sought words begins that ends with the last of ``words``; ``None`` when there is none."""
    length = len(asked.words)
    if len(words) < length:
        return None
    last, wanted = words[-1].word, asked.words[-1]
    if not (last.startswith(wanted) if asked.begins else last == wanted):
        return None
    row = words[-length:]
    if any(word.word != other for word, other in zip(row[:-1], asked.words[:-1], strict=True)):
        return None
    return row[0].start


def _begin(text: str, begin: int, first: int) -> int:
    if not begin or text[begin - 1].isspace():
        return begin
    space = re.compile(r"\s").search(text, begin, min(begin + _EDGE, first))
    return space.end() if space else begin


def _end(text: str, end: int) -> int:
    if end == len(text) or text[end].isspace():
        return end
    cut = max(text.rfind(" ", end - _EDGE, end), text.rfind("\n", end - _EDGE, end))
    return cut if cut > 0 else end


def _pieces(text: str, begin: int, end: int, spans: Sequence[tuple[int, int]]) -> Pieces:
    pieces: list[tuple[str, bool]] = []
    at = begin
    if begin:
        pieces.append(("…", False))
    for start, stop in spans:
        pieces += [(text[at:start], False), (text[start:stop], True)]
        at = stop
    pieces.append((text[at:end] + ("…" if end < len(text) else ""), False))
    flat = ((" ".join(re.split(r"\s+", piece)), found) for piece, found in pieces)
    joined: list[tuple[str, bool]] = []
    for piece, found in flat:
        if piece and joined and joined[-1][1] is found and not found:
            joined[-1] = (joined[-1][0] + piece, False)
        elif piece:
            joined.append((piece, found))
    return tuple(joined)
