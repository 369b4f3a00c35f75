"""The menu at the foot of the rail: what concerns the whole program."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QMessageBox, QWidget

from app.settings import ColourScheme
from app.theme import Theme
from inference.version import __version__


class AppMenu(QMenu):
    """Appearance, the model folder, and what this is."""

    colour_scheme_chosen = Signal(str)
    choose_model_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        appearance = self.addMenu(self.tr("Appearance"))
        self._schemes = QActionGroup(self)
        names: tuple[tuple[ColourScheme, str], ...] = (
            ("system", self.tr("Like the system")),
            ("light", self.tr("Light")),
            ("dark", self.tr("Dark")),
        )
        for scheme, name in names:
            action = appearance.addAction(name)
            action.setCheckable(True)
            action.setData(scheme)
            self._schemes.addAction(action)
        self._schemes.triggered.connect(lambda action: self.colour_scheme_chosen.emit(action.data()))
        self.addAction(self.tr("Choose a model folder…"), self.choose_model_requested.emit)
        self.addSeparator()
        self.addAction(self.tr("About Larimar"), self._about)

    def show_scheme(self, scheme: ColourScheme) -> None:
        """Tick the colour scheme that is set."""
        for action in self._schemes.actions():
            action.setChecked(action.data() == scheme)

    def choose_scheme(self, scheme: ColourScheme) -> None:
        """Do what a click on a colour scheme does."""
        next(action for action in self._schemes.actions() if action.data() == scheme).trigger()

    def about_box(self) -> QMessageBox:
        """Return the box that says what this is."""
        box = QMessageBox(self.parentWidget())
        box.setWindowTitle(self.tr("About Larimar"))
        box.setIconPixmap(self._theme.icon("larimar", "#000000", 64).pixmap(64, 64))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(self.tr("Larimar {version}").format(version=__version__))
        box.setInformativeText(
            self.tr(
                "A desktop assistant that runs Gemma 4 wholly on your own computer: "
                "nothing that you write or that it answers leaves it.\n\n"
                "Free software under the Apache License 2.0."
            )
        )
        return box

    def _about(self) -> None:
        box = self.about_box()
        box.exec()
        box.deleteLater()
