"""Gives the model's memory back when nothing was asked of it for a while."""

from __future__ import annotations

from PySide6.QtCore import QObject, QTimer

from app.live_senses import LiveSenses
from app.session import Session, SessionState

_GRACE_SECONDS = 60
"""How long a model that was loaded but not asked yet stays where it should go at once."""


class IdleUnload(QObject):
    """Unloads after some minutes without a question, a word that is typed, or a sense that uses the model."""

    def __init__(
        self, session: Session, minutes: int, parent: QObject | None = None, *, senses: LiveSenses | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._senses = senses
        self._minutes = minutes
        self._was = session.state
        self.timer = QTimer(self)
        self.timer.setSingleShot(True)
        self.timer.timeout.connect(session.unload)
        session.state_changed.connect(self._state_changed)
        session.used.connect(self._begin_again)
        if senses is not None:
            senses.changed.connect(self._begin_again)

    def set_minutes(self, minutes: int) -> None:
        """Wait so long from now on; -1 is for ever, 0 unloads as soon as an answer is there."""
        self._minutes = minutes
        self._begin_again()

    def _state_changed(self, state: SessionState) -> None:
        answered = self._was is SessionState.GENERATING and state is SessionState.READY
        self._was = state
        self._begin_again(at_once=answered)

    def _begin_again(self, *, at_once: bool = False) -> None:
        self.timer.stop()
        watched = self._senses is not None and bool(self._senses.live)  # the next question may come at any moment
        if self._session.state is SessionState.READY and self._minutes >= 0 and not watched:
            seconds = 60 * self._minutes if self._minutes else (0 if at_once else _GRACE_SECONDS)
            self.timer.start(1000 * seconds)
