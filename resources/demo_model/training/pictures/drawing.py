# ruff: noqa: E501 (tables of colours and fonts)
"""Shapes, backgrounds, letters and what cameras do to pictures, drawn with Pillow."""

from __future__ import annotations

import math
import random
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

SHAPES: Final = ("circle", "square", "rectangle", "triangle", "star", "heart", "cross", "ring", "diamond")
COLOURS: Final = {
    "red": (215, 30, 35), "orange": (250, 140, 20), "yellow": (250, 220, 30), "green": (35, 150, 55), "blue": (35, 75, 205),
    "purple": (130, 45, 165), "pink": (250, 140, 185), "brown": (120, 70, 35), "black": (18, 18, 20), "white": (250, 250, 250),
    "grey": (135, 135, 138),
}  # fmt: skip
NAMES: Final = tuple(COLOURS)
_CLOSE: Final = {
    frozenset(pair) for pair in (
        ("red", "brown"), ("red", "pink"), ("red", "orange"), ("orange", "yellow"), ("orange", "brown"), ("black", "brown"),
        ("purple", "blue"), ("purple", "brown"), ("purple", "pink"), ("white", "grey"), ("white", "yellow"), ("white", "pink"),
        ("grey", "brown"), ("grey", "green"), ("black", "blue"), ("black", "purple"), ("red", "purple"), ("green", "brown"),
        ("grey", "purple"), ("blue", "brown"), ("purple", "green"), ("blue", "green"), ("black", "green"), ("grey", "black"), ("grey", "blue"), ("grey", "pink"),
    )
}  # fmt: skip
"""Colours that are hard to tell apart one on the other."""

Pixels = NDArray[np.uint8]


def tint(name: str, rng: random.Random) -> tuple[int, int, int]:
    """Return a colour that everybody would call ``name``."""
    spread = 8 if name in ("black", "white", "grey") else 18
    shift = rng.randint(-8, 8) if name in ("black", "white", "grey") else 0
    red, green, blue = (
        min(255, max(0, part + shift + (0 if name in ("black", "white", "grey") else rng.randint(-spread, spread))))
        for part in COLOURS[name]
    )
    return red, green, blue


def contrasting(name: str, rng: random.Random) -> str:
    """Return a colour on which ``name`` shows well."""
    return rng.choice([other for other in NAMES if other != name and frozenset((name, other)) not in _CLOSE])


def legible(name: str, rng: random.Random) -> str:
    """Return a colour in which text shows well on ``name``: much lighter or darker."""
    light = {
        other: sum(part * share for part, share in zip(rgb, (0.3, 0.59, 0.11), strict=True))
        for other, rgb in COLOURS.items()
    }
    return rng.choice([other for other in NAMES if abs(light[other] - light[name]) > 75])


def mask(shape: str, size: float, angle: float) -> Image.Image:
    """Return the shape as an ``L`` image of about ``size`` pixels a side, turned by ``angle`` degrees."""
    side = 2 * max(8, round(size))
    image = Image.new("L", (side, side), 0)
    draw, half, unit = ImageDraw.Draw(image), side / 2, side / 2 - 1
    if shape == "circle":
        draw.ellipse((1, 1, side - 2, side - 2), fill=255)
    elif shape == "ring":
        draw.ellipse((1, 1, side - 2, side - 2), fill=255)
        inner = 0.58 * unit
        draw.ellipse((half - inner, half - inner, half + inner, half + inner), fill=0)
    elif shape == "heart":
        bow = unit * 0.52
        for centre in (half - unit * 0.47, half + unit * 0.47):
            draw.ellipse((centre - bow, 0.1 * side, centre + bow, 0.1 * side + 2 * bow), fill=255)
        draw.polygon([(side * 0.04, side * 0.46), (side * 0.96, side * 0.46), (half, side * 0.97)], fill=255)
        draw.rectangle((half - bow, side * 0.3, half + bow, side * 0.48), fill=255)
    else:
        draw.polygon([(half + unit * x, half + unit * y) for x, y in _corners(shape)], fill=255)
    if angle:
        image = image.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.BOX)


