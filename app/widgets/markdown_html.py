"""Tokens of the parser as HTML that QTextDocument and browsers show: no HTML of the text itself, no pictures.

The tokens are walked once, without recursion: nothing that a text nests can exhaust the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from markdown_it.token import Token
from PySide6.QtCore import QCoreApplication

from app.widgets.links import is_safe_link
from app.widgets.maths import maths_html

translate = QCoreApplication.translate  # the name that lupdate looks for

COLUMNS_AT_MOST: Final = 60
"""Columns of a table that are shown; nobody can read more, and Qt lays each out against all others."""
_STYLES_AT_MOST: Final = 16
"""Emphasis within emphasis that is shown."""
_HEADING_SIZES: Final = {"h1": 145, "h2": 125, "h3": 112}  # per cent of the body
_STYLES: Final = frozenset({"em", "strong", "s"})
_PLAIN: Final = frozenset({"bullet_list", "list_item", "blockquote", "tr", "thead", "tbody"})


def html_of(tokens: Sequence[Token], *, nested: bool = False) -> str:
    """Return the HTML of ``tokens``; ``nested``: they stand inside a quote whose own tokens are left out."""
    return _Writer(nested=nested).write(tokens)


def line_html(tokens: Sequence[Token]) -> str:
    """Return the HTML of what stands in one line or paragraph."""
    return _LineWriter().write(tokens)


class _Writer:
    def __init__(self, *, nested: bool) -> None:
        self._out: list[str] = []
        self._before: list[int] = [0] if nested else []
        """For each block that is open, how many blocks it has begun with."""
        self._columns = 0
        self._closing: dict[str, Callable[[Token], str]] = {
            "paragraph_close": lambda token: "" if token.hidden else "</p>",
            "heading_close": lambda _: "</p>",
            "table_close": lambda _: "</table>",
            "ordered_list_close": lambda _: "</ol>",
            "tr_close": self._row_end,
        }

    def write(self, tokens: Sequence[Token]) -> str:
        for token in tokens:
            shown = self._columns <= COLUMNS_AT_MOST
            if token.nesting < 0:
                self._before.pop()
                end = self._closing.get(token.type)
                if end is not None:
                    self._out.append(end(token))
                elif shown or token.tag not in ("th", "td"):
                    self._out.append(f"</{token.tag}>")
                continue
            if token.type == "inline":
                if shown:
                    self._out.append(line_html(token.children or ()))
                continue
            first = not self._before or not self._before[-1]
            if self._before:
                self._before[-1] += 1
            if token.nesting > 0:
                self._before.append(0)
                self._out.append(self._opening(token, first))
            else:
                self._out.append(_leaf(token))
        return "".join(self._out)

    def _opening(self, token: Token, first: bool) -> str:
        kind = token.type.removesuffix("_open")
        if kind == "paragraph":
            if token.hidden:  # inside a tight list
                return ""
            # The space between blocks is the painter's; between paragraphs of one quote or list item it is ours.
            return "<p>" if first else '<p style="margin-top:8px">'
        if kind == "heading":
            return f'<p style="font-size:{_HEADING_SIZES.get(token.tag, 100)}%; font-weight:600">'
        if kind == "table":
            return '<table border="1" cellspacing="0" cellpadding="6">'
        if kind == "ordered_list":
            return f'<ol start="{int(token.attrs.get("start", 1))}">'
        if kind in ("th", "td"):
            self._columns += 1
            side = str(token.attrs.get("style", "")).removeprefix("text-align:")
            side = side if side in ("left", "center", "right") else "left"
            return f'<{kind} align="{side}">' if self._columns <= COLUMNS_AT_MOST else ""
        if kind == "tr":
            self._columns = 0
        return f"<{token.tag}>" if kind in _PLAIN else ""

    def _row_end(self, _: Token) -> str:
        more, self._columns = self._columns - COLUMNS_AT_MOST, 0
        if more <= 0:
            return "</tr>"
        words = translate("Markdown", "… {count} more columns").format(count=f"{more:,}")
        return f"<td><i>{escape(words)}</i></td></tr>"


def _leaf(token: Token) -> str:
    if token.type in ("fence", "code_block"):
        code = escape(token.content.removesuffix("\n"))
        return f'<table class="code" width="100%" cellpadding="6"><tr><td><pre>{code}</pre></td></tr></table>'
    if token.type == "hr":
        return "<hr/>"
    return maths_html(token.content) if token.type == "math_block" else escape(token.content)


class _LineWriter:
    def __init__(self) -> None:
        self._out: list[str] = []
        self._styles = 0
        self._link: tuple[str, int] | None = None
        """The address of the link that is open, and what was written before it."""

    def write(self, tokens: Sequence[Token]) -> str:
        for token in tokens:
            self._out.append(self._token(token))
        return "".join(self._out)

    def _token(self, token: Token) -> str:
        kind = token.type
        if token.tag in _STYLES:
            self._styles += max(token.nesting, 0)
            shown = self._styles <= _STYLES_AT_MOST
            self._styles += min(token.nesting, 0)
            return f"<{'/' * (token.nesting < 0)}{token.tag}>" if shown else ""
        if kind == "link_open":
            address = str(token.attrs.get("href", ""))
            self._link = (address, len(self._out))
            return f'<a href="{escape(address, quote=True)}">' if is_safe_link(address) else ""
        if kind == "link_close":
            address, begun = self._link or ("", 0)
            words = "" if any(self._out[begun + 1 :]) else escape(address)
            self._link = None
            return f"{words}</a>" if is_safe_link(address) else words
        if kind == "code_inline":
            return f"<code>{escape(token.content)}</code>"
        if kind == "math_inline":
            return maths_html(token.content)
        if kind == "softbreak":
            return "\n"
        if kind == "hardbreak":
            return "<br/>"
        return self._picture(token) if kind == "image" else escape(token.content)

    def _picture(self, token: Token) -> str:
        """Return what stands for a picture, which is never fetched: its description, and a link where it may open."""
        address = str(token.attrs.get("src", ""))
        words = f"<i>{escape(token.content or address)}</i>"
        if self._link is not None or not is_safe_link(address):
            return words
        return f'<a href="{escape(address, quote=True)}">{words}</a>'
