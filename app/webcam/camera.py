"""The camera of the pane: which ones there are, the one that is open, and its last seconds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QScreen

from app.background import Background
from app.devices.frame_devices import FrameDevice, list_cameras, make_source
from app.devices.frame_feed import FrameFeed
from app.devices.frame_screen import ScreenFrameSource, wayland
from app.devices.frame_source import Frame, FrameSource
from app.live_senses import LiveSenses, Sense

LAST_SECONDS = 8
"""So many stills are kept, one a second, for questions about what just happened."""
_LIST_MS = 2000


class CameraState(Enum):
    """What the camera does."""

    OFF = "off"
    STARTING = "starting"
    LIVE = "live"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Choosable:
    """A camera, or a screen."""

    id: str
    name: str
    sense: Sense
    make: Callable[[], FrameSource]


class Camera(QObject):
    """Opens what is chosen, and says what becomes of it. While it is open, the window shows that it is."""

    state_changed = Signal()
    listed = Signal()
    """There are other devices than before."""
    stop_wished = Signal()
    """The user wants it closed, by the indicator of what is live."""
    frame = Signal()
    """There is a new :attr:`newest`."""

    def __init__(self, senses: LiveSenses, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._senses = senses
        self._background = background
        self.state = CameraState.OFF
        self.problem = ""
        """Why it failed, in a sentence for the user."""
        self.devices: tuple[Choosable, ...] = ()
        self.device: Choosable | None = None
        """The one that is chosen."""
        self.known = False
        """Whether it was looked for cameras yet."""
        self.feed = FrameFeed(self)
        self.feed.opened.connect(self._opened)
        self.feed.arrived.connect(self._arrived)
        self.feed.failed.connect(self._failed)
        self.feed.closed.connect(self._closed)
        self._sense: int | None = None
        self._stills: deque[Frame] = deque(maxlen=LAST_SECONDS)
        self._looking = False
        self._timer = QTimer(self)
        self._timer.setInterval(_LIST_MS)
        self._timer.timeout.connect(self.look_around)

    @property
    def newest(self) -> Frame | None:
        """What it sees now."""
        return self.feed.newest

    @property
    def last_seconds(self) -> tuple[Frame, ...]:
        """One still a second of the last eight seconds, oldest first; the last is what it sees now."""
        newest = self.newest
        if newest is None:
            return tuple(self._stills)
        return (*[still for still in self._stills if newest.time - still.time >= 0.5][-LAST_SECONDS + 1 :], newest)

    def keep_looking(self, on: bool) -> None:
        """Notice cameras that are plugged in and pulled out, from now on or no longer."""
        if on:
            self.look_around()
            self._timer.start()
        else:
            self._timer.stop()

    def look_around(self) -> None:
        """List the devices anew."""
        if not self._looking:
            self._looking = True
            self._background.run(list_cameras, self._list, lambda _: self._list(()))

    def choose(self, device: Choosable) -> None:
        """Look through another device; if one is open, through this one at once."""
        if self.device == device:
            return
        self.device = device
        if self.state in (CameraState.STARTING, CameraState.LIVE):
            self.start()
        elif self.state is CameraState.FAILED:
            self._set(CameraState.OFF)

    def start(self) -> None:
        """Open the device that is chosen."""
        if self.device is None:
            return
        self._stills.clear()
        self.problem = ""
        if self._sense is not None:
            self._senses.end(self._sense)
        self._sense = self._senses.begin(self.device.sense, self._stop_from_outside)
        self._set(CameraState.STARTING)
        self.feed.start(self.device.make())

    def stop(self) -> None:
        """Give the device back."""
        self._stills.clear()
        self.feed.stop()
        if self.state in (CameraState.STARTING, CameraState.LIVE):
            self._set(CameraState.OFF)

    def _stop_from_outside(self) -> None:
        self.stop_wished.emit()
        self.stop()

    def shut_down(self) -> None:
        """Give the device back before the program ends."""
        self._timer.stop()
        self.feed.shut_down()

    def _list(self, cameras: tuple[FrameDevice, ...]) -> None:
        self._looking = False
        first, self.known = not self.known, True
        devices = [_of_camera(camera) for camera in cameras]
        if not wayland():
            devices += [_of_screen(screen) for screen in QGuiApplication.screens()]
        if first or [(one.id, one.name) for one in devices] != [(one.id, one.name) for one in self.devices]:
            self.devices = tuple(devices)
            chosen = self.device.id if self.device else ""
            live = self.state in (CameraState.STARTING, CameraState.LIVE)
            if not any(one.id == chosen for one in devices) and not live:
                self.device = devices[0] if devices else None
            self.listed.emit()

    def _opened(self) -> None:
        self._set(CameraState.LIVE)

    def _arrived(self) -> None:
        newest = self.newest
        if newest is None:
            return
        if not self._stills or newest.time - self._stills[-1].time >= 1.0:
            self._stills.append(newest)
        self.frame.emit()

    def _failed(self, sentence: str) -> None:
        self.problem = sentence
        self._stills.clear()
        self._set(CameraState.FAILED)
        self.look_around()

    def _closed(self) -> None:
        if not self.feed.live and self._sense is not None and self.state is not CameraState.STARTING:
            self._senses.end(self._sense)
            self._sense = None

    def _set(self, state: CameraState) -> None:
        if state is not self.state:
            self.state = state
            self.state_changed.emit()


def _of_camera(device: FrameDevice) -> Choosable:
    return Choosable(device.address, device.name, Sense.CAMERA, lambda: make_source(device))


def _of_screen(screen: QScreen) -> Choosable:
    name = QCoreApplication.translate("Camera", "Screen {name}").format(name=screen.name())
    return Choosable(f"screen {screen.name()}", name, Sense.SCREEN, lambda: ScreenFrameSource(screen))
