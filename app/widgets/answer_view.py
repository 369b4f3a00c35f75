"""Questions and answers that are not kept, as text that can be selected; answers grow while they are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from PySide6.QtCore import QCoreApplication, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QResizeEvent, QTextBlockFormat, QTextCharFormat, QTextCursor, QTextOption
from PySide6.QtWidgets import QFrame, QSizePolicy, QTextBrowser, QWidget

from app.picture_talk import Exchange
from app.theme import GRID, Theme
from app.widgets.documents import LINE_HEIGHT, DocumentMaker, wrap_mode
from app.widgets.markdown import Block, BlockKind, MarkdownBlocks, is_safe_link

translate = QCoreApplication.translate  # the name that lupdate looks for

_CODE_AT_MOST = 20_000
"""Characters of one block of code that are shown; all of it is copied with the answer."""
_BORDER = 3
_BETWEEN_BLOCKS = 10
_BETWEEN_EXCHANGES = 20


class AnswerView(QTextBrowser):
    """Shows exchanges. Only what has changed since the last time is laid out again."""

    height_wanted = Signal(int)
    """So many pixels would show all of it."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("answers")
        self._theme = theme
        self._maker = DocumentMaker(theme)
        self._parsers: list[MarkdownBlocks] = []
        self._shown: list[tuple[str, int]] = []
        """What stands in the document, piece by piece, and where each begins."""
        self._exchanges: tuple[Exchange, ...] = ()
        self.open_link: Callable[[QUrl], object] = QDesktopServices.openUrl
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setOpenLinks(False)
        self.setUndoRedoEnabled(False)
        self.setReadOnly(True)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextBrowserInteraction | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setTabChangesFocus(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setAccessibleName(self.tr("Answers"))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.document().setDocumentMargin(0)
        self.document().documentLayout().documentSizeChanged.connect(self._tell_height)
        self.anchorClicked.connect(self._link_clicked)
        theme.changed.connect(self._restyle)
        self._restyle()

    def show_exchanges(self, exchanges: Sequence[Exchange]) -> None:
        """Show these; the end stays in view if it was."""
        self._exchanges = tuple(exchanges)
        while len(self._parsers) < len(exchanges):
            self._parsers.append(MarkdownBlocks())
        del self._parsers[len(exchanges) :]
        pieces: list[str] = []
        for number, exchange in enumerate(exchanges):
            pieces.append(self._question(exchange, first=number == 0))
            pieces += [_block_html(block) for block in self._parsers[number].update(exchange.answer)]
            if note := self._note(exchange):
                pieces.append(note)
        bar = self.verticalScrollBar()
        at_end = bar.value() >= bar.maximum() - 2 * GRID
        self._put(pieces)
        if at_end:
            bar.setValue(bar.maximum())

    def sizeHint(self) -> QSize:
        """Return a size for some lines."""
        return QSize(320, 120)

    def minimumSizeHint(self) -> QSize:
        """Return the least that can be read."""
        return QSize(160, 3 * self.fontMetrics().lineSpacing())

    @property
    def height_of_all(self) -> int:
        """The height in which nothing has to be scrolled, in pixels."""
        return math.ceil(self.document().size().height()) + 2 * _BORDER

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Say how high it would like to be at this width."""
        super().resizeEvent(event)
        self._tell_height()

    def _tell_height(self) -> None:
        self.height_wanted.emit(self.height_of_all)

    def _put(self, pieces: list[str]) -> None:
        """Make the document hold ``pieces``: what it begins with already stays untouched."""
        same = 0
        while same < min(len(pieces), len(self._shown)) and self._shown[same][0] == pieces[same]:
            same += 1
        if same == len(self._shown) == len(pieces):
            return
        if self.wordWrapMode() is not QTextOption.WrapMode.WrapAnywhere:
            self.setWordWrapMode(wrap_mode("\n".join(pieces[same:])))
        cursor = QTextCursor(self.document())
        cursor.beginEditBlock()
        if same < len(self._shown):
            cursor.setPosition(self._shown[same][1])
            cursor.movePosition(QTextCursor.MoveOperation.End, QTextCursor.MoveMode.KeepAnchor)
            cursor.removeSelectedText()
            del self._shown[same:]
        cursor.movePosition(QTextCursor.MoveOperation.End)
        for piece in pieces[same:]:
            begins = cursor.position()
            space = QTextBlockFormat()
            space.setLineHeight(LINE_HEIGHT, QTextBlockFormat.LineHeightTypes.ProportionalHeight.value)
            if self._shown:
                space.setTopMargin(_BETWEEN_EXCHANGES if "<!--q-->" in piece else _BETWEEN_BLOCKS)
                cursor.insertBlock(space, QTextCharFormat())
            else:
                cursor.setBlockFormat(space)
            first = cursor.block().blockNumber()
            cursor.insertHtml(piece)
            start = QTextCursor(self.document().findBlockByNumber(first))
            if piece.startswith(("<ul", "<ol")):
                start.deleteChar()  # a list does not begin in the paragraph that is there, but after it
            # What is inserted may bring a format of its own.
            start.mergeBlockFormat(space)
            self._shown.append((piece, begins))
            cursor.movePosition(QTextCursor.MoveOperation.End)
        cursor.endEditBlock()

    def _question(self, exchange: Exchange, *, first: bool) -> str:
        colour = self._theme.colours.muted
        return f'<!--q--><span style="color:{colour}; font-weight:600">{escape(exchange.question)}</span>'

    def _note(self, exchange: Exchange) -> str:
        colours = self._theme.colours
        if exchange.error:
            return f'<span style="color:{colours.danger}">{escape(exchange.error)}</span>'
        if exchange.under_way and not exchange.answer:
            return f'<span style="color:{colours.muted}">{escape(self.tr("Looking …"))}</span>'
        if exchange.stopped:
            return f'<span style="color:{colours.muted}">{escape(self.tr("Stopped."))}</span>'
        return ""

    def _link_clicked(self, url: QUrl) -> None:
        if is_safe_link(url.toString()):
            self.open_link(url)

    def _restyle(self) -> None:
        self.setFont(self._theme.body_font)
        self.document().setDefaultFont(self._theme.body_font)
        self.document().setDefaultStyleSheet(self._maker.style_sheet())
        self.document().clear()
        self._shown.clear()
        self.show_exchanges(self._exchanges)


def _block_html(block: Block) -> str:
    if block.kind is BlockKind.CODE:
        code = escape(block.code[:_CODE_AT_MOST])
        if len(block.code) > _CODE_AT_MOST:
            words = translate("AnswerView", "… {count} more characters")
            code += "\n" + escape(words.format(count=f"{len(block.code) - _CODE_AT_MOST:,}"))
        return f'<table class="code" width="100%" cellpadding="8"><tr><td><pre>{code}</pre></td></tr></table>'
    if block.kind is BlockKind.RULE:
        return "<hr/>"
    if block.kind is BlockKind.QUOTE:
        return f"<blockquote><i>{block.html}</i></blockquote>"
    return block.html
