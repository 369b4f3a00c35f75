"""What runs in the engine's process: reads requests, lets the engine work, and answers, until its parent is gone.

The main thread works; a reader takes requests in, so that a stop arrives in the middle of a run.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import logging
import os
import queue
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TextIO

from app.engine_process import wire
from app.engine_process.wire import Answer, Begun, Failed, Finished, Heard, LogLine, MayKeep, Opened, Progress
from app.error_report import describe
from app.private_files import private_opener
from inference.cancellation import CancelToken
from inference.errors import LarimarError
from inference.network import NETWORK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inference.engine import Engine
    from inference.streaming_audio import StreamingAudioEncoder

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG: Final = 1
_WAV_HEADER: Final = 44


def main() -> NoReturn:
    """Be the engine's process until the parent closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = _take_pipes()
    _end_with_parent()
    # There is nothing that an engine has to say to another machine.
    NETWORK.guard()
    NETWORK.offline = True
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    child = Child(answers)
    threading.Thread(target=child.listen, args=(requests,), name="larimar-requests", daemon=True).start()
    with contextlib.suppress(ImportError):  # to open a model says it better
        _import_engine()
    child.work()


@dataclass(slots=True)
class _Stream:
    """Sound that comes in."""

    encoder: StreamingAudioEncoder | None = None
    closed: CancelToken = field(default_factory=CancelToken)


