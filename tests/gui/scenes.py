"""Scenes of one coloured shape, as pictures and as a video that changes at known seconds."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZE = (640, 480)
RATE = 30


def scene(shape: str, colour: str, size: tuple[int, int] = SIZE, ground: str = "white") -> NDArray[np.uint8]:
    """Draw ``colour`` ``shape`` (circle, square, triangle) in the middle."""
    picture = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(picture)
    x, y, reach = size[0] / 2, size[1] / 2, min(size) * 0.3
    box = [x - reach, y - reach, x + reach, y + reach]
    if shape == "circle":
        draw.ellipse(box, fill=colour)
    elif shape == "square":
        draw.rectangle(box, fill=colour)
    else:
        draw.polygon([(x, y - reach), (x + reach, y + reach), (x - reach, y + reach)], fill=colour)
    return np.asarray(picture)


def film(
    path: Path,
    scenes: Sequence[tuple[NDArray[np.uint8], float]],
    *,
    rate: int = RATE,
    noise: float = 2.0,
    codec: str = "mpeg4",
) -> Path:
    """Write ``scenes``, each a picture and how many seconds it stays, with the noise of a camera."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        height, width, _ = scenes[0][0].shape
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = 6_000_000
        stream.time_base = Fraction(1, rate)
        grains = [random.normal(0, noise, (height, width, 1)) for _ in range(3)]
        number = 0
        for picture, seconds in scenes:
            noisy = [np.clip(picture + grain, 0, 255).astype(np.uint8) for grain in grains]
            for _ in range(round(seconds * rate)):
                frame = av.VideoFrame.from_ndarray(noisy[number % 3], format="rgb24")
                frame.pts = number
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode())
    return path
