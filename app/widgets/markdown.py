"""Markdown of a reply, as blocks of HTML that QTextDocument can show.

The text comes from a model and is not trusted: HTML in it is shown as text, pictures become their description, and
only web and mail addresses become links.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from html import escape
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from app.widgets.maths import maths_html
from app.widgets.maths_markdown import maths_plugin

_LINK_SCHEMES = frozenset({"http", "https", "mailto"})
_HEADING_SIZES = {"h1": 145, "h2": 125, "h3": 112}  # per cent of the body
_parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("reference")
maths_plugin(_parser)


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


class MarkdownBlocks:
    """Blocks of a text that grows: only what may still change is parsed again.

    A block is settled when a later one has begun on a line that is complete. While a line is not, what it begins may
    still turn out to belong to the paragraph before it: "#" is a heading, "#1" is not.
    """

    def __init__(self) -> None:
        self._text = ""
        self._settled: list[Block] = []
        self._open: list[Block] = []
        self._open_from = 0  # where the open blocks begin in the text

    def update(self, text: str) -> tuple[Block, ...]:
        """Return the blocks of ``text``."""
        text = _clean(text)
        if not text.startswith(self._text):
            self._settled = []
            self._open_from = 0
        self._text = text
        tail = text[self._open_from :]
        self._open, starts = _parse(tail)
        last_break = tail.rfind("\n")
        # The last block that begins on a complete line; everything before it is settled.
        last = max((number for number, start in enumerate(starts) if start <= last_break), default=0)
        if last:
            self._settled += self._open[:last]
            self._open = self._open[last:]
            self._open_from += starts[last]
        return (*self._settled, *self._open)


def blocks(text: str) -> tuple[Block, ...]:
    """Return the top-level blocks of ``text``. Never raises."""
    return tuple(_parse(_clean(text))[0])


def is_safe_link(address: str) -> bool:
    """Whether ``address`` may be opened after the user has seen it."""
    try:
        return urlsplit(address.strip()).scheme.lower() in _LINK_SCHEMES
    except ValueError:
        return False


def _clean(text: str) -> str:
    # markdown-it counts "\n" only; half a surrogate pair cannot be given to Qt.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.encode("utf-8", "replace").decode("utf-8")


def _parse(text: str) -> tuple[list[Block], list[int]]:
    """Return the blocks and the offset in ``text`` at which each begins."""
    nodes = SyntaxTreeNode(_parser.parse(text)).children
    starts, line, offset = [], 0, 0
    for node in nodes:
        while node.map is not None and line < node.map[0]:
            offset = text.index("\n", offset) + 1
            line += 1
        starts.append(offset)
    return [_block(node) for node in nodes], starts


def _block(node: SyntaxTreeNode) -> Block:
    if node.type in ("fence", "code_block"):
        words = node.info.split() if node.type == "fence" else []
        return Block(BlockKind.CODE, "", node.content.removesuffix("\n"), words[0][:32] if words else "")
    if node.type == "hr":
        return Block(BlockKind.RULE, "")
    if node.type == "math_block":
        html = f'<p align="center" style="font-size:112%">{maths_html(node.content)}</p>'
        return Block(BlockKind.MATHS, html, node.content)
    if node.type == "blockquote":
        return Block(BlockKind.QUOTE, _children(node))
    kind = {"table": BlockKind.TABLE, "heading": BlockKind.HEADING}.get(node.type, BlockKind.TEXT)
    return Block(kind, _html(node))


def _children(node: SyntaxTreeNode) -> str:
    return "".join(_html(child) for child in node.children)


def _paragraph(node: SyntaxTreeNode) -> str:
    inner = _children(node)
    if node.hidden:  # inside a tight list
        return inner
    # The space between blocks is the painter's; between paragraphs of one quote or list item it is ours.
    follows = node.parent is not None and node.parent.type != "root" and node.previous_sibling is not None
    return f'<p style="margin-top:8px">{inner}</p>' if follows else f"<p>{inner}</p>"


def _html(node: SyntaxTreeNode) -> str:
    """Return the HTML of ``node``; what has no rule of its own shows its text."""
    kind = node.type
    if kind in ("text", "html_inline", "html_block"):
        return escape(node.content)
    if kind in ("math_inline", "math_block"):
        return maths_html(node.content)
    if kind == "paragraph":
        return _paragraph(node)
    if kind == "code_inline":
        return f"<code>{escape(node.content)}</code>"
    if kind in ("fence", "code_block"):
        code = escape(node.content.removesuffix("\n"))
        return f'<table class="code" width="100%" cellpadding="6"><tr><td><pre>{code}</pre></td></tr></table>'
    if kind == "softbreak":
        return "\n"
    if kind == "hardbreak":
        return "<br/>"
    if kind == "hr":
        return "<hr/>"
    if kind == "image":
        return _picture(node)
    if kind == "link":
        return _link(node)
    if kind == "heading":
        size = _HEADING_SIZES.get(node.tag, 100)
        return f'<p style="font-size:{size}%; font-weight:600">{_children(node)}</p>'
    if kind == "table":
        return f'<table border="1" cellspacing="0" cellpadding="6">{_children(node)}</table>'
    if kind == "ordered_list":
        start = node.attrs.get("start", 1)
        return f'<ol start="{int(start)}">{_children(node)}</ol>'
    if kind in ("th", "td"):
        side = str(node.attrs.get("style", "")).removeprefix("text-align:")
        side = side if side in ("left", "center", "right") else "left"
        return f'<{kind} align="{side}">{_children(node)}</{kind}>'
    if kind in ("strong", "em", "s", "bullet_list", "list_item", "blockquote", "tr", "thead", "tbody"):
        return f"<{node.tag}>{_children(node)}</{node.tag}>"
    return _children(node) or escape(node.content)


def _picture(node: SyntaxTreeNode) -> str:
    """Return what stands for a picture, which is never fetched: its description, and a link where it may be opened."""
    address = str(node.attrs.get("src", ""))
    words = f"<i>{escape(node.content or address)}</i>"
    inside_link = any(parent.type == "link" for parent in _parents(node))
    if inside_link or not is_safe_link(address):
        return words
    return f'<a href="{escape(address, quote=True)}">{words}</a>'


def _parents(node: SyntaxTreeNode) -> Iterator[SyntaxTreeNode]:
    while node.parent is not None:
        node = node.parent
        yield node


def _link(node: SyntaxTreeNode) -> str:
    address = str(node.attrs.get("href", ""))
    inner = _children(node) or escape(address)
    return f'<a href="{escape(address, quote=True)}">{inner}</a>' if is_safe_link(address) else inner
