"""A sentence in the middle of a pane, with what can be done about it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.theme import GRID, Theme
from app.widgets.middle_column import middle_column

_ICON = 40


class Notice(QWidget):
    """An icon, a title, a text, and buttons."""

    def __init__(self, theme: Theme, icon: str, title: str, *, alarming: bool = False, parent: QWidget | None = None):
        super().__init__(parent)
        self._theme = theme
        self._icon_name = icon
        self._alarming = alarming
        self._icon = QLabel(self)
        self._icon.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._title = QLabel(title, self)
        self._title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._title.setWordWrap(True)
        self._text = QLabel(self)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setObjectName("notice_text")
        self._text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._text.setWordWrap(True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(GRID)
        self._buttons.addStretch(1)
        self._buttons.addStretch(1)
        inside = QWidget(self)
        inside.setMinimumWidth(280)
        column = QVBoxLayout(inside)
        column.setSpacing(GRID)
        column.addWidget(self._icon)
        column.addSpacing(GRID // 2)
        column.addWidget(self._title)
        column.addWidget(self._text)
        column.addSpacing(2 * GRID)
        column.addLayout(self._buttons)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(3 * GRID, GRID, 3 * GRID, GRID)
        outside.addStretch(2)
        outside.addLayout(middle_column(inside, 520))
        outside.addStretch(3)
        theme.changed.connect(self._restyle)
        self._restyle()

    @property
    def text(self) -> str:
        """The sentence."""
        return self._text.text()

    def set_text(self, text: str) -> None:
        """Show another sentence."""
        self._text.setText(text)

    def add_button(self, words: str, pressed: Callable[[], object], *, primary: bool = False) -> QPushButton:
        """Offer something to do, right of what is offered already."""
        button = QPushButton(words, self)
        button.setAccessibleName(words)
        if primary:
            button.setProperty("kind", "primary")
        button.clicked.connect(lambda _checked=False: pressed())
        self._buttons.insertWidget(self._buttons.count() - 1, button)
        return button

    def _restyle(self) -> None:
        colours = self._theme.colours
        colour = colours.danger if self._alarming else colours.accent
        self._icon.setPixmap(self._theme.icon(self._icon_name, colour, _ICON).pixmap(_ICON, _ICON))
        title = QFont(self._theme.body_font)
        title.setPointSizeF(title.pointSizeF() * 1.3)
        title.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(title)
        self._text.setFont(self._theme.body_font)
