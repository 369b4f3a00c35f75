"""Pictures as Qt, numpy and files have them, and the ways between."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage
from PySide6.QtGui import QImage

_JPEG_QUALITY = 93


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


def png_of(pixels: NDArray[np.uint8]) -> bytes:
    """Encode exactly these pixels (uint8 [height, width, 3], RGB). Takes a tenth of a second for a large screen."""
    with io.BytesIO() as file:
        PilImage.fromarray(pixels).save(file, "PNG", compress_level=1)
        return file.getvalue()


def jpeg_of(pixels: NDArray[np.uint8]) -> bytes:
    """Encode a photograph (uint8 [height, width, 3], RGB) in a few milliseconds."""
    with io.BytesIO() as file:
        PilImage.fromarray(pixels).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        return file.getvalue()
