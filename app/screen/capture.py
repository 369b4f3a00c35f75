"""Still pictures of the screens, pixel for pixel, where programs may take them without asking."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect
from PySide6.QtGui import QCursor, QGuiApplication, QImage, QScreen


@dataclass(frozen=True, slots=True)
class Shot:
    """One screen at one moment."""

    screen: QScreen
    image: QImage
    """All of it, in the pixels that it really has."""
    scale: float
    """Pixels of the picture for each of Qt's. Not to be taken from its size: Qt's is rounded."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of a screen, to be taken again later."""

    screen: str
    """The name of the screen."""
    area: QRect
    """In the pixels of its picture."""


def shots() -> list[Shot]:
    """Take a picture of every screen; on the GUI thread. A screen that shows nothing of itself is left out."""
    taken = []
    for screen in QGuiApplication.screens():
        image = screen.grabWindow(0).toImage()
        if not image.isNull():
            image.setDevicePixelRatio(1.0)
            image = image.convertToFormat(QImage.Format.Format_RGB32)
            taken.append(Shot(screen, image, screen.devicePixelRatio()))
    return taken


def shot_at(taken: list[Shot], place: QPoint | None = None) -> Shot | None:
    """Return the picture of the screen at ``place`` (``None``: where the pointer is), else the first one."""
    place = QCursor.pos() if place is None else place
    return next((shot for shot in taken if shot.screen.geometry().contains(place)), taken[0] if taken else None)
