"""Reading aloud, with the voice of the operating system."""

from __future__ import annotations

import logging

from PySide6.QtCore import QObject, Signal
from PySide6.QtTextToSpeech import QTextToSpeech

log = logging.getLogger(__name__)


class Speaker(QObject):
    """Somebody who reads aloud; this one cannot."""

    finished = Signal()
    """What was to be said is over, or was stopped."""

    @property
    def available(self) -> bool:
        """Whether there is a voice."""
        return False

    def say(self, text: str) -> None:
        """Begin to read ``text`` aloud, in place of what is being read."""

    def stop(self) -> None:
        """Be silent."""


class SystemSpeaker(Speaker):
    """The operating system's voice (Speech Dispatcher, SAPI, AVSpeech)."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._voice: QTextToSpeech | None = None
        self._tried = False

    @property
    def available(self) -> bool:
        """Whether there is a voice; finds out the first time, which takes a moment."""
        if not self._tried:
            self._tried = True
            engines = [name for name in QTextToSpeech.availableEngines() if name != "mock"]
            voice = QTextToSpeech(engines[0], self) if engines else None
            if voice is not None and voice.state() is not QTextToSpeech.State.Error:
                self._voice = voice
                voice.stateChanged.connect(self._state_changed)
            else:
                log.info("There is no voice to read aloud with")
        return self._voice is not None

    def say(self, text: str) -> None:
        """Begin to read."""
        if self.available and self._voice is not None:
            self._voice.say(text)

    def stop(self) -> None:
        """Be silent."""
        if self._voice is not None:
            self._voice.stop()

    def _state_changed(self, state: QTextToSpeech.State) -> None:
        if state in (QTextToSpeech.State.Ready, QTextToSpeech.State.Error):
            self.finished.emit()
