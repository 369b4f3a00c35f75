"""One child process: started when it is needed, asked one thing at a time, watched, and killed for a reason."""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from inference.cancellation import CancelToken
from inference.errors import LarimarError
from inference.isolation import launching, wire
from inference.isolation.child import REQUEST, Request
from inference.isolation.errors import BrokeDownError, CallCancelled, NeededTooMuchMemoryError, TookTooLongError
from inference.isolation.footprint import resident_bytes_of
from inference.isolation.limits import Limits

log = logging.getLogger(__name__)

_LOOK: Final = 0.01
"""Seconds between two looks at a child that is at work."""
_LOOK_AT_IDLE: Final = 5.0
_START_SECONDS: Final = 60.0
_END_SECONDS: Final = 5.0
_STALLED: Final = "The process that works on this could not be started. Free some memory, then try again."


class Worker:
    """A child process. One thread at a time may call it; :meth:`kill` is for every thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._watching = False
        """Whether somebody waits for an answer."""
        self._deadline: float | None = None
        self._memory: int | None = None
        self._reason: Exception | None = None
        """Why it was killed."""
        self._ended = False
        self._call = 0
        """Counts up when a call begins, and when it ends."""
        self._largest = 0
        """Most resident bytes that were seen; what the system counts begins with those of the process that forked."""
        self._greeted = False
        self.last_used = time.monotonic()
        """When the last call ended."""

    @property
    def alive(self) -> bool:
        """Whether it can be called: not killed, not ended, though perhaps not yet started."""
        with self._condition:
            if self._process is not None and not self._ended:
                self._reap()
            return not self._ended and self._reason is None

    @property
    def pid(self) -> int | None:
        """The child's process; ``None`` before it is started."""
        return self._process.pid if self._process is not None else None

    @property
    def resident(self) -> int:
        """The child's resident bytes at this moment; 0 where they cannot be told."""
        return (resident_bytes_of(self._process.pid) or 0) if self._process is not None else 0

    def call(
        self,
        function: str | Callable[..., object],
        *arguments: object,
        limits: Limits | None = None,
        cancel: CancelToken | None = None,
        accepts: Sequence[type] = (),
    ) -> Any:
        """Call ``function`` in the child and return what it returns.

        Args:
            function: one of a module's functions, or ``module:function``, which need not be imported here.
            arguments: whatever can be pickled.
            limits: what the call may take.
            cancel: kills the child, and ends the call at once.
            accepts: dataclasses that the result may hold.

        Raises:
            CallCancelled: ``cancel`` was set, or :meth:`kill` called.
            TookTooLongError, NeededTooMuchMemoryError: it passed a limit; the child has ended.
            BrokeDownError: the child ended by itself, could not be started, or answered nonsense.
            LarimarError: the function raised it.
        """
        limits = limits or Limits()
        with self._asked(function, arguments, limits, cancel, stream=False):
            kind, value = self._next(limits, accepts)
            if kind != "result":
                raise self._nonsense()
            return value

    def stream(
        self,
        function: str | Callable[..., object],
        *arguments: object,
        limits: Limits | None = None,
        cancel: CancelToken | None = None,
        accepts: Sequence[type] = (),
    ) -> Generator[Any, None, None]:
        """Call a generator in the child and yield what it yields. Closed before its end, it kills the child.

        Time is counted only while an item is waited for. Raises as :meth:`call` does.
        """
        limits = limits or Limits()
        with self._asked(function, arguments, limits, cancel, stream=True):
            while True:
                kind, value = self._next(limits, accepts)
                if kind == "result":
                    return
                if kind != "item":
                    raise self._nonsense()
                yield value

    def kill(self, reason: Exception | None = None) -> None:
        """End the child at once; a call under way raises ``reason``, by default :class:`CallCancelled`."""
        with self._condition:
            if self._reason is None:
                self._reason = reason or CallCancelled()
            if self._process is not None and not self._ended:
                with contextlib.suppress(OSError):
                    self._process.kill()
            self._condition.notify_all()

    def join(self, timeout: float = _END_SECONDS) -> bool:
        """Wait until a child that was killed is gone; return whether it is."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._ended or self._thread is None

    # --- the calling thread ---

    @contextmanager
    def _asked(
        self,
        function: str | Callable[..., object],
        arguments: tuple[object, ...],
        limits: Limits,
        cancel: CancelToken | None,
        *,
        stream: bool,
    ) -> Iterator[None]:
        """Ask, and see to it that the child is watched until the block ends; without an orderly end it is killed."""
        cancel = cancel or CancelToken()
        content = pickle.dumps(Request(_name_of(function), arguments, limits.memory, stream), protocol=5)
        with self._condition:
            self._call += 1
            call = self._call

        def stop() -> None:
            with self._condition:
                if self._call == call:  # a token may be late, when the child is at work for somebody else
                    self.kill()

        with cancel.terminating(stop):
            done = False
            try:
                self._start()
                if not self._greeted:
                    self._greet()
                self._wait_for(lambda: self._write(content), limits)
                yield
                done = True
            except CallCancelled:
                raise
            except LarimarError as error:
                done = not isinstance(error, BrokeDownError | NeededTooMuchMemoryError | TookTooLongError)
                raise
            finally:
                with self._condition:
                    self._watching, self._deadline, self._memory = False, None, None
                    if not done:
                        self.kill()
                    self._call += 1
                self.last_used = time.monotonic()

    def _greet(self) -> None:
        """Wait for the child's first word: importing what it needs is not the time of the call."""
        kind, _ = self._next(Limits(memory=None, seconds=_START_SECONDS, answer=0), ())
        if kind != "ready":
            raise self._nonsense()
        self._greeted = True

    def _write(self, content: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        for piece in (REQUEST.pack(len(content)), content):
            rest = memoryview(piece)
            while rest:
                rest = rest[self._process.stdin.write(rest[: 1 << 20]) or 0 :]

    def _next(self, limits: Limits, accepts: Sequence[type]) -> tuple[str, Any]:
        """Return the next message that is no failure."""
        kind, value = self._wait_for(lambda: wire.read(self._receive, limits.answer, accepts), limits)
        if kind == "error":
            raise _carried(value)
        if kind == "memory":
            raise NeededTooMuchMemoryError
        if kind == "unexpected":
            log.error("Unexpected in a child process: %s", value if isinstance(value, str) else "")
            raise BrokeDownError
        return kind, value

    def _receive(self, buffer: memoryview) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while buffer:
            count = self._process.stdout.readinto(buffer)  # type: ignore[attr-defined]
            if not count:
                raise EOFError
            buffer = buffer[count:]

    def _wait_for(self, work: Callable[[], Any], limits: Limits) -> Any:
        """Return what ``work``, which waits for the child, returns; meanwhile the child is held to its limits."""
        with self._condition:
            if self._reason is not None:
                raise self._reason
            self._deadline = None if limits.seconds is None else time.monotonic() + limits.seconds
            self._memory = limits.memory
            self._watching = True
            self._condition.notify_all()
        try:
            return work()
        except wire.MalformedError as error:
            raise self._nonsense() from error
        except (EOFError, OSError, ValueError) as error:
            raise self._why() from error
        finally:
            with self._condition:
                self._watching, self._deadline = False, None

    def _nonsense(self) -> Exception:
        log.error("A child process answered what makes no sense.")
        return BrokeDownError()

    def _why(self) -> Exception:
        """Return what to raise for a child that has gone."""
        self.join()
        with self._condition:
            if self._reason is not None:
                return self._reason
        memory = self._memory
        if memory is not None and self._largest >= memory * 3 // 4:
            return NeededTooMuchMemoryError()  # which many libraries answer by ending the process
        return BrokeDownError()

    # --- the thread that starts, watches and reaps the child ---

    def _start(self) -> None:
        with self._condition:
            if self._reason is not None:
                raise self._reason
            if self._thread is not None:
                return
            # The system ends a child with the thread that started it, so that must be one that stays.
            self._thread = threading.Thread(target=self._live, name="isolation-child", daemon=True)
            self._thread.start()
            self._condition.wait_for(lambda: self._process is not None or self._ended)
            if self._reason is not None:
                raise self._reason

    def _live(self) -> None:
        try:
            process = launching.start(verbose=log.isEnabledFor(logging.DEBUG))
        except (OSError, ValueError) as error:
            log.error("A child process cannot be started: %s", type(error).__name__)
            with self._condition:
                self._ended, self._reason = True, BrokeDownError(_STALLED)
                self._condition.notify_all()
            return
        with self._condition:
            self._process = process
            if self._reason is not None:
                process.kill()
            self._condition.notify_all()
            while not self._reap():
                self._look(process.pid)
                pause = _LOOK if self._watching or self._reason is not None else _LOOK_AT_IDLE
                self._condition.wait(pause)
            self._condition.notify_all()

    def _look(self, pid: int) -> None:
        """Kill the child if it has passed a limit."""
        if not self._watching or self._reason is not None:
            return
        resident = resident_bytes_of(pid) or 0
        self._largest = max(self._largest, resident)
        if self._memory is not None and resident > self._memory:
            self.kill(NeededTooMuchMemoryError())
        elif self._deadline is not None and time.monotonic() > self._deadline:
            self.kill(TookTooLongError())

    def _reap(self) -> bool:
        """Return whether the child has ended; under the lock, so that nobody kills another process of its number."""
        if self._ended or self._process is None:
            return self._ended
        if sys.platform == "win32":
            self._ended = self._process.poll() is not None
            return self._ended
        try:
            pid, status = os.waitpid(self._process.pid, os.WNOHANG)
        except ChildProcessError:
            self._process.returncode, self._ended = -1, True
            return True
        if pid:
            self._process.returncode, self._ended = os.waitstatus_to_exitcode(status), True
        return self._ended

    def __del__(self) -> None:
        process = self._process
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


def _name_of(function: str | Callable[..., object]) -> str:
    return function if isinstance(function, str) else f"{function.__module__}:{function.__qualname__}"


def _carried(value: Any) -> LarimarError:
    """Return the error that the child names; of those that this process knows, with a sentence and nothing else."""
    match value:
        case [str(name), str(sentence)]:
            pass
        case _:
            return BrokeDownError()
    kind = _error_classes().get(name, LarimarError)
    error = kind.__new__(kind)
    error.args = ("".join(letter if letter.isprintable() else " " for letter in sentence)[:4000],)
    return error


def _error_classes() -> dict[str, type[LarimarError]]:
    found: dict[str, type[LarimarError]] = {}
    waiting: list[type[LarimarError]] = [LarimarError]
    while waiting:
        kind = waiting.pop()
        found[kind.__name__] = kind
        waiting += kind.__subclasses__()
    return found
