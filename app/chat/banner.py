"""A line above the composer's field that says something and can be closed."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QWidget

from app.theme import GRID, Theme

_ICON = 18


class Banner(QFrame):
    """An icon, a sentence and a button that closes it; hidden until there is something to say."""

    dismissed = Signal()

    def __init__(self, theme: Theme, icon: str, *, alarming: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("banner")
        self.setProperty("alarming", "yes" if alarming else "no")
        self._theme = theme
        self._icon_name = icon
        self._alarming = alarming
        self._icon = QLabel(self)
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self.close_button = QToolButton(self)
        self.close_button.setIconSize(QSize(14, 14))
        self.close_button.setAccessibleName(self.tr("Close"))
        self.close_button.setToolTip(self.tr("Close (Esc)"))
        self.close_button.clicked.connect(self._close)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID, 4, 4, 4)
        row.setSpacing(GRID)
        row.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        row.addWidget(self._text, 1)
        row.addWidget(self.close_button, 0, Qt.AlignmentFlag.AlignTop)
        self.hide()
        theme.changed.connect(self._restyle)
        self._restyle()

    @property
    def text(self) -> str:
        """The sentence."""
        return self._text.text()

    def show_text(self, sentence: str) -> None:
        """Say ``sentence``, to a screen reader too."""
        self._text.setText(sentence)
        self.show()
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, sentence))

    def _close(self) -> None:
        self.hide()
        self.dismissed.emit()

    def _restyle(self) -> None:
        colours = self._theme.colours
        colour = colours.danger if self._alarming else colours.accent
        self._icon.setPixmap(self._theme.icon(self._icon_name, colour, _ICON).pixmap(_ICON, _ICON))
        self._text.setFont(self._theme.small_font)
        self.close_button.setIcon(self._theme.icon("close", colours.muted, 14))
