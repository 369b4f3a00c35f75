"""What this process holds in memory, and giving back what it no longer needs."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


def release_unused() -> None:
    """Give memory that nothing refers to back to the system.

    The C library keeps what was freed in small pieces for the next request: after a model was closed, a good hundred
    megabytes.
    """
    gc.collect()
    trim = _trim()
    if trim is not None:
        trim(0)


def unmap_pages(files: Iterable[Path]) -> None:
    """Take the pages of mapped files out of this process's memory (Linux); elsewhere, do nothing.

    They stay in the system's cache, and come back when they are read again. Only for files of which nothing was
    changed in memory: a change to a private mapping is lost.
    """
    advise = _advise()
    if advise is None:
        return
    names = {os.path.realpath(file) for file in files}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5] in names:
                start, end = (int(place, 16) for place in fields[0].split("-"))
                advise(start, end - start, _MADV_DONTNEED)


_MADV_DONTNEED = 4


@functools.cache
def _advise() -> Callable[[int, int, int], int] | None:
    """Return the C library's ``madvise``; None where it has none."""
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        function = ctypes.CDLL(None).madvise
        function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int], ctypes.c_int
        return function
    return None


@functools.cache
def _trim() -> Callable[[int], int] | None:
    """Return the C library's function for that; None where it has none."""
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        function = ctypes.CDLL(None).malloc_trim
        function.argtypes, function.restype = [ctypes.c_size_t], ctypes.c_int
        return function
    return None


def resident_bytes() -> dict[str, int]:
    """Return the memory of this process (Linux), in bytes; empty elsewhere.

    Keys: ``resident``, of it ``anonymous`` and ``mapped`` (pages of files, which the system takes back when it needs
    them), and ``peak``, the most that was resident so far.
    """
    names = {"VmRSS": "resident", "RssAnon": "anonymous", "RssFile": "mapped", "VmHWM": "peak"}
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return {}
    fields = (line.partition(":") for line in lines)
    return {names[key]: int(value.split()[0]) * 1024 for key, _, value in fields if key in names}


def available_bytes(root: Path = Path("/")) -> int | None:
    """Return how much memory this process can still take, in bytes; None where the system does not say.

    No more than a container's limit leaves to it; files in its cache count as free.

    Args:
        root: where ``/proc`` and ``/sys`` are looked for; for tests.
    """
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return min((available, *_left_by_limits(root)))


def _left_by_limits(root: Path) -> Iterator[int]:
    """Yield what each group of processes that has a limit, from ours outwards, leaves (cgroup v2)."""
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    top = root / "sys/fs/cgroup"
    here = top / next((line[3:] for line in groups if line.startswith("0::")), "/").lstrip("/")
    for folder in (here, *here.parents):
        with contextlib.suppress(OSError, ValueError):  # no such file, or "max": no limit
            limit = int((folder / "memory.max").read_text(encoding="ascii"))
            used = int((folder / "memory.current").read_text(encoding="ascii"))
            fields = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
            yield max(0, limit - used + int(fields.get("inactive_file", 0)) + int(fields.get("active_file", 0)))
        if folder == top:
            break