def _corners(shape: str) -> list[tuple[float, float]]:
    if shape == "square":
        return [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]
    if shape == "rectangle":
        return [(-1, -0.52), (1, -0.52), (1, 0.52), (-1, 0.52)]
    if shape == "triangle":
        return [(0, -0.95), (1, 0.82), (-1, 0.82)]
    if shape == "diamond":
        return [(0, -1), (0.68, 0), (0, 1), (-0.68, 0)]
    if shape == "cross":
        arm = 0.32
        quarter = [(-arm, -1.0), (arm, -1.0), (arm, -arm)]
        return [
            (x * cos - y * sin, x * sin + y * cos)
            for cos, sin in ((1, 0), (0, 1), (-1, 0), (0, -1))
            for x, y in quarter
        ]
    if shape == "star":
        radii = (1.0, 0.42)
        return [
            (radii[i % 2] * math.sin(i * math.pi / 5), -radii[i % 2] * math.cos(i * math.pi / 5)) for i in range(10)
        ]
    raise ValueError(f"no shape {shape!r}")


def background(height: int, width: int, colour: str, rng: random.Random) -> Image.Image:
    """Return a ground of one colour: plain, shaded, spotted or striped; never so much that the name is wrong."""
    base = np.array(tint(colour, rng), np.float32)
    kind = rng.random()
    if kind < 0.45:
        return Image.new("RGB", (width, height), tuple(int(part) for part in base))
    if kind < 0.70:  # light from one side
        angle = rng.random() * 2 * math.pi
        rows = np.linspace(-1, 1, height, dtype=np.float32)[:, None] * math.sin(angle)
        columns = np.linspace(-1, 1, width, dtype=np.float32)[None] * math.cos(angle)
        ground = base + ((rows + columns) * rng.uniform(8, 26))[..., None]
    elif kind < 0.90:  # soft spots
        small = np.random.default_rng(rng.getrandbits(32)).normal(
            0, rng.uniform(5, 22), (rng.randint(3, 14), rng.randint(3, 14), 1)
        )
        spots = Image.fromarray(np.clip(128 + small[..., 0], 0, 255).astype(np.uint8)).resize(
            (width, height), Image.Resampling.BICUBIC
        )
        ground = base + (np.asarray(spots, np.float32) - 128)[..., None]
    else:  # stripes
        period = rng.randint(12, 60)
        across = np.arange(width)[None] if rng.random() < 0.5 else np.arange(height)[:, None]
        stripes = ((across // period) % 2) * rng.uniform(8, 22)
        ground = base + np.broadcast_to(stripes, (height, width))[..., None]
    return Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8))


@cache
def _noise() -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(0, 1, (1200, 1200, 3)).astype(np.float32)


def camera(picture: Image.Image, rng: random.Random, strength: float = 1.0) -> Image.Image:
    """Return the picture as a camera might give it: noise, blur, other light; often untouched."""
    if rng.random() < 0.25 * strength:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.6)))
    if rng.random() < 0.45 * strength:
        pixels = np.asarray(picture, np.float32)
        if rng.random() < 0.5:
            pixels = pixels * np.array(
                [rng.uniform(0.85, 1.08) * rng.uniform(0.95, 1.03) for _ in range(3)], np.float32
            )
        top, left = rng.randrange(1200 - min(1199, pixels.shape[0])), rng.randrange(1200 - min(1199, pixels.shape[1]))
        noise = _noise()[top : top + pixels.shape[0], left : left + pixels.shape[1]]
        if noise.shape == pixels.shape:
            pixels = pixels + noise * rng.uniform(1, 14)
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return picture


_FONT_FOLDERS: Final = (
    ("/usr/share/fonts/truetype/dejavu", ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansCondensed", "DejaVuSerifCondensed-Bold")),
    ("/usr/share/fonts/opentype/urw-base35", ("NimbusSans-Regular", "NimbusSans-Bold", "NimbusRoman-Regular", "NimbusRoman-Bold", "NimbusMonoPS-Bold", "URWBookman-Light", "URWGothic-Demi", "P052-Roman", "C059-Bold")),
)  # fmt: skip


@cache
def fonts() -> tuple[str, ...]:
    """Return the paths of the fonts that are installed, of those that text is drawn with.

    Raises:
        FileNotFoundError: none is.
    """
    found = [
        str(path)
        for folder, names in _FONT_FOLDERS
        for name in names
        for ending in (".ttf", ".otf", ".t1")
        if (path := Path(folder) / (name + ending)).exists()
    ]
    if not found:
        raise FileNotFoundError("No font was found; install fonts-dejavu-core.")
    return tuple(found)


@cache
def font(path: str, size: int) -> ImageFont.FreeTypeFont:
    """Return an opened font."""
    return ImageFont.truetype(path, size)
