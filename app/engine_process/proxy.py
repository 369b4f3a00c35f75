"""The engine as the window's process sees it: the interface of :class:`inference.engine.Engine`, over two pipes."""

from __future__ import annotations

import contextlib
import itertools
import logging
import re
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine_process import wire
from app.engine_process.launching import SPARE, ChildProcess
from app.engine_process.wire import (
    Answer,
    Begun,
    Failed,
    Finished,
    Heard,
    LogLine,
    MalformedError,
    MayKeep,
    Opened,
    Progress,
)
from inference import errors
from inference.cancellation import CancelToken
from inference.errors import (
    EngineBusyError,
    EngineLostError,
    LarimarError,
    LoadCancelledError,
    UnsupportedInputError,
)
from inference.graphs.session import ProviderChoice, RunCancelled
from inference.media.recording import as_16_bits, recording_of
from inference.messages import Audio, Done, Prefill, ReplyEvent, ReplyOptions, ReplyStats, Text, Thought, ToolCall, Turn

log = logging.getLogger(__name__)

STOP_SECONDS: Final = 5.0
"""How long a reply that was stopped may go on before its process is killed; the engine looks several times a second."""
LOAD_STOP_SECONDS: Final = 1.0
"""The same for a model that is being loaded, of which there is nothing to lose."""
CLOSE_SECONDS: Final = 10.0
"""How long closing may take: the engine may write down what it computed for conversations."""
_LOGGER: Final = re.compile(r"(inference|app)(\.\w+){0,5}", re.ASCII)
_MOST_LINES: Final = 2000
"""Lines for the log that one process may write."""
_MOST_QUESTIONS: Final = 10_000


