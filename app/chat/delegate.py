"""Paints messages. Layouts are kept by message, version, width and theme, so that painting a row is cheap."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from PySide6.QtCore import QObject, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QAbstractTextDocumentLayout,
    QBrush,
    QColor,
    QFont,
    QPainter,
    QPen,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from app.chat.highlighting import Highlighter, Span, colour
from app.chat.layout import Action, Button, Layouter, MessageLayout, Piece, PieceKind
from app.chat.long_messages import AT_FIRST, FACTOR
from app.chat.media_tiles import MediaTiles
from app.chat.model import Index, MessageRole
from app.chat.shown_message import ShownMessage
from app.chat.text_selection import TextSelection
from app.theme import Theme
from app.widgets.documents import text_palette

_LAYOUTS_KEPT = 128
_CARET = 8.0
_ICON = 16
_PROGRESS = 200.0
_BLEED = 12.0  # how far something may be painted outside the box of its piece
_MIRRORED = {"previous": "next", "next": "previous", "fold": "previous"}


@dataclass(slots=True)
class _Kept:
    shown: ShownMessage
    unfolded: bool
    budget: int | None
    layout: MessageLayout


class MessageDelegate(QStyledItemDelegate):
    """Draws one message in a row."""

    def __init__(
        self,
        theme: Theme,
        tiles: MediaTiles,
        highlighter: Highlighter,
        *,
        speaks: bool = False,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._highlighter = highlighter
        self._theme = theme
        self._tiles = tiles
        self._speaks = speaks
        self._layouter = Layouter(theme, speaks=speaks)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._coloured: WeakKeyDictionary[QTextDocument, tuple[Span, ...]] = WeakKeyDictionary()
        self.unfolded: set[str] = set()
        """Ids of the messages whose thought is open."""
        self._budgets: dict[str, int | None] = {}
        """What may be shown of messages of which the reader wants more, or of which everything is: they came here."""
        self.selection = TextSelection()
        self.hovered: tuple[str, int] | None = None
        """Message id and index of the button under the pointer."""
        self.just_copied: tuple[str, int] | None = None
        """Message id and index of the button that says that it has copied."""
        self.attended = ""
        """Id of the message under the pointer, whose quiet buttons are shown."""
        self.read_aloud = ""
        """Id of the message that is being read aloud."""

    def show_more(self, message_id: str) -> None:
        """Show more of a message that is shown in part."""
        budget = self._budgets.get(message_id, AT_FIRST)
        self._budgets[message_id] = budget and budget * FACTOR

    def forget_budgets(self) -> None:
        """Show of each message only what is shown at first; when others are opened."""
        self._budgets.clear()

    def forget_layouts(self) -> None:
        """Lay everything out anew; after a change of the theme or the font."""
        self._kept.clear()
        self._layouter = Layouter(self._theme, speaks=self._speaks)

    def layout_of(self, shown: ShownMessage, width: int) -> MessageLayout:
        """Return the layout of a message, from the cache when nothing has changed."""
        kept = self._kept.get(shown.id)
        unfolded = shown.id in self.unfolded
        if shown.message.under_way:
            self._budgets[shown.id] = None  # its end is what the reader waits for, and it has come piece by piece
        budget = self._budgets.get(shown.id, AT_FIRST)
        if (
            kept is None
            or (kept.layout.width, kept.unfolded, kept.budget) != (width, unfolded, budget)
            or (kept.shown is not shown)
        ):
            before = kept.layout if kept is not None else None
            layout = self._layouter.lay_out(shown, width, unfolded=unfolded, before=before, budget=budget)
            self._colour(layout)
            kept = self._kept[shown.id] = _Kept(shown, unfolded, budget, layout)
            while len(self._kept) > _LAYOUTS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(shown.id)
        return kept.layout

    def colour_again(self) -> None:
        """Give code the colours that have become known."""
        for kept in self._kept.values():
            self._colour(kept.layout)

    def _colour(self, layout: MessageLayout) -> None:
        for piece in layout.pieces:
            if piece.block is not None and piece.document is not None:
                spans = self._highlighter.spans(piece.block)
                if spans and self._coloured.get(piece.document) is not spans:
                    self._coloured[piece.document] = spans
                    colour(piece.document, spans, self._theme.colours)

    def estimate(self, shown: ShownMessage, width: int) -> int:
        """Return roughly how high a row will be."""
        return self._layouter.estimate(shown.message, width)

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return the exact size of a row as wide as ``option.rect``."""
        width = option.rect.width()
        return QSize(width, self.layout_of(index.data(MessageRole.MESSAGE), width).height)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint one message."""
        shown: ShownMessage = index.data(MessageRole.MESSAGE)
        layout = self.layout_of(shown, option.rect.width())
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(option.rect.topLeft())
        focused = bool(option.state & QStyle.StateFlag.State_HasFocus)
        attended = focused or shown.id == self.attended
        if focused:
            self._paint_focus(painter, layout)
        seen = painter.clipBoundingRect() if painter.hasClipping() else QRectF(0, 0, layout.width, layout.height)
        for number, piece in enumerate(layout.pieces):
            if piece.rect.bottom() < seen.top() - _BLEED or piece.rect.top() > seen.bottom() + _BLEED:
                continue
            self._paint_piece(painter, piece, self.selection.range_in(shown.id, number))
        for number, button in enumerate(layout.buttons):
            if (attended or not button.quiet) and button.rect.intersects(seen):
                self._paint_button(painter, button, (shown.id, number))
        if shown.message.under_way and shown.message.parts:
            self._paint_caret(painter, layout)
        painter.restore()

    def _paint_focus(self, painter: QPainter, layout: MessageLayout) -> None:
        rects = [piece.rect for piece in layout.pieces] + [button.rect for button in layout.buttons]
        if not rects:
            return
        around = QRectF(rects[0])
        for rect in rects:
            around = around.united(rect)
        painter.setPen(QPen(QColor(self._theme.colours.accent), 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(around.adjusted(-8, -6, 8, 4), 12, 12)

    def _paint_piece(self, painter: QPainter, piece: Piece, selected: tuple[int, int] | None) -> None:
        colours = self._theme.colours
        painter.setPen(Qt.PenStyle.NoPen)
        text = colours.text
        if piece.kind is PieceKind.BUBBLE:
            self._box(painter, piece.rect, colours.bubble, 16)
        elif piece.kind is PieceKind.CODE:
            self._box(painter, piece.rect, colours.code, 10)
            self._text(painter, piece.rect.adjusted(14, 0, -14, 0), 32, piece.label, colours.muted)
        elif piece.kind is PieceKind.ERROR:
            self._box(painter, piece.rect, colours.danger_soft, 10)
            icon = self._theme.icon("warning", colours.danger, 20)
            icon.paint(painter, int(piece.rect.x()) + 14, int(piece.origin.y()), 20, 20)
        elif piece.kind is PieceKind.RULE:
            painter.fillRect(piece.rect, QColor(colours.border))
        elif piece.kind in (PieceKind.QUOTE, PieceKind.THOUGHT):
            bar = colours.border_strong if piece.kind is PieceKind.QUOTE else colours.border
            mirrored = painter.layoutDirection() is Qt.LayoutDirection.RightToLeft
            x = piece.rect.right() - 3 if mirrored else piece.rect.x()
            self._box(painter, QRectF(x, piece.rect.y(), 3, piece.rect.height()), bar, 1.5)
            text = colours.muted
        elif piece.kind in (PieceKind.STATUS, PieceKind.NOTE):
            self._text(painter, piece.rect, piece.rect.height(), piece.label, colours.muted)
            if piece.progress is not None:
                self._progress(painter, piece.rect, piece.progress)
        elif piece.kind is PieceKind.BRANCH:
            self._text(painter, piece.rect, piece.rect.height(), piece.label, colours.muted, centred=True)
        elif piece.kind is PieceKind.MEDIA and piece.media is not None:
            self._tiles.paint(painter, piece.rect, piece.media)
        if piece.document is not None:
            self._document(painter, piece.document, piece.origin, text, selected)

    @staticmethod
    def _box(painter: QPainter, rect: QRectF, colour: str, radius: float) -> None:
        painter.setBrush(QColor(colour))
        painter.drawRoundedRect(rect, radius, radius)

    def _text(
        self, painter: QPainter, rect: QRectF, height: float, text: str, colour: str, *, centred: bool = False
    ) -> None:
        painter.setFont(self._theme.small_font)
        painter.setPen(QColor(colour))
        where = QRectF(rect.x(), rect.y(), rect.width(), height)
        elided = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideRight, int(rect.width()) + 1)
        painter.drawText(where, _aligned(painter, centred=centred), elided)

    def _progress(self, painter: QPainter, rect: QRectF, progress: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        track = QRectF(rect.x(), rect.bottom() + 2, min(rect.width(), _PROGRESS), 4)
        if painter.layoutDirection() is Qt.LayoutDirection.RightToLeft:
            track.moveRight(rect.right())
        self._box(painter, track, self._theme.colours.hover, 2)
        track.setWidth(max(4.0, track.width() * progress))
        self._box(painter, track, self._theme.colours.accent, 2)

    def _document(
        self, painter: QPainter, document: QTextDocument, origin: QPointF, colour: str, selected: tuple[int, int] | None
    ) -> None:
        painter.save()
        painter.translate(origin)
        context = QAbstractTextDocumentLayout.PaintContext()
        context.palette = text_palette(colour, self._theme)
        if painter.hasClipping():
            context.clip = painter.clipBoundingRect()
        if selected is not None:
            mark = QAbstractTextDocumentLayout.Selection()
            end = document.characterCount() - 1
            mark.cursor = QTextCursor(document)
            mark.cursor.setPosition(min(selected[0], end))
            mark.cursor.setPosition(min(selected[1], end), QTextCursor.MoveMode.KeepAnchor)
            shade = QTextCharFormat()
            shade.setBackground(QBrush(QColor(self._theme.colours.selection)))
            shade.setForeground(QBrush(QColor(self._theme.colours.text)))
            mark.format = shade
            context.selections = [mark]
        document.documentLayout().draw(painter, context)
        painter.restore()

    def _paint_button(self, painter: QPainter, button: Button, key: tuple[str, int]) -> None:
        if button.action is Action.OPEN_MEDIA:
            return  # the tile is there already
        colours = self._theme.colours
        hovered = key == self.hovered and button.enabled
        colour = colours.text if hovered else colours.muted if button.enabled else colours.border
        if hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            self._box(painter, button.rect, colours.hover, 6)
        icon = button.icon
        if key == self.just_copied:
            icon = "check"
        elif button.action is Action.READ_ALOUD and key[0] == self.read_aloud:
            icon = "stop"
        mirrored = painter.layoutDirection() is Qt.LayoutDirection.RightToLeft
        if mirrored:
            icon = _MIRRORED.get(icon, icon)
        inset = 8.0 if button.words else (button.rect.width() - _ICON) / 2
        x = button.rect.right() - inset - _ICON if mirrored else button.rect.x() + inset
        top = button.rect.y() + (button.rect.height() - _ICON) / 2
        self._theme.icon(icon, colour, _ICON).paint(painter, round(x), round(top), _ICON, _ICON)
        if not button.words:
            return
        painter.setFont(QFont(self._theme.small_font))
        painter.setPen(QColor(colour))
        room = 8 + _ICON + 4
        words = button.rect.adjusted(0, 0, -room, 0) if mirrored else button.rect.adjusted(room, 0, 0, 0)
        painter.drawText(words, _aligned(painter), button.label)

    def _paint_caret(self, painter: QPainter, layout: MessageLayout) -> None:
        """Paint a dot where the next word will appear."""
        if not layout.pieces:
            return
        piece = layout.pieces[-1]
        if piece.document is None:
            return
        block = piece.document.lastBlock()
        lines = block.layout()
        if lines.lineCount() == 0:
            return
        line = lines.lineAt(lines.lineCount() - 1)
        corner = piece.origin + piece.document.documentLayout().blockBoundingRect(block).topLeft()
        x = corner.x() + line.x() + line.naturalTextWidth() + 6
        middle = corner.y() + line.y() + line.ascent() * 0.66
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.colours.accent))
        painter.drawEllipse(QRectF(x, middle - _CARET / 2, _CARET, _CARET))


def _aligned(painter: QPainter, *, centred: bool = False) -> Qt.AlignmentFlag:
    """Return where a line of text begins in the direction of the program's language."""
    side = Qt.AlignmentFlag.AlignLeft
    if centred:
        side = Qt.AlignmentFlag.AlignHCenter
    elif painter.layoutDirection() is Qt.LayoutDirection.RightToLeft:
        side = Qt.AlignmentFlag.AlignRight
    return Qt.AlignmentFlag.AlignVCenter | side | Qt.AlignmentFlag.AlignAbsolute
