"""One conversion under way, in a child process: PyTorch stays out of the window, and can be ended at any time."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal

from app.conversion_report import Failed, Needs, Stage, read_report
from app.error_report import describe

log = logging.getLogger(__name__)

PRECISIONS: Final = ("q4", "q8", "fp16", "fp32")
_PATIENCE: Final = 3.0
"""Seconds that a child has to end by itself once it is told to."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to convert."""

    checkpoint: Path
    out: Path
    """The model folder to write; for a drafter, the one that it is added to."""
    precision: str = "q4"
    drafter: Path | None = None
    install: bool = False
    """Whether the user agrees that packages are installed for it."""

    @property
    def arguments(self) -> list[str]:
        """What follows ``convert`` on the command line."""
        said = ["--report", "--precision", self.precision]
        said += ["--drafter", str(self.drafter)] if self.drafter else []
        said += ["--install"] if self.install else []
        return [*said, "--", str(self.checkpoint), str(self.out)]


def own_command() -> list[str]:
    """Return how this program starts another of itself."""
    if getattr(sys, "frozen", False):
        return [sys.executable]
    return [sys.executable, str(Path(__file__).resolve().parent.parent.parent / "main.py")]


class Conversions(QObject):
    """Starts, follows and stops a conversion. Methods are for the GUI thread; one runs at a time."""

    progressed = Signal(object)
    """Carries a :class:`~app.conversion_report.Stage`."""
    agreement_wanted = Signal(str)
    """Packages would have to be installed; carries what and how large, as a sentence. Nothing was done."""
    finished = Signal(object)
    """Carries the model folder."""
    stopped = Signal(str)
    """It ended early; carries why, as a sentence, empty when the user stopped it."""
    _arrived = Signal(int, object)
    _ended = Signal(int, int)

    def __init__(self, parent: QObject | None = None, *, command: Callable[[], Sequence[str]] = own_command) -> None:
        super().__init__(parent)
        self._command = command
        self._order: Order | None = None
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._killer: threading.Timer | None = None
        self._run = 0
        self._said: Failed | Needs | None = None
        self._cancelled = False
        self._closed = False
        self._arrived.connect(self._show, Qt.ConnectionType.QueuedConnection)
        self._ended.connect(self._end, Qt.ConnectionType.QueuedConnection)

    @property
    def running(self) -> Order | None:
        """What is being converted."""
        return self._order

    def start(self, order: Order) -> None:
        """Begin, or go on with what an earlier run left."""
        if self._order is not None or self._closed:
            return
        self._order, self._said, self._cancelled = order, None, False
        self._run += 1
        self._thread = threading.Thread(
            target=self._follow, args=(self._run, order), name="larimar-conversion", daemon=True
        )
        self._thread.start()

    def cancel(self) -> None:
        """Stop; graphs that are finished stay for another run."""
        self._cancelled = True
        process = self._process
        if process is None or process.stdin is None:
            return
        with contextlib.suppress(OSError):
            process.stdin.close()  # which it watches
        if self._killer is None:
            self._killer = threading.Timer(_PATIENCE, _kill, [process])
            self._killer.name = "larimar-conversion-patience"
            self._killer.daemon = True
            self._killer.start()

    def close(self) -> None:
        """Stop and deliver nothing more."""
        self._closed = True
        self.cancel()
        if self._thread is not None:
            self._thread.join(_PATIENCE + 2)
        self._stop_waiting()

    # --- on the conversion's thread ---

    def _follow(self, run: int, order: Order) -> None:
        code = -1
        try:
            process = self._process = subprocess.Popen(
                [*self._command(), "convert", *order.arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                errors="replace",
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                **_own_group(),
            )
            if self._cancelled:
                _kill(process)
            assert process.stdout is not None
            for line in process.stdout:
                if (report := read_report(line)) is not None and not self._closed:
                    self._arrived.emit(run, report)
            code = process.wait()
            process.stdout.close()
        except OSError as error:
            log.warning("The conversion could not be started: %s", error.strerror)
        except BaseException as error:
            log.error("Unexpected while converting: %s", describe(error))
        if not self._closed:
            self._ended.emit(run, code)

    # --- on the GUI thread ---

    def _show(self, run: int, report: Stage | Needs | Failed) -> None:
        if run != self._run or self._closed:
            return
        if isinstance(report, Stage):
            if not self._cancelled:
                self.progressed.emit(report)
        else:
            self._said = report

    def _end(self, run: int, code: int) -> None:
        order = self._order
        if run != self._run or order is None or self._closed:
            return
        if self._thread is not None:
            self._thread.join()
        self._stop_waiting()
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._order, self._process, self._thread = None, None, None
        if code == 0:
            self.finished.emit(order.out)
        elif self._cancelled:
            self.stopped.emit("")
        elif isinstance(self._said, Needs):
            self.agreement_wanted.emit(self._said.sentence)
        elif isinstance(self._said, Failed):
            self.stopped.emit(self._said.sentence)
        else:
            log.error("The conversion ended with status %d and said nothing", code)
            self.stopped.emit(
                QCoreApplication.translate(
                    "Conversion",
                    "The conversion broke off, perhaps for want of memory. Try again: it goes on where it stopped.",
                )
            )

    def _stop_waiting(self) -> None:
        if self._killer is not None:
            self._killer.cancel()
            self._killer.join()
            self._killer = None


def _own_group() -> dict[str, Any]:
    """Let the child, and what it starts, be ended as one."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _kill(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        subprocess.run(["taskkill", "/T", "/F", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
