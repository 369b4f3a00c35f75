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


def forbidden_calls(file: str, victim: int) -> list[str]:
    """Make system calls that reach beyond this process, on x86-64; return those that worked."""
    import resource
    import struct

    syscall = ctypes.CDLL(None, use_errno=True).syscall
    syscall.restype = ctypes.c_long
    opened = os.open(file, os.O_RDONLY)
    reading, _ = os.pipe()
    signal_of_mine = ctypes.create_string_buffer(struct.pack("iii", 0, 0, -1), 128)  # SI_QUEUE
    same = ctypes.create_string_buffer(struct.pack("QQ", *resource.prlimit(0, resource.RLIMIT_NOFILE)))
    one = ctypes.create_string_buffer(b"\1", 128)
    attempts: dict[str, tuple[object, ...]] = {
        "rt_sigqueueinfo": (129, victim, 0, signal_of_mine),
        "rt_tgsigqueueinfo": (297, victim, victim, 0, signal_of_mine),
        "prlimit64": (302, victim, resource.RLIMIT_NOFILE, same, None),
        "setpriority": (141, 0, victim, os.getpriority(os.PRIO_PROCESS, victim)),
        "ioprio_set": (251, 1, victim, 2 << 13 | 4),
        "sched_setaffinity": (203, victim, 128, one),
        "sched_setscheduler": (144, victim, 0, ctypes.create_string_buffer(4)),
        "a signal by F_SETOWN": (72, reading, 8, victim),
        "a signal by F_SETSIG": (72, reading, 10, 10),
        "F_SETLK": (72, opened, 6, ctypes.create_string_buffer(64)),
        "flock": (73, opened, 1),
        "to outlive the parent": (157, 1, 0, 0, 0, 0),
        "mq_open": (240, b"larimar", os.O_RDWR | os.O_CREAT, 0o600, None),
        "fremovexattr": (199, opened, b"user.larimar"),
        "FS_IOC_GETFLAGS": (16, opened, 0x80086601, one),
    }
    return [name for name, call in attempts.items() if syscall(*map(_as_argument, call)) != -1]


def _as_argument(value: object) -> object:
    return ctypes.c_long(value) if isinstance(value, int) else value


def what_libraries_need() -> str:
    """Look at and set what concerns this process alone, as libraries do; return whether that works."""
    import resource

    resource.setrlimit(resource.RLIMIT_STACK, resource.getrlimit(resource.RLIMIT_STACK))
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.sched_setaffinity(os.getpid(), os.sched_getaffinity(0))
    os.set_inheritable(0, os.get_inheritable(0))
    os.set_blocking(0, os.get_blocking(0))
    os.close(os.dup(0))
    thread = threading.Thread(target=os.isatty, args=(0,))
    thread.start()
    thread.join()
    return "works"
