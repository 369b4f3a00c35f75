"""Between the keys, the listener and the inserter: the one that knows what dictation is doing."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from app.devices.text_inserter import Insertion, TextInserter
from app.dictation.machine import Do, Machine, Mode, State
from app.hearing.listener import ListeningOptions

log = logging.getLogger(__name__)

KEPT_TEXTS: Final = 20
"""How many texts stay in memory, to be pasted again."""
_ASKED: Final = Insertion(0, "", 0.0)
"""Stands for an insertion until its number is known."""


class Hears(Protocol):
    """What dictation needs of :class:`app.hearing.listener.Listener`."""

    opened: Any
    level: Any
    partial: Any
    utterance: Any
    finished: Any
    failed: Any

    def start(self, options: ListeningOptions | None = None) -> bool:
        """Begin to listen; ``finished`` comes once, after ``failed`` too. Returns whether that was possible."""

    def stop(self) -> None:
        """Listen no longer; ``finished`` brings the text."""

    def cancel(self) -> None:
        """Listen no longer, and tell nothing more."""


class Coordinator(QObject):
    """Owns the state of dictation. Everything happens on the GUI thread, and nothing waits."""

    state_changed = Signal(object)
    """Carries the new :class:`~app.dictation.machine.State`."""
    opened = Signal()
    """The microphone records from now on: what is said before is lost."""
    partial = Signal(str)
    """All of the text so far, of the recording under way."""
    inserted = Signal(object)
    """A text is in the other program; carries the :class:`~app.devices.text_inserter.Insertion`."""
    said = Signal(str, str)
    """A sentence for the user, and of which kind it is: ``"note"``, ``"kept"`` or ``"problem"``."""

    def __init__(
        self,
        listener: Hears,
        inserter: TextInserter,
        options: Callable[[], ListeningOptions],
        parent: QObject | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(parent)
        self._listener = listener
        self._inserter = inserter
        self._options = options
        self._clock = clock
        self._machine = Machine()
        self._shown = State.IDLE
        self._heard: list[str] = []
        self._problem = ""
        self._insertion: Insertion | None = None
        self._trailing_space = True
        self.texts: deque[str] = deque(maxlen=KEPT_TEXTS)
        """What was dictated, the newest last; only in memory."""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(lambda: self._do(self._machine.tick(self._clock())))
        listener.opened.connect(self._opened)
        listener.partial.connect(self._partial)
        listener.utterance.connect(self._utterance)
        listener.finished.connect(self._finished)
        listener.failed.connect(self._failed)
        inserter.inserted.connect(self._inserted)
        inserter.kept.connect(self._kept)
        inserter.failed.connect(self._not_inserted)
        inserter.restored.connect(self._restored)
        inserter.undone.connect(self._undone)

    @property
    def state(self) -> State:
        """What dictation is doing."""
        return self._machine.state

    def configure(self, mode: Mode, *, trailing_space: bool) -> None:
        """Follow the settings, from the next key on."""
        self._machine.mode = mode
        self._trailing_space = trailing_space

    # --- what the user does ---

    def press(self) -> None:
        """The keys went down."""
        self._do(self._machine.press(self._clock()))

    def release(self) -> None:
        """The keys went up."""
        self._do(self._machine.release(self._clock()))

    def begin(self) -> None:
        """Begin to record, if nothing is under way."""
        self._do(self._machine.begin(self._clock()))

    def end(self) -> None:
        """End the recording, if there is one, and insert its text."""
        self._do(self._machine.end(self._clock()))

    def toggle(self) -> None:
        """Begin, or end the recording."""
        self._do(self._machine.toggle(self._clock()))

    def cancel(self) -> None:
        """Forget the recording, if there is one."""
        self._do(self._machine.cancel(self._clock()))

    def paste_last(self) -> None:
        """Insert the newest text again."""
        if not self.texts:
            self.said.emit(self.tr("Nothing was dictated yet since Larimar was started."), "note")
        else:
            self._inserter.insert(self.texts[-1] + self._space())

    def undo(self) -> None:
        """Let the program that got the last text take it back."""
        self._inserter.undo()

    def close(self) -> None:
        """Forget what is under way."""
        self._timer.stop()
        if self._machine.cancel(self._clock()) is not None:
            self._listener.cancel()

    # --- what the machine wants ---

    def _do(self, what: Do | None) -> None:
        if what is Do.BEGIN:
            self._begin()
        elif what is Do.END:
            self._listener.stop()
        elif what is Do.DROP:
            self._listener.cancel()
        elif what is Do.GIVE_UP:
            self._listener.cancel()
            self._rescue()
        self._follow()
        if what is Do.GIVE_UP:
            self.said.emit(self.tr("No text came for too long; dictation has stopped waiting."), "problem")

    def _begin(self) -> None:
        self._heard, self._problem, self._insertion = [], "", None
        self._follow()
        self._inserter.prepare()
        if not self._listener.start(self._options()):
            self._machine.done()
            self._follow()
            self.said.emit(self.tr("The last words are still being written; try again in a moment."), "note")

    def _follow(self) -> None:
        """Set the clock for what is due next, and tell of another state."""
        due = self._machine.due
        if math.isinf(due):
            self._timer.stop()
        else:
            self._timer.start(max(0, math.ceil(1000 * (due - self._clock()))))
        if self._machine.state is not self._shown:
            self._shown = self._machine.state
            log.debug("Dictation is %s", self._shown.value)
            self.state_changed.emit(self._shown)

    # --- what the listener reports ---

    def _opened(self) -> None:
        if self._machine.state is State.RECORDING:
            log.debug("The microphone is open")
            self.opened.emit()

    def _partial(self, text: str) -> None:
        if self._listens:
            self._machine.alive(self._clock())
            self._follow()
            self.partial.emit(" ".join([*self._heard, text.strip()]))

    def _utterance(self, utterance: Any) -> None:
        if self._listens:
            text = str(utterance.translation or utterance.text).strip()
            if text:
                self._heard.append(text)
            self._machine.alive(self._clock())
            self._follow()
            self.partial.emit(" ".join(self._heard))

    def _failed(self, sentence: str) -> None:
        if self._listens:  # what was said before is still written
            self._problem = sentence
            self._machine.end(self._clock())
            self._follow()

    def _finished(self, text: str) -> None:
        if not self._listens:
            return
        self._machine.end(self._clock())  # where it ended by itself, such as with its file
        text = text.strip()
        if text:
            self.texts.append(text)
            self._machine.alive(self._clock())
            self._insertion = _ASKED
            insertion = self._inserter.insert(text + self._space())
            if self._insertion is _ASKED:  # it may have ended at once
                self._insertion = insertion
            self._follow()
        else:
            log.debug("No words were heard")
            self._machine.done()
            self._follow()
            self._say_problem(self.tr("No words were heard."))

    @property
    def _listens(self) -> bool:
        """Whether what the listener says belongs to the dictation under way."""
        return self._machine.state is not State.IDLE and self._insertion is None

    def _say_problem(self, otherwise: str = "") -> None:
        problem, self._problem = self._problem, ""
        if problem:
            self.said.emit(problem, "problem")
        elif otherwise:
            self.said.emit(otherwise, "note")

    def _rescue(self) -> None:
        """Keep what was understood before it went wrong."""
        if self._heard:
            self.texts.append(" ".join(self._heard))
            self._heard = []

    # --- what the inserter reports ---

    def _ours(self, insertion: Insertion) -> bool:
        return self._insertion is _ASKED or (self._insertion is not None and insertion.number == self._insertion.number)

    def _inserted(self, insertion: Insertion) -> None:
        log.debug("A text was inserted")
        self._over(insertion)
        self.inserted.emit(insertion)
        self._say_problem()

    def _kept(self, insertion: Insertion, sentence: str) -> None:
        log.debug("A text waits on the clipboard")
        self._over(insertion)
        self.said.emit(sentence, "kept")

    def _not_inserted(self, insertion: Insertion, sentence: str) -> None:
        log.debug("A text was not inserted")
        self._over(insertion)
        self.said.emit(sentence, "problem")

    def _over(self, insertion: Insertion) -> None:
        if self._ours(insertion):
            self._insertion = None
            if self._machine.state is State.PROCESSING:
                self._machine.done()
            self._follow()

    def _restored(self, insertion: Insertion, sentence: str) -> None:
        log.debug("The clipboard has its former content")
        if sentence:
            self.said.emit(sentence, "problem")

    def _undone(self, sentence: str) -> None:
        if sentence:
            self.said.emit(sentence, "note")

    def _space(self) -> str:
        return " " if self._trailing_space else ""
