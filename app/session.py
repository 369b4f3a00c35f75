"""The border between the window and the engine: the one object that knows both threads.

Panes call the methods here and listen to the signals; all of it happens on the GUI thread. While something is under
way a timer empties the worker's queue once a frame, and what arrived of each reply goes out as one :class:`Frame`.

The engine answers one question at a time. :meth:`Session.submit` therefore puts questions in a line: whoever asks gets
a number at once, and frames with that number, the last of which says how it ended, whatever happens.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal

from app.engine_worker import (
    EVENTS_AT_MOST,
    Ended,
    EngineFactory,
    EngineWorker,
    Loading,
    ModelInfo,
    NotAsked,
    Opened,
    OpenFailed,
    Piece,
    ReplyFailed,
    Unloaded,
    WorkerEvent,
)
from app.reply_frame import Frame, joined
from app.sound_stream import Heard, SoundStream
from inference.cancellation import CancelToken
from inference.messages import Done, Prefill, ReplyEvent, ReplyOptions, ReplyStats, Turn

__all__ = ["FRAME_MS", "Frame", "Session", "SessionState"]

log = logging.getLogger(__name__)

FRAME_MS = 33
JOIN_SECONDS = 20.0
_TOKENS_TO_LEARN_FROM = 32  # a shorter prompt says more about overheads than about reading
_CANCELLED = Done("cancelled", ReplyStats())


class SessionState(Enum):
    """What the engine is doing."""

    LOADING = "loading"
    READY = "ready"
    GENERATING = "generating"
    """A question is under way, and others may wait; more can be submitted."""
    UNLOADED = "unloaded"
    """The model gave its memory back; the next question loads it again by itself."""
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(slots=True)
class _Question:
    """What was submitted and has not had its last frame."""

    turn: int
    turns: tuple[Turn, ...] | Heard
    options: ReplyOptions
    background: bool
    cancel: CancelToken = field(default_factory=CancelToken)
    put_back: bool = False
    """Whether the engine had gone before it was asked this."""


class Session(QObject):
    """The loaded model, as the window sees it."""

    state_changed = Signal(object)
    """Carries the new :class:`SessionState`."""
    loading = Signal(str, float)
    """Carries what is being done to load the model, and how much of it lies behind, 0 to 1."""
    frame = Signal(object)
    """Carries a :class:`Frame` of one reply, at most one per 33 ms of each."""
    used = Signal()
    """Somebody wanted something of the model, now or soon."""

    def __init__(
        self, factory: EngineFactory, parent: QObject | None = None, *, events_at_most: int = EVENTS_AT_MOST
    ) -> None:
        super().__init__(parent)
        self._worker = EngineWorker(factory, events_at_most=events_at_most)
        self._events_at_most = events_at_most
        self._started = False
        self._state = SessionState.LOADING
        self._path: Path | None = None
        self._model: ModelInfo | None = None
        self._failure = ""
        self._turn = 0
        self._line: list[_Question] = []
        self._at_worker: dict[int, _Question] = {}
        self._over: list[Frame] = []
        self._load: CancelToken | None = None
        self._waking = False
        self._prepared: CancelToken | None = None
        self._prefill_rate = 0.0
        self._jobs_under_way = 0
        self._timer = QTimer(self)
        self._timer.setInterval(FRAME_MS)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._drain)

    @property
    def state(self) -> SessionState:
        """What the engine is doing now."""
        return self._state

    @property
    def model(self) -> ModelInfo | None:
        """The loaded model, or the one that was unloaded and comes back with the next question; or ``None``."""
        return self._model

    @property
    def path(self) -> Path | None:
        """The model folder that was asked for last; ``None`` is the default one."""
        return self._path

    @property
    def failure(self) -> str:
        """Why the model could not be loaded, in a sentence for the user."""
        return self._failure

    @property
    def prefill_rate(self) -> float:
        """Tokens of a prompt that this model reads in a second, as the last reply showed; 0 until one has."""
        return self._prefill_rate

    @property
    def idle(self) -> bool:
        """Whether a model is loaded and a question would be begun at once."""
        return self._state is SessionState.READY

    @property
    def takes_questions(self) -> bool:
        """Whether there is a model that can be asked, even if it has to be loaded again for that."""
        known = (SessionState.READY, SessionState.GENERATING, SessionState.UNLOADED)
        return self._state in known or (self._state is SessionState.LOADING and self._waking)

    def load(self, path: Path | None) -> None:
        """Load the model in ``path``; ``None`` is the default model.

        The reply under way is stopped; questions that wait are for the new model.
        """
        if self._state is SessionState.CLOSED:
            return
        for question in self._at_worker.values():
            question.cancel.cancel()
        self._drop_prepared()
        self._prefill_rate = 0.0
        if not self._started:
            self._started = True
            self._worker.start()
        self._path = path
        self._model = None
        self._waking = False
        self._begin_loading()

    def unload(self) -> None:
        """Give the model's memory back, if nobody is asking anything; see :attr:`SessionState.UNLOADED`."""
        if self._state is not SessionState.READY or self._line or self._at_worker:
            return
        self._drop_prepared()
        self._job_given()
        self._worker.unload()
        self._set_state(SessionState.UNLOADED)

    def wake(self) -> None:
        """Load a model again that was unloaded: a question is being written."""
        self.used.emit()
        if self._state is SessionState.UNLOADED:
            self._waking = True
            self._begin_loading()

    def _begin_loading(self) -> None:
        self._failure = ""
        self._stop_loading()
        self._load = CancelToken()
        self._job_given()
        self._worker.open(self._path, self._load)
        self._set_state(SessionState.LOADING)

    def retry(self) -> None:
        """Load the same folder again."""
        self.load(self._path)

    def submit(self, turns: Sequence[Turn] | Heard, options: ReplyOptions, *, background: bool = False) -> int:
        """Ask for a reply to ``turns`` and return its number, which its frames carry.

        It begins at once, or when those before it have ended and a model is loaded; a ``background`` one lets all
        others go first, but is not interrupted by them. Frames come after this method has returned. The last one
        holds ``done`` or ``error``, an error at once when there is no model and none is being loaded.

        In place of turns may stand what a :meth:`listen` has heard, see :meth:`app.sound_stream.SoundStream.turns`;
        when nothing was encoded by then, the answer is empty.
        """
        self._turn += 1
        question = _Question(self._turn, turns if isinstance(turns, Heard) else tuple(turns), options, background)
        if self._state in (SessionState.FAILED, SessionState.CLOSED):
            self._end_soon(Frame(question.turn, error=self._no_model()))
            return question.turn
        self._line.append(question)
        self.wake()
        self._begin_next()
        return question.turn

    def listen(self) -> SoundStream:
        """Return what takes in sound and has it encoded while the engine has nothing else to do, or between words.

        That a model cannot hear shows when it is asked about the sound.
        """
        self.wake()
        return SoundStream(self._worker.hear)

    def withdraw(self, turn: int) -> None:
        """Stop a reply, or take it out of the line. What was said of it still arrives, then its last frame."""
        if turn in self._at_worker:
            self._at_worker[turn].cancel.cancel()
            self._begin_next()
        elif any(question.turn == turn for question in self._line):
            self._line = [question for question in self._line if question.turn != turn]
            self._end_soon(Frame(turn, done=_CANCELLED))

    def stop(self) -> None:
        """Withdraw everything that was submitted."""
        for turn in [*(question.turn for question in self._line), *self._at_worker]:
            self.withdraw(turn)

    def prepare(self, turns: Sequence[Turn], options: ReplyOptions) -> None:
        """Let the engine read ahead while it has nothing else to do; dropped as soon as anything else is asked for."""
        self.used.emit()
        if self._state is SessionState.READY:
            self._drop_prepared()
            self._prepared = CancelToken()
            self._worker.prepare(turns, options, self._prepared)

    def close(self) -> bool:
        """Stop everything, close the engine and wait for its thread. Return whether the thread has ended."""
        if self._state is not SessionState.CLOSED:
            self._drop_prepared()
            self._stop_loading()
            unfinished = sorted([*self._at_worker, *(question.turn for question in self._line)])
            for question in self._at_worker.values():
                question.cancel.cancel()
            self._at_worker.clear()
            self._line.clear()
            self._timer.stop()
            self._worker.close()
            self._set_state(SessionState.CLOSED)
            for turn in unfinished:
                self.frame.emit(Frame(turn, done=_CANCELLED))
        ended = self._worker.join(JOIN_SECONDS)
        if not ended:
            log.warning("The engine did not end within %.0f seconds", JOIN_SECONDS)
        return ended

    # --- how ---

    def _begin_next(self) -> None:
        """Give the worker the next question, if it has none that anybody still waits for."""
        if self._state not in (SessionState.READY, SessionState.GENERATING) or not self._line:
            return
        if any(not question.cancel.cancelled for question in self._at_worker.values()):
            return
        question = min(self._line, key=lambda question: (question.background, question.turn))
        self._line.remove(question)
        self._at_worker[question.turn] = question
        self._drop_prepared()
        self._job_given()
        self._worker.reply(question.turn, question.turns, question.options, question.cancel)
        self._set_state(SessionState.GENERATING)

    def _stop_loading(self) -> None:
        if self._load is not None:
            self._load.cancel()
            self._load = None

    def _drop_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared.cancel()
            self._prepared = None

    def _job_given(self) -> None:
        self._jobs_under_way += 1
        self._timer.start()

    def _end_soon(self, frame: Frame) -> None:
        """Send a last frame when control is back in the event loop, so that whoever asked knows the number."""
        self._over.append(frame)
        QTimer.singleShot(0, self, self._send_over)

    def _send_over(self) -> None:
        over, self._over = self._over, []
        for frame in over:
            self.frame.emit(frame)

    def _set_state(self, state: SessionState) -> None:
        if state is not self._state:
            self._state = state
            log.debug("The session is %s", state.value)
            self.state_changed.emit(state)

    def _drain(self) -> None:
        """Take what is in the queue and send it on, as one frame of each reply."""
        said: dict[int, list[ReplyEvent]] = {}
        ends: dict[int, Ended | ReplyFailed] = {}
        opened: Opened | OpenFailed | None = None
        progress: Loading | None = None
        lost = False
        for event in self._arrived():
            match event:
                case Loading():
                    progress = event
                case Piece(turn, piece):
                    said.setdefault(turn, []).append(piece)
                case Unloaded():
                    self._jobs_under_way -= 1
                case Opened() | OpenFailed():
                    self._jobs_under_way -= 1
                    opened = event
                case Ended() | ReplyFailed():
                    self._jobs_under_way -= 1
                    said.setdefault(event.turn, [])
                    ends[event.turn] = event
                    lost |= isinstance(event, ReplyFailed) and event.lost
                case NotAsked(turn, sentence):
                    self._jobs_under_way -= 1
                    self._put_back(turn, sentence)
                    lost = True
        if self._jobs_under_way == 0:
            self._timer.stop()
        if progress is not None and self._state is SessionState.LOADING and self._jobs_under_way == 1:
            self.loading.emit(progress.step, progress.share)
        for turn, events in said.items():
            self._send(turn, events, ends.get(turn))
        if opened is not None and self._state is SessionState.LOADING and self._jobs_under_way == 0:
            self._finish_loading(opened)
        if lost:
            self._model_lost()
        self._begin_next()
        if self._state is SessionState.GENERATING and not self._at_worker:
            self._set_state(SessionState.READY)

    def _put_back(self, turn: int, sentence: str) -> None:
        """Let a question that was not begun wait again, if anybody still waits for its answer."""
        question = self._at_worker.get(turn)
        if question is None:
            return
        if question.cancel.cancelled:
            self._send(turn, (), Ended(turn, _CANCELLED))
            return
        del self._at_worker[turn]
        if self._state is SessionState.FAILED:
            self._end_soon(Frame(turn, error=self._no_model()))
        elif question.put_back:  # a model that goes by itself again and again is not loaded for ever
            self._end_soon(Frame(turn, error=sentence or self._unexpected_reply()))
        else:
            question.put_back = True
            self._line.append(question)

    def _model_lost(self) -> None:
        """The engine's process has ended: the next question, or the one that waits, loads the model again."""
        if self._state in (SessionState.READY, SessionState.GENERATING):
            self._drop_prepared()
            self._set_state(SessionState.UNLOADED)
            if self._line:
                self.wake()

    def _arrived(self) -> list[WorkerEvent]:
        events: list[WorkerEvent] = []
        # No more than one queue full, or a very fast engine would keep us here.
        while len(events) < self._events_at_most:
            try:
                events.append(self._worker.events.get_nowait())
            except queue.Empty:
                break
        return events

    def _finish_loading(self, event: Opened | OpenFailed) -> None:
        self._waking = False
        if isinstance(event, Opened):
            self._model = event.model
            self._set_state(SessionState.READY)
            return
        self._model = None
        self._failure = event.sentence or self._unexpected_load()
        waited, self._line = self._line, []
        self._set_state(SessionState.FAILED)
        for question in waited:
            self.frame.emit(Frame(question.turn, error=self._no_model()))

    def _send(self, turn: int, events: Sequence[ReplyEvent], end: Ended | ReplyFailed | None) -> None:
        if turn not in self._at_worker:
            return
        done = end.done if isinstance(end, Ended) else None
        error = (end.sentence or self._unexpected_reply()) if isinstance(end, ReplyFailed) else ""
        prefill = next((event for event in reversed(events) if isinstance(event, Prefill)), None)
        if end is not None:
            del self._at_worker[turn]
            self._learn_prefill_rate(done)
        self.frame.emit(Frame(turn, joined(events), prefill, done, error))

    def _learn_prefill_rate(self, done: Done | None) -> None:
        if done is None or done.stats.time_to_first_token <= 0:
            return
        read = done.stats.prompt_tokens - done.stats.reused_tokens
        if read >= _TOKENS_TO_LEARN_FROM:
            self._prefill_rate = read / done.stats.time_to_first_token

    def _no_model(self) -> str:
        if self._state is SessionState.CLOSED:
            return QCoreApplication.translate("Session", "Larimar is closing, so the model no longer answers.")
        return self._failure

    @staticmethod
    def _unexpected_reply() -> str:
        return QCoreApplication.translate(
            "Session", "Something went wrong inside Larimar while it was answering. Please ask again."
        )

    @staticmethod
    def _unexpected_load() -> str:
        return QCoreApplication.translate(
            "Session", "Something went wrong inside Larimar while it was loading this model. Please try another folder."
        )
