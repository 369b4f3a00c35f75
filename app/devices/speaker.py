"""Reading aloud, with the voice of the operating system."""

from __future__ import annotations

import logging
import sys
from collections import deque

from PySide6.QtCore import QObject, QThread, Signal

log = logging.getLogger(__name__)

_QUIT_MS = 2000


class Speaker(QObject):
    """Somebody who reads aloud; this one cannot."""

    started = Signal()
    """A voice can be heard from now on."""
    finished = Signal()
    """All that was to be said is over, was stopped, or could not be said."""

    @property
    def available(self) -> bool:
        """Whether there may be a voice."""
        return False

    def prepare(self) -> None:
        """Find the voice, which may take seconds, since something will be said soon."""

    def say(self, text: str) -> None:
        """Read ``text`` aloud, after what is being read and waits to be."""

    def stop(self) -> None:
        """Be silent at once, and forget what waits."""

    def close(self) -> None:
        """Be silent for ever."""


class SystemSpeaker(Speaker):
    """The operating system's voice (Speech Dispatcher, SAPI, AVSpeech), found when it is first needed.

    On Linux the voice lives on a thread of its own: the first call may have to start a speech server and wait for it.
    """

    _prepare = Signal()
    _say = Signal(str)
    _stop = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._voice: _Voice | None = None
        self._thread: QThread | None = None
        self._said = 0

    @property
    def available(self) -> bool:
        """Whether there is an engine for voices; whether it has one shows when it speaks."""
        try:
            from PySide6.QtTextToSpeech import QTextToSpeech
        except ImportError as error:  # Qt's part for it, or a library of the system's that it needs, is missing
            log.info("Reading aloud is not possible here: %s", error)
            return False
        return any(name != "mock" for name in QTextToSpeech.availableEngines())

    def prepare(self) -> None:
        """Start the speech server, where there is one."""
        if self._voice is None:
            voice = self._voice = _Voice()
            if sys.platform.startswith("linux"):
                self._thread = QThread(self)
                self._thread.setObjectName("speaker")
                voice.moveToThread(self._thread)
                self._thread.start()
            self._prepare.connect(voice.prepare)
            self._say.connect(voice.say)
            self._stop.connect(voice.stop)
            voice.started.connect(self.started)
            voice.finished.connect(self._over)
            self._prepare.emit()

    def say(self, text: str) -> None:
        """Begin to read, or let it wait."""
        self.prepare()
        self._said += 1
        self._say.emit(text)

    def stop(self) -> None:
        """Be silent."""
        self._stop.emit()

    def _over(self, said: int) -> None:
        if said == self._said:  # else more was given meanwhile
            self.finished.emit()

    def close(self) -> None:
        """Be silent and end the thread."""
        if self._voice is None:
            return
        self._stop.emit()
        if self._thread is not None:
            self._voice.deleteLater()
            self._thread.quit()
            if not self._thread.wait(_QUIT_MS):
                log.warning("The speech server does not answer")
        self._voice = None


class _Voice(QObject):
    started = Signal()
    finished = Signal(int)
    """Carries how many texts were given to it until now."""

    def __init__(self) -> None:
        super().__init__()
        self._given = 0
        self._engine: QObject | None = None
        self._waiting: deque[str] = deque()
        self._speaking = False

    def prepare(self) -> None:
        from PySide6.QtTextToSpeech import QTextToSpeech

        name = next((name for name in QTextToSpeech.availableEngines() if name != "mock"), "")
        engine = QTextToSpeech(name, self) if name else None
        if engine is not None and engine.state() is not QTextToSpeech.State.Error:
            engine.stateChanged.connect(self._state_changed)
            self._engine = engine
        else:
            log.info("There is no voice to read aloud with")

    def say(self, text: str) -> None:
        from PySide6.QtTextToSpeech import QTextToSpeech

        self._given += 1
        if isinstance(self._engine, QTextToSpeech):
            self._waiting.append(text)
            if not self._speaking:
                self._next()
        else:
            self.finished.emit(self._given)

    def stop(self) -> None:
        from PySide6.QtTextToSpeech import QTextToSpeech

        self._waiting.clear()
        if isinstance(self._engine, QTextToSpeech) and self._speaking:
            self._engine.stop()

    def _next(self) -> None:
        from PySide6.QtTextToSpeech import QTextToSpeech

        if isinstance(self._engine, QTextToSpeech) and self._waiting:
            self._speaking = True
            self._engine.say(self._waiting.popleft())

    def _state_changed(self, state: object) -> None:
        from PySide6.QtTextToSpeech import QTextToSpeech

        if state is QTextToSpeech.State.Speaking:
            self.started.emit()
        elif state is QTextToSpeech.State.Ready and self._waiting:
            self._next()
        elif state in (QTextToSpeech.State.Ready, QTextToSpeech.State.Error):
            self._waiting.clear()
            self._speaking = False
            self.finished.emit(self._given)
