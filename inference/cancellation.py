"""A request to stop, set by one thread and honoured by another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class CancelToken:
    """Set once by any thread; the engine checks it between runs and lets it end a run that is under way.

    A plain ``threading.Event`` cannot interrupt ONNX Runtime in the middle of a long prefill chunk: the runtime
    polls a flag of its own. :meth:`terminating` connects the two for the length of a run.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._callbacks: list[Callable[[], None]] = []

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """Ask for a stop. Idempotent; callable from any thread; returns at once."""
        with self._lock:
            if self._cancelled:
                return
            self._cancelled = True
            callbacks = tuple(self._callbacks)
        for callback in callbacks:
            callback()

    @contextmanager
    def terminating(self, terminate: Callable[[], None]) -> Iterator[None]:
        """Call ``terminate`` (from the cancelling thread) if a stop is asked for while the block runs.

        Called at once when the stop was asked for already.
        """
        with self._lock:
            already = self._cancelled
            self._callbacks.append(terminate)
        try:
            if already:
                terminate()
            yield
        finally:
            with self._lock:
                self._callbacks.remove(terminate)
