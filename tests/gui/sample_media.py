"""Small files of every kind that can be attached, and broken ones."""

from __future__ import annotations

import math
import wave
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter


def photograph(path: Path, size: tuple[int, int] = (640, 480)) -> Path:
    """Write a picture of hills in the evening, with the grain of a camera."""
    width, height = size
    y = np.linspace(0, 1, height)[:, None, None]
    sky = (1 - y) * np.array([64, 118, 168]) + y * np.array([250, 205, 150])
    picture = Image.fromarray(np.broadcast_to(sky, (height, width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    draw.ellipse([width * 0.62, height * 0.34, width * 0.74, height * 0.5], fill=(255, 236, 190))
    for number, colour in enumerate([(92, 110, 132), (58, 84, 96), (28, 52, 58)]):
        base = height * (0.55 + 0.13 * number)
        ridge = [
            (x, base + height * 0.06 * math.sin(x / width * (5 + 3 * number) + number) - 12 * math.sin(x / 37))
            for x in range(0, width + 8, 8)
        ]
        draw.polygon([*ridge, (width, height), (0, height)], fill=colour)
    grain = np.random.default_rng(1).normal(0, 5, (height, width, 1))
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.8))) + grain
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(path, quality=90)
    return path


def screenshot(path: Path, size: tuple[int, int] = (960, 600)) -> Path:
    """Write a picture of a window with lines of text."""
    picture = Image.new("RGB", size, "#f6f8fa")
    draw = ImageDraw.Draw(picture)
    draw.rectangle([0, 0, size[0], 36], fill="#24405a")
    draw.rectangle([0, 36, 180, size[1]], fill="#e3e9ee")
    for line in range(26):
        draw.text(
            (200, 52 + 20 * line),
            f"{line:02d}  value[{line}] = {line * line:>4}   # the square of {line}",
            fill="#1b2b38",
        )
    for line in range(9):
        draw.text((16, 56 + 28 * line), f"Chapter {line + 1}", fill="#33485a")
    picture.save(path)
    return path


def recording(path: Path, seconds: float = 7.0) -> Path:
    """Write a tone that swells."""
    time = np.arange(int(seconds * 16000)) / 16000
    samples = (9000 * np.sin(2 * np.pi * 330 * time) * np.sin(np.pi * time / seconds)).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(samples.tobytes())
    return path


def video(path: Path, seconds: float = 3.0) -> Path:
    """Write a film of a ball that rolls from left to right."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(int(seconds * 10)):
            picture = Image.new("RGB", (320, 240), "#1f3b4d")
            x = 20 + number * 9
            ImageDraw.Draw(picture).ellipse([x, 100, x + 50, 150], fill="#ffb347")
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode(None))
    return path


def pdf(path: Path, pages: int = 2) -> Path:
    """Write a document of a few lines a page; needs a QGuiApplication."""
    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QFont, QPainter, QPdfWriter

    writer = QPdfWriter(str(path))
    writer.setResolution(96)
    painter = QPainter(writer)
    painter.setFont(QFont(painter.font().family(), 14))
    for page in range(pages):
        if page:
            writer.newPage()
        for line in range(30):
            painter.drawText(QPoint(60, 80 + 30 * line), f"Page {page + 1}, line {line + 1}: the quick brown fox.")
    painter.end()
    return path


def broken_picture(path: Path) -> Path:
    """Write a PNG that ends in the middle."""
    whole = photograph(path.with_suffix(".whole.jpg")).read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    return path


def huge(path: Path, size: int = 2 << 30) -> Path:
    """Write a file of ``size`` bytes that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(size)
    return path
