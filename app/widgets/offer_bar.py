"""A bar above a page: a sentence, perhaps a button, and a cross that takes it away."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from app.session import Session
from app.theme import GRID, Theme
from app.widgets.leading import leading


class OfferBar(QFrame):
    """What to say, and when, follows from the session: subclasses decide it in :meth:`refresh`."""

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("offer")
        self._session = session
        self._theme = theme
        self.text = leading(QLabel(self))
        self.text.setWordWrap(True)
        self.dismiss = QPushButton(self)
        self.dismiss.setIconSize(QSize(14, 14))
        self.dismiss.setFixedWidth(34)
        self.line = QHBoxLayout(self)
        self.line.setContentsMargins(2 * GRID, 6, 2 * GRID, 6)
        self.line.setSpacing(GRID)
        self.line.addWidget(self.text, 1)
        self.line.addWidget(self.dismiss, 0, Qt.AlignmentFlag.AlignVCenter)
        session.state_changed.connect(lambda _: self.refresh())
        theme.changed.connect(self.restyle)

    def name_dismissing(self, words: str) -> None:
        """Say what the cross does, to those who hear the window and those who point at it."""
        self.dismiss.setAccessibleName(words)
        self.dismiss.setToolTip(words)

    def refresh(self) -> None:
        """Show the bar or hide it."""
        raise NotImplementedError

    def restyle(self) -> None:
        """Take fonts and colours from the theme."""
        self.text.setFont(self._theme.small_font)
        self.dismiss.setIcon(self._theme.icon("close", self._theme.colours.on_badge, 14))
