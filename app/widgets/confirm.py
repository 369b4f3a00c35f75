"""A question in the place where it arose, with two answers; nothing happens until one is given."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.theme import GRID
from app.widgets.leading import leading


class Confirm(QFrame):
    """Hidden until :meth:`ask`; Esc means no."""

    agreed = Signal()
    refused = Signal()

    def __init__(self, yes: str, no: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("confirm")
        self._question = leading(QLabel(self))
        self._question.setWordWrap(True)
        self._question.setTextFormat(Qt.TextFormat.PlainText)
        self.yes = QPushButton(yes, self)
        self.yes.setProperty("kind", "danger")
        self.no = QPushButton(no, self)
        for button in (self.yes, self.no):
            button.setAutoDefault(False)
            button.setAccessibleName(button.text())
        self.yes.clicked.connect(lambda _checked=False: self._answer(self.agreed))
        self.no.clicked.connect(lambda _checked=False: self._answer(self.refused))
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.no)
        buttons.addWidget(self.yes)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, GRID + 4, 2 * GRID, GRID + 4)
        column.setSpacing(GRID)
        column.addWidget(self._question)
        column.addLayout(buttons)
        self.hide()

    def ask(self, question: str) -> None:
        """Show a question, with the harmless answer at hand."""
        self._question.setText(question)
        self.setAccessibleName(question)
        self.no.setAccessibleDescription(question)
        self.show()
        self.no.setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take Esc for no."""
        if event.key() == Qt.Key.Key_Escape:
            self._answer(self.refused)
        else:
            super().keyPressEvent(event)

    def _answer(self, answer: object) -> None:
        self.hide()
        answer.emit()  # type: ignore[attr-defined]
