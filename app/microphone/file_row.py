"""The recording that is being written down: its name, how far it is, and a way to stop."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from app.theme import GRID, Theme
from app.widgets.leading import leading

_STEPS = 1000
_NAME_SHARE = 0.5
"""Of the row's width, what a long name may take."""


class FileRow(QFrame):
    """Shown while there is something to do."""

    cancel_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("card")
        self._theme = theme
        self._name = ""
        self._more = ""
        self._label = leading(QLabel(self))
        self._label.setTextFormat(Qt.TextFormat.PlainText)
        self._label.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Preferred)
        self.progress = QProgressBar(self)
        self.progress.setRange(0, _STEPS)
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Progress"))
        self.cancel = QPushButton(self.tr("Cancel"), self)
        self.cancel.setProperty("kind", "flat")
        self.cancel.setAccessibleName(self.tr("Cancel this recording"))
        self.cancel.clicked.connect(lambda _checked=False: self.cancel_requested.emit())
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        line.setSpacing(2 * GRID)
        line.addWidget(self._label)
        line.addWidget(self.progress, 1)
        line.addWidget(self.cancel)
        self.hide()
        theme.changed.connect(self._restyle)
        self._restyle()

    def show_file(self, name: str, waiting: int) -> None:
        """Show the name of the recording, and how many wait behind it."""
        self._name = name
        self._more = self.tr(" and {count} more").format(count=waiting) if waiting else ""
        self._elide()
        self.show()

    def show_share(self, share: float) -> None:
        """Show how much of it is done, 0 to 1; less than 0 where nobody knows."""
        self.progress.setRange(0, _STEPS if share >= 0 else 0)
        if share >= 0:
            self.progress.setValue(round(share * _STEPS))

    def minimumSizeHint(self) -> QSize:
        """Ask for no room for the name: it can be shortened."""
        return QSize(0, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Shorten the name to the room that there is."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        metrics = self._label.fontMetrics()
        room = max(0, round(self.width() * _NAME_SHARE) - metrics.horizontalAdvance(self._more))
        shown = metrics.elidedText(self._name, Qt.TextElideMode.ElideMiddle, room)
        self._label.setText(shown + self._more)
        self._label.setFixedWidth(metrics.horizontalAdvance(shown + self._more) + 2)
        self._label.setAccessibleName(self._name + self._more)
        self._label.setToolTip(self._name if shown != self._name else "")

    def _restyle(self) -> None:
        self._label.setFont(self._theme.small_font)
        self._elide()
