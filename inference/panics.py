"""What libraries written in Rust raise when they give up: nothing that ``except Exception`` would catch."""

from __future__ import annotations

from typing import Final

_MODULE: Final = "pyo3_runtime"


def is_panic(error: BaseException) -> bool:
    """Return whether ``error`` is a panic of Rust, as tokenizers or llguidance may raise on hostile files.

    PyO3 makes a ``PanicException`` of it, which derives from ``BaseException``. Each library has a class of its own,
    and none can be imported, so they are known by the module that they claim to be from.
    """
    return type(error).__module__ == _MODULE
