"""What the tests have a child process do."""

from __future__ import annotations

import ctypes
import inspect
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inference.errors import LarimarError, MediaError

kept: list[Any] = []


@dataclass(frozen=True)
class Point:
    x: int
    y: float | None
    name: str = ""


class UnknownToTheParentError(LarimarError):
    pass


def echo(value: Any) -> Any:
    return value


def process() -> int:
    return os.getpid()


def keep(value: Any) -> int:
    kept.append(value)
    return len(kept)


def wait_for_ever() -> None:
    threading.Event().wait()


def spin() -> None:
    """Hold Python's lock, as some decoders do."""
    while True:
        pass


def eat(step: int = 1 << 22) -> None:
    while True:
        kept.append(np.ones(step, np.uint8))


def allocate(size: int) -> int:
    return len(bytes(size))


def die_by_signal() -> None:
    ctypes.string_at(8)


def end(status: int) -> None:
    os._exit(status)


def fail(sentence: str) -> None:
    raise MediaError(sentence)


def fail_unknown() -> None:
    raise UnknownToTheParentError("Nobody knows this class.")


def fail_badly(secret: str) -> None:
    raise ValueError(secret)


def panic() -> None:
    class Panic(BaseException):
        pass

    raise Panic("as those of Rust are")


def point(x: int) -> Point:
    return Point(x, x / 2, "p")


def count(number: int, then_wait: bool = False) -> Iterator[Any]:
    for each in range(number):
        yield np.full((2, 3), each, np.float32)
    if then_wait:
        wait_for_ever()


def count_then_fail(number: int) -> Iterator[int]:
    yield from range(number)
    raise MediaError("That was all.")


def speak(content: bytes) -> None:
    """Write bytes onto the pipe itself, as a decoder that was taken over would, and end."""
    frame = inspect.currentframe()
    while frame is not None and "answers" not in frame.f_locals:
        frame = frame.f_back
    assert frame is not None
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(frame.f_locals["answers"], rest) :]
    os._exit(0)


def chatter() -> str:
    """Print, as libraries do."""
    print("a warning of Python's")
    os.write(1, b"a warning of a library's")
    return "done"


def surroundings() -> dict[str, Any]:
    import resource

    return {
        "environment": sorted(os.environ),
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),
        "core": resource.getrlimit(resource.RLIMIT_CORE)[1],
        "file": resource.getrlimit(resource.RLIMIT_FSIZE)[1],
        "group": os.getpgid(0) == os.getpid(),
        "qt": any(name.startswith("PySide6") for name in sys.modules),
    }


def forbidden(folder: str, victim: int) -> list[str]:
    """Try what a decoder that was taken over would, with Python and below it; return what worked."""
    import socket
    import subprocess

    libc = ctypes.CDLL(None, use_errno=True)
    there = Path(folder, "there")
    attempts = {
        "socket": socket.socket,
        "lookup": lambda: socket.getaddrinfo("localhost", 80),
        "program": lambda: subprocess.run(["true"], check=True),
        "fork": os.fork,
        "write": lambda: Path(folder, "new").write_bytes(b"x"),
        "delete": there.unlink,
        "rename": lambda: there.rename(Path(folder, "other")),
        "signal": lambda: os.kill(victim, 0),
    }
    native = {
        "socket": lambda: libc.socket(2, 1, 0),
        "fork": lambda: libc.fork(),
        "write": lambda: libc.open(os.fsencode(Path(folder, "new")), os.O_WRONLY | os.O_CREAT, 0o600),
        "delete": lambda: libc.unlink(os.fsencode(there)),
        "signal": lambda: libc.kill(victim, 0),
    }
    worked = []
    for name, attempt in attempts.items():
        try:
            attempt()
        except OSError:
            continue
        worked.append(name)
    return worked + [f"native {name}" for name, attempt in native.items() if attempt() != -1]
