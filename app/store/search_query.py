"""What a user types into a search field, as a question to the index, and the answer in pieces."""

from __future__ import annotations

import re

MARK, UNMARK = "\x02", "\x03"
"""What the index puts around the words that were found; neither occurs in texts."""
SNIPPET_WORDS = 14
_PIECES = re.compile(r'"([^"]*)"|([^\s"]+)')
_WITHOUT_SPACES = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
"""Letters of scripts that write no spaces between words, in which the index sees one long word."""
_AROUND = 30


def match_expression(words: str) -> str:
    """Return the question for FTS5: all words, each possibly the beginning of one; “quoted words” in this order.

    Empty when there is nothing to search for.
    """
    asked = []
    for phrase, word in _PIECES.findall(words.replace("\x00", " ")):
        text = phrase or word
        if any(letter.isalnum() for letter in text):
            asked.append(f'"{text}"' if phrase else f'"{text}"*')
    return " ".join(asked)


def needs_scan(words: str) -> bool:
    """Whether ``words`` are in a script for which the index is of no use."""
    return bool(_WITHOUT_SPACES.search(words))


def scanned_words(words: str) -> list[str]:
    """Return the words of such a search, each to be looked for anywhere."""
    return [phrase or word for phrase, word in _PIECES.findall(words)]


def like_pattern(word: str) -> str:
    """Return the pattern that finds ``word`` anywhere, with ``\\`` as escape."""
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def snippet_pieces(marked: str) -> tuple[tuple[str, bool], ...]:
    """Return a snippet in pieces: text, and whether it is one of the words."""
    pieces: list[tuple[str, bool]] = []
    for number, run in enumerate(marked.split(MARK)):
        if number == 0:
            pieces.append((run, False))
        else:
            word, _, rest = run.partition(UNMARK)
            pieces += [(word, True), (rest, False)]
    flat = ((" ".join(re.split(r"\s+", text)), found) for text, found in pieces)
    return tuple((text, found) for text, found in flat if text)


def scanned_snippet(text: str, words: list[str]) -> tuple[tuple[str, bool], ...]:
    """Return what stands around the first of ``words`` in ``text``."""
    start, word = _first_found(text, words)
    begin, end = max(0, start - _AROUND), min(len(text), start + len(word) + _AROUND)
    before = ("…" if begin else "") + text[begin:start]
    after = text[start + len(word) : end] + ("…" if end < len(text) else "")
    return snippet_pieces(f"{before}{MARK}{text[start : start + len(word)]}{UNMARK}{after}")


def scanned_title(text: str, words: list[str]) -> tuple[tuple[str, bool], ...]:
    """Return all of ``text``, with the first of ``words`` in it marked."""
    start, word = _first_found(text, words)
    end = start + len(word)
    return snippet_pieces(f"{text[:start]}{MARK}{text[start:end]}{UNMARK}{text[end:]}")


def _first_found(text: str, words: list[str]) -> tuple[int, str]:
    """Return where the first of ``words`` that is in ``text`` begins, and the word; -1 and nothing if none is."""
    lower = text.lower()
    word = next((word for word in words if word.lower() in lower), "")
    return lower.find(word.lower()), word
