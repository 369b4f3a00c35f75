"""How far something long is, at the foot of the sidebar, with a way to stop it."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from app.theme import GRID, Theme
from app.widgets.leading import leading

_STEPS = 1000


class ProgressFoot(QFrame):
    """Hidden until :meth:`show_share`."""

    cancel_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("undo")
        self._theme = theme
        self._label = leading(QLabel(self))
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setRange(0, _STEPS)
        self.cancel = QPushButton(self.tr("Stop"), self)
        self.cancel.setProperty("kind", "flat")
        self.cancel.clicked.connect(lambda _checked=False: self.cancel_requested.emit())
        words = QVBoxLayout()
        words.setSpacing(GRID // 2)
        words.addWidget(self._label)
        words.addWidget(self.bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(GRID + 4, GRID, 4, GRID)
        row.addLayout(words, 1)
        row.addWidget(self.cancel)
        self.hide()
        theme.changed.connect(self._restyle)
        self._restyle()

    def show_share(self, what: str, share: float) -> None:
        """Say what is going on and how much of it lies behind, 0 to 1."""
        self._label.setText(what)
        self.bar.setAccessibleName(what)
        self.cancel.setAccessibleName(self.tr("Stop: {what}").format(what=what))
        self.bar.setValue(round(_STEPS * min(1.0, share)))
        self.show()

    def _restyle(self) -> None:
        self._label.setFont(self._theme.small_font)
        self.cancel.setFont(self._theme.small_font)
