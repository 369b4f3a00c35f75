"""Shows a picture of the conversation at its full size."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPixmap, QResizeEvent
from PySide6.QtWidgets import QDialog, QLabel, QVBoxLayout, QWidget

_MOST = QSize(4096, 4096)


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


def read_picture(source: Path | bytes) -> QImage:
    """Return a picture for the screen, no larger than a screen can show; null when it cannot be read.

    For a background thread.
    """
    from inference.errors import MediaError
    from inference.media.image import open_image

    try:
        picture = open_image(source)
    except MediaError:
        return QImage()
    picture.thumbnail((_MOST.width(), _MOST.height()))
    data = picture.tobytes()
    return QImage(data, picture.width, picture.height, 3 * picture.width, QImage.Format.Format_RGB888).copy()
