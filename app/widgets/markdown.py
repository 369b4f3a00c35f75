"""Markdown of a reply, as blocks of HTML that QTextDocument can show.

The text comes from a model and is not trusted: HTML in it is shown as text, pictures become their description, and
only web and mail addresses become links.

A text is read in *windows* of bounded cost, and so is what may still change while it grows: whatever somebody writes,
the work is linear in its length, and a frame of a reply that streams parses one window at most. A block that fills a
whole window is split where it hurts least: code goes on as one block, a list between two items, a table between two
rows, a paragraph at a line or a word. Where it is split depends on the text alone, not on how it came: a reply that
was streamed has the same blocks as one that is opened anew.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token

from app.widgets.inline_rules import inline_plugin
from app.widgets.links import is_safe_link, links_plugin
from app.widgets.long_code import OpenFence
from app.widgets.markdown_html import html_of
from app.widgets.maths import maths_html
from app.widgets.maths_markdown import LINES, UNCLOSED, maths_plugin

__all__ = ["Block", "BlockKind", "MarkdownBlocks", "blocks", "is_safe_link"]

WINDOW: Final = 12_000
"""Cost of what is parsed at a time: a character costs 1, one that may be markup 4, a line 20 more."""
_MARKUP_COST: Final = 3
_LINE_COST: Final = 20
_MARKUP: Final = re.compile(r"[\n\[\]*_`~<!&$\\|>#]")
_LEVELS_AT_MOST: Final = 20
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class BlockKind(Enum):
    """How a block is painted."""

    TEXT = "text"
    HEADING = "heading"
    CODE = "code"
    QUOTE = "quote"
    TABLE = "table"
    RULE = "rule"
    MATHS = "maths"


@dataclass(frozen=True, slots=True)
class Block:
    """One top-level block of a message."""

    kind: BlockKind
    html: str
    """Safe HTML; empty for code and rules."""
    code: str = ""
    """The text of a code block."""
    language: str = ""
    title: str = ""
    """What stands above code in place of its language."""


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": _LEVELS_AT_MOST})
    parser.enable(["table", "strikethrough"]).disable("reference")
    inline_plugin(parser)
    links_plugin(parser)
    maths_plugin(parser)
    parser.block.ruler.before("table", "deepest", _deepest)
    return parser


def _deepest(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """Show as text what is nested too deeply; the parser would leave it out."""
    if silent or state.level < _LEVELS_AT_MOST - 3:
        return False
    state.push("paragraph_open", "p", 1).map = [start_line, end_line]
    token = state.push("inline", "", 0)
    token.content = state.getLines(start_line, end_line, state.blkIndent, False).strip()
    token.children = []
    state.push("paragraph_close", "p", -1)
    state.line = end_line
    return True


_parser = _make_parser()


@dataclass(frozen=True, slots=True)
class _Parsed:
    tokens: Sequence[Token]
    groups: Sequence[Sequence[Token]]
    """The tokens of each top-level block."""
    starts: Sequence[int]
    """Where each begins in the text."""
    held: int
    """The first block that may change whatever follows it, because a formula in it is not closed."""

    def blocks(self, begin: int = 0, end: int | None = None) -> list[Block]:
        """Return some of the blocks."""
        return [_block(group) for group in self.groups[begin:end]]

    def without_last(self, kind: str, level: int) -> _Cut | None:
        """Return the tokens up to the last one of a kind, which is not the first, and what closes those before."""
        found = [number for number, token in enumerate(self.tokens) if token.type == kind and token.level == level]
        if len(found) < 2 or (mapped := self.tokens[found[-1]].map) is None:
            return None
        closing = [token for token in self.tokens[-level:] if token.nesting < 0 and token.level < level]
        return _Cut([*self.tokens[: found[-1]], *closing], mapped[0])


class MarkdownBlocks:
    """Blocks of a text that grows: only what may still change is parsed again.

    A block is settled when a later one has begun on a line that is complete. While a line is not, what it begins may
    still turn out to belong to the paragraph before it: "#" is a heading, "#1" is not.
    """

    def __init__(self) -> None:
        self.unread = 0
        """Characters that the last update left out."""
        self.cost = 0
        """What the text of the settled blocks cost."""
        self.parsed = 0
        """Characters that have been parsed in all, some of them more than once."""
        self._text = ""
        self._given = ""
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._settled: list[Block] = []
        self._open: list[Block] = []
        self.cost = 0
        self._open_from = 0  # where the open blocks begin in the text
        self._fence: OpenFence | None = None  # the code that is open there
        self._table_head = ""  # of a table that goes on there

    def update(self, text: str, at_most: int | None = None) -> tuple[Block, ...]:
        """Return the blocks of ``text``; with ``at_most`` no more once what is settled costs that much."""
        if text != self._given or self.unread:
            self._given, text = text, _clean(text)
            if not text.startswith(self._text):
                self._begin_anew()
            self._text = text
            while (at_most is None or self.cost < at_most) and self._advance():
                pass
            stopped = at_most is not None and self.cost >= at_most
            self.unread = len(text) - self._open_from if stopped else 0
            if stopped:
                self._open = [self._fence.block()] if self._fence else []
        return (*self._settled, *self._open)

    def _advance(self) -> bool:
        """Settle what can be; return whether there may be more."""
        if self._fence is not None:
            begin = self._open_from
            self._open_from, closed = self._fence.read(self._text, begin)
            self.cost += self._open_from - begin + _LINE_COST * self._text.count("\n", begin, self._open_from)
            if not closed:
                self._open = [self._fence.block(self._text[self._open_from :])]
                return False
            self._settled.append(self._fence.block())
            self._fence = None
            return True
        window, more = self._window()
        parsed = self._parse(window)
        last_break = window.rfind("\n")
        # The last block that begins on a complete line; everything before it is settled.
        last = max((number for number, start in enumerate(parsed.starts) if start <= last_break), default=0)
        last = min(last, parsed.held)
        if last:
            self._settle(parsed.blocks(0, last), parsed.starts[last])
        elif more:
            self._split(window, parsed)
        if not more:
            self._open = [block for block in parsed.blocks(last) if self._has_rows(block)]
            return False
        return True

    def _window(self) -> tuple[str, bool]:
        """Return what is parsed next, and whether there is more text after it."""
        end = _affordable(self._text, self._open_from)
        return self._text[self._open_from : end], end < len(self._text)

    def _parse(self, window: str) -> _Parsed:
        self.parsed += len(window)
        parsed = _parse(self._table_head + window)
        if not self._table_head:
            return parsed
        starts = [max(0, start - len(self._table_head)) for start in parsed.starts]
        return replace(parsed, starts=starts)

    def _settle(self, found: list[Block], length: int) -> None:
        self._settled += [block for block in found if self._has_rows(block)]
        self._table_head = ""
        self.cost += _cost(self._text, self._open_from, self._open_from + length)
        self._open_from += length

    def _has_rows(self, block: Block) -> bool:
        """Whether a block is more than the head of a table that went on here, but did not."""
        return not self._table_head or block.kind is not BlockKind.TABLE or "<td" in block.html

    def _split(self, window: str, parsed: _Parsed) -> None:
        """Settle a part of the one block that fills ``window``."""
        fence = OpenFence.at_end(parsed.tokens, self._table_head + window)
        if fence is not None:
            self._begin_fence(fence, window, parsed)
            return
        first = parsed.tokens[0] if len(parsed.groups) == 1 else None
        if first is not None and first.type in ("bullet_list_open", "ordered_list_open", "table_open"):
            table = first.type == "table_open"
            cut = parsed.without_last("tr_open" if table else "list_item_open", 2 if table else 1)
            start = _line_start(self._table_head + window, cut.line) - len(self._table_head) if cut else 0
            if cut is not None and start > 0:
                head = _table_head(self._table_head + window) if table else ""
                self._settle([_block(cut.tokens)], start)
                self._table_head = head
                return
        end = _cut(window)
        self._settle(self._parse(window[:end]).blocks(), end)

    def _begin_fence(self, fence: OpenFence, window: str, parsed: _Parsed) -> None:
        """Read the rest of the code that is open at the end of ``window`` line by line."""
        end = window.rfind("\n") + 1
        if fence.top_level:
            self._settle(parsed.blocks(0, -1), end)
        else:  # its beginning stays where it stands, in a list or a quote
            self._settle(self._parse(window[:end]).blocks(), end)
        self._fence = fence


@dataclass(frozen=True, slots=True)
class _Cut:
    tokens: Sequence[Token]
    line: int
    """The first line that is not in the tokens."""


def blocks(text: str) -> tuple[Block, ...]:
    """Return the top-level blocks of ``text``. Never raises."""
    return MarkdownBlocks().update(text)


def _clean(text: str) -> str:
    # markdown-it counts "\n" only; half a surrogate pair cannot be given to Qt.
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text if text.isascii() else _SURROGATE.sub("?", text)


def _affordable(text: str, begin: int) -> int:
    """Return how far from ``begin`` the cost stays within :data:`WINDOW`; at least one character."""
    end = min(len(text), begin + WINDOW)
    cost, done = 0, begin
    for found in _MARKUP.finditer(text, begin, end):
        at = found.start()
        more = at + 1 - done + (_LINE_COST if text[at] == "\n" else _MARKUP_COST)
        if cost + more > WINDOW:
            return max(begin + 1, min(at, done + WINDOW - cost))
        cost, done = cost + more, at + 1
    return min(end, done + WINDOW - cost)


def _cost(text: str, begin: int, end: int) -> int:
    lines = text.count("\n", begin, end)
    return end - begin + _LINE_COST * lines + _MARKUP_COST * (len(_MARKUP.findall(text, begin, end)) - lines)


def _cut(window: str) -> int:
    """Return where a paragraph that fills ``window`` is split: at a line, else before a word, else at its end."""
    half = len(window) // 2
    if (line := window.rfind("\n")) >= half:
        return line + 1
    space = window.rfind(" ", half)
    while space > half and not window[space + 1 : space + 2].isalpha():
        space = window.rfind(" ", half, space)
    if space > half:
        return space + 1
    cut = len(window)
    while cut > half and cut > len(window) - 64 and _joins(window[cut - 1]):
        cut -= 1
    return max(cut, 1)


def _joins(character: str) -> bool:
    return character == "\u200d" or bool(unicodedata.combining(character))


def _table_head(text: str) -> str:
    """Return the two lines with which a table begins, unless they are too long to be repeated."""
    end = text.find("\n", text.find("\n") + 1) + 1
    return text[:end] if end < WINDOW // 4 else ""


def _line_start(text: str, line: int) -> int:
    offset = 0
    for _ in range(line):
        offset = text.index("\n", offset) + 1
    return offset


def _parse(text: str) -> _Parsed:
    env: dict[str, int] = {LINES: text.count("\n")}
    tokens = _parser.parse(text, env)
    groups: list[list[Token]] = []
    starts: list[int] = []
    line, offset, held = 0, 0, None
    for token in tokens:
        if token.level or token.nesting < 0 or token.type == "inline":
            groups[-1].append(token)
            continue
        while token.map is not None and line < token.map[0]:
            offset = text.index("\n", offset) + 1
            line += 1
        if held is None and env.get(UNCLOSED, line + 1) <= line:
            held = max(0, len(groups) - 1)  # if the formula is none, it may belong to what is before it
        groups.append([token])
        starts.append(offset)
    return _Parsed(tokens, groups, starts, len(groups) if held is None else held)


def _block(tokens: Sequence[Token]) -> Block:
    token = tokens[0]
    if token.type in ("fence", "code_block"):
        words = token.info.split() if token.type == "fence" else []
        return Block(BlockKind.CODE, "", token.content.removesuffix("\n"), words[0][:32] if words else "")
    if token.type == "hr":
        return Block(BlockKind.RULE, "")
    if token.type == "math_block":
        html = f'<p align="center" style="font-size:112%">{maths_html(token.content)}</p>'
        return Block(BlockKind.MATHS, html, token.content)
    if token.type == "blockquote_open":
        return Block(BlockKind.QUOTE, html_of(tokens[1:-1], nested=True))
    kind = {"table_open": BlockKind.TABLE, "heading_open": BlockKind.HEADING}.get(token.type, BlockKind.TEXT)
    return Block(kind, html_of(tokens))
