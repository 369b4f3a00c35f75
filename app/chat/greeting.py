"""What the chat pane shows before the first message."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QPixmap
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.theme import GRID, Theme
from app.widgets.middle_column import middle_column

_STONE = 72


class Greeting(QWidget):
    """A welcome, and a few questions to begin with."""

    chosen = Signal(str)
    """The user picked a question."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        stone = QLabel(self)
        stone.setPixmap(stone_pixmap(theme, _STONE))
        stone.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._title = QLabel(self.tr("What can I do for you?"), self)
        self._title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._title.setWordWrap(True)
        self._text = QLabel(self)
        self._text.setObjectName("greeting_text")
        self._text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._text.setWordWrap(True)
        self._tip = QLabel(self)
        self._tip.setObjectName("hint")
        self._tip.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._tip.setWordWrap(True)
        self._tip.hide()
        grid = QGridLayout()
        grid.setSpacing(GRID + 4)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        self.buttons: list[QPushButton] = []
        for number, question in enumerate(self._questions()):
            button = QPushButton(question, self)
            button.setProperty("kind", "example")
            button.setAccessibleName(self.tr("Ask: {question}").format(question=question))
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            button.clicked.connect(lambda _checked=False, question=question: self.chosen.emit(question))
            grid.addWidget(button, number // 2, number % 2)
            self.buttons.append(button)
        inside = QWidget(self)
        inside.setMaximumWidth(560)
        column = QVBoxLayout(inside)
        column.setSpacing(GRID)
        column.addWidget(stone)
        column.addSpacing(GRID)
        column.addWidget(self._title)
        column.addWidget(self._text)
        column.addSpacing(2 * GRID)
        column.addLayout(grid)
        column.addSpacing(GRID)
        column.addWidget(self._tip)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(3 * GRID, GRID, 3 * GRID, GRID)
        outside.addStretch(2)
        outside.addLayout(middle_column(inside))
        outside.addStretch(3)
        theme.changed.connect(self._restyle)
        self._restyle()

    def set_ready(self, ready: bool) -> None:
        """Say whether a question can be asked now."""
        for button in self.buttons:
            button.setEnabled(ready)
        invitation = self.tr("Ask me something, or begin with one of these.")
        self._text.setText(invitation if ready else self.tr("One moment, the model is loading …"))

    def show_tip(self, tip: str) -> None:
        """Show a sentence under the questions; empty for none."""
        self._tip.setText(tip)
        self._tip.setVisible(bool(tip))

    def _questions(self) -> tuple[str, ...]:
        return (
            self.tr("Who are you?"),
            self.tr("What can this app do?"),
            self.tr("What is 12 + 7?"),
            self.tr("Do my chats stay private?"),
        )

    def _restyle(self) -> None:
        title = QFont(self._theme.body_font)
        title.setPointSizeF(title.pointSizeF() * 1.75)
        title.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(title)
        self._text.setFont(self._theme.body_font)
        self._tip.setFont(self._theme.small_font)


def stone_pixmap(theme: Theme, size: int) -> QPixmap:
    """Return the stone of the program's icon, sharp on any screen."""
    return theme.icon("larimar", "#000000", size).pixmap(size, size)
