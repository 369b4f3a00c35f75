"""A bar that says: this is the demo; real models are one click away."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from app.session import Session
from app.theme import Theme
from app.widgets.offer_bar import OfferBar


class DemoOffer(OfferBar):
    """Shown while the demo is loaded, until the user has seen enough of it."""

    models_requested = Signal()
    dismissed = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(session, theme, parent)
        self._wanted = True
        self.text.setText(self.tr("This is the demo model: tiny, made to try the program, and often wrong."))
        self.models = QPushButton(self.tr("See real models"), self)
        self.models.setAccessibleName(self.models.text())
        self.models.clicked.connect(lambda _checked=False: self.models_requested.emit())
        self.line.insertWidget(1, self.models, 0, Qt.AlignmentFlag.AlignVCenter)
        QWidget.setTabOrder(self.models, self.dismiss)
        self.name_dismissing(self.tr("Do not show this again"))
        self.dismiss.clicked.connect(lambda _checked=False: self._dismiss())
        self.restyle()
        self.refresh()

    def set_wanted(self, wanted: bool) -> None:
        """Show the bar while the demo is loaded, or never."""
        self._wanted = wanted
        self.refresh()

    def _dismiss(self) -> None:
        self.set_wanted(False)
        self.dismissed.emit()

    def refresh(self) -> None:
        """Show the bar with the demo; while another model is loaded it stays as it is."""
        model = self._session.model
        if model is not None:
            self.setVisible(self._wanted and model.demo)
        elif not self._wanted or not self.isVisible():
            self.hide()

    def restyle(self) -> None:
        """Take fonts and colours from the theme."""
        super().restyle()
        self.models.setFont(self._theme.small_font)
