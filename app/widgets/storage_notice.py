"""A bar that says what is not kept on the disk, and why, or what became of settings that made no sense."""

from __future__ import annotations

import logging

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from app.theme import GRID, Theme
from app.widgets.leading import leading

log = logging.getLogger(__name__)

_ICON = 18


class StorageNotice(QFrame):
    """Hidden until there is something to say; gone for good when it is dismissed, until there is something else."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("storage")
        self._theme = theme
        self._sentences: list[str] = []
        self._icon = QLabel(self)
        self.text = leading(QLabel(self))
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.text.setWordWrap(True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.dismiss = QPushButton(self)
        self.dismiss.setAccessibleName(self.tr("Dismiss"))
        self.dismiss.setToolTip(self.tr("Dismiss"))
        self.dismiss.setIconSize(QSize(14, 14))
        self.dismiss.setFixedWidth(34)
        self.dismiss.clicked.connect(lambda _checked=False: self._dismiss())
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        line.setSpacing(GRID + 4)
        line.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignVCenter)
        line.addWidget(self.text, 1)
        line.addWidget(self.dismiss, 0, Qt.AlignmentFlag.AlignVCenter)
        theme.changed.connect(self._restyle)
        self._restyle()
        self.hide()

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is said now."""
        return tuple(self._sentences)

    def say(self, words: str) -> None:
        """Say something beside what is said already; nothing for no words."""
        if not words or words in self._sentences:
            return
        self._sentences.append(words)
        self.text.setText("\n".join(self._sentences))
        self.text.setAccessibleName(self.text.text())
        self.show()
        log.warning("The window says what is not kept, or was not understood")
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))

    def _dismiss(self) -> None:
        self._sentences.clear()
        self.hide()

    def _restyle(self) -> None:
        colours = self._theme.colours
        self.text.setFont(self._theme.small_font)
        self._icon.setPixmap(self._theme.icon("warning", colours.danger, _ICON).pixmap(_ICON, _ICON))
        self.dismiss.setIcon(self._theme.icon("close", colours.danger, 14))
