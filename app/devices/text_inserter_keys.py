"""Inserting texts by the clipboard as Qt knows it, with keys that somebody else sends; where nobody can, the user does.

A clipboard of Qt tells when it is read, though not by whom. On Wayland it may be changed by the program in front only:
there ``wl-copy`` does it, where the user has it, and the receipt is missing.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Protocol

from PySide6.QtCore import QByteArray, QMimeData, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QClipboard, QGuiApplication

from app.devices.paste_keys import PasteKeys
from app.devices.text_inserter import (
    QUIET_SECONDS,
    UNREAD_SECONDS,
    UNSURE_SECONDS,
    Insertion,
    TextInserter,
    translate,
)

log = logging.getLogger(__name__)

_TEXT_FORMATS: Final = ("text/plain;charset=utf-8", "text/plain")
_FORMATS_AT_MOST: Final = 64 << 20
_PROGRAM_SECONDS: Final = 2.0
_END_SECONDS: Final = 0.5
_SETTLE_SECONDS: Final = 0.15
"""What wl-copy needs until others find its text."""


class Clipboard(Protocol):
    """What an insertion needs of a clipboard."""

    def keep(self) -> None:
        """Remember what is there."""

    def offer(self, text: str, read: Callable[[], object]) -> None:
        """Put a text there; ``read`` is called when somebody reads it."""

    def ours(self) -> bool:
        """Return whether the text is still what others get."""

    def put_back(self) -> None:
        """Put back what was remembered."""

    tells: bool
    """Whether ``read`` is ever called."""
    blocks: bool
    """Whether all but :meth:`ours` waits for other programs and is for another thread; else it is for the GUI's."""


class ClipboardTextInserter(TextInserter):
    """One insertion after the other; keys are sent by a thread of its own."""

    _sent = Signal(bool)

    def __init__(self, keys: PasteKeys, parent: QObject | None = None, clipboard: Clipboard | None = None) -> None:
        super().__init__(parent)
        self._keys = keys
        self._clipboard = clipboard or (WaylandClipboard() if _needs_wl_copy() else QtClipboard())
        self._pool: ThreadPoolExecutor | None = None
        self._asking: ThreadPoolExecutor | None = None
        self._waiting: deque[Insertion] = deque()
        self._current: Insertion | None = None
        self._told = False
        self._inserted_any = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._time_is_over)
        self._sent.connect(self._keys_sent, Qt.ConnectionType.QueuedConnection)

    def prepare(self) -> None:
        """Ask for the right to press keys, where that is needed."""
        if self._asking is None:  # a thread of its own: a person may take any time to answer
            self._asking = ThreadPoolExecutor(1, thread_name_prefix="larimar-asking")
        self._asking.submit(self._keys.prepare)

    def insert(self, text: str) -> Insertion:
        """Begin, or wait for those before."""
        insertion = self._next(text)
        self._waiting.append(insertion)
        QTimer.singleShot(0, self, self._begin_next)
        return insertion

    def undo(self) -> None:
        """Send Ctrl+Z; nobody tells us whether the same program is still in front."""
        if not self._inserted_any:
            super().undo()
            return
        self._inserted_any = False
        self._on_thread(lambda: self._keys.send("undo"))
        self.undone.emit("")

    def close(self) -> None:
        """End what is under way."""
        self._timer.stop()
        if self._current is not None and self._current.read:
            self._put_back()
        self._current = None
        self._waiting.clear()
        self._keys.close()
        for pool in (self._pool, self._asking):
            if pool is not None:
                pool.shutdown(wait=True, cancel_futures=True)
        self._pool = self._asking = None

    # --- one insertion ---

    def _begin_next(self) -> None:
        if self._current is not None or not self._waiting:
            return
        self._current = self._waiting.popleft()
        self._told = False
        clipboard, text = self._clipboard, self._current.text

        def offer() -> None:
            clipboard.keep()
            clipboard.offer(text, self._read)

        def send() -> bool:
            if clipboard.blocks:
                offer()
            return self._keys.send("paste")

        if not clipboard.blocks:
            offer()
        self._on_thread(send).add_done_callback(self._tell_sent)

    def _tell_sent(self, future: Future[bool]) -> None:
        if not future.cancelled():
            self._sent.emit(future.exception() is None and future.result())

    def _keys_sent(self, sent: bool) -> None:
        insertion = self._current
        if insertion is None:
            return
        if not sent:
            self._current = None
            if self._clipboard.ours():
                sentence = translate("TextInserter", "The text is on the clipboard: press Ctrl+V to insert it.")
                self.kept.emit(insertion, sentence)
            else:
                self.failed.emit(
                    insertion,
                    translate(
                        "TextInserter",
                        "The text could not be put on the clipboard. “Paste last dictation” tries again.",
                    ),
                )
            self._begin_next()
            return
        insertion.keys_sent = time.monotonic()
        if not self._clipboard.ours():
            self._end(
                translate(
                    "TextInserter",
                    "Another program took the clipboard at that moment. “Paste last dictation” tries again.",
                )
            )
        elif self._clipboard.tells:
            self._timer.start(round(1000 * UNREAD_SECONDS))
        else:
            self._take_as_read()
            self._timer.start(round(1000 * UNSURE_SECONDS))

    def _read(self) -> None:
        if self._current is not None and self._current.keys_sent:
            self._take_as_read()
            self._timer.start(round(1000 * QUIET_SECONDS))

    def _take_as_read(self) -> None:
        insertion = self._current
        if insertion is not None and not self._told:
            self._told = True
            self._inserted_any = True
            insertion.read = time.monotonic()
            self.inserted.emit(insertion)

    def _time_is_over(self) -> None:
        self._end(
            ""
            if self._told
            else translate(
                "TextInserter", "The program in front has not taken the text. “Paste last dictation” tries again."
            )
        )

    def _end(self, problem: str) -> None:
        insertion, self._current = self._current, None
        if insertion is None:
            return
        self._put_back()
        insertion.restored = time.monotonic()
        if problem:
            self.failed.emit(insertion, problem)
        else:
            self.restored.emit(insertion, "")
        self._begin_next()

    def _put_back(self) -> None:
        if self._clipboard.ours():
            if self._clipboard.blocks:
                self._on_thread(self._clipboard.put_back)
            else:
                self._clipboard.put_back()

    def _on_thread(self, work: Callable[[], Any]) -> Future[Any]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="larimar-inserter")
        return self._pool.submit(work)


