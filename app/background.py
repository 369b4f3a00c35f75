"""Work that would hold up the window, on threads of its own, with the result back on the GUI thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage

from app.error_report import describe

log = logging.getLogger(__name__)

THREADS = 2
_Value = TypeVar("_Value")


class Background(QObject):
    """A few threads, and the way back from any thread. Its methods are for the GUI thread."""

    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool: ThreadPoolExecutor | None = None
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
            # The first look at a path makes PySide import a module, holding a lock of C++. Two threads that do it at
            # once wait for one another for ever, one with Python's lock and one with that one; so it happens here.
            QImage(Path())
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="larimar-background")
        future = self._pool.submit(work)
        future.add_done_callback(lambda future: self._send(future, done, failed))
        return future

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
        """Wait for the work under way and deliver nothing more."""
        self._closed = True
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
        try:
            value = future.result()
        except CancelledError:
            return
        except Exception as error:
            if failed is not None:
                failed(error)
            else:
                log.error("Unexpected in the background: %s", describe(error))
        else:
            done(value)
