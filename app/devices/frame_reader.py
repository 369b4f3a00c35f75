"""What all sources of frames share: a thread that reads the device, of whose frames only the newest is kept."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from app.devices.errors import DeviceError, DeviceLost
from app.devices.frame_source import Frame
from app.error_report import as_exception, describe

log = logging.getLogger(__name__)

OPEN_SECONDS = 12.0
"""So long a device may take until its first frame; some cameras need seconds."""
CLOSE_SECONDS = 0.15
"""So long :meth:`FrameReader.close` waits for a driver; one that hangs gives its device back when it returns."""
THREAD_NAME = "larimar-frames"


class _State(Enum):
    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"
    ENDED = "ended"


class FrameReader(ABC):
    """A source whose three blocking calls are written by the subclass and run on a thread of their own.

    The driver is only ever called on that thread, which also gives the device back: no driver likes to be closed while
    it reads.
    """

    def __init__(self, name: str, *, open_seconds: float = OPEN_SECONDS) -> None:
        self.name = name
        self._open_seconds = open_seconds
        self._changed = threading.Condition()
        self._state = _State.CLOSED
        self._newest: Frame | None = None
        self._error: DeviceError | None = None
        self._stop = threading.Event()
        self._released = threading.Event()
        self._thread: threading.Thread | None = None

    # --- for the subclass; all on the reader thread ---

    @abstractmethod
    def _open(self, stop: threading.Event) -> None:
        """Open the device; may return early, half-way, when ``stop`` was set. Raises :class:`DeviceError`."""

    @abstractmethod
    def _grab(self, stop: threading.Event) -> tuple[NDArray[np.uint8], float | None] | None:
        """Return the next frame and its time (``None``: now); ``None`` when ``stop`` was set. Raises DeviceLost."""

    @abstractmethod
    def _release(self) -> None:
        """Give the device back; also called when opening failed half-way."""

    # --- the source ---

    def open(self) -> None:
        """Begin; see :class:`~app.devices.frame_source.FrameSource`."""
        if self._thread is not None and not self._released.is_set():
            raise DeviceError(f"{self.name} has not been given back yet. Wait a moment, then try again.")
        with self._changed:
            self._state, self._newest, self._error = _State.OPENING, None, None
        self._stop = threading.Event()
        self._released = threading.Event()
        # A daemon, so that a driver that hangs for ever cannot keep the process alive.
        self._thread = threading.Thread(
            target=self._run, args=(self._stop, self._released), name=THREAD_NAME, daemon=True
        )
        self._thread.start()
        with self._changed:
            opened = self._changed.wait_for(lambda: self._state is not _State.OPENING, self._open_seconds)
            error = None if self._newest is not None else self._error
        if not opened:
            self.close()
            raise DeviceError(
                f"{self.name} gives no picture. Another program may be using it: close that one, "
                "or unplug the camera and plug it in again."
            )
        if error is not None:
            self.close()
            raise error

    def read(self, timeout: float) -> Frame | None:
        """Return the newest frame; see :class:`~app.devices.frame_source.FrameSource`."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._state is not _State.OPEN, timeout)
            frame, self._newest = self._newest, None
            if frame is None and self._state is _State.ENDED and self._error is not None:
                raise self._error
            return frame

    def interrupt(self) -> None:
        """Begin to close; see :class:`~app.devices.frame_source.FrameSource`."""
        with self._changed:
            self._state = _State.CLOSED
            self._newest = None
            self._stop.set()
            self._changed.notify_all()

    def close(self) -> None:
        """Give the device back."""
        self.interrupt()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        if not self._released.wait(CLOSE_SECONDS):
            log.warning("%s does not answer; it is given back when its driver returns", self.name)

    @property
    def released(self) -> bool:
        """Whether the device is back with the system."""
        return self._thread is None or self._released.is_set()

    def _run(self, stop: threading.Event, released: threading.Event) -> None:
        try:
            self._open(stop)
            began = time.monotonic()
            while not stop.is_set():
                grabbed = self._grab(stop)
                if grabbed is None:
                    break
                image, moment = grabbed
                image.flags.writeable = False
                self._give(Frame(image, time.monotonic() - began if moment is None else moment), stop)
        except BaseException as error:
            self._fail(as_exception(error), stop)
        finally:
            try:
                self._release()
            except BaseException as error:
                log.warning("%s did not close in order: %s", self.name, describe(error))
            released.set()

    def _give(self, frame: Frame, stop: threading.Event) -> None:
        with self._changed:
            if not stop.is_set():
                self._newest = frame
                self._state = _State.OPEN
                self._changed.notify_all()

    def _fail(self, error: Exception, stop: threading.Event) -> None:
        if not isinstance(error, DeviceError):
            log.error("Unexpected in %s: %s", self.name, describe(error))
            error = DeviceLost(f"{self.name} stopped working. Choose it again, or another one.")
        with self._changed:
            if stop.is_set():
                return
            if self._state is _State.OPENING and isinstance(error, DeviceLost):
                error = DeviceError(str(error))
            self._error = error
            self._state = _State.ENDED
            self._changed.notify_all()
