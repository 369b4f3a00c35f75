"""What the parser of Markdown does otherwise than CommonMark within a line: emphasis beside CJK, breaks in cells.

CommonMark decides by spaces whether ``**`` opens or closes. Chinese, Japanese and Korean are written without them, so
that the closing ``**`` of “**注意（重要）**请” counts as none. As in *markdown-cjk-friendly*, whose rules these are, a
letter or mark of these scripts beside ``*`` or ``~`` counts as a space would, where punctuation is on the other side.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import isMdAsciiPunct, isPunctChar, isWhiteSpace
from markdown_it.parser_inline import ParserInline
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline, image, link
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token

_BREAK: Final = re.compile(r"<br\s{0,8}/?>", re.IGNORECASE)
_IN_CELL: Final = "in a cell"


def inline_plugin(parser: MarkdownIt) -> None:
    """Give ``parser`` these rules; before other plugins, which add theirs to the same parser of lines."""
    inline = _ParserInline()
    inline.ruler, inline.ruler2 = parser.inline.ruler, parser.inline.ruler2
    parser.inline = inline
    parser.inline.ruler.before("autolink", "cell_break", _cell_break)
    for name, rule in (("link", link), ("image", image)):
        parser.inline.ruler.at(name, partial(_bracketed, rule))
    parser.core.ruler.at("inline", _inline)


class _ParserInline(ParserInline):
    """Parses lines with the states below."""

    def parse(self, src: str, md: MarkdownIt, env: Any, tokens: list[Token]) -> list[Token]:
        state = _State(src, md, env, tokens)
        self.tokenize(state)
        for rule in self.ruler2.getRules(""):
            rule(state)
        return state.tokens


class _State(StateInline):
    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:  # noqa: N803
        """Return whether the run of delimiters at ``start`` can open and close, and how long it is."""
        marker, end = self.src[start], start
        while end < self.posMax and self.src[end] == marker:
            end += 1
        before = self.src[start - 1] if start > 0 else " "
        after = self.src[end] if end < self.posMax else " "
        mark_before, mark_after = _is_mark(before), _is_mark(after)
        space_before, space_after = isWhiteSpace(ord(before)), isWhiteSpace(ord(after))
        wide_before, wide_after = _is_wide(before), _is_wide(after)
        left = not space_after and (not mark_after or wide_after or space_before or mark_before or wide_before)
        right = not space_before and (not mark_before or wide_before or space_after or mark_after or wide_after)
        can_open = left and (canSplitWord or not right or mark_before)
        can_close = right and (canSplitWord or not left or mark_after)
        return Scanned(can_open, can_close, end - start)


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    return isMdAsciiPunct(ord(character)) or isPunctChar(character)


@lru_cache(maxsize=4096)
def _is_wide(character: str) -> bool:
    """Whether a character belongs to the East Asian scripts that are written without spaces, or to Korean."""
    code = ord(character)
    if code < 0x1100 or 0x1F000 <= code < 0x20000:  # pictographs are wide, too
        return False
    return unicodedata.east_asian_width(character) in "WFH"


def _inline(state: StateCore) -> None:
    """Parse the lines of all blocks; a rule may ask whether they stand in the cell of a table."""
    for token in state.tokens:
        if token.type in ("td_open", "th_open", "td_close", "th_close"):
            state.env[_IN_CELL] = token.nesting > 0
        elif token.type == "inline":
            token.children = []
            state.md.inline.parse(token.content, state.md, state.env, token.children)


def _bracketed(rule: Callable[[StateInline, bool], bool], state: StateInline, silent: bool) -> bool:
    """Read a link or picture where one can be: each needs “](”, as references are not known here.

    Without looking first, a thousand brackets cost as much as twenty thousand other characters.
    """
    if state.src[state.pos] not in "[!" or state.src.find("](", state.pos) < 0:
        return False
    return rule(state, silent)


def _cell_break(state: StateInline, silent: bool) -> bool:
    """Read ``<br>`` in a cell: Markdown has no other way to write two lines there."""
    if state.src[state.pos] != "<" or not state.env.get(_IN_CELL):
        return False
    found = _BREAK.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.push("hardbreak", "br", 0)
    state.pos = found.end()
    return True
