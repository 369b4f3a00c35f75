"""Errors that nobody foresaw, described for the log without a word of the conversation."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from types import TracebackType

log = logging.getLogger(__name__)


def describe(error: BaseException) -> str:
    """Return the kind of ``error`` and where it arose. Its message is left out: it may quote what the user wrote."""
    places = "".join(traceback.format_tb(error.__traceback__)).rstrip()
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    chain = f"\ncaused by {describe(cause)}" if cause is not None else ""
    return f"{type(error).__name__}\n{places}{chain}"


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

    sys.excepthook = from_main
    threading.excepthook = from_thread
