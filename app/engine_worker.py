"""The engine's own thread: opens, uses and closes the engine, and knows nothing of Qt.

Jobs go in through an unbounded queue; what happened comes out through a bounded one, so that a window that lags
slows the engine down instead of filling the memory. Every job ends in exactly one :class:`Opened`,
:class:`OpenFailed`, :class:`Ended`, :class:`ReplyFailed`, :class:`NotAsked` or :class:`Unloaded`, unless the worker is
closed meanwhile.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from app.error_report import describe
from app.sound_stream import Heard, SoundStream
from inference.cancellation import CancelToken
from inference.errors import EngineLostError, LarimarError
from inference.graphs.session import RunCancelled
from inference.messages import Done, Prefill, ReplyEvent, ReplyOptions, ReplyStats, Turn

log = logging.getLogger(__name__)

EVENTS_AT_MOST = 256
THREAD_NAME = "larimar-engine"
_PUT_PATIENCE = 0.02  # seconds between two looks at the cancel token while the queue is full


class Engine(Protocol):
    """The part of :class:`inference.engine.Engine` that the window needs."""

    name: str
    demo: bool
    modalities: frozenset[str]
    context_length: int
    provider: str

    def reply(
        self, turns: Sequence[Turn], options: ReplyOptions = ..., cancel: CancelToken | None = None
    ) -> Iterator[ReplyEvent]:
        """Yield the events of one reply."""

    def close(self) -> None:
        """Give the memory back."""


@runtime_checkable
class PreparingEngine(Protocol):
    """An engine that can read ahead."""

    def prepare(
        self, turns: Sequence[Turn], options: ReplyOptions | None = ..., cancel: CancelToken | None = None
    ) -> Iterator[Prefill]:
        """Read ahead what is certain of a conversation whose last question may not be finished."""


EngineFactory = Callable[..., Engine]
"""Called with the folder (``None``: the default model). One that has the parameters ``progress`` and ``cancel`` gets a
function to call with what is being done and how much lies behind (0 to 1), and a :class:`CancelToken`."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the window shows of a loaded model."""

    name: str
    demo: bool
    modalities: frozenset[str]
    context_length: int
    provider: str
    provider_reason: str = ""
    """Why that is not the graphics card, as the second half of a sentence, where it should have been."""


@dataclass(frozen=True, slots=True)
class Loading:
    """A model is being loaded; comes now and then."""

    step: str
    share: float
    """How much lies behind, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model is loaded."""

    model: ModelInfo


