"""The menu at the foot of the rail: what concerns the whole program."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from app.settings import ColourScheme
from app.theme import Theme


class AppMenu(QMenu):
    """Settings, appearance, models, the log, and what this is."""

    settings_requested = Signal()
    colour_scheme_chosen = Signal(str)
    dictation_requested = Signal()
    paste_requested = Signal()
    screen_requested = Signal()
    """The user wants to ask about a part of the screen."""
    models_requested = Signal()
    choose_model_requested = Signal()
    log_requested = Signal()
    about_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.addAction(self.tr("Settings…"), self.settings_requested.emit)
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
        self.addSeparator()
        self.addAction(self.tr("Dictate"), self.dictation_requested.emit)
        self.addAction(self.tr("Paste last dictation"), self.paste_requested.emit)
        self.addAction(self.tr("Ask about the screen"), self.screen_requested.emit)
        self.addSeparator()
        self.addAction(self.tr("Models…"), self.models_requested.emit)
        self.addAction(self.tr("Choose a model folder…"), self.choose_model_requested.emit)
        self.addSeparator()
        self.addAction(self.tr("Log…"), self.log_requested.emit)
        self.addAction(self.tr("About Larimar"), self.about_requested.emit)

    def show_scheme(self, scheme: ColourScheme) -> None:
        """Tick the colour scheme that is set."""
        for action in self._schemes.actions():
            action.setChecked(action.data() == scheme)

    def choose_scheme(self, scheme: ColourScheme) -> None:
        """Do what a click on a colour scheme does."""
        next(action for action in self._schemes.actions() if action.data() == scheme).trigger()
