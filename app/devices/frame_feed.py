"""Frames on their way from a source to the window: the devices' thread on one side, signals on the other."""

from __future__ import annotations

import logging
import threading
import time

from PySide6.QtCore import QObject, Qt, Signal

from app.devices.errors import DeviceError
from app.devices.frame_source import Frame, FrameSource
from app.error_report import describe

log = logging.getLogger(__name__)

THREAD_NAME = "larimar-feed"
_READ_SECONDS = 0.03
_JOIN_SECONDS = 1.0


class FrameFeed(QObject):
    """Opens a source, tells of each frame, and closes it; nothing here waits on the GUI thread.

    Where the window lags behind, frames are left out: :attr:`newest` is always the last one.
    """

    opened = Signal()
    arrived = Signal()
    """There is a new :attr:`newest`."""
    failed = Signal(str)
    """It could not be opened, or is gone; carries a sentence. ``closed`` follows."""
    closed = Signal()
    """The device is given back."""

    _told = Signal(object, str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.newest: Frame | None = None
        self.release_seconds = 0.0
        """How long the last device took to be given back after :meth:`stop`."""
        self._run: _Run | None = None
        self._next: FrameSource | None = None
        self._told.connect(self._hear, Qt.ConnectionType.QueuedConnection)

    @property
    def live(self) -> bool:
        """Whether a device is open, or on its way there or back."""
        return self._run is not None

    def start(self, source: FrameSource) -> None:
        """Open ``source``; the one that is open is closed first."""
        self.newest = None
        if self._run is not None:
            self._next = source
            self._run.stop()
        else:
            self._run = _Run(source, self)
            self._run.start()

    def stop(self) -> None:
        """Give the device back; ``closed`` says when that is done."""
        self._next = None
        if self._run is not None:
            self._run.stop()

    def shut_down(self) -> None:
        """Stop, and wait for that; for the end of the program."""
        self.stop()
        if self._run is not None:
            self._run.thread.join(_JOIN_SECONDS)
            self._run = None
            self.closed.emit()

    def tell(self, run: _Run, what: str, words: str = "") -> None:
        """Pass on what happened; called on the feed's thread."""
        try:
            self._told.emit(run, what, words)
        except RuntimeError:  # the window is gone already
            log.debug("A camera outlived the window")

    def _hear(self, run: _Run, what: str, words: str) -> None:
        if run is not self._run:
            return
        if what == "arrived":
            frame = run.take()
            if frame is not None and not run.stopping:
                self.newest = frame
                self.arrived.emit()
        elif what == "opened":
            if not run.stopping:
                self.opened.emit()
        elif what == "failed":
            if not run.stopping:
                self.failed.emit(words)
        else:
            self.release_seconds = run.release_seconds
            run.thread.join(_JOIN_SECONDS)  # this was its last word
            self._run = None
            self.newest = None
            self.closed.emit()
            following, self._next = self._next, None
            if following is not None and self._run is None:
                self.start(following)


class _Run:
    """One opening of one source, on a thread of its own."""

    def __init__(self, source: FrameSource, feed: FrameFeed) -> None:
        self._source = source
        self._feed = feed
        self._stop = threading.Event()
        self._stopped_at = 0.0
        self._lock = threading.Lock()
        self._newest: Frame | None = None
        self.release_seconds = 0.0
        self.thread = threading.Thread(target=self._work, name=THREAD_NAME, daemon=True)

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        if not self._stop.is_set():
            self._stopped_at = time.monotonic()
            self._stop.set()
            self._source.interrupt()  # the thread may be waiting for a camera that has not begun

    def take(self) -> Frame | None:
        with self._lock:
            frame, self._newest = self._newest, None
            return frame

    # --- the feed's thread ---

    def _work(self) -> None:
        try:
            self._source.open()
            self._feed.tell(self, "opened")
            while not self._stop.is_set():
                frame = self._source.read(_READ_SECONDS)
                if frame is None:
                    continue
                with self._lock:
                    first = self._newest is None
                    self._newest = frame
                if first:  # otherwise the window has not yet heard of the one before
                    self._feed.tell(self, "arrived")
        except DeviceError as error:
            self._feed.tell(self, "failed", str(error))
        except BaseException as error:
            log.error("Unexpected in a source of pictures: %s", describe(error))
            self._feed.tell(self, "failed", f"{self._source.name} stopped working. Choose it again, or another one.")
        finally:
            try:
                self._source.close()
            except BaseException as error:
                log.warning("%s did not close in order: %s", self._source.name, describe(error))
            if self._stopped_at:
                self.release_seconds = time.monotonic() - self._stopped_at
            self._feed.tell(self, "closed")
