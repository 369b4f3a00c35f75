"""A field for plain text that stays quick with words of any length."""

from __future__ import annotations

from PySide6.QtCore import QMimeData
from PySide6.QtGui import QTextOption
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from app.widgets.documents import wrap_mode


class PlainEdit(QPlainTextEdit):
    """Breaks its lines anywhere once a very long word comes in: to lay that out otherwise takes minutes."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)

    def setPlainText(self, text: str) -> None:
        """Write ``text`` in place of what is there."""
        self.setWordWrapMode(wrap_mode(text))
        super().setPlainText(text)

    def insertPlainText(self, text: str) -> None:
        """Write ``text`` where the cursor is."""
        if self.wordWrapMode() is not QTextOption.WrapMode.WrapAnywhere:
            self.setWordWrapMode(wrap_mode(text))
        super().insertPlainText(text)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Paste text."""
        if source.hasText():
            self.insertPlainText(source.text())
