"""Finds the library with our own operators, :mod:`inference.native`, where one was built for this machine.

Without it everything works as well, on the runtime's operators: slower, and with weights kept in memory a second time.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import platform
import sys
from pathlib import Path
from typing import Final

_LOG = logging.getLogger(__name__)

SWITCH: Final = "LARIMAR_NATIVE_OPERATORS"
"""Environment variable: 0 keeps to the runtime's operators."""

DOMAIN: Final = "larimar"
"""Of the operators, in graphs."""

SUFFIX: Final = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
LIBRARY: Final = Path(__file__).parents[1] / "native" / f"larimar_operators_{platform.machine().lower()}{SUFFIX}"
"""Where ``packaging/build_operators.py`` puts it."""


def library() -> Path | None:
    """Return the library to give to sessions, or ``None`` where there is none that runs here."""
    return None if why_not() else LIBRARY


def takes_8_bits() -> bool:
    """Return whether products with 8-bit weights are better made by the library, which has to be there."""
    return bool(ctypes.CDLL(str(LIBRARY)).larimar_operators_take_8_bits())


@functools.cache
def why_not() -> str:
    """Return why the library is not used, as the second half of a sentence: "it was not built"; empty if it is."""
    if os.environ.get(SWITCH, "1") == "0":
        return f"{SWITCH} is 0"
    if not LIBRARY.is_file():
        return "they were not built"
    try:
        # stays loaded: sessions come and go, and with the last of them the runtime would unload it
        runs_here = ctypes.CDLL(str(LIBRARY)).larimar_operators_run_here
    except (OSError, AttributeError) as error:
        _LOG.warning("%s cannot be used", LIBRARY, exc_info=error)
        return "their library is damaged or for another system"
    if not runs_here():
        return "this processor lacks AVX2"
    from inference.graphs.providers import import_onnxruntime  # not above: the build needs this file alone

    try:
        import_onnxruntime().SessionOptions().register_custom_ops_library(str(LIBRARY))
    except Exception as error:  # of the runtime: another version than they were written for
        _LOG.warning("%s cannot be used", LIBRARY, exc_info=error)
        return "ONNX Runtime does not take them"
    return ""
