"""Which execution provider a session is to use, and why it is not CUDA where it is not."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
from typing import Any, Literal

from inference.errors import RuntimeSetupError

ProviderChoice = Literal["auto", "cpu", "cuda"]

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"

CUDA_NEEDS = "an NVIDIA card with driver 580 or newer, CUDA 13 and cuDNN 9"
"""What the wheels of onnxruntime-gpu that we take are built for."""

_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


_failure = ""  # why CUDA failed the last time although it was there


def import_onnxruntime() -> Any:
    """Return the module ``onnxruntime``, its telemetry switched off.

    Raises:
        RuntimeSetupError: it is missing or broken.
    """
    try:
        import onnxruntime

        onnxruntime.InferenceSession  # noqa: B018 — an emptied namespace package imports fine and lacks this
    except (ImportError, AttributeError) as error:
        raise RuntimeSetupError(
            "ONNX Runtime is missing or broken. Install exactly one of the extras “cpu” and “gpu”; “main.py doctor” "
            "says what it finds."
        ) from error
    _silence_telemetry()
    return onnxruntime


@functools.cache
def _silence_telemetry() -> None:
    """Switch off what the runtime reports to its makers: official builds for Windows do so by default."""
    import onnxruntime

    with contextlib.suppress(AttributeError):
        onnxruntime.disable_telemetry_events()


def wanted_providers(choice: ProviderChoice) -> list[str]:
    """Return the execution providers to ask for, most wanted first; the CUDA libraries that pip brought are loaded.

    Without a driver CUDA is only asked for where nothing else will do, so that the graphs are arranged for the CPU.
    """
    if choice == "cpu" or not built_for_cuda() or (choice == "auto" and not _driver_found()):
        return [CPU]
    preload_cuda()
    return [CUDA, CPU]


def built_for_cuda() -> bool:
    """Return whether the installed runtime is the one for NVIDIA cards, usable here or not."""
    return CUDA in import_onnxruntime().get_available_providers()


def _driver_found() -> bool:
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True


@functools.cache
def preload_cuda() -> None:
    """Load, once, CUDA and cuDNN from the packages that pip installed; the system's own are found without."""
    runtime = import_onnxruntime()
    preload = getattr(runtime, "preload_dlls", None)
    if preload is not None:
        with contextlib.suppress(Exception):  # what is missing is told by the session that needs it
            preload()


def provider_name(session: Any) -> str:
    """Return the provider that a session (``onnxruntime.InferenceSession``) really uses: "CUDA" or "CPU"."""
    return "CUDA" if CUDA in session.get_providers() else "CPU"


def remember_failure(reason: str) -> None:
    """Keep, for :func:`why_not_cuda`, why CUDA failed although it is installed."""
    global _failure
    _failure = reason


def why_not_cuda() -> str:
    """Return why sessions cannot use CUDA here, as the second half of a sentence: "no NVIDIA driver was found"."""
    runtime = import_onnxruntime()
    if not built_for_cuda():
        return "the installed ONNX Runtime is the one for the CPU"
    if _failure:
        return _failure
    if not _driver_found():
        return "no NVIDIA driver was found"
    major = str(getattr(runtime, "cuda_version", "") or "").partition(".")[0]
    return f"the libraries of CUDA{f' {major}' if major else ''} and cuDNN were not found, or are of another version"
