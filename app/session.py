"""The border between the window and the engine: the one object that knows both threads.

Panes call the methods here and listen to the signals; all of it happens on the GUI thread. While something is under
way a timer empties the worker's queue once a frame and what arrived goes out as one :class:`Frame`.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import groupby
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal

from app.engine_worker import (
    EVENTS_AT_MOST,
    Ended,
    EngineFactory,
    EngineWorker,
    Loading,
    ModelInfo,
    Opened,
    OpenFailed,
    Piece,
    WorkerEvent,
)
from inference.cancellation import CancelToken
from inference.messages import Done, Prefill, ReplyEvent, ReplyOptions, Text, Thought, ToolCall, Turn

log = logging.getLogger(__name__)

FRAME_MS = 33
JOIN_SECONDS = 20.0
_TOKENS_TO_LEARN_FROM = 32  # a shorter prompt says more about overheads than about reading


class SessionState(Enum):
    """What the engine is doing."""

    LOADING = "loading"
    READY = "ready"
    GENERATING = "generating"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Frame:
    """All that arrived of one reply since the last frame."""

    turn: int
    pieces: tuple[Text | Thought | ToolCall, ...] = ()
    """In the order in which they came; neighbours of one kind are joined."""
    prefill: Prefill | None = None
    done: Done | None = None
    error: str = ""
    """A sentence for the user when the reply ended in an error."""

    @property
    def text(self) -> str:
        """The visible text."""
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Text))

    @property
    def thought(self) -> str:
        """What was thought."""
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Thought))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that were asked for."""
        return tuple(piece for piece in self.pieces if isinstance(piece, ToolCall))

    @property
    def last(self) -> bool:
        """Whether the reply is over."""
        return self.done is not None or bool(self.error)


