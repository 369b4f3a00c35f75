"""A check box that looks like a switch."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QCheckBox, QWidget

from app.theme import Theme

_WIDTH, _HEIGHT, _ROOM = 40, 24, 3


class Switch(QCheckBox):
    """On at the end of the line, off at its beginning; without words of its own."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(name)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Return the size with room for the ring of the focus."""
        return QSize(_WIDTH + 2 * _ROOM, _HEIGHT + 2 * _ROOM)

    def hitButton(self, pos: QPoint) -> bool:
        """Take clicks everywhere."""
        return self.rect().contains(pos)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint groove and knob."""
        colours = self._theme.colours
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        groove = QRectF(_ROOM, (self.height() - _HEIGHT) / 2, _WIDTH, _HEIGHT)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.accent), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(groove.adjusted(-2, -2, 2, 2), _HEIGHT / 2 + 2, _HEIGHT / 2 + 2)
        on = self.isChecked()
        groove_colour = colours.accent if on else colours.border_strong
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(groove_colour if self.isEnabled() else colours.border))
        painter.drawRoundedRect(groove, _HEIGHT / 2, _HEIGHT / 2)
        at_end = on != (self.layoutDirection() is Qt.LayoutDirection.RightToLeft)
        knob = _HEIGHT - 6.0
        left = groove.right() - knob - 3 if at_end else groove.left() + 3
        painter.setBrush(QColor(colours.on_accent if on else colours.raised))
        painter.drawEllipse(QRectF(left, groove.top() + 3, knob, knob))
