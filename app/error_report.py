"""Errors that nobody foresaw, described for the log without a word of the conversation."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType

log = logging.getLogger(__name__)

_CAUSES_AT_MOST = 8


def describe(error: BaseException) -> str:
    """Return the kind of ``error`` and where it arose. Its message is left out: it may quote what the user wrote.

    Of a long chain of causes, the first ones are told; one that leads back to itself ends there.
    """
    told: list[str] = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen and len(told) < _CAUSES_AT_MOST:
        seen.add(id(cause))
        places = "".join(traceback.format_tb(cause.__traceback__)).rstrip()
        told.append(f"{type(cause).__name__}\n{places}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\ncaused by ".join(told)


def as_exception(error: BaseException) -> Exception:
    """Return ``error``, or a :class:`RuntimeError` in place of one that is no ``Exception``.

    A panic of a library written in Rust, say, which ``except Exception`` would let pass: it would end the thread of
    whoever only looks for errors.
    """
    if isinstance(error, Exception):
        return error
    wrapped = RuntimeError(type(error).__name__)
    wrapped.__cause__ = error
    return wrapped


def log_uncaught() -> None:
    """Let errors that reach the top of a thread, or Qt, go to the log."""

    def from_main(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.error("Uncaught %s", describe(error))

    def from_thread(arguments: threading.ExceptHookArgs) -> None:
        if arguments.exc_value is not None:
            log.error("Uncaught in a thread: %s", describe(arguments.exc_value))

    def from_nowhere(arguments: sys.UnraisableHookArgs) -> None:
        if arguments.exc_value is not None:
            log.error("Uncaught where nobody could be told: %s", describe(arguments.exc_value))

    sys.excepthook = from_main
    threading.excepthook = from_thread
    sys.unraisablehook = from_nowhere
