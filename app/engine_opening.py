"""How the program opens engines: with what the settings say at that moment."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path

from app.engine_worker import Engine, EngineFactory
from app.settings import ProviderChoice, Settings
from inference.cancellation import CancelToken


def with_settings(factory: EngineFactory, current: Callable[[], Settings], prefixes: Path) -> EngineFactory:
    """Return a factory that opens engines as the settings say, where ``factory`` can be told.

    Args:
        factory: for example :func:`open_engine`.
        current: gives the settings; asked on the engine's thread too.
        prefixes: folder for what engines may keep of conversations.
    """
    if "prefix_cache" not in inspect.signature(factory).parameters:
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
        )

    return open_with_settings


def open_engine(
    path: Path | None,
    progress: Callable[[str, float], None] | None = None,
    cancel: CancelToken | None = None,
    provider: ProviderChoice = "auto",
    prefix_cache: Path | None = None,
    prefix_cache_allowed: Callable[[], bool] | None = None,
) -> Engine:
    """Load a model; runs on the engine thread, which also pays for the import.

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
