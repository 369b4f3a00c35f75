"""Pictures as Qt and numpy have them, and the ways between."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage


def qimage_of(pixels: NDArray[np.uint8]) -> QImage:
    """Return a QImage that looks at ``pixels`` (uint8 [height, width, 3], RGB, contiguous) without a copy.

    Whoever keeps the QImage keeps the array alive as well, by itself: Qt only borrows the memory.
    """
    height, width, _ = pixels.shape
    return QImage(pixels.data, width, height, width * 3, QImage.Format.Format_RGB888)


def rgb_of(image: QImage) -> NDArray[np.uint8]:
    """Return a copy of a picture's pixels, uint8 [height, width, 3], RGB; what is transparent is black."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()