class Child:
    """Holds the engine. ``answers`` is where answers are written to."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._cancels: dict[int, CancelToken] = {}
        self._may_keep: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._streams: dict[int, _Stream] = {}
        self._sounds: deque[tuple[int, NDArray[np.float32]]] = deque()
        self._engine: Engine | None = None
        self._crashes: TextIO | None = None

    # --- on the reader's thread ---

    def listen(self, requests: int) -> None:
        """Take requests in; the end of them is the end of the process."""
        try:
            reader = wire.RequestReader()
            with os.fdopen(requests, "rb") as stream:
                while len(prefix := stream.read(wire.LENGTH.size)) == wire.LENGTH.size:
                    (size,) = wire.LENGTH.unpack(prefix)
                    request = reader.read(stream.read(size))
                    if request is not None:
                        self._take(request)
        finally:
            os._exit(0)

    def _take(self, request: tuple[Any, ...]) -> None:
        match request:
            case ("cancel", int(number)):
                if (cancel := self._cancels.get(number)) is not None:
                    cancel.cancel()
            case ("keep", bool(may)):
                self._may_keep.put(may)
            case ("forget", int(stream)):
                if (known := self._streams.get(stream)) is not None:
                    known.closed.cancel()
                self._jobs.put(request)
            case ("listen", int(stream)):
                self._streams[stream] = _Stream()
            case ("feed", int(stream), samples):
                self._sounds.append((stream, samples))
                self._jobs.put(("hear",))
            case (str(), int(number), *_):
                self._cancels[number] = CancelToken()
                self._jobs.put(request)

    # --- on the main thread ---

    def work(self) -> NoReturn:
        """Do one request after the other."""
        while True:
            request = self._jobs.get()
            try:
                self._do(request)
            except BaseException as error:  # panics of Rust among them; see app.engine_worker
                self._fail(request, error)
            if len(request) > 1:
                self._cancels.pop(request[1], None)
            del request

    def _do(self, request: tuple[Any, ...]) -> None:
        match request:
            case ("hear",):
                self._encode_sounds()
                return
            case ("forget", stream):
                self._streams.pop(stream, None)
                return
        self.send(Begun())
        match request:
            case ("open", number, options):
                self._open(options, self._cancels[number])
            case (("reply" | "prepare") as kind, number, turns, options):
                work: Callable[..., Iterator[Answer]] = getattr(self._loaded(), kind)
                with contextlib.closing(work(turns, options, self._cancels[number])) as events:  # type: ignore[type-var]
                    for event in events:
                        self.send(event)
                        self._encode_sounds()
            case ("so far", _, stream):
                self._encode_sounds()
                self.send(Heard(_samples(self._encoder(stream))))
            case ("finish", number, stream):
                self._encode_sounds()
                self._encoder(stream).finish(self._cancels[number])
            case ("close", _):
                self._loaded().close()
                self.send(Finished())
                os._exit(0)  # at once: the system takes the memory back faster than Python does
            case _:
                raise AssertionError("an unknown request")
        self.send(Finished())

    def _fail(self, request: tuple[Any, ...], error: BaseException) -> None:
        from inference.graphs.session import RunCancelled

        if request[0] in ("hear", "forget"):
            log.debug("Sound could not be encoded: %s", describe(error))
        elif isinstance(error, LarimarError | RunCancelled):
            self.send(Failed(type(error).__name__, str(error)))
        else:
            log.error("Unexpected in the engine's process: %s", describe(error))
            self.send(Failed("", type(error).__name__))

    def _open(self, options: dict[str, Any], cancel: CancelToken) -> None:
        self._log(options.pop("log_level"), options.pop("crash_log"))
        _import_engine()
        from inference.engine import Engine

        if options["prefix_cache"] is not None:
            options["prefix_cache_allowed"] = self._ask_whether_to_keep
        path = options.pop("path")
        engine = self._engine = Engine.open(
            path, progress=lambda step, share: self.send(Progress(step, share)), cancel=cancel, **options
        )
        # To look through what the model brought takes longer than a frame, in the middle of a reply.
        gc.collect()
        gc.freeze()
        self.send(
            Opened(
                engine.name,
                engine.demo,
                engine.modalities,
                engine.context_length,
                engine.provider,
                engine.provider_reason,
            )
        )

    def _log(self, level: int, crash_log: Path | None) -> None:
        root = logging.getLogger()
        root.setLevel(level)
        root.addHandler(_ToParent(self.send))
        if crash_log is not None:
            with contextlib.suppress(OSError):
                self._crashes = open(crash_log, "a", encoding="utf-8", opener=private_opener)  # noqa: SIM115
                faulthandler.enable(self._crashes)

    def _ask_whether_to_keep(self) -> bool:
        self.send(MayKeep())
        return self._may_keep.get()

    def _loaded(self) -> Engine:
        assert self._engine is not None
        return self._engine

    def _encoder(self, stream: int) -> StreamingAudioEncoder:
        known = self._streams[stream]
        if known.encoder is None:
            known.encoder = self._loaded().listen()
        return known.encoder

    def _encode_sounds(self) -> None:
        """Encode all that was heard up to now; what goes wrong shows when it is asked about."""
        if not self._sounds:
            return
        import numpy as np

        heard: dict[int, list[NDArray[np.float32]]] = {}
        while self._sounds:
            stream, samples = self._sounds.popleft()
            heard.setdefault(stream, []).append(samples)
        for stream, blocks in heard.items():
            known = self._streams.get(stream)
            if known is None or known.closed.cancelled:
                continue
            try:
                self._encoder(stream).feed(np.concatenate(blocks), known.closed)
            except BaseException as error:
                if not known.closed.cancelled:
                    log.debug("Sound could not be encoded: %s", describe(error))

    def send(self, answer: Answer) -> None:
        """Answer; from any thread. Waits while the parent has enough to read."""
        rest = memoryview(wire.encoded(answer))
        with self._lock:
            try:
                while rest:
                    rest = rest[os.write(self._answers, rest) :]
            except OSError:  # the parent is gone
                os._exit(0)


class _ToParent(logging.Handler):
    """Sends what is logged to the parent's log."""

    def __init__(self, send: Callable[[Answer], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line."""
        with contextlib.suppress(Exception):
            self._send(LogLine(record.levelno, record.name[:200], self.format(record)[: wire.LOG_CHARACTERS]))


def _samples(encoder: StreamingAudioEncoder) -> int | None:
    recording = encoder.so_far()
    if recording is None:
        return None
    assert isinstance(recording.source, bytes)
    return (len(recording.source) - _WAV_HEADER) // 2


def _import_engine() -> None:
    import inference.engine
    import inference.language_model
    import inference.media_encoders
    import inference.speculation

    assert inference.engine
    from inference.graphs.providers import import_onnxruntime

    with contextlib.suppress(LarimarError):
        import_onnxruntime()


def _take_pipes() -> tuple[int, int]:
    """Return standard input and output as numbers that no library knows; what else is printed goes nowhere."""
    requests, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    return requests, answers


def _end_with_parent() -> None:
    """End when the parent does, even within native code that lets no other thread run; and before it, for memory."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")
