"""One picture of the screen, for programs without a window of their own."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEventLoop
from PySide6.QtGui import QGuiApplication, QImage

from app.devices.errors import DeviceError
from app.devices.frame_screen import wayland
from app.pictures import rgb_of
from app.screen.capture import shot_at, shots
from app.screen.portal_picture import PortalPicture

_APP_ID = "io.github.larimar.Larimar"


def screen_still() -> NDArray[np.uint8]:
    """Return the screen where the pointer is, uint8 [height, width, 3], RGB; on Wayland all that the desktop gives.

    Raises:
        DeviceError: there is no picture; the sentence says why.
    """
    app = QGuiApplication.instance() or QGuiApplication(sys.argv[:1])
    assert isinstance(app, QGuiApplication)
    if wayland():
        return rgb_of(_of_portal())
    shot = shot_at(shots())
    if shot is None:
        raise DeviceError("The screen gives programs no picture of itself.")
    return rgb_of(shot.image)


def _of_portal() -> QImage:
    loop = QEventLoop()
    pictures: list[QImage] = []
    problems: list[str] = []
    portal = PortalPicture(_APP_ID)
    portal.taken.connect(pictures.append)
    portal.failed.connect(problems.append)
    for ended in (portal.taken, portal.failed, portal.cancelled):
        ended.connect(loop.quit)
    portal.ask(interactive=False)
    loop.exec()
    if not pictures:
        raise DeviceError(problems[0] if problems else "The desktop was not allowed to take a picture of the screen.")
    return pictures[0]
