"""A bar that says: this is the demo; real models are one click away."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QWidget

from app.session import Session
from app.theme import GRID, Theme
from app.widgets.leading import leading


class DemoOffer(QFrame):
    """Shown while the demo is loaded, until the user has seen enough of it."""

    models_requested = Signal()
    dismissed = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("offer")
        self._session = session
        self._theme = theme
        self._wanted = True
        self.text = QLabel(self.tr("This is the demo model: tiny, made to try the program, and often wrong."), self)
        self.text.setWordWrap(True)
        leading(self.text)
        self.models = QPushButton(self.tr("See real models"), self)
        self.models.setAccessibleName(self.models.text())
        self.models.clicked.connect(lambda _checked=False: self.models_requested.emit())
        self.dismiss = QPushButton(self)
        self.dismiss.setAccessibleName(self.tr("Do not show this again"))
        self.dismiss.setToolTip(self.dismiss.accessibleName())
        self.dismiss.setIconSize(QSize(14, 14))
        self.dismiss.setFixedWidth(34)
        self.dismiss.clicked.connect(lambda _checked=False: self._dismiss())
        line = QHBoxLayout(self)
        line.setContentsMargins(2 * GRID, 6, 2 * GRID, 6)
        line.setSpacing(GRID)
        line.addWidget(self.text, 1)
        line.addWidget(self.models, 0, Qt.AlignmentFlag.AlignVCenter)
        line.addWidget(self.dismiss, 0, Qt.AlignmentFlag.AlignVCenter)
        session.state_changed.connect(lambda _: self._refresh())
        theme.changed.connect(self._restyle)
        self._restyle()
        self._refresh()

    def set_wanted(self, wanted: bool) -> None:
        """Show the bar while the demo is loaded, or never."""
        self._wanted = wanted
        self._refresh()

    def _dismiss(self) -> None:
        self.set_wanted(False)
        self.dismissed.emit()

    def _refresh(self) -> None:
        model = self._session.model
        if model is not None:  # while another one is loaded the bar stays as it is
            self.setVisible(self._wanted and model.demo)
        elif not self._wanted or not self.isVisible():
            self.hide()

    def _restyle(self) -> None:
        for widget in (self.text, self.models):
            widget.setFont(self._theme.small_font)
        self.dismiss.setIcon(self._theme.icon("close", self._theme.colours.on_badge, 14))
