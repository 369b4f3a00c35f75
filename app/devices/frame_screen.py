"""A screen as a source of frames, where programs may look at it without asking: X11, Windows, macOS."""

from __future__ import annotations

import os
import threading
import time

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QScreen

from app.devices.errors import DeviceError, DeviceLost
from app.devices.frame_source import Frame
from app.pictures import rgb_of

FRAMES_A_SECOND = 10
"""A screen is looked at less often than a camera: each look copies all of it."""
_OPEN_SECONDS = 5.0


def wayland() -> bool:
    """Return whether the screen belongs to a Wayland compositor, which shows it to nobody without asking the user.

    Also where Qt itself runs by way of X11: there it would see its own windows only.
    """
    platform = QGuiApplication.platformName()
    session = os.environ.get("XDG_SESSION_TYPE") == "wayland" or bool(os.environ.get("WAYLAND_DISPLAY"))
    return platform.startswith("wayland") or (platform == "xcb" and session)


class ScreenFrameSource(QObject):
    """Grabs a screen over and over. Made on the GUI thread, where it also grabs; opened, read and closed on any."""

    _started = Signal()
    _stopped = Signal()

    def __init__(self, screen: QScreen, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = screen.name()
        self._screen: QScreen | None = screen
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._live = False
        self._lost = False
        self._began = 0.0
        self._timer = QTimer(self)
        self._timer.setInterval(1000 // FRAMES_A_SECOND)
        self._timer.timeout.connect(self._grab)
        self._started.connect(self._start)
        self._stopped.connect(self._timer.stop)
        app = QGuiApplication.instance()
        assert isinstance(app, QGuiApplication)
        app.screenRemoved.connect(self._removed)

    def open(self) -> None:
        """Begin; see :class:`~app.devices.frame_source.FrameSource`."""
        if wayland():
            raise DeviceError(
                "On Wayland programs cannot watch the screen. Ask about a picture of it instead: "
                "“Ask about the screen” takes one."
            )
        self._live, self._lost, self._began = True, False, time.monotonic()
        self._started.emit()
        with self._changed:
            arrived = self._changed.wait_for(lambda: self._newest is not None or not self._live, _OPEN_SECONDS)
        if not arrived:
            self.close()
            raise DeviceError(f"The screen {self.name} gives no picture. Choose another one.")

    def read(self, timeout: float) -> Frame | None:
        """Return the newest frame; see :class:`~app.devices.frame_source.FrameSource`."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or not self._live or self._lost, timeout)
            frame, self._newest = self._newest, None
            if frame is None and self._lost and self._live:
                raise DeviceLost(f"The screen {self.name} is gone. Choose another one.")
            return frame

    def interrupt(self) -> None:
        """Begin to stop looking, which takes no time here."""
        self.close()

    def close(self) -> None:
        """Stop looking."""
        with self._changed:
            self._live = False
            self._newest = None
            self._changed.notify_all()
        self._stopped.emit()

    @property
    def released(self) -> bool:
        """Whether nobody looks at the screen."""
        return not self._live

    def _start(self) -> None:
        self._grab()
        self._timer.start()

    def _removed(self, screen: QScreen) -> None:
        if screen is self._screen:
            self._screen = None
            self._timer.stop()
            with self._changed:
                self._lost = True
                self._changed.notify_all()

    def _grab(self) -> None:
        if self._screen is None or not self._live:
            return
        image = self._screen.grabWindow(0).toImage()
        if image.isNull():
            return
        pixels = rgb_of(image)
        pixels.flags.writeable = False
        with self._changed:
            if self._live:
                self._newest = Frame(pixels, time.monotonic() - self._began)
                self._changed.notify_all()
