"""QTextDocuments for the blocks of a message, in the type and colours of the theme."""

from __future__ import annotations

import re
from typing import Final

from PySide6.QtGui import QColor, QFont, QPalette, QTextBlockFormat, QTextCursor, QTextDocument, QTextOption

from app.theme import Theme
from app.widgets.markdown import Block, BlockKind

LINE_HEIGHT = 138  # per cent
_LIST_INDENT = 26
_LONG_WORD: Final = re.compile(r"[^\s<>]{600}")
"""For each line of a word Qt looks through all that is left of it: lines of longer ones end anywhere."""


class DocumentMaker:
    """Makes documents that fit a width."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme

    def block(self, block: Block, width: float) -> QTextDocument:
        """Return a document of a block of Markdown."""
        if block.kind is BlockKind.CODE:
            return self.plain(block.code, width, self._theme.code_font, line_height=128)
        document = self._empty(self._theme.body_font, block.html)
        document.setDefaultStyleSheet(self.style_sheet())
        document.setHtml(block.html)
        document.setTextWidth(width)
        return document

    def plain(
        self, text: str, width: float, font: QFont | None = None, *, line_height: int = LINE_HEIGHT
    ) -> QTextDocument:
        """Return a document of a text in which nothing is markup."""
        document = self._empty(font or self._theme.body_font, text)
        document.setPlainText(text)
        cursor = QTextCursor(document)
        cursor.select(QTextCursor.SelectionType.Document)
        spacing = QTextBlockFormat()
        spacing.setLineHeight(line_height, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
        cursor.mergeBlockFormat(spacing)
        document.setTextWidth(width)
        return document

    @staticmethod
    def append(document: QTextDocument, text: str) -> None:
        """Write more at the end of a document of plain text."""
        anywhere = QTextOption.WrapMode.WrapAnywhere
        known = document.defaultTextOption().wrapMode() is anywhere  # to set it lays all of the document out again
        if not known and _LONG_WORD.search(document.lastBlock().text()[-600:] + text):
            document.setDefaultTextOption(_option(anywhere=True))
        cursor = QTextCursor(document)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.insertText(text)

    @staticmethod
    def _empty(font: QFont, text: str) -> QTextDocument:
        document = QTextDocument()
        document.setUndoRedoEnabled(False)
        document.setDocumentMargin(0)
        document.setDefaultFont(font)
        document.setIndentWidth(_LIST_INDENT)
        document.setDefaultTextOption(_option(anywhere=_LONG_WORD.search(text) is not None))
        return document

    def style_sheet(self) -> str:
        """Return the style for HTML of :mod:`app.widgets.markdown`."""
        colours = self._theme.colours
        code_family = self._theme.code_font.family().replace("'", "")
        return f"""
        p, li {{ margin: 0; line-height: {LINE_HEIGHT}%; }}
        li {{ margin-top: 3px; margin-bottom: 3px; }}
        ul, ol {{ margin: 0; }}
        a {{ color: {colours.link}; text-decoration: underline; }}
        code, pre {{ font-family: '{code_family}', monospace; }}
        code {{ background-color: {colours.code}; }}
        table {{ border-collapse: collapse; border-color: {colours.border}; border-style: solid; }}
        table.code {{ border-style: none; background-color: {colours.code}; }}
        th {{ background-color: {colours.code}; font-weight: 600; padding: 6px 12px; }}
        td {{ padding: 6px 12px; }}
        """


def wrap_mode(text: str) -> QTextOption.WrapMode:
    """Return where lines of ``text`` may end."""
    modes = QTextOption.WrapMode
    return modes.WrapAnywhere if _LONG_WORD.search(text) else modes.WrapAtWordBoundaryOrAnywhere


def _option(*, anywhere: bool) -> QTextOption:
    option = QTextOption()
    modes = QTextOption.WrapMode
    option.setWrapMode(modes.WrapAnywhere if anywhere else modes.WrapAtWordBoundaryOrAnywhere)
    return option


def text_palette(colour: str, theme: Theme) -> QPalette:
    """Return a palette that paints a document's text in ``colour``."""
    result = QPalette()
    result.setColor(QPalette.ColorRole.Text, QColor(colour))
    result.setColor(QPalette.ColorRole.Link, QColor(theme.colours.link))
    return result
