"""A combo box in our style."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QComboBox, QWidget

from app.theme import Theme

_ARROW = 14


class Choice(QComboBox):
    """One of several; the wheel scrolls the page and changes nothing."""

    def __init__(self, theme: Theme, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def sizeHint(self) -> QSize:
        """Leave room for the arrow."""
        return super().sizeHint() + QSize(_ARROW, 0)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to what is around."""
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the arrow, which a style sheet cannot colour."""
        super().paintEvent(event)
        pixmap = self._theme.icon("unfold", self._theme.colours.muted, _ARROW).pixmap(_ARROW, _ARROW)
        mirrored = self.layoutDirection() is Qt.LayoutDirection.RightToLeft
        left = 10 if mirrored else self.width() - _ARROW - 10
        QPainter(self).drawPixmap(left, (self.height() - _ARROW) // 2, pixmap)
