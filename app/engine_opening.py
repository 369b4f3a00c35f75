"""How the program opens engines: with what the settings say at that moment."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable
from pathlib import Path

from app.engine_worker import Engine, EngineFactory
from app.settings import ProviderChoice, Settings
from inference.cancellation import CancelToken

log = logging.getLogger(__name__)


def with_settings(
    factory: EngineFactory, current: Callable[[], Settings], prefixes: Path, crash_log: Path | None = None
) -> EngineFactory:
    """Return a factory that opens engines as the settings say, where ``factory`` can be told.

    Args:
        factory: for example :func:`open_engine`.
        current: gives the settings; asked on the engine's thread too.
        prefixes: folder for what engines may keep of conversations.
        crash_log: where an engine in a process of its own says how that ended, where native code failed.
    """
    parameters = inspect.signature(factory).parameters
    if "prefix_cache" not in parameters:
        return factory

    def open_with_settings(
        path: Path | None, progress: Callable[[str, float], None] | None = None, cancel: CancelToken | None = None
    ) -> Engine:
        settings = current()
        return factory(
            path,
            progress=progress,
            cancel=cancel,
            provider=settings.provider,
            prefix_cache=prefixes if settings.remember_state else None,
            # a model that is loaded obeys the switch at once
            prefix_cache_allowed=lambda: current().remember_state,
            **({"crash_log": crash_log} if "crash_log" in parameters else {}),
        )

    return open_with_settings


def open_engine(
    path: Path | None,
    progress: Callable[[str, float], None] | None = None,
    cancel: CancelToken | None = None,
    provider: ProviderChoice = "auto",
    prefix_cache: Path | None = None,
    prefix_cache_allowed: Callable[[], bool] | None = None,
    crash_log: Path | None = None,
) -> Engine:
    """Load a model in a process of its own; runs on the engine thread.

    The arguments, and the errors raised, are those of :meth:`app.engine_process.proxy.EngineProcess.open`. Where the
    system starts no process, the model is loaded here.
    """
    # This process may come to use ONNX Runtime, too, to tell voices from other sounds.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from app.engine_process.proxy import EngineProcess

    try:
        return EngineProcess.open(
            path,
            provider=provider,
            prefix_cache=prefix_cache,
            prefix_cache_allowed=prefix_cache_allowed,
            progress=progress,
            cancel=cancel,
            crash_log=crash_log,
        )
    except OSError as error:
        log.warning("The engine gets no process of its own: %s", error.strerror)
    return open_engine_here(path, progress, cancel, provider, prefix_cache, prefix_cache_allowed)


def open_engine_here(
    path: Path | None,
    progress: Callable[[str, float], None] | None = None,
    cancel: CancelToken | None = None,
    provider: ProviderChoice = "auto",
    prefix_cache: Path | None = None,
    prefix_cache_allowed: Callable[[], bool] | None = None,
) -> Engine:
    """Load a model in this process; runs on the engine thread, which also pays for the import.

    The arguments, and the errors raised, are those of :meth:`inference.engine.Engine.open`.
    """
    # ONNX Runtime 1.29 and later report the machine to their maker unless this is set before the first import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from inference.engine import Engine as RealEngine

    return RealEngine.open(
        path,
        provider=provider,
        prefix_cache=prefix_cache,
        prefix_cache_allowed=prefix_cache_allowed,
        progress=progress,
        cancel=cancel,
    )
