"""A connection to the X server with a thread of its own, so that no wait for another program holds up the window."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from Xlib import display, error

from app.error_report import as_exception, describe

log = logging.getLogger(__name__)

_Value = TypeVar("_Value")
_QUIT_SECONDS = 3.0


class X11Thread:
    """Runs what it is given, and hands events to :meth:`handle`, on one thread that alone uses the connection."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._work: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._reader.setblocking(False)
        self._thread: threading.Thread | None = None
        self._ends = False
        self._closing = threading.Event()
        self.display: display.Display

    def start(self) -> None:
        """Connect.

        Raises:
            OSError: there is no X server, or it lets nobody in.
        """
        try:
            self.display = display.Display()
        except (error.DisplayError, error.XauthError) as problem:
            raise OSError(str(problem)) from problem
        self.display.set_error_handler(_log_error)
        self._thread = threading.Thread(target=self._run, name=f"larimar-{self._name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the connection stands."""
        return self._thread is not None and self._thread.is_alive() and not self._ends

    def post(self, work: Callable[[], _Value]) -> Future[_Value]:
        """Run ``work`` on the thread soon; the future fails with ``ConnectionError`` when the X server is gone."""
        future: Future[_Value] = Future()
        if not self.alive:
            future.set_exception(ConnectionError("the connection to the X server is gone"))
            return future
        self._work.append((work, future))
        with contextlib.suppress(BlockingIOError):  # then it has enough to wake up from
            self._writer.send(b"x")
        return future

    def close(self) -> None:
        """End the thread and the connection, and what waits there; from any other thread."""
        self._closing.set()
        if self._thread is not None:
            self.post(self._end)
            self._thread.join(_QUIT_SECONDS)
            if self._thread.is_alive():
                log.warning("The X server does not answer")
        self._reader.close()
        self._writer.close()

    # --- for those that derive from it, on the thread ---

    def handle(self, event: Any) -> None:
        """Take an event."""

    def until(self) -> float | None:
        """Return in how many seconds :meth:`tick` is due; ``None`` for never."""
        return None

    def tick(self) -> None:
        """Do what the time asks for."""

    def ending(self) -> None:
        """Put things in order before the connection is closed."""

    def lost(self) -> None:
        """The X server ended the connection."""

    def wait_for(
        self, wanted: Callable[[Any], bool], seconds: float, until: Callable[[], bool] | None = None
    ) -> Any | None:
        """Handle events until there is one that is ``wanted``; return it.

        Returns ``None`` when the time is over, when ``until`` is true after an event, and at once when the thread is
        to end.
        """
        end = time.monotonic() + seconds
        while True:
            while self.display.pending_events():
                event = self.display.next_event()
                if wanted(event):
                    return event
                self.handle(event)
                if until is not None and until():
                    return None
            left = end - time.monotonic()
            if left <= 0 or self._closing.is_set():
                return None
            self._sleep(left)

    # --- the thread ---

    def _sleep(self, seconds: float | None) -> None:
        """Sleep until the X server or another thread has something."""
        self.display.flush()
        if self.display.pending_events():  # flushing has read them, so that the socket will not tell
            return
        select.select([self.display, self._reader], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            while self._reader.recv(256):
                pass

    def _end(self) -> None:
        self.ending()
        self._ends = True

    def _run(self) -> None:
        try:
            while not self._ends:
                self._step()
        except (error.ConnectionClosedError, OSError, ValueError) as problem:
            if not self._ends:
                log.warning("The connection to the X server is gone: %s", type(problem).__name__)
                self._ends = True
                self.lost()
        except BaseException as problem:
            log.error("Unexpected on the thread of the X server: %s", describe(problem))
            if not self._ends:
                self._ends = True
                self.lost()
        finally:
            self._ends = True
            while self._work:
                self._work.popleft()[1].set_exception(ConnectionError("the connection to the X server is gone"))
            with contextlib.suppress(error.ConnectionClosedError, OSError):
                self.display.close()

    def _step(self) -> None:
        while self._work:
            work, future = self._work.popleft()
            try:
                future.set_result(work())
            except (error.ConnectionClosedError, OSError) as problem:
                future.set_exception(ConnectionError(str(problem)))
                raise
            except BaseException as problem:
                future.set_exception(as_exception(problem))
            if self._ends:
                return
        self.tick()
        self._sleep(self.until())
        while self.display.pending_events():
            self.handle(self.display.next_event())


def _log_error(problem: Any, request: Any) -> None:
    # windows of other programs vanish at any time: what was asked of them then fails, and that is all
    log.debug("The X server refused something: %s", type(problem).__name__)
