"""Shows a picture of the conversation at its full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage, QPixmap, QResizeEvent
from PySide6.QtWidgets import QDialog, QLabel, QVBoxLayout, QWidget

from app.pictures import qimage_of
from inference.cancellation import CancelToken
from inference.errors import MediaError
from inference.media.isolated import open_picture


class PictureDialog(QDialog):
    """A picture that fills the window; Esc closes it."""

    def __init__(self, image: QImage, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(name)
        self._image = image
        self._label = QLabel(self)
        self._label.setAccessibleName(name)
        self._label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._label.setMinimumSize(160, 120)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._label)
        screen = QGuiApplication.primaryScreen().availableSize() * 0.8
        self.resize(image.size().scaled(image.size().boundedTo(screen), Qt.AspectRatioMode.KeepAspectRatio))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Scale to the window."""
        super().resizeEvent(event)
        ratio = self.devicePixelRatioF()
        wanted = self._label.size() * ratio
        keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        pixmap = QPixmap.fromImage(self._image.scaled(wanted.boundedTo(self._image.size() * 2), keep, smooth))
        pixmap.setDevicePixelRatio(ratio)
        self._label.setPixmap(pixmap)


def screen_box() -> tuple[int, int]:
    """Return the width and height of the largest picture that a screen can show, in its own pixels; GUI thread."""
    sizes = [screen.size() * screen.devicePixelRatio() for screen in QGuiApplication.screens()]
    return max(size.width() for size in sizes), max(size.height() for size in sizes)


def read_picture(source: Path | bytes, within: tuple[int, int], cancel: CancelToken | None = None) -> QImage:
    """Return a picture made smaller to a width and height; null when it cannot be read.

    For a background thread. Raises :class:`~inference.isolation.CallCancelled` when ``cancel`` is set.
    """
    try:
        picture, _ = open_picture(source, within=within, cancel=cancel)
    except MediaError:
        return QImage()
    return qimage_of(np.asarray(picture)).copy()
