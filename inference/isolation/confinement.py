"""What a child process forbids itself before it looks at anything foreign.

No core dumps, no files that grow, no sockets, and an end when the parent ends. On Linux the kernel holds it to that,
also where native code was taken over (:mod:`inference.isolation.seccomp`); elsewhere Python's audit hooks and the
parent's watch must do.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from typing import Any, Final

from inference.isolation import seccomp

_PR_SET_PDEATHSIG: Final = 1
_REFUSED: Final = (
    "socket.__new__",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
)
_SLACK: Final = 256 << 20
_LOOK: Final = 1.0  # seconds between two looks at the parent


def confine(parent: int) -> None:
    """Take this process's rights away, for good. ``parent`` is the process that it must not outlive."""
    _end_with(parent)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:  # before the window itself
        file.write("1000")
    if sys.platform != "win32":
        import resource

        for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(limit, (0, 0))
    sys.addaudithook(_audit)
    seccomp.apply()


def limit_memory(resident: int | None) -> None:
    """Let allocations fail somewhat beyond ``resident`` bytes, for the parent only looks now and then (Linux).

    What is counted is memory that can be written, not addresses, of which threads and maps take many for nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    import resource

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    soft = resource.RLIM_INFINITY if resident is None else resident + resident // 4 + _SLACK
    if hard != resource.RLIM_INFINITY:
        soft = hard if soft == resource.RLIM_INFINITY else min(soft, hard)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _REFUSED:
        raise PermissionError(f"{event} is not for this process")


def _end_with(parent: int) -> None:
    """End at once when the parent ends, whatever this process is doing then."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before that
            os._exit(1)
        return
    target = _wait_for_windows if sys.platform == "win32" else _wait_for
    threading.Thread(target=target, args=(parent,), name="larimar-parent", daemon=True).start()


def _wait_for(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)


def _wait_for_windows(parent: int) -> None:
    kernel: Any = getattr(ctypes, "WinDLL")("kernel32")  # noqa: B009 - known on Windows alone
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    synchronize, infinite = 0x00100000, 0xFFFFFFFF
    handle = kernel.OpenProcess(synchronize, 0, parent)
    if handle:
        kernel.WaitForSingleObject(handle, infinite)
        os._exit(1)
