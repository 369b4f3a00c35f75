"""Colours for code: pygments finds out what is what, on a background thread."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import Final

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QColor, QTextCharFormat, QTextDocument, QTextLayout

from app.background import Background
from app.colours import Colours
from app.widgets.markdown import Block

_KEPT: Final = 200
_LETTERS_AT_MOST: Final = 60_000
"""Longer code stays plain: colouring it would take seconds."""
_LINE_AT_MOST: Final = 2000
"""So does code with a longer line: no one wrote it by hand, and patterns of some languages go back and forth in it."""

Span = tuple[int, int, str]
"""Where a piece of code begins, how long it is, and the name of its colour in :class:`~app.colours.Colours`."""

_COLOUR_OF: Final = {
    "Keyword": "code_keyword",
    "Operator.Word": "code_keyword",
    "Name.Builtin": "code_name",
    "Name.Function": "code_name",
    "Name.Class": "code_name",
    "Name.Decorator": "code_name",
    "Name.Tag": "code_keyword",
    "Name.Attribute": "code_name",
    "Literal.String": "code_string",
    "Literal.Number": "code_number",
    "Comment": "code_comment",
    "Generic.Deleted": "danger",
    "Generic.Inserted": "good",
    "Generic.Heading": "code_keyword",
}


@dataclass(frozen=True, slots=True)
class _Work:
    language: str
    code: str


class Highlighter(QObject):
    """Knows the colours of code, each piece worked on once; of code that grows, the colours of its beginning."""

    ready = Signal()
    """More colours are known."""

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._known: OrderedDict[_Work, tuple[Span, ...]] = OrderedDict()
        self._latest: _Work | None = None
        self._under_way: _Work | None = None
        self._wanted: OrderedDict[_Work, None] = OrderedDict()

    def spans(self, block: Block) -> tuple[Span, ...]:
        """Return what is known of a block now; if that is not all, :attr:`ready` follows."""
        if not block.language or not block.code or len(block.code) > _LETTERS_AT_MOST:
            return ()
        work = _Work(block.language, block.code)
        known = self._known.get(work)
        if known is not None:
            self._known.move_to_end(work)
            return known
        latest = self._latest
        grows = latest is not None and latest.language == work.language and work.code.startswith(latest.code)
        if grows:
            self._wanted = OrderedDict((w, None) for w in self._wanted if not work.code.startswith(w.code))
        self._wanted[work] = None
        self._begin()
        return self._known.get(latest, ()) if grows and latest is not None else ()

    def _begin(self) -> None:
        if self._under_way is None and self._wanted:
            work, _ = self._wanted.popitem(last=False)
            self._under_way = work
            self._background.run(
                partial(highlight, work.language, work.code), partial(self._done, work), lambda _: self._done(work, ())
            )

    def _done(self, work: _Work, spans: tuple[Span, ...]) -> None:
        self._known[work] = spans
        self._latest = work
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        self._under_way = None
        self.ready.emit()
        self._begin()


def highlight(language: str, code: str) -> tuple[Span, ...]:
    """Return the coloured pieces of ``code``; none for a language that nobody knows. For a background thread."""
    if len(code) > _LETTERS_AT_MOST or any(len(line) > _LINE_AT_MOST for line in code.split("\n")):
        return ()
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return ()
    spans: list[Span] = []
    offset = 0  # in UTF-16 units, as Qt counts
    for kind, text in lexer.get_tokens(code):
        length = len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
        name = _colour_of(str(kind).removeprefix("Token."))
        if name and spans and spans[-1][2] == name and sum(spans[-1][:2]) == offset:
            spans[-1] = (spans[-1][0], spans[-1][1] + length, name)
        elif name:
            spans.append((offset, length, name))
        offset += length
    return tuple(spans)


def colour(document: QTextDocument, spans: tuple[Span, ...], colours: Colours) -> None:
    """Paint the pieces of a plain document in their colours."""
    formats: dict[str, QTextCharFormat] = {}
    block = document.begin()
    ranges: list[QTextLayout.FormatRange] = []
    for start, length, name in spans:
        if name not in formats:
            formats[name] = QTextCharFormat()
            formats[name].setForeground(QColor(getattr(colours, name)))
            if name == "code_comment":
                formats[name].setFontItalic(True)
        end = start + length
        while block.isValid() and start < end:
            begin, stop = block.position(), block.position() + block.length()
            if start >= stop:
                block.layout().setFormats(ranges)
                ranges = []
                block = block.next()
                continue
            piece = QTextLayout.FormatRange()
            piece.start, piece.length, piece.format = start - begin, min(end, stop) - start, formats[name]
            ranges.append(piece)
            start = min(end, stop)
    if block.isValid():
        block.layout().setFormats(ranges)
    document.markContentsDirty(0, document.characterCount())


def _colour_of(kind: str) -> str:
    while kind:
        if kind in _COLOUR_OF:
            return _COLOUR_OF[kind]
        kind = kind.rpartition(".")[0]
    return ""
