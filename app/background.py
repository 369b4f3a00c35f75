"""Work that would hold up the window, on threads of its own, with the result back on the GUI thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage

from app.error_report import as_exception, describe
from inference.cancellation import CancelToken
from inference.isolation import POOL, CallCancelled

log = logging.getLogger(__name__)

THREADS = 2
DECODING_THREADS = 4
"""Apart from the others: a file of a stranger may hold one of them up for as long as its child process may live."""
_Value = TypeVar("_Value")


class Background(QObject):
    """A few threads, and the way back from any thread. Its methods are for the GUI thread.

    What decodes files goes to :meth:`decode`, everything else to :meth:`run`.
    """

    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool: ThreadPoolExecutor | None = None
        self._decoding: ThreadPoolExecutor | None = None
        self._tokens: set[CancelToken] = set()
        self._closed = False
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def run(
        self,
        work: Callable[[], _Value],
        done: Callable[[_Value], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> Future[_Value]:
        """Call ``work`` on another thread, then ``done`` or ``failed`` here. Errors without ``failed`` are logged.

        Cancelling the returned future before the work has begun means that neither is called.
        """
        if self._pool is None:
            _look_at_a_path()
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="larimar-background")
        future = self._pool.submit(work)
        future.add_done_callback(lambda future: self._send(future, done, failed))
        return future

    def decode(
        self,
        work: Callable[[CancelToken], _Value],
        done: Callable[[_Value], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> CancelToken:
        """Call ``work``, which waits for a child process, on another thread, then ``done`` or ``failed`` here.

        It gets the token that is returned. Whoever cancels it kills the child at once; neither is then called.
        """
        if self._decoding is None:
            _look_at_a_path()
            self._decoding = ThreadPoolExecutor(DECODING_THREADS, thread_name_prefix="larimar-decoding")
        cancel = CancelToken()
        self._tokens.add(cancel)

        def work_unless_cancelled() -> _Value:
            if cancel.cancelled:
                raise CallCancelled
            return work(cancel)

        def finish(future: Future[_Value]) -> None:
            self._tokens.discard(cancel)
            self._send(future, lambda value: None if cancel.cancelled else done(value), failed)

        self._decoding.submit(work_unless_cancelled).add_done_callback(finish)
        return cancel

    def when_done(
        self,
        future: Future[_Value],
        done: Callable[[_Value], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        """Call ``done`` or ``failed`` here when somebody else's future has ended; at once when it has already."""
        if future.done():
            self._deliver((future, done, failed))
        else:
            future.add_done_callback(lambda future: self._send(future, done, failed))

    def close(self) -> None:
        """Wait for the work under way, end what is being decoded, and deliver nothing more."""
        self._closed = True
        for cancel in tuple(self._tokens):
            cancel.cancel()
        if self._decoding is not None:
            self._decoding.shutdown(wait=True, cancel_futures=True)
            self._decoding = None
        POOL.kill_all()  # those that are kept warm for us
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def _send(self, *delivery: Any) -> None:
        if not self._closed:  # runs on any thread; the object lives as long as the pool
            self._arrived.emit(delivery)

    def _deliver(
        self, delivery: tuple[Future[Any], Callable[[Any], object], Callable[[Exception], object] | None]
    ) -> None:
        future, done, failed = delivery
        if self._closed:
            return
        if future.cancelled():
            return
        # Raised here, an error would keep this frame, which keeps the error, and with it every caller: dialogs that
        # wait among them, which the garbage collector may then end on any thread.
        error = future.exception()  # a panic in Rust is no Exception
        if error is None:
            done(future.result())
        elif isinstance(error, (CancelledError, CallCancelled)):
            return
        elif failed is not None:
            failed(as_exception(error))
        else:
            log.error("Unexpected in the background: %s", describe(error))


def _look_at_a_path() -> None:
    """Let PySide import what it needs for paths, before threads do.

    The first look at a path makes it import a module, holding a lock of C++. Two threads that do it at once wait for
    one another for ever, one with Python's lock and one with that one.
    """
    QImage(Path())
