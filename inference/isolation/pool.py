"""A few children for everybody: a free one that is warm is taken first, and idle ones end after a while."""

from __future__ import annotations

import atexit
import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from inference.cancellation import CancelToken
from inference.isolation.errors import CallCancelled, IsolationError
from inference.isolation.limits import MEGABYTE, Limits
from inference.isolation.worker import Worker

_MOST: Final = 4
"""Calls at a time; further ones wait. Streams do not count: whoever reads one may make a call for each item."""
_WARM_SECONDS: Final = 300.0
"""How long the last idle child is kept."""
_SPARE_SECONDS: Final = 10.0
"""How long the other idle ones are."""
_BLOATED: Final = 256 * MEGABYTE
"""A child that still holds so much after a call is replaced."""
_LOOK: Final = 5.0


class WorkerPool:
    """Calls functions in children; from any thread but the GUI's. Making one starts nothing."""

    def __init__(
        self,
        most: int = _MOST,
        *,
        warm_seconds: float = _WARM_SECONDS,
        spare_seconds: float = _SPARE_SECONDS,
        look: float = _LOOK,
    ) -> None:
        """Make at most ``most`` calls at a time; see the constants of this module for the times."""
        self._condition = threading.Condition()
        self._most = most
        self._warm_seconds, self._spare_seconds, self._pause = warm_seconds, spare_seconds, look
        self._idle: list[Worker] = []
        self._busy: list[Worker] = []
        self._calls = 0
        self._keeper: threading.Thread | None = None

    def call(
        self,
        function: str | Callable[..., object],
        *arguments: object,
        limits: Limits | None = None,
        cancel: CancelToken | None = None,
        accepts: Sequence[type] = (),
    ) -> Any:
        """Call ``function`` in a child and return what it returns; see :meth:`Worker.call`."""
        with self._turn(cancel), self._worker() as worker:
            return worker.call(function, *arguments, limits=limits, cancel=cancel, accepts=accepts)

    @contextmanager
    def stream(
        self,
        function: str | Callable[..., object],
        *arguments: object,
        limits: Limits | None = None,
        cancel: CancelToken | None = None,
        accepts: Sequence[type] = (),
    ) -> Iterator[Generator[Any, None, None]]:
        """Call a generator in a child; the block's variable yields what it yields; see :meth:`Worker.stream`."""
        with self._worker() as worker:
            items = worker.stream(function, *arguments, limits=limits, cancel=cancel, accepts=accepts)
            with contextlib.closing(items):
                yield items

    def warm(self, function: str | Callable[..., object], *arguments: object) -> None:
        """Have a child ready that has called ``function`` once, to import what it will need; waits for it."""
        with contextlib.suppress(IsolationError, CallCancelled):
            self.call(function, *arguments)

    def kill_all(self) -> None:
        """End every child, and with them the calls under way; the next call starts a new one."""
        with self._condition:
            workers = [*self._idle, *self._busy]
            self._idle.clear()
            self._condition.notify_all()
        for worker in workers:
            worker.kill()

    def _end(self) -> None:
        """Leave no child behind when the interpreter ends."""
        with self._condition:
            workers = [*self._idle, *self._busy]
        self.kill_all()
        for worker in workers:
            worker.join(1.0)

    @property
    def pids(self) -> list[int]:
        """The processes of the children that are there."""
        with self._condition:
            return [worker.pid for worker in (*self._idle, *self._busy) if worker.pid is not None]

    @property
    def busy_pids(self) -> list[int]:
        """Those of them that are at work."""
        with self._condition:
            return [worker.pid for worker in self._busy if worker.pid is not None]

    @contextmanager
    def _turn(self, cancel: CancelToken | None) -> Iterator[None]:
        """Wait until another call may be made."""
        cancel = cancel or CancelToken()

        def wake() -> None:
            with self._condition:
                self._condition.notify_all()

        with cancel.terminating(wake), self._condition:
            self._condition.wait_for(lambda: cancel.cancelled or self._calls < self._most)
            if cancel.cancelled:
                raise CallCancelled
            self._calls += 1
        try:
            yield
        finally:
            with self._condition:
                self._calls -= 1
                self._condition.notify_all()

    @contextmanager
    def _worker(self) -> Iterator[Worker]:
        worker = self._take()
        try:
            yield worker
        finally:
            self._give_back(worker)

    def _take(self) -> Worker:
        with self._condition:
            while self._idle:
                worker = self._idle.pop()  # the one that was used last
                if worker.alive:
                    break
            else:
                worker = Worker()
            self._busy.append(worker)
            return worker

    def _give_back(self, worker: Worker) -> None:
        sound = worker.alive and worker.pid is not None and worker.resident <= _BLOATED
        if not sound:
            worker.kill()
        with self._condition:
            self._busy.remove(worker)
            if sound:
                self._idle.append(worker)
                if self._keeper is None:
                    atexit.register(self._end)
                    self._keeper = threading.Thread(target=self._keep, name="isolation-keeper", daemon=True)
                    self._keeper.start()
            self._condition.notify_all()

    def _keep(self) -> None:
        """End children that nobody has used for a while; end with the last of them."""
        with self._condition:
            while self._idle or self._busy:
                self._condition.wait(self._pause)
                now = time.monotonic()
                for place, worker in reversed(list(enumerate(self._idle))):
                    last = place == len(self._idle) - 1 and not self._busy
                    if now - worker.last_used > (self._warm_seconds if last else self._spare_seconds):
                        del self._idle[place]
                        worker.kill()
            self._keeper = None


POOL: Final = WorkerPool()
"""The one of this process."""
