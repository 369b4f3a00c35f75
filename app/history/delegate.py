"""How the rows of the sidebar look."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen, QTextCharFormat, QTextLayout, QTextOption
from PySide6.QtWidgets import QLineEdit, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.history.days import short_time
from app.history.model import Heading, HistoryModel, HistoryRole
from app.history.snippets import fitted
from app.history_store import Entry, Hit
from app.theme import GRID, Theme
from app.widgets.leading import isolated

Index = QModelIndex | QPersistentModelIndex

_MARGIN = GRID
_INSET = GRID + 4
_SNIPPET_LINES = 2
_PIN = 14


class HistoryDelegate(QStyledItemDelegate):
    """Paints headings, conversations and results."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._heights = (0, 0, 0, 0)
        theme.changed.connect(self._measure)
        self._measure()
        self.current = ""
        """The conversation that is open."""
        self.keyboard_focus = False
        """Whether the current row shows a focus ring."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Return how high a row is."""
        row = index.data(HistoryRole.ROW)
        first, heading, title, hit = self._heights
        if isinstance(row, Heading):
            return QSize(0, heading if index.row() else first)
        return QSize(0, hit if isinstance(row, Hit) and row.message_id is not None else title)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a row."""
        row, colours = index.data(HistoryRole.ROW), self._theme.colours
        rect: QRect = option.rect.adjusted(_MARGIN, 0, -_MARGIN, 0)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setLayoutDirection(option.direction)
        if isinstance(row, Heading):
            painter.setFont(self._theme.small_font)
            painter.setPen(QColor(colours.muted))
            words = rect.adjusted(_INSET, 0, -_INSET, -GRID // 2)
            painter.drawText(words, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, row.words)
        else:
            self._background(painter, QRectF(rect), option, row)
            inner = rect.adjusted(_INSET, GRID, -_INSET, -GRID)
            if isinstance(row, Hit) and row.message_id is not None:
                self._hit(painter, inner, row, index)
            else:
                self._title(painter, inner, row)
        painter.restore()

    def createEditor(self, parent: QWidget, option: QStyleOptionViewItem, index: Index) -> QWidget:
        """Return the field in which a title is changed."""
        editor = QLineEdit(parent)
        editor.setObjectName("rename")
        editor.setFrame(False)
        editor.setMaxLength(200)
        editor.setAccessibleName(self.tr("New title"))
        return editor

    def updateEditorGeometry(self, editor: QWidget, option: QStyleOptionViewItem, index: Index) -> None:
        """Put the field where the title is."""
        rect: QRect = option.rect
        editor.setGeometry(rect.adjusted(_MARGIN, 1, -_MARGIN, -1))
        editor.setFont(self._body)

    @property
    def _body(self) -> QFont:
        font = QFont(self._theme.body_font)
        font.setPointSizeF(font.pointSizeF() - 0.5)
        return font

    def _measure(self) -> None:
        """Find the heights of all kinds of rows, which are asked for thousands of times."""
        small, body = QFontMetrics(self._theme.small_font), QFontMetrics(self._body)
        bold = QFont(self._body)
        bold.setWeight(QFont.Weight.DemiBold)
        self._bold = QFontMetrics(bold)
        """Of the widest that a title can be: all of it marked."""
        heading = small.height() + 3 * GRID
        hit = 2 * GRID + small.height() + 2 + _SNIPPET_LINES * body.lineSpacing()
        self._heights = (heading - GRID, heading, 2 * GRID + body.height(), hit)

    def _background(self, painter: QPainter, rect: QRectF, option: QStyleOptionViewItem, row: Entry | Hit) -> None:
        colours, state = self._theme.colours, option.state
        focused = self.keyboard_focus and bool(state & QStyle.StateFlag.State_HasFocus)
        fill = ""
        if isinstance(row, Entry) and row.id == self.current:
            fill = colours.accent_soft
        elif state & QStyle.StateFlag.State_MouseOver:
            fill = colours.hover
        painter.setPen(QPen(QColor(colours.accent), 2) if focused else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(fill) if fill else Qt.BrushStyle.NoBrush)
        if fill or focused:
            painter.drawRoundedRect(rect.adjusted(1, 1, -1, -1), 8, 8)

    def _title(self, painter: QPainter, rect: QRect, row: Entry | Hit) -> None:
        colours, font = self._theme.colours, self._body
        painter.setFont(font)
        if isinstance(row, Entry) and row.pinned:
            leading = QRect(rect.left(), rect.center().y() - _PIN // 2, _PIN, _PIN)
            where = QStyle.visualRect(painter.layoutDirection(), rect, leading)
            self._theme.icon("pin", colours.muted, _PIN).paint(painter, where)
            room = rect.adjusted(_PIN + 6, 0, 0, 0)
            rect = QStyle.visualRect(painter.layoutDirection(), rect, room)
        if isinstance(row, Hit):
            self._pieces(painter, rect, fitted(row.snippet, self._bold, rect.width()), font, colours.text, 1)
            return
        open_here = row.id == self.current
        painter.setPen(QColor(colours.accent if open_here else colours.text))
        title = row.title or self.tr("Untitled")
        words = QFontMetrics(font).elidedText(title, Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, isolated(words))

    def _hit(self, painter: QPainter, rect: QRect, row: Hit, index: Index) -> None:
        colours, small = self._theme.colours, QFontMetrics(self._theme.small_font)
        model = index.model()
        assert isinstance(model, HistoryModel)
        when = short_time(row.when, model.today())
        painter.setFont(self._theme.small_font)
        painter.setPen(QColor(colours.muted))
        line = QRect(rect.left(), rect.top(), rect.width(), small.height())
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, isolated(when))
        room = rect.width() - small.horizontalAdvance(when) - GRID
        title = small.elidedText(row.title or self.tr("Untitled"), Qt.TextElideMode.ElideRight, room)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, isolated(title))
        below = rect.adjusted(0, small.height() + 2, 0, 0)
        self._pieces(painter, below, row.snippet, self._body, colours.text, _SNIPPET_LINES)

    def _pieces(
        self,
        painter: QPainter,
        rect: QRect,
        pieces: tuple[tuple[str, bool], ...],
        font: QFont,
        colour: str,
        lines: int,
    ) -> None:
        """Write a snippet, its words marked, on so many lines."""
        text = "".join(piece for piece, _ in pieces)
        layout = QTextLayout(text, font)
        option = QTextOption()
        option.setTextDirection(painter.layoutDirection())
        if painter.layoutDirection() is Qt.LayoutDirection.RightToLeft:
            option.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignAbsolute)
        option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        layout.setTextOption(option)
        marked = QTextCharFormat()
        marked.setFontWeight(QFont.Weight.DemiBold)
        marked.setBackground(QColor(self._theme.colours.selection))
        ranges, at = [], 0
        for piece, found in pieces:
            length = len(piece.encode("utf-16-le")) // 2
            if found:
                place = QTextLayout.FormatRange()
                place.start, place.length, place.format = at, length, marked
                ranges.append(place)
            at += length
        layout.setFormats(ranges)
        layout.beginLayout()
        y = 0.0
        for _ in range(lines):
            line = layout.createLine()
            if not line.isValid():
                break
            line.setLineWidth(rect.width())
            line.setPosition(QPointF(0, y))
            y += QFontMetrics(font).lineSpacing()
        layout.endLayout()
        painter.setPen(QColor(colour))
        painter.save()
        painter.setClipRect(rect)
        layout.draw(painter, QPointF(rect.topLeft()))
        painter.restore()
