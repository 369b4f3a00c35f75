"""Texts as the words that the search index holds: in every script, and the same however somebody writes them.

A word is a run of letters or a run of digits, without accents, upper case, and what else only some people write: vowel
signs of Hebrew and Arabic, ё for е, ß for ss. In scripts that write no spaces between words, and in Korean, where what
is searched for is often part of a word, each character is a word of its own, and what is typed is found as a row of
them. So are symbols and emoji: “C++” is three words. Punctuation is nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

_ALONE: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f40-\u0fbc"  # Tibetan
    "\u1000-\u109f"  # Burmese
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"  # Korean
    "\u1780-\u17d3\u19e0-\u19ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf"  # Tai scripts
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b\u3041-\u30fa\u30fc-\u312f"  # Chinese, Japanese
    "\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
"""Characters that are words of their own."""
_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u08d3-\u08ff\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
"""Signs on letters that not everybody writes, and the stroke that makes Arabic words longer."""
_SIGNS: Final = (
    "\u0900-\u0963\u0966-\u0df3\u1700-\u177f\u180b-\u18af\u1b00-\u1cff\ua800-\ua82c\ua8e0-\ua95f\uaae0-\uabff"
)
"""Blocks of scripts whose vowels are signs that everybody writes; they have few characters that are no letters."""
_VOICED: Final = "\u3099\u309a"
"""What makes が of か in texts that are taken apart, as names of files on a Mac are."""
_SYMBOLS: Final = (
    "$+<=>|~^%&#@¢-§©¬®-±´¶×÷\u20a0-\u20cf\u2100-\u2bff\u3000-\u3004\u3012\u3013\u3020\u3036\u3037\u3200-\u33ff"
    "\uff03-\uff06\uff0b\uff1c-\uff1e\uff20\uff3e\uff5c\uff5e\uffe0-\uffe6\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
)
"""Symbols and emoji; shades of skin and what joins emoji are left out."""

_LETTER: Final = rf"(?:[^\W\d_{_ALONE}{_SYMBOLS}]|[{_MARKS}{_SIGNS}])"
_WORDS: Final = re.compile(rf"{_LETTER}+|\d+|[{_ALONE}][{_VOICED}{_MARKS}]*|[{_SYMBOLS}]|[^\W_]")
_WORDS_OF_ASCII: Final = re.compile(r"[a-z]+|[0-9]+|[$+<=>|~^%&#@]")
_MARK: Final = re.compile(f"[{_MARKS}]")
_SHORT_I: Final = re.compile("([иуИУ])\u0306")
"""й and ў are letters of their own, unlike ё."""
_LETTERS: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t", "ĸ": "k"}
    | {"ى": "ي", "ک": "ك", "ی": "ي"}
)
"""Letters that people who cannot type them write so, and which decompose into nothing. Keyboards differ in the last."""
_CACHED: Final = 1 << 15


class Word(NamedTuple):
    """A word of the index, and where in a text it is."""

    word: str
    start: int
    end: int


def words_of(text: str) -> Iterator[Word]:
    """Yield the words of ``text`` from its beginning; several may be at one place."""
    for match in (_WORDS_OF_ASCII if text.isascii() else _WORDS).finditer(text.lower() if text.isascii() else text):
        start, end = match.span()
        for word in _folded(match[0]):
            yield Word(word, start, end)


def indexed(text: str) -> str:
    """Return the words of ``text`` as the index takes them, with spaces between them."""
    if text.isascii():
        return " ".join(_WORDS_OF_ASCII.findall(text.lower())).translate(_FULL_WIDTH)
    return " ".join([word for run in _WORDS.findall(text) for word in _folded(run)])


@lru_cache(_CACHED)
def _folded(run: str) -> tuple[str, ...]:
    """Return the words that are in one run of letters, digits, or in one symbol."""
    if run.isascii():
        return (_shown(run.lower()),)
    apart = _SHORT_I.sub(lambda match: unicodedata.normalize("NFC", match[0]), unicodedata.normalize("NFKD", run))
    bare = _MARK.sub("", apart)
    whole = unicodedata.normalize("NFC", bare.casefold()).translate(_LETTERS)
    # What is one character here may be several there: ㎏ is kg, ½ is 1 and 2.
    found = [match[0] for match in _WORDS.finditer(whole)]
    return tuple(_shown(_digits(word) if word.isdigit() else word) for word in found)


def _digits(word: str) -> str:
    """Return digits of any script as ours."""
    return "".join(str(unicodedata.digit(letter, 0)) for letter in word)


_FULL_WIDTH: Final = {ord(symbol): chr(ord(symbol) + 0xFEE0) for symbol in "$+<=>|~^%&#@"}
"""The index takes ASCII's symbols for separators, and their wide forms for letters."""


def _shown(word: str) -> str:
    return word.translate(_FULL_WIDTH)