class Session(QObject):
    """The loaded model, as the window sees it."""

    state_changed = Signal(object)
    """Carries the new :class:`SessionState`."""
    loading = Signal(str, float)
    """Carries what is being done to load the model, and how much of it lies behind, 0 to 1."""
    frame = Signal(object)
    """Carries a :class:`Frame` of the reply under way, at most one per 33 ms."""

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
        self._cancel: CancelToken | None = None
        self._load: CancelToken | None = None
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
        """The loaded model, or ``None``."""
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

    def load(self, path: Path | None) -> None:
        """Load the model in ``path``; ``None`` is the default model. A reply under way is given up."""
        if self._state is SessionState.CLOSED:
            return
        self.give_up()
        self._drop_prepared()
        self._prefill_rate = 0.0
        if not self._started:
            self._started = True
            self._worker.start()
        self._path = path
        self._model = None
        self._failure = ""
        self._stop_loading()
        self._load = CancelToken()
        self._submitted()
        self._worker.open(path, self._load)
        self._set_state(SessionState.LOADING)

    def retry(self) -> None:
        """Load the same folder again."""
        self.load(self._path)

    def ask(self, turns: Sequence[Turn], options: ReplyOptions) -> int | None:
        """Start a reply to ``turns`` and return its turn number; ``None`` when the session cannot take one now."""
        if self._state is not SessionState.READY:
            return None
        self._drop_prepared()
        self._turn += 1
        self._cancel = CancelToken()
        self._submitted()
        self._worker.reply(self._turn, turns, options, self._cancel)
        self._set_state(SessionState.GENERATING)
        return self._turn

    def prepare(self, turns: Sequence[Turn], options: ReplyOptions) -> None:
        """Let the engine read ahead while it has nothing else to do; dropped as soon as anything else is asked for."""
        if self._state is SessionState.READY:
            self._drop_prepared()
            self._prepared = CancelToken()
            self._worker.prepare(turns, options, self._prepared)

    def _stop_loading(self) -> None:
        if self._load is not None:
            self._load.cancel()
            self._load = None

    def _drop_prepared(self) -> None:
        if self._prepared is not None:
            self._prepared.cancel()
            self._prepared = None

    def stop(self) -> None:
        """Ask for the end of the reply. What the engine has said so far still arrives, then a last frame."""
        if self._cancel is not None:
            self._cancel.cancel()
            self._drain()

    def give_up(self) -> None:
        """Stop the reply and let nothing more of it arrive."""
        if self._cancel is None:
            return
        self._cancel.cancel()
        self._cancel = None
        self._turn += 1
        self._set_state(SessionState.READY)

    def close(self) -> bool:
        """Stop everything, close the engine and wait for its thread. Return whether the thread has ended."""
        if self._state is not SessionState.CLOSED:
            self._drop_prepared()
            self._stop_loading()
            if self._cancel is not None:
                self._cancel.cancel()
                self._cancel = None
            self._timer.stop()
            self._worker.close()
            self._set_state(SessionState.CLOSED)
        ended = self._worker.join(JOIN_SECONDS)
        if not ended:
            log.warning("The engine did not end within %.0f seconds", JOIN_SECONDS)
        return ended

    def _submitted(self) -> None:
        self._jobs_under_way += 1
        self._timer.start()

    def _set_state(self, state: SessionState) -> None:
        if state is not self._state:
            self._state = state
            log.debug("The session is %s", state.value)
            self.state_changed.emit(state)

    def _drain(self) -> None:
        """Take what is in the queue and send it on as one frame."""
        mine: list[ReplyEvent] = []
        done: Done | None = None
        error = ""
        opened: Opened | OpenFailed | None = None
        progress: Loading | None = None
        for event in self._arrived():
            if isinstance(event, Loading):
                progress = event
                continue
            if isinstance(event, Piece):
                if event.turn == self._turn:
                    mine.append(event.event)
                continue
            self._jobs_under_way -= 1
            if isinstance(event, Opened | OpenFailed):
                opened = event
            elif event.turn == self._turn:
                if isinstance(event, Ended):
                    done = event.done
                else:
                    error = event.sentence or self._unexpected_reply()
        if self._jobs_under_way == 0:
            self._timer.stop()
        if progress is not None and self._state is SessionState.LOADING and self._jobs_under_way == 1:
            self.loading.emit(progress.step, progress.share)
        if opened is not None and self._state is SessionState.LOADING and self._jobs_under_way == 0:
            self._finish_loading(opened)
        if mine or done is not None or error:
            self._send(mine, done, error)

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
        if isinstance(event, Opened):
            self._model = event.model
            self._set_state(SessionState.READY)
        else:
            self._failure = event.sentence or self._unexpected_load()
            self._set_state(SessionState.FAILED)

    def _send(self, events: Sequence[ReplyEvent], done: Done | None, error: str) -> None:
        frame = Frame(
            turn=self._turn,
            pieces=_joined(events),
            prefill=next((event for event in reversed(events) if isinstance(event, Prefill)), None),
            done=done,
            error=error,
        )
        if frame.last:
            self._cancel = None
            self._learn_prefill_rate(done)
        self.frame.emit(frame)
        if frame.last and self._state is SessionState.GENERATING and self._cancel is None:
            self._set_state(SessionState.READY)

    def _learn_prefill_rate(self, done: Done | None) -> None:
        if done is None or done.stats.time_to_first_token <= 0:
            return
        read = done.stats.prompt_tokens - done.stats.reused_tokens
        if read >= _TOKENS_TO_LEARN_FROM:
            self._prefill_rate = read / done.stats.time_to_first_token

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


def _joined(events: Sequence[ReplyEvent]) -> tuple[Text | Thought | ToolCall, ...]:
    """Return what was said, with neighbouring pieces of one kind as one."""
    joined: list[Text | Thought | ToolCall] = []
    for kind, group in groupby((event for event in events if isinstance(event, Text | Thought | ToolCall)), key=type):
        if kind is ToolCall:
            joined.extend(group)
        else:
            joined.append(kind("".join(event.text for event in group if isinstance(event, Text | Thought))))
    return tuple(joined)