class EngineProcess:
    """A loaded model in a process of its own; made by :meth:`open`.

    For one thread at a time. Every call may raise :class:`EngineLostError`, after which :attr:`lost` is true and the
    model must be opened anew.
    """

    def __init__(self, process: ChildProcess, may_keep: Callable[[], bool] | None) -> None:
        self.name = ""
        self.demo = False
        self.modalities: frozenset[str] = frozenset()
        self.context_length = 0
        self.provider = ""
        self.provider_reason = ""
        self._process = process
        self._may_keep = may_keep
        self._writer = wire.RequestWriter()
        self._numbers = itertools.count(1)
        self._busy = threading.Lock()
        self._lines = 0
        self._lost = False
        self._closed = False

    @classmethod
    def open(
        cls,
        path: Path | None = None,
        *,
        provider: ProviderChoice = "auto",
        threads: int | None = None,
        prefix_cache: Path | None = None,
        prefix_cache_allowed: Callable[[], bool] | None = None,
        progress: Callable[[str, float], None] | None = None,
        cancel: CancelToken | None = None,
        crash_log: Path | None = None,
    ) -> EngineProcess:
        """Start a process and let it load a model folder.

        Args:
            crash_log: the file to which the process adds where it was when native code failed.

        The other arguments, and the errors raised, are those of :meth:`inference.engine.Engine.open`. Besides:

        Raises:
            EngineLostError: the process ended while it was loading.
            OSError: the system starts no process.
        """
        options = {
            "path": path,
            "provider": provider,
            "threads": threads,
            "prefix_cache": prefix_cache,
            "log_level": logging.getLogger("inference").getEffectiveLevel(),
            "crash_log": crash_log,
        }
        cancel = cancel or CancelToken()
        try:
            return cls._opened(SPARE.take(), options, prefix_cache_allowed, progress, cancel)
        except EngineLostError as error:
            if error.begun or cancel.cancelled:
                raise
        # The spare one had gone before it was needed, for want of memory perhaps.
        return cls._opened(SPARE.take(), options, prefix_cache_allowed, progress, cancel)

    @classmethod
    def _opened(
        cls,
        process: ChildProcess,
        options: Mapping[str, object],
        may_keep: Callable[[], bool] | None,
        progress: Callable[[str, float], None] | None,
        cancel: CancelToken,
    ) -> EngineProcess:
        engine = cls(process, may_keep)
        try:
            engine._load(options, progress, cancel)
        except BaseException:
            engine._closed = True
            process.end()
            raise
        return engine

    def _load(
        self, options: Mapping[str, object], progress: Callable[[str, float], None] | None, cancel: CancelToken
    ) -> None:
        with self._asked("open", options, cancel=cancel, patience=LOAD_STOP_SECONDS) as (answers, killed):
            try:
                for answer in answers:
                    if isinstance(answer, Progress) and progress is not None:
                        progress(answer.step, answer.share)
                    elif isinstance(answer, Opened):
                        self.name, self.demo, self.modalities = answer.name, answer.demo, answer.modalities
                        self.context_length = answer.context_length
                        self.provider, self.provider_reason = answer.provider, answer.provider_reason
            except EngineLostError:
                if not killed():
                    raise
                raise LoadCancelledError("The model was not loaded: it was stopped before it was ready.") from None

    @property
    def lost(self) -> bool:
        """Whether the process has ended, and the model with it."""
        return self._lost or not self._process.alive

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def reply(
        self, turns: Sequence[Turn], options: ReplyOptions | None = None, cancel: CancelToken | None = None
    ) -> Generator[ReplyEvent]:
        """Answer a conversation; as :meth:`inference.engine.Engine.reply`, but the engine works ahead of the events.

        A reply that is stopped ends within :data:`STOP_SECONDS`, whatever the engine is doing.
        """
        frames = self._writer.frames
        cancel = cancel or CancelToken()
        with self._asked("reply", tuple(turns), options or ReplyOptions(), cancel=cancel, frames=frames) as reply:
            answers, killed = reply
            try:
                for answer in answers:
                    if isinstance(answer, Text | Thought | Prefill | ToolCall | Done):
                        yield answer
            except EngineLostError:
                if not killed():
                    raise
                yield Done("cancelled", ReplyStats(context_length=self.context_length))

    def prepare(
        self, turns: Sequence[Turn], options: ReplyOptions | None = None, cancel: CancelToken | None = None
    ) -> Generator[Prefill]:
        """Read ahead; as :meth:`inference.engine.Engine.prepare`."""
        frames = self._writer.frames
        cancel = cancel or CancelToken()
        with self._asked("prepare", tuple(turns), options or ReplyOptions(), cancel=cancel, frames=frames) as work:
            for answer in work[0]:
                if isinstance(answer, Prefill):
                    yield answer

    def listen(self) -> RemoteSoundEncoder:
        """Return what encodes a recording while it is being made; as :meth:`inference.engine.Engine.listen`."""
        if self._closed:
            raise EngineBusyError("The model was closed; load it again.")
        if "audio" not in self.modalities:
            raise UnsupportedInputError(f"{self.name} does not understand sound. Choose another model.")
        return RemoteSoundEncoder(self, next(self._numbers))

    def close(self) -> None:
        """End the process, and give the memory back with it; idempotent.

        Raises :class:`EngineBusyError` while a reply is under way.
        """
        if self._closed:
            return
        if self._busy.locked():
            raise EngineBusyError("The model is still answering; stop the answer before closing the model.")
        try:
            if not self.lost:
                cancel = CancelToken()
                with self._asked("close", cancel=cancel, patience=CLOSE_SECONDS) as (answers, _):
                    cancel.cancel()  # which it does not look at: the clock ticks from the beginning
                    for _ in answers:
                        pass
        finally:
            self._closed = True
            self._process.end(patience=0.5)

    # --- for this module ---

    def request(self, kind: str, *arguments: object, cancel: CancelToken | None = None) -> list[Answer]:
        """Ask for something and return all answers. Raises what the engine raises."""
        with self._asked(kind, *arguments, cancel=cancel or CancelToken()) as (answers, _):
            return list(answers)

    def tell(self, kind: str, *arguments: object) -> None:
        """Say something that is not answered; from any thread, returns at once."""
        self._process.send(wire.plain_request(kind, *arguments))

    # --- how ---

    @contextmanager
    def _asked(
        self,
        kind: str,
        *arguments: object,
        cancel: CancelToken,
        patience: float | None = None,
        frames: Callable[..., list[bytes]] | None = None,
    ) -> Iterator[tuple[Iterator[Answer], Callable[[], bool]]]:
        """Send a request; give its answers, and whether the process was killed because it did not stop.

        At the end of the block the request has ended, if need be by force, so that the next one gets its own answers.
        """
        if self._closed:
            raise EngineBusyError("The model was closed; load it again.")
        if not self._busy.acquire(blocking=False):
            raise EngineBusyError("The model is still answering; wait for the end of the answer, or stop it.")
        clock = _Patience(STOP_SECONDS if patience is None else patience, self._process.kill)
        try:
            number = next(self._numbers)
            self._process.send(*(frames or _plain)(kind, number, *arguments))

            def stop() -> None:
                self.tell("cancel", number)
                clock.start()

            answers = self._answers()
            with cancel.terminating(stop):
                try:
                    yield answers, lambda: clock.over
                finally:
                    if answers.gi_frame is not None:  # type: ignore[attr-defined] # nobody waited for the end
                        stop()
                        with contextlib.suppress(Exception):
                            for _ in answers:
                                pass
        finally:
            clock.stop()
            self._busy.release()

    def _answers(self) -> Generator[Answer]:
        """Yield answers to the end of a request. Raises what the engine raised."""
        begun = False
        asked = 0
        most = self._process.received + wire.REQUEST_BYTES
        while True:
            try:
                answer = self._process.receive()
                if self._process.received > most:  # what is not read yet waits in memory
                    raise MalformedError("it says more than any model does")
            except (EOFError, MalformedError) as error:
                raise self._end(error, begun) from None
            match answer:
                case Begun():
                    begun = True
                case LogLine():
                    self._log(answer)
                case MayKeep():
                    asked += 1
                    if asked > _MOST_QUESTIONS:  # and it does not wait for answers, or they would be fewer
                        raise self._end(MalformedError("it asks without end"), begun)
                    self.tell("keep", self._may_keep is None or bool(self._may_keep()))
                case Finished():
                    return
                case Failed():
                    raise _error(answer)
                case _:
                    yield answer

    def _end(self, error: Exception, begun: bool) -> EngineLostError:
        """The process has ended, or talks nonsense; return the error to raise."""
        self._lost = True
        if isinstance(error, MalformedError):
            log.error("The engine's process answers nonsense: %s", error)
            self._process.kill()
        status = self._process.end(patience=1.0)
        log.error("The engine's process ended with status %d", status)
        return EngineLostError(_why(status, loaded=bool(self.name)), begun=begun)

    def _log(self, line: LogLine) -> None:
        """Write a line as if it came from this process. What the child says is not believed to be harmless."""
        self._lines += 1
        if self._lines > _MOST_LINES or not _LOGGER.fullmatch(line.name):
            return
        text = "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in line.text)
        level = max(logging.DEBUG, min(logging.CRITICAL, line.level))
        logger = logging.getLogger(line.name.partition(".")[0])
        if logger.isEnabledFor(level):
            logger.handle(logging.LogRecord(line.name, level, "", 0, text[: wire.LOG_CHARACTERS], None, None))


