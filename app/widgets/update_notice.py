"""A bar that says that a newer version is there, and where."""

from __future__ import annotations

from PySide6.QtCore import QSize, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from app.theme import GRID, Theme
from app.widgets.leading import leading


class UpdateNotice(QFrame):
    """Hidden until there is one; nothing is downloaded or installed by itself."""

    opened = Signal(str)
    """The user wants to read about it; carries the address."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("offer")
        self._theme = theme
        self._address = ""
        self.text = QLabel(self)
        self.text.setWordWrap(True)
        leading(self.text)
        self.open = QPushButton(self.tr("Open in the browser"), self)
        self.open.setAccessibleName(self.open.text())
        self.open.clicked.connect(lambda _checked=False: self.opened.emit(self._address))
        self.dismiss = QPushButton(self)
        self.dismiss.setAccessibleName(self.tr("Dismiss"))
        self.dismiss.setIconSize(QSize(14, 14))
        self.dismiss.setFixedWidth(34)
        self.dismiss.clicked.connect(lambda _checked=False: self.hide())
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, 6, 2 * GRID, 6)
        line.setSpacing(GRID)
        line.addWidget(self.text, 1)
        line.addWidget(self.open)
        line.addWidget(self.dismiss)
        theme.changed.connect(self._restyle)
        self._restyle()
        self.hide()

    def show_release(self, version: str, address: str) -> None:
        """Say that a version is there."""
        self._address = address
        self.text.setText(self.tr("Larimar {version} is there: {address}").format(version=version, address=address))
        self.show()

    def _restyle(self) -> None:
        for widget in (self.text, self.open):
            widget.setFont(self._theme.small_font)
        self.dismiss.setIcon(self._theme.icon("close", self._theme.colours.on_badge, 14))
