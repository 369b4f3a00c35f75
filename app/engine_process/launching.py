"""How the engine's process is started, in a checkout and in a frozen program, and how it is ended."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Final

from app.engine_process import wire
from app.engine_process.wire import Answer, MalformedError

CHILD_ARGUMENT: Final = "--engine-process"
"""The one argument with which ``main.py`` becomes the engine's process; not for users."""
_ROOT: Final = Path(__file__).resolve().parents[2]
_BOOT: Final = "import sys; sys.path.insert(0, sys.argv[1]); from app.engine_process.child import main; main()"
_END_SECONDS: Final = 2.0
_CORES_TO_SPARE: Final = 4
"""On two busy cores the window comes later by what the imports beside it take."""


def child_command() -> list[str]:
    """Return the command that starts the process; whatever ``python`` may be on the PATH has no part in it."""
    if getattr(sys, "frozen", False):
        return [sys.executable, CHILD_ARGUMENT]
    return [sys.executable, "-P", "-c", _BOOT, str(_ROOT)]


class ChildProcess:
    """A process that waits for a model to load, or has one. It begins at once to import what it will need.

    One thread at a time may call :meth:`receive` and :meth:`end`; the rest is for any thread.

    Raises:
        OSError: the system starts no process.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            child_command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries that give up may quote the text at hand
            close_fds=True,
            **_apart(),
        )
        self._ended = False
        self.received = 0
        """Bytes of the answers up to now."""
        self._frames: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Writing is for a thread of its own: whoever sends must not wait for a child that hangs.
        self._writer = threading.Thread(target=self._write, name="larimar-engine-requests", daemon=True)
        self._writer.start()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def send(self, *frames: bytes) -> None:
        """Send frames soon; returns at once. Whether the child is still there shows in :meth:`receive`."""
        for frame in frames:
            self._frames.put(frame)

    def receive(self) -> Answer:
        """Wait for the next answer.

        Raises:
            EOFError: the process has ended.
            MalformedError: it says what no child of ours says.
        """
        stdout = self._process.stdout
        assert stdout is not None
        (size,) = wire.LENGTH.unpack(self._read(stdout, wire.LENGTH.size))
        if size > wire.ANSWER_BYTES:
            raise MalformedError("an answer is too long")
        self.received += size
        return wire.decoded(self._read(stdout, size))

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def end(self, *, patience: float = 0.0) -> int:
        """Wait so many seconds for its end, then kill it; return its status: below 0, the signal that ended it."""
        try:
            status = self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self._process.wait()
        if not self._ended:
            self._ended = True
            self._frames.put(None)
            self._writer.join(_END_SECONDS)
            for stream in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError, ValueError):
                    if stream is not None:
                        stream.close()
        return status

    @staticmethod
    def _read(stream: Any, size: int) -> bytes:
        try:
            content: bytes = stream.read(size)
        except (OSError, ValueError) as error:
            raise EOFError from error
        if len(content) < size:
            raise EOFError
        return content

    def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            while (frame := self._frames.get()) is not None:
                stdin.write(frame)
                del frame
                if self._frames.empty():
                    stdin.flush()
        except (OSError, ValueError):
            return  # it is gone; whoever waits for an answer is told


def _apart() -> dict[str, Any]:
    """Let Ctrl+C in the terminal be for the parent alone."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"process_group": 0}


class Spare:
    """A process that was started before it is needed, so that its imports cost nobody any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: ChildProcess | None = None
        self._kept = False

    def prepare(self) -> None:
        """Start one, if there is none."""
        with self._lock, contextlib.suppress(OSError):
            self._kept = True
            if self._process is None:
                self._process = ChildProcess()

    def begin(self) -> None:
        """Start one while the program itself starts, where that does not hold up its window; keep one from then on."""
        with self._lock:
            self._kept = True
        if (os.cpu_count() or 1) >= _CORES_TO_SPARE:
            self.prepare()

    def renew(self) -> None:
        """Start another one, where somebody wanted one before: the program is not about to end."""
        if self._kept:
            self.prepare()

    def take(self) -> ChildProcess:
        """Return the one that was prepared, or one that is started now. Raises :class:`OSError`."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            if process.alive:
                return process
            process.end()
        return ChildProcess()

    def close(self) -> None:
        """End the one that nobody took, and keep none any more."""
        with self._lock:
            self._kept = False
            process, self._process = self._process, None
        if process is not None:
            process.end()


SPARE: Final = Spare()
