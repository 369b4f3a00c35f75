"""The list of what was said, with times."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontMetrics, QKeyEvent, QKeySequence, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from app.microphone.transcript_model import ROW_ROLE, Heading, Partial, Row, TranscriptModel
from app.theme import GRID, Theme
from app.widgets.leading import isolated
from inference.transcript import clock
from inference.transcription import Utterance

_FLAGS = int(Qt.TextFlag.TextWordWrap.value)
_RADIUS = 8
_AT_THE_END = 48
"""Pixels from the end at which the view follows what comes in."""


class TranscriptView(QListView):
    """Follows what is said, unless the user reads further above."""

    copy_requested = Signal()
    """Ctrl+C was pressed."""

    def __init__(self, theme: Theme, model: TranscriptModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._follows = True
        self.setObjectName("transcript")
        self.setModel(model)
        self.setItemDelegate(_RowDelegate(theme, self))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setAccessibleName(self.tr("What was said"))
        self.verticalScrollBar().valueChanged.connect(self._scrolled)
        self.verticalScrollBar().rangeChanged.connect(lambda *_: self._follow())
        theme.changed.connect(self.scheduleDelayedItemsLayout)

    @property
    def chosen(self) -> list[int]:
        """The rows that are selected, in order."""
        return sorted(index.row() for index in self.selectionModel().selectedIndexes())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy with the usual keys."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_requested.emit()
        else:
            super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Break the lines anew."""
        super().resizeEvent(event)
        self.scheduleDelayedItemsLayout()

    def _scrolled(self, value: int) -> None:
        bar = self.verticalScrollBar()
        self._follows = value >= bar.maximum() - _AT_THE_END

    def _follow(self) -> None:
        if self._follows:
            self.scrollToBottom()


class _RowDelegate(QStyledItemDelegate):
    def __init__(self, theme: Theme, view: TranscriptView) -> None:
        super().__init__(view)
        self._theme = theme
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """Return the height of the wrapped words."""
        row = index.data(ROW_ROLE)
        width = self._view.viewport().width()
        space = QRect(0, 0, max(40, width - self._indent(row) - 2 * GRID), 1 << 20)
        height = sum(
            QFontMetrics(font).boundingRect(space, _FLAGS, words).height() + 2 for words, font, _ in self._texts(row)
        )
        return QSize(width, height + (3 * GRID if isinstance(row, Heading) else GRID + 4))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint the time, the text, and the translation below it."""
        row: Row = index.data(ROW_ROLE)
        style: Any = option
        colours = self._theme.colours
        area = QRect(style.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(style.state & QStyle.StateFlag.State_Selected)
        focused = bool(style.state & QStyle.StateFlag.State_HasFocus) and self._view.hasFocus()
        if selected or focused:
            painter.setPen(QColor(colours.accent) if focused else Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.accent_soft) if selected else Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(area.adjusted(1, 1, -2, -2), _RADIUS, _RADIUS)
        mirrored = self._view.layoutDirection() is Qt.LayoutDirection.RightToLeft
        top = area.top() + (2 * GRID if isinstance(row, Heading) else GRID // 2 + 2)
        indent = self._indent(row)
        if isinstance(row, Utterance):
            painter.setFont(self._time_font())
            painter.setPen(QColor(colours.muted))
            side = Qt.AlignmentFlag.AlignRight if mirrored else Qt.AlignmentFlag.AlignLeft
            line = QFontMetrics(self._theme.body_font).height()
            painter.drawText(
                area.adjusted(GRID, 0, -GRID, 0)
                .adjusted(0, top - area.top(), 0, 0)
                .intersected(QRect(area.left() + GRID, top, area.width() - 2 * GRID, line)),
                side | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter,
                clock(row.start),
            )
        width = max(40, area.width() - indent - 2 * GRID)
        left = area.left() + (GRID if mirrored else indent + GRID)
        for words, font, colour in self._texts(row):
            painter.setFont(font)
            painter.setPen(QColor(colour))
            box = QFontMetrics(font).boundingRect(QRect(0, 0, width, 1 << 20), _FLAGS, words)
            painter.drawText(QRect(left, top, width, box.height() + 2), _FLAGS, words)
            top += box.height() + 2
        painter.restore()

    def _texts(self, row: Row) -> list[tuple[str, QFont, str]]:
        colours = self._theme.colours
        body = self._theme.body_font
        match row:
            case Heading(title):
                font = QFont(self._theme.small_font)
                font.setWeight(QFont.Weight.DemiBold)
                return [(isolated(title), font, colours.muted)]
            case Partial(text):
                return [(isolated(f"{text} …"), body, colours.muted)]
            case Utterance(text=text, translation=translation):
                texts = [(isolated(text), body, colours.text)]
                if translation:
                    texts.append((isolated(translation), body, colours.accent))
                return texts
        return []

    def _time_font(self) -> QFont:
        font = QFont(self._theme.small_font)
        font.setFeature(QFont.Tag("tnum"), 1)
        return font

    def _indent(self, row: Row) -> int:
        if isinstance(row, Heading):
            return 0
        return QFontMetrics(self._time_font()).horizontalAdvance("0:00:00") + GRID
