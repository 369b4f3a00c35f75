"""The line that says what was deleted and takes it back."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QFontMetrics, QKeySequence
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from app.theme import GRID, Theme

UNDO_MS = 12_000
"""How long a deletion can be undone."""


class UndoBar(QFrame):
    """Hidden until something was deleted, and after a while again."""

    undo_requested = Signal()
    expired = Signal()
    """It can no longer be undone."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("undo")
        self._theme = theme
        self._label = QLabel(self)
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.button = QPushButton(self.tr("Undo"), self)
        self.button.setProperty("kind", "flat")
        self.button.setAccessibleName(self.tr("Undo the deletion"))
        self.button.setShortcut(QKeySequence("Ctrl+Shift+Z"))
        self.button.setToolTip(self.tr("Undo the deletion (Ctrl+Shift+Z)"))
        self.button.clicked.connect(lambda _checked=False: self._undo())
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID + 4, 4, 4, 4)
        row.addWidget(self._label, 1)
        row.addWidget(self.button)
        self.timer = QTimer(self)
        self.timer.setSingleShot(True)
        self.timer.setInterval(UNDO_MS)
        self.timer.timeout.connect(self._expire)
        self.hide()
        theme.changed.connect(self._restyle)
        self._restyle()

    def show_deleted(self, title: str) -> None:
        """Offer to take a deletion back."""
        words = self.tr("Deleted “{title}”").format(title=title or self.tr("Untitled"))
        self._label.setToolTip(words)
        self._label.setAccessibleName(words)
        room = max(80, self._room() - self.button.sizeHint().width() - 5 * GRID)
        self._label.setText(QFontMetrics(self._label.font()).elidedText(words, Qt.TextElideMode.ElideRight, room))
        self.show()
        self.timer.start()
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))

    def withdraw(self) -> None:
        """Offer nothing any more: it was taken back already."""
        self.timer.stop()
        self.hide()

    def _room(self) -> int:
        parent = self.parentWidget()
        return parent.width() if parent is not None else self.width()

    def _undo(self) -> None:
        self.timer.stop()
        self.hide()
        self.undo_requested.emit()

    def _expire(self) -> None:
        self.hide()
        self.expired.emit()

    def _restyle(self) -> None:
        self._label.setFont(self._theme.small_font)
        self.button.setFont(self._theme.small_font)
