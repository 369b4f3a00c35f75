"""From where questions about the screen are asked: keys, the menu and the tray."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from app.global_keys import GlobalKeys
from app.screen.questions import ScreenQuestions
from app.tray import Tray
from app.window import MainWindow

_MINIMISE_MS = 350
"""So long desktops take to move a window away, with what they animate."""


class ScreenActions(QObject):
    """Joins the questions about the screen with what is around them."""

    def __init__(
        self,
        questions: ScreenQuestions,
        window: MainWindow,
        tray: Tray,
        keys: GlobalKeys,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._questions = questions
        self._window = window
        self._minimised = False
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_MINIMISE_MS)
        self._later.timeout.connect(questions.ask)
        keys.add("screen", self.tr("Ask about the screen"), "Ctrl+Alt+S", questions.ask)
        keys.add("screen-again", self.tr("Ask about the same part again"), "Ctrl+Alt+Shift+S", questions.ask_again)
        window.menu.screen_requested.connect(self.ask_from_window)
        tray.screen_requested.connect(questions.ask)
        questions.picking_ended.connect(self._ended)

    def ask_from_window(self) -> None:
        """Ask about what the program's own window covers: it makes room first."""
        if self._questions.picking:
            return
        self._minimised = True
        self._window.showMinimized()
        self._later.start()

    def _ended(self) -> None:
        minimised, self._minimised = self._minimised, False
        asking = self._questions.window is not None and self._questions.window.isVisible()
        if minimised and not asking:
            self._window.come_back()