@dataclass(frozen=True, slots=True)
class OpenFailed:
    """A model could not be loaded. ``sentence`` is for the user; empty when the error is not one of ours."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Piece:
    """One event of a reply that goes on."""

    turn: int
    event: ReplyEvent


@dataclass(frozen=True, slots=True)
class Ended:
    """A reply ended in order."""

    turn: int
    done: Done


@dataclass(frozen=True, slots=True)
class ReplyFailed:
    """A reply ended in an error. ``sentence`` is for the user; empty when the error is not one of ours."""

    turn: int
    sentence: str
    lost: bool = False
    """Whether the engine has gone with it, and must be opened again."""


@dataclass(frozen=True, slots=True)
class NotAsked:
    """The engine has gone since the last reply, so that this one was not begun. It must be opened again."""

    turn: int
    sentence: str = ""
    """What to tell the user where that is in vain."""


@dataclass(frozen=True, slots=True)
class Unloaded:
    """The engine is closed, and its memory given back."""


WorkerEvent = Loading | Opened | OpenFailed | Piece | Ended | ReplyFailed | NotAsked | Unloaded


@dataclass(frozen=True, slots=True)
class _Open:
    path: Path | None
    cancel: CancelToken


@dataclass(frozen=True, slots=True)
class _Reply:
    turn: int
    turns: tuple[Turn, ...] | Heard
    options: ReplyOptions
    cancel: CancelToken


@dataclass(frozen=True, slots=True)
class _Hear:
    pass


@dataclass(frozen=True, slots=True)
class _Prepare:
    turns: tuple[Turn, ...]
    options: ReplyOptions
    cancel: CancelToken


@dataclass(frozen=True, slots=True)
class _Unload:
    pass


_Job = _Open | _Reply | _Hear | _Prepare | _Unload
_Event = TypeVar("_Event")


class EngineWorker:
    """One thread that owns one engine. All methods are for the thread that made the worker and return at once."""

    def __init__(self, factory: EngineFactory, *, events_at_most: int = EVENTS_AT_MOST) -> None:
        self.events: queue.Queue[WorkerEvent] = queue.Queue(maxsize=events_at_most)
        self._factory = factory
        self._watchable = {"progress", "cancel"} <= inspect.signature(factory).parameters.keys()
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._sounds: queue.SimpleQueue[SoundStream] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._engine: Engine | None = None
        self._lost = False
        """Whether there is no engine because it went by itself."""
        # A daemon, so that a driver that hangs for ever cannot keep the process alive; join() is the rule.
        self._thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def open(self, path: Path | None, cancel: CancelToken) -> None:
        """Load the model in ``path`` in place of the one that is loaded; ``None`` is the default model."""
        self._jobs.put(_Open(path, cancel))

    def reply(self, turn: int, turns: Sequence[Turn] | Heard, options: ReplyOptions, cancel: CancelToken) -> None:
        """Answer ``turns``; the events carry the number ``turn``."""
        self._jobs.put(_Reply(turn, turns if isinstance(turns, Heard) else tuple(turns), options, cancel))

    def hear(self, stream: SoundStream) -> None:
        """Encode what a stream has taken in, soon; for any thread. What goes wrong shows when it is asked about."""
        self._sounds.put(stream)
        self._jobs.put(_Hear())

    def prepare(self, turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> None:
        """Let the engine read ahead until ``cancel``; nothing is heard of it, whatever happens."""
        self._jobs.put(_Prepare(tuple(turns), options, cancel))

    def unload(self) -> None:
        """Close the engine and go on without one; ends in :class:`Unloaded`."""
        self._jobs.put(_Unload())

    def close(self) -> None:
        """Ask the thread to close the engine and end. The reply under way must have been cancelled."""
        self._closing.set()
        self._jobs.put(None)

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the end of the thread and return whether it ended within ``timeout`` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # --- everything below runs on the engine thread ---

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None and not self._closing.is_set():
            # Not only Exception, here and below: a panic in a library written in Rust is none. Whatever happens, the
            # thread goes on, or no other model could be loaded until the next start of the program.
            try:
                end = self._do(job)
            except BaseException as error:
                end = _failure(job, error)
                if isinstance(error, EngineLostError):
                    self._lose_engine()
            if end is not None:
                self._put(end)
        self._close_engine()

    def _do(self, job: _Job) -> WorkerEvent | None:
        """Do a job and return how it ended; ``None`` where nobody waits for that."""
        match job:
            case _Open():
                return self._do_open(job)
            case _Reply():
                return self._do_reply(job)
            case _Unload():
                self._close_engine()
                return Unloaded()
            case _Prepare():
                self._do_prepare(job)
            case _Hear():
                self._encode_sound()
        return None

    def _do_open(self, job: _Open) -> WorkerEvent:
        self._close_engine()
        self._lost = False
        try:
            watched = {"progress": self._progress, "cancel": job.cancel} if self._watchable else {}
            engine = self._engine = self._factory(job.path, **watched)
            reason = getattr(engine, "provider_reason", "")
            return Opened(
                ModelInfo(engine.name, engine.demo, engine.modalities, engine.context_length, engine.provider, reason)
            )
        except BaseException:
            self._close_engine()
            raise

    def _progress(self, step: str, share: float) -> None:
        with contextlib.suppress(queue.Full):  # the next one says it too
            self.events.put_nowait(Loading(step, share))

    def _do_reply(self, job: _Reply) -> WorkerEvent:
        end: WorkerEvent = ReplyFailed(job.turn, "")
        if getattr(self._engine, "lost", False):
            self._lose_engine()
        if self._engine is None:
            return NotAsked(job.turn) if self._lost else end
        turns = self._written(job)
        if turns is None:
            return Ended(job.turn, Done("cancelled" if job.cancel.cancelled else "stop", ReplyStats()))
        with _closed_after(self._engine.reply(turns, job.options, job.cancel)) as events:
            for event in events:
                if isinstance(event, Done):
                    end = Ended(job.turn, event)
                else:
                    self._put(Piece(job.turn, event), job.cancel)
                    self._encode_sound()
        return end

    def _written(self, job: _Reply) -> Sequence[Turn] | None:
        """Return the turns; ``None`` when there is nothing to ask about."""
        if not isinstance(job.turns, Heard):
            return job.turns
        if job.cancel.cancelled:
            return None
        try:
            recording = job.turns.stream.recording(self._engine, job.turns.whole, job.cancel)
        except RunCancelled:
            return None
        return None if recording is None else job.turns.write(recording)

    def _encode_sound(self) -> None:
        """Encode all that was heard up to now."""
        streams: dict[int, SoundStream] = {}
        while not self._sounds.empty():
            stream = self._sounds.get()
            streams[id(stream)] = stream
        for stream in streams.values():
            if self._engine is None or self._closing.is_set():
                return
            try:
                stream.encode(self._engine)
            except RunCancelled:
                continue
            except BaseException as error:
                log.debug("Sound could not be encoded: %s", describe(error))

    def _do_prepare(self, job: _Prepare) -> None:
        if not isinstance(self._engine, PreparingEngine) or job.cancel.cancelled:
            return
        try:
            with _closed_after(self._engine.prepare(job.turns, job.options, job.cancel)) as steps:
                for _ in steps:
                    if job.cancel.cancelled:
                        break
        except BaseException as error:
            # The question itself will meet the same error, and says so to the user.
            log.debug("Nothing could be read ahead: %s", describe(error))

    def _put(self, event: WorkerEvent, cancel: CancelToken | None = None) -> None:
        """Hand ``event`` over; wait while the queue is full, but never for somebody who no longer wants it."""
        while not self._closing.is_set() and not (cancel is not None and cancel.cancelled):
            try:
                self.events.put(event, timeout=_PUT_PATIENCE)
            except queue.Full:
                continue
            return

    def _lose_engine(self) -> None:
        self._lost = True
        self._close_engine()

    def _close_engine(self) -> None:
        engine, self._engine = self._engine, None
        if engine is None:
            return
        try:
            engine.close()
        except BaseException as error:
            _sentence(error)


@contextlib.contextmanager
def _closed_after(events: Iterator[_Event]) -> Iterator[Iterator[_Event]]:
    """Close a generator at the end of the block, not when it happens to be collected: what that raises is heard."""
    try:
        yield events
    finally:
        if isinstance(events, Generator):
            events.close()


def _failure(job: _Job, error: BaseException) -> WorkerEvent | None:
    sentence = _sentence(error)
    match job:
        case _Open():
            return OpenFailed(sentence)
        case _Reply():
            if isinstance(error, EngineLostError):
                return ReplyFailed(job.turn, sentence, lost=True) if error.begun else NotAsked(job.turn, sentence)
            return ReplyFailed(job.turn, sentence)
        case _Unload():
            return Unloaded()
    return None


def _sentence(error: BaseException) -> str:
    """Return the sentence for the user, or "" for an error that nobody foresaw, which goes to the log."""
    if isinstance(error, LarimarError):
        return str(error)
    log.error("Unexpected in the engine: %s", describe(error))
    return ""
