"""What runs in the child: reads what is asked, calls it, and answers, until its parent closes the pipe."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import pickle
import signal
import struct
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from inference.errors import LarimarError
from inference.isolation import confinement, wire

REQUEST: Final = struct.Struct("<Q")
_SENTENCE: Final = 4000
_TRIMMED: Final = 96 << 20
"""Resident bytes from which freed memory is given back to the system after a call."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call; pickled, for it comes from the parent."""

    function: str
    """``module:function``."""
    arguments: tuple[Any, ...]
    memory: int | None
    stream: bool


def main() -> None:
    """Answer until the parent is gone; then end at once, whatever threads there are."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = _take_pipes()
    confinement.confine(os.getppid())
    try:
        _send(answers, "ready", os.getpid())
        while (request := _read(requests)) is not None:
            confinement.limit_memory(request.memory)
            _answer(answers, request)
            del request
            _tidy()
    except (BrokenPipeError, ConnectionError, EOFError):
        pass
    except BaseException as error:
        print(f"the child process ends: {_described(error)}", file=sys.stderr)
    os._exit(0)


def _take_pipes() -> tuple[int, int]:
    """Return standard input and output as numbers that no library knows; what else is printed goes nowhere."""
    requests, answers = os.dup(0), os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    os.close(nowhere)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - it stays open
    return requests, answers


def _read(requests: int) -> Request | None:
    prefix = _received(requests, REQUEST.size)
    if prefix is None:
        return None
    content = _received(requests, REQUEST.unpack(prefix)[0])
    request = None if content is None else pickle.loads(content)
    assert request is None or isinstance(request, Request)
    return request


def _received(requests: int, size: int) -> bytearray | None:
    """Return so many bytes; ``None`` when the parent is gone."""
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        piece = os.read(requests, min(len(rest), 1 << 20))
        if not piece:
            return None
        rest[: len(piece)] = piece
        rest = rest[len(piece) :]
    return content


def _answer(answers: int, request: Request) -> None:
    try:
        result = _function(request.function)(*request.arguments)
        if request.stream:
            for item in _items(result):
                _send(answers, "item", item)
            result = None
        _send(answers, "result", result)
    except (BrokenPipeError, ConnectionError):
        raise
    except LarimarError as error:
        _send(answers, "error", [type(error).__name__, str(error)[:_SENTENCE]])
    except MemoryError:
        _send(answers, "memory", None)
    except BaseException as error:  # panics of Rust are no Exception
        _send(answers, "unexpected", _described(error)[:_SENTENCE])


def _items(result: Any) -> Iterator[Any]:
    if inspect.isgenerator(result):
        with contextlib.closing(result):
            yield from result
    else:
        yield from result


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _described(error: BaseException) -> str:
    """Return the kind of an error and where it arose; not its message, which may quote what is in a file."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"


def _send(answers: int, kind: str, value: object) -> None:
    for piece in wire.encode(kind, value):
        rest = memoryview(piece).cast("B")
        while rest:
            rest = rest[os.write(answers, rest[: 1 << 24]) :]


def _tidy() -> None:
    """Give back what the last call took."""
    from inference.memory import release_unused, resident_bytes

    if resident_bytes().get("resident", 0) > _TRIMMED:
        release_unused()