class QtClipboard:
    """The clipboard as Qt knows it, with all formats of what was there."""

    tells = True
    blocks = False

    def __init__(self) -> None:
        self._former: dict[str, QByteArray] = {}
        self._offered: _Offered | None = None

    def keep(self) -> None:
        """Copy every format."""
        mime = self._clipboard().mimeData()
        self._former = {}
        size = 0
        for name in mime.formats() if mime is not None else ():
            data = mime.data(name)
            size += data.size()
            if size <= _FORMATS_AT_MOST:
                self._former[name] = data

    def offer(self, text: str, read: Callable[[], object]) -> None:
        """Offer the text; it is handed over when somebody asks."""
        self._offered = _Offered(text, read)
        self._clipboard().setMimeData(self._offered)

    def ours(self) -> bool:
        """Return whether the text is still what others get."""
        return self._offered is not None and self._clipboard().mimeData() is self._offered

    def put_back(self) -> None:
        """Offer the copies."""
        self._offered = None
        if not self._former:
            self._clipboard().clear()
            return
        mime = QMimeData()
        for name, data in self._former.items():
            mime.setData(name, data)
        self._clipboard().setMimeData(mime)

    @staticmethod
    def _clipboard() -> QClipboard:
        return QGuiApplication.clipboard()


class _Offered(QMimeData):
    """A text that tells when it is read."""

    def __init__(self, text: str, read: Callable[[], object]) -> None:
        super().__init__()
        self._text = text
        self._read = read

    def formats(self) -> list[str]:
        return list(_TEXT_FORMATS)

    def hasFormat(self, mimetype: str) -> bool:
        return mimetype in _TEXT_FORMATS

    def retrieveData(self, mimetype: str, preferred: Any) -> Any:
        if mimetype not in _TEXT_FORMATS:
            return None
        self._read()
        return self._text


class WaylandClipboard:
    """``wl-copy`` and ``wl-paste``: one format of what was there, a text before a picture; no receipt."""

    tells = False
    blocks = True

    def __init__(self) -> None:
        self._former: tuple[str, bytes] | None = None
        self._owner: subprocess.Popen[bytes] | None = None

    def keep(self) -> None:
        """Copy the format that says most."""
        self._former = None
        if self._owner is not None and self._owner.poll() is None and self._kept is not None:
            self._former = self._kept  # we put it there ourselves
            return
        kinds = self._run(["wl-paste", "--list-types"]).decode("utf-8", "replace").split("\n")
        wanted = next((kind for kind in (*_TEXT_FORMATS, "UTF8_STRING", "image/png") if kind in kinds), "")
        if wanted:
            self._former = wanted, self._run(["wl-paste", "--no-newline", "--type", wanted])

    _kept: tuple[str, bytes] | None = None

    def offer(self, text: str, read: Callable[[], object]) -> None:
        """Let a helper offer the text until somebody else copies something."""
        self._kept = None
        self._copy("text/plain;charset=utf-8", text.encode())

    def ours(self) -> bool:
        """Return whether the helper still offers it: it ends when another program copies something, or when it dies."""
        return self._owner is not None and self._owner.poll() is None

    def put_back(self) -> None:
        """Let a helper offer the former content, or nothing."""
        if self._former is None:
            self._run(["wl-copy", "--clear"])
        else:
            self._copy(*self._former)
            self._kept = self._former

    def _copy(self, kind: str, data: bytes) -> None:
        try:
            owner = subprocess.Popen(
                ["wl-copy", "--foreground", "--type", kind],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            assert owner.stdin is not None
            owner.stdin.write(data)
            owner.stdin.close()
        except OSError as problem:
            log.info("wl-copy does not work: %s", problem)
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            owner.wait(_SETTLE_SECONDS)
            log.info("wl-copy ended with exit code %d", owner.returncode)
        old, self._owner = self._owner, owner
        if old is not None:
            try:
                old.wait(_END_SECONDS)  # it ends when it is no longer needed
            except subprocess.TimeoutExpired:
                old.kill()
                old.wait()

    @staticmethod
    def _run(command: list[str]) -> bytes:
        try:
            return subprocess.run(command, capture_output=True, timeout=_PROGRAM_SECONDS, check=False).stdout
        except (OSError, subprocess.TimeoutExpired):
            return b""


def _needs_wl_copy() -> bool:
    return QGuiApplication.platformName().startswith("wayland") and shutil.which("wl-copy") is not None
