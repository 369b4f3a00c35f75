"""Where log lines and crash reports go: files in the log folder, which never leave the machine by themselves.

What is said to or by the model is never among them.
"""

from __future__ import annotations

import faulthandler
import logging
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from app.error_report import log_uncaught
from app.private_files import make_private_folder, private_opener, restrict

_BYTES_AT_MOST = 1_000_000
_FILES = 3
_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}
_qt = logging.getLogger("qt")
_crash_file: TextIO | None = None  # must stay open as long as the process lives


class _PrivateHandler(RotatingFileHandler):
    """Writes files that only their owner may read. Does without them when the disk takes nothing any more."""

    def _open(self) -> TextIOWrapper:
        restrict(Path(self.baseFilename))
        file = open(self.baseFilename, self.mode, encoding=self.encoding, opener=private_opener)  # noqa: SIM115
        assert isinstance(file, TextIOWrapper)
        return file

    def handleError(self, record: logging.LogRecord) -> None:
        """Lose the line: a full disk is said in the window, and not in each line on the terminal."""


def log_to(folder: Path) -> None:
    """Write the log into ``folder``, and only warnings to the terminal when the folder cannot be written."""
    handler: logging.Handler
    try:
        make_private_folder(folder)
        handler = _PrivateHandler(folder / "larimar.log", maxBytes=_BYTES_AT_MOST, backupCount=_FILES, encoding="utf-8")
    except OSError:
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    qInstallMessageHandler(_from_qt)
    log_uncaught()
    _report_crashes(folder)


def close_logs() -> None:
    """Close the files of the log, so that they can be deleted; nothing is logged any more until ``log_to``."""
    global _crash_file
    root = logging.getLogger()
    for handler in [each for each in root.handlers if isinstance(each, RotatingFileHandler)]:
        root.removeHandler(handler)
        handler.close()
    faulthandler.disable()
    if _crash_file is not None:
        _crash_file.close()
        _crash_file = None


def stop_logging_qt() -> None:
    """Leave Qt's messages alone again; at the end of the program they would come too late for Python."""
    qInstallMessageHandler(None)


def _report_crashes(folder: Path) -> None:
    """Let a fault in native code (Qt, ONNX Runtime, a driver) leave its traces in a file."""
    global _crash_file
    try:
        file = folder / "crash.log"
        restrict(file)
        _crash_file = open(file, "a", encoding="utf-8", opener=private_opener)  # noqa: SIM115 — for the process's life
    except OSError:
        return
    faulthandler.enable(_crash_file)


def _from_qt(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    _qt.log(_LEVELS.get(kind, logging.WARNING), "%s", text)
