"""How a child process is started: from a checkout or a wheel by Python, in a frozen program by the program itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

CHILD_ARGUMENT: Final = "--isolated-child"
"""The one argument with which ``main.py`` becomes a child; not for users."""

_ROOT: Final = Path(__file__).resolve().parents[2]
_BOOT: Final = "import sys; sys.path.insert(0, sys.argv[1]); from inference.isolation.child import main; main()"
_KEPT: Final = (
    "PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "PYTHONPATH", "PYTHONHOME", "PYTHONUTF8", "VIRTUAL_ENV",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "TEMP", "TMP", "USERPROFILE",
)  # fmt: skip
"""Variables that a child gets; tokens, sockets and addresses of the desktop are in none of them."""


def child_command() -> list[str]:
    """Return the command that starts a child; whatever ``python`` may be on the PATH has no part in it."""
    if getattr(sys, "frozen", False):
        return [sys.executable, CHILD_ARGUMENT]
    return [sys.executable, "-P", "-X", "utf8", "-c", _BOOT, str(_ROOT)]


def child_environment() -> dict[str, str]:
    """Return the environment of a child."""
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # it computes nothing that is worth threads of its own, and each would take memory
    environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return environment


def start(*, verbose: bool = False) -> subprocess.Popen[bytes]:
    """Start a child; what it is asked goes to its standard input, what it answers comes from its standard output.

    Raises:
        OSError: the system starts no process.
    """
    apart: dict[str, Any] = {}
    if sys.platform == "win32":
        apart["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    else:
        apart["process_group"] = 0  # Ctrl+C in the terminal is for the parent
    process = subprocess.Popen(
        child_command(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if verbose else subprocess.DEVNULL,
        cwd=str(_ROOT) if _ROOT.is_dir() else None,
        env=child_environment(),
        bufsize=0,
        close_fds=True,
        **apart,
    )
    if sys.platform.startswith("linux") and process.stdout is not None:
        import fcntl

        with contextlib.suppress(OSError):  # a user may have so many large pipes only
            fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, 1 << 20)
    return process
