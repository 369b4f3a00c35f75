"""How much memory another process holds: Linux, macOS and Windows each tell it in a way of their own."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from typing import Any


def resident_bytes_of(pid: int) -> int | None:
    """Return the resident bytes of a child process; ``None`` where they cannot be told, or when it has ended."""
    if sys.platform.startswith("linux"):
        try:
            file = os.open(f"/proc/{pid}/statm", os.O_RDONLY)  # without Python's layers: this happens all the time
        except OSError:
            return None
        try:
            return int(os.read(file, 200).split()[1]) * _page_size()
        except (OSError, ValueError, IndexError):
            return None
        finally:
            os.close(file)
    read = _reader()
    return None if read is None else read(pid)


@functools.cache
def _page_size() -> int:
    return os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@functools.cache
def _reader() -> Callable[[int], int | None] | None:
    try:
        return _of_mac() if sys.platform == "darwin" else _of_windows() if sys.platform == "win32" else None
    except (OSError, AttributeError):
        return None


def _of_mac() -> Callable[[int], int | None]:
    class TaskInfo(ctypes.Structure):
        """``struct proc_taskinfo``: six numbers of 64 bits, twelve of 32."""

        _fields_ = (
            ("virtual_size", ctypes.c_uint64),
            ("resident_size", ctypes.c_uint64),
            ("rest", ctypes.c_uint64 * 4),
            ("counts", ctypes.c_int32 * 12),
        )

    call = ctypes.CDLL("/usr/lib/libproc.dylib").proc_pidinfo
    call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_int]
    call.restype = ctypes.c_int
    task_info = 4  # PROC_PIDTASKINFO

    def read(pid: int) -> int | None:
        info = TaskInfo()
        done = call(pid, task_info, 0, ctypes.byref(info), ctypes.sizeof(info))
        return int(info.resident_size) if done == ctypes.sizeof(info) else None

    return read


def _of_windows() -> Callable[[int], int | None]:
    class Counters(ctypes.Structure):
        """``PROCESS_MEMORY_COUNTERS``."""

        _fields_ = (
            ("size", ctypes.c_uint32),
            ("faults", ctypes.c_uint32),
            ("peak_working_set", ctypes.c_size_t),
            ("working_set", ctypes.c_size_t),
            ("pools", ctypes.c_size_t * 4),
            ("pagefile", ctypes.c_size_t),
            ("peak_pagefile", ctypes.c_size_t),
        )

    kernel: Any = getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009 - known on Windows alone
    kernel.OpenProcess.argtypes = [ctypes.c_uint32, ctypes.c_int, ctypes.c_uint32]
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.K32GetProcessMemoryInfo.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    limited_information = 0x1000

    def read(pid: int) -> int | None:
        handle = kernel.OpenProcess(limited_information, 0, pid)
        if not handle:
            return None
        try:
            counters = Counters(size=ctypes.sizeof(Counters))
            done = kernel.K32GetProcessMemoryInfo(handle, ctypes.byref(counters), ctypes.sizeof(counters))
            # what it has asked for counts, also where the system has put it aside
            return max(int(counters.working_set), int(counters.pagefile)) if done else None
        finally:
            kernel.CloseHandle(handle)

    return read