class RemoteSoundEncoder:
    """The interface of :class:`inference.streaming_audio.StreamingAudioEncoder`, as far as the window needs it."""

    def __init__(self, engine: EngineProcess, stream: int) -> None:
        self._engine = engine
        self._stream = stream
        self._recorded: list[NDArray[np.int16]] = []
        self._until_closed = ExitStack()
        self._watched = False
        engine.tell("listen", stream)

    @property
    def recording(self) -> Audio:
        """All that was heard, as a WAV file in memory: to the bit what the engine encoded."""
        return recording_of(self._recorded)

    def feed(self, samples: NDArray[np.float32], cancel: CancelToken | None = None) -> None:
        """Take the next samples, float32 [n], 16 kHz mono; returns at once.

        What goes wrong shows when it is asked about. ``cancel`` ends the work on this recording for good.
        """
        if cancel is not None and not self._watched:
            self._watched = True
            self._until_closed.enter_context(cancel.terminating(self._forget))
        if cancel is None or not cancel.cancelled:
            self._recorded.append(as_16_bits(samples))
            self._engine.tell("feed", self._stream, np.ascontiguousarray(samples, np.float32))

    def so_far(self) -> Audio | None:
        """Return the recording as far as it is encoded; ``None`` before the first soft token."""
        for answer in self._engine.request("so far", self._stream):
            if isinstance(answer, Heard) and answer.samples is not None:
                return recording_of(self._recorded, answer.samples)
        return None

    def finish(self, cancel: CancelToken | None = None) -> None:
        """Encode what is left. Raises as :meth:`inference.streaming_audio.StreamingAudioEncoder.finish`."""
        self._engine.request("finish", self._stream, cancel=cancel)

    def _forget(self) -> None:
        self._engine.tell("forget", self._stream)


class _Patience:
    """Calls ``kill`` when somebody who was asked to stop has not done so after some seconds."""

    def __init__(self, seconds: float, kill: Callable[[], None]) -> None:
        self.over = False
        """Whether it came to that."""
        self._kill = kill
        self._timer = threading.Timer(seconds, self._end)
        self._timer.name = "larimar-engine-patience"
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._started = self._stopped = False

    def start(self) -> None:
        """Let the clock tick."""
        with self._lock:
            if not self._started and not self._stopped:
                self._started = True
                self._timer.start()

    def stop(self) -> None:
        """It has stopped in time, or was killed."""
        with self._lock:
            self._stopped = True
        self._timer.cancel()

    def _end(self) -> None:
        with self._lock:
            if self._stopped:
                return
            self.over = True
        log.error("The engine did not stop in time, and is ended")
        self._kill()


def _plain(kind: str, *arguments: object) -> list[bytes]:
    return [wire.plain_request(kind, *arguments)]


def _error(failed: Failed) -> Exception:
    """Return what the engine raised, as far as it is told."""
    if failed.kind == RunCancelled.__name__:
        return RunCancelled()
    if not failed.kind:
        return RuntimeError(f"the engine's process reports {failed.sentence[:100]}")
    kind = getattr(errors, failed.kind, None)
    if isinstance(kind, type) and issubclass(kind, LarimarError):
        return kind(failed.sentence)
    return LarimarError(failed.sentence)


def _why(status: int, *, loaded: bool = True) -> str:
    """Return the sentence about a process that has ended with ``status``."""
    again = (
        "Ask again: the model is then loaded anew."
        if loaded
        else "It was still loading the model: try again, or choose another model."
    )
    if status == -getattr(signal, "SIGKILL", 9):
        return f"The process that ran the model was ended from outside, perhaps because memory ran out. {again}"
    if status == -getattr(signal, "SIGBUS", 7):
        return (
            "The process that ran the model ended: a file of the model could no longer be read. If this happens "
            f"again, check the disk, and download or convert the model again. {again}"
        )
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"The process that ran the model ended because of a fault ({signal.Signals(-status).name}). {again}"
    return f"The process that ran the model ended because of a fault. {again}"
