"""The icons that Windows and macOS want, drawn from the program's one drawing."""

from __future__ import annotations

import os
from pathlib import Path

from installers.names import ROOT, run

_DRAW = """
import io, sys
from PIL import Image
from PySide6.QtCore import QBuffer, QIODevice, Qt
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer
app = QGuiApplication(["draw", "-platform", "offscreen"])
renderer = QSvgRenderer(sys.argv[1])
def drawn(size):
    image = QImage(size, size, QImage.Format.Format_RGBA8888)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return Image.open(io.BytesIO(buffer.data().data()))
sizes = [16, 24, 32, 48, 64, 128, 256] if sys.argv[2].endswith(".ico") else [16, 32, 64, 128, 256, 512, 1024]
images = [drawn(size) for size in sizes]
options = {"sizes": [(size, size) for size in sizes]} if sys.argv[2].endswith(".ico") else {}
images[-1].save(sys.argv[2], append_images=images[:-1], **options)
"""
"""Run by the Python of the build environment, which has Qt and Pillow."""


def write(file: Path, python: Path) -> None:
    """Write an ``.ico`` or ``.icns`` with all sizes. Raises :class:`BuildError`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    drawing = ROOT / "resources" / "icons" / "larimar.svg"
    run(python, "-c", _DRAW, drawing, file, quiet=True, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"})
