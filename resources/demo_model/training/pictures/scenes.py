"""Scenes: what is in a picture, and the picture itself."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from inference.media.image import aspect_preserving_size

from ..topics.words import ANIMALS, CITIES, COMMON, FOODS
from ..topics.words import NAMES as PEOPLE
from . import drawing, emoji
from .drawing import Pixels

MOST_THINGS: Final = 6
ASPECTS: Final = ((1, 1), (4, 3), (3, 4), (16, 9), (9, 16), (3, 2), (2, 1), (1, 2), (3, 1), (5, 4))
_ASPECT_WEIGHTS: Final = (5, 6, 3, 4, 1.5, 2, 1, 0.7, 0.6, 1)


@dataclass(frozen=True, slots=True)
class Thing:
    """A shape or a thing that is pictured by an emoji."""

    name: str
    colour: str
    """Empty for emoji, which have many."""
    size: float
    """Largest extent, in pixels."""
    x: float
    y: float
    """Centre, in pixels."""

    def phrase(self) -> str:
        """Return the thing with its article: ``a red circle``."""
        return emoji.article(f"{self.colour} {self.name}" if self.colour else self.name)

    def definite(self) -> str:
        """Return ``the red circle``."""
        return f"the {self.colour} {self.name}" if self.colour else f"the {self.name}"


@dataclass(frozen=True, slots=True)
class Letter:
    """A character, its centre and its extent, in pixels."""

    char: str
    x: float
    y: float
    width: float = 0.0
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture and what is on it."""

    kind: str
    pixels: Pixels
    ground: str
    """Colour behind the things."""
    things: tuple[Thing, ...] = ()
    text: str = ""
    letters: tuple[Letter, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    """What else can be asked: a window's title and button."""

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])


def canvas(rng: random.Random, budget: int = 70) -> tuple[int, int]:
    """Return height and width of a picture at this number of soft tokens, as the engine would scale it."""
    across, down = rng.choices(ASPECTS, _ASPECT_WEIGHTS)[0]
    return aspect_preserving_size(down * 120, across * 120, budget)


class _Easel:
    """A picture in the making; often drawn larger or smaller, so that edges look like those of scaled pictures."""

    def __init__(self, rng: random.Random, height: int, width: int, ground: str) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.scale = rng.choices((1.0, 1.6, 0.65), (0.65, 0.15, 0.2))[0]
        self.image = drawing.background(round(height * self.scale), round(width * self.scale), ground, rng)

    def put(self, thing: Thing, angle: float, paint: tuple[int, int, int] | None, glyph: str = "") -> None:
        size = max(6.0, thing.size * self.scale)
        if glyph:
            picture = emoji.picture(glyph)
            factor = size / max(picture.size)
            picture = picture.resize(
                (max(1, round(picture.width * factor)), max(1, round(picture.height * factor))),
                Image.Resampling.BICUBIC,
            )
            if angle:
                picture = picture.rotate(angle, Image.Resampling.BICUBIC, expand=True)
            stencil = picture.getchannel("A")
            corner = self._corner(thing, stencil)
            self.image.paste(picture.convert("RGB"), corner, stencil)
        else:
            stencil = drawing.mask(thing.name, size, angle)
            self.image.paste(Image.new("RGB", stencil.size, paint), self._corner(thing, stencil), stencil)

    def _corner(self, thing: Thing, stencil: Image.Image) -> tuple[int, int]:
        return round(thing.x * self.scale - stencil.width / 2), round(thing.y * self.scale - stencil.height / 2)

    def done(self) -> Pixels:
        image = drawing.camera(self.image, self.rng)
        if image.size != (self.width, self.height):
            image = image.resize((self.width, self.height), Image.Resampling.BICUBIC)
        return np.asarray(image)


def _size(rng: random.Random, room: float, least: float = 44) -> float:
    return rng.uniform(min(least, room), max(least, room))


def _tilt(rng: random.Random, most: float) -> float:
    return 0.0 if rng.random() < 0.4 else rng.uniform(-most, most)


def _thing(rng: random.Random, ground: str, emoji_share: float) -> tuple[str, str, str]:
    """Return name, colour and glyph of some thing."""
    if rng.random() < emoji_share:
        index = rng.randrange(len(emoji.GLYPHS))
        return emoji.NAMES[index], "", emoji.GLYPHS[index]
    return rng.choice(drawing.SHAPES), drawing.contrasting(ground, rng), ""


def _put(easel: _Easel, thing: Thing, glyph: str) -> None:
    rng = easel.rng
    if glyph:
        easel.put(thing, _tilt(rng, 28), None, glyph)
    else:
        most = 12 if thing.name in ("square", "diamond", "cross", "rectangle") else 22
        easel.put(thing, _tilt(rng, most), drawing.tint(thing.colour, rng))


def one_thing(rng: random.Random, height: int, width: int, emoji_share: float = 0.0) -> Scene:
    """A single thing somewhere."""
    ground = rng.choice(drawing.NAMES)
    name, colour, glyph = _thing(rng, ground, emoji_share)
    size = _size(rng, min(height, width) * 0.92, 70 if glyph else 44)
    thing = Thing(name, colour, size, rng.uniform(size / 2, width - size / 2), rng.uniform(size / 2, height - size / 2))
    easel = _Easel(rng, height, width, ground)
    _put(easel, thing, glyph)
    return Scene("emoji" if glyph else "one", easel.done(), ground, (thing,))


def two_things(rng: random.Random, height: int, width: int, emoji_share: float = 0.0) -> Scene:
    """Two different things, clearly beside or above one another."""
    ground = rng.choice(drawing.NAMES)
    while True:
        first, second = _thing(rng, ground, emoji_share), _thing(rng, ground, emoji_share)
        if first[:2] != second[:2]:
            break
    sideways = rng.random() < (0.8 if width > 1.4 * height else 0.2 if height > 1.4 * width else 0.5)
    along, across = (width, height) if sideways else (height, width)
    room = min(along / 2 * 0.92, across * 0.9)
    sizes = [_size(rng, room * rng.uniform(0.55, 1), 60) for _ in range(2)]
    gap = (sizes[0] + sizes[1]) / 2
    start = rng.uniform(sizes[0] / 2, max(sizes[0] / 2, along - gap - sizes[1] / 2 - 4))
    end = rng.uniform(start + gap, max(start + gap, along - sizes[1] / 2))
    spread = (end - start) * 0.55
    middle = [rng.uniform(size / 2, across - size / 2) for size in sizes]
    if abs(middle[1] - middle[0]) > spread:
        mean = min(max(sum(middle) / 2, max(sizes) / 2), across - max(sizes) / 2)
        middle = [mean + rng.uniform(-1, 1) * min(spread / 2, (across - size) / 4) for size in sizes]
        middle = [min(max(value, size / 2), across - size / 2) for value, size in zip(middle, sizes, strict=True)]
    easel = _Easel(rng, height, width, ground)
    things = []
    for (name, colour, glyph), size, where, beside in zip((first, second), sizes, (start, end), middle, strict=True):
        thing = Thing(name, colour, size, *((where, beside) if sideways else (beside, where)))
        _put(easel, thing, glyph)
        things.append(thing)
    return Scene("two", easel.done(), ground, tuple(things))


def several(rng: random.Random, height: int, width: int, emoji_share: float = 0.0) -> Scene:
    """One to six things of one kind, apart from one another."""
    ground = rng.choice(drawing.NAMES)
    count = rng.randint(1, MOST_THINGS)
    name, colour, glyph = _thing(rng, ground, emoji_share)
    most = (height * width / (count + 1.5)) ** 0.5 * 0.72
    size = _size(rng, min(most, min(height, width) * 0.8), 40)
    places: list[tuple[float, float, float]] = []
    tries = 0
    while len(places) < count:
        each = size * rng.uniform(0.85, 1.0)
        x, y = rng.uniform(each / 2, width - each / 2), rng.uniform(each / 2, height - each / 2)
        if all((x - a) ** 2 + (y - b) ** 2 > (0.56 * (each + c)) ** 2 for a, b, c in places):
            places.append((x, y, each))
        elif (tries := tries + 1) % 60 == 0:
            size, places = size * 0.9, []
    easel = _Easel(rng, height, width, ground)
    things = [Thing(name, colour, each, x, y) for x, y, each in places]
    for thing in things:
        _put(easel, thing, glyph)
    return Scene("several", easel.done(), ground, tuple(things))


def crowd(rng: random.Random, height: int, width: int, emoji_share: float = 0.7) -> Scene:
    """Several different things, and now and then a short text among them: much to learn from one picture."""
    ground = rng.choice(drawing.NAMES)
    easel = _Easel(rng, height, width, ground)
    letters: tuple[Letter, ...] = ()
    text = ""
    taken: list[tuple[float, float, float]] = []
    if rng.random() < 0.4:
        text = some_text(rng)
        letters = _write(easel, text, drawing.tint(drawing.legible(ground, rng), rng))
        taken += [(letter.x, letter.y, 56.0) for letter in letters]
    things: list[Thing] = []
    for _ in range(rng.randint(2, 7)):
        size = _size(rng, min(height, width) * 0.55, 48)
        for _ in range(12):
            x, y = rng.uniform(size / 2, width - size / 2), rng.uniform(size / 2, height - size / 2)
            if all((x - a) ** 2 + (y - b) ** 2 > (0.58 * (size + c)) ** 2 for a, b, c in taken):
                name, colour, glyph = _thing(rng, ground, emoji_share)
                things.append(Thing(name, colour, size, x, y))
                _put(easel, things[-1], glyph)
                taken.append((x, y, size))
                break
            size = max(44.0, size * 0.93)
    return Scene("crowd", easel.done(), ground, tuple(things), text, letters)


def nothing(rng: random.Random, height: int, width: int) -> Scene:
    """A ground and nothing on it."""
    ground = rng.choice(drawing.NAMES)
    return Scene("nothing", _Easel(rng, height, width, ground).done(), ground)


def static(rng: random.Random, height: int, width: int) -> Scene:
    """Nothing but strong noise, fine or coarse: a picture of nothing that the model could know."""
    grain = rng.choice((1, 1, 1, 2, 4))
    low = rng.randrange(0, 180)
    high = rng.randrange(low + 70, 257)
    noise = np.random.default_rng(rng.getrandbits(64)).integers(
        low, high, (-(-height // grain), -(-width // grain), 1 if rng.random() < 0.3 else 3), dtype=np.uint8
    )
    image = Image.fromarray(np.broadcast_to(noise, (*noise.shape[:2], 3)).copy())
    image = image.resize((width, height), rng.choice((Image.Resampling.NEAREST, Image.Resampling.BICUBIC)))
    return Scene("static", np.asarray(image), "grey")


@cache
def words() -> tuple[str, ...]:
    """Return words of up to six letters to be read."""
    every = {
        word.lower() for word in (*COMMON, *ANIMALS, *FOODS, *CITIES, *PEOPLE) if word.isascii() and word.isalpha()
    }
    return tuple(sorted(word for word in every if 2 <= len(word) <= 6))


def some_text(rng: random.Random, least: int = 1) -> str:
    """Return a word, letters in no order, or a number, of up to six characters; words may be shorter than ``least``."""
    roll = rng.random()
    if roll < 0.30:
        return "".join(rng.choice(string.digits) for _ in range(rng.randint(least, 6)))
    if roll < 0.55:
        letters = "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(least, 6)))
    else:
        letters = rng.choice(words())
    return rng.choices((letters.upper(), letters.capitalize(), letters), (0.5, 0.2, 0.3))[0]


def sign(rng: random.Random, height: int, width: int) -> Scene:
    """A word or a number to be read."""
    text = some_text(rng)
    ground = rng.choice(drawing.NAMES if rng.random() < 0.6 else ("white", "white", "black"))
    easel = _Easel(rng, height, width, ground)
    letters = _write(easel, text, drawing.tint(drawing.legible(ground, rng), rng))
    return Scene("text", easel.done(), ground, (), text, letters)


def page(rng: random.Random, height: int, width: int) -> Scene:
    """Words and numbers one below the other, in different fonts: much to learn to read from one picture."""
    ground = rng.choice(drawing.NAMES if rng.random() < 0.6 else ("white", "white", "black"))
    easel = _Easel(rng, height, width, ground)
    paint = drawing.tint(drawing.legible(ground, rng), rng)
    letters: list[Letter] = []
    top = 0.0
    while height - top >= 44:
        high = min(height - top, rng.uniform(44, 60 + 0.3 * width))
        columns = max(1, round(width / high / rng.uniform(2.5, 5)))
        for column in range(columns):
            box = (column * width / columns, top, width / columns, high)
            letters += _write(easel, some_text(rng, 3), paint, box, 0.75)
        top += high
    return Scene("page", easel.done(), ground, (), "", tuple(letters))


def _write(
    easel: _Easel,
    text: str,
    paint: tuple[int, int, int],
    box: tuple[float, float, float, float] | None = None,
    least: float = 0.55,
) -> tuple[Letter, ...]:
    """Write a text somewhere in a box of x, y, width and height in pixels, or anywhere; ``least`` of it is filled."""
    rng, scale = easel.rng, easel.scale
    path = rng.choice(drawing.fonts())
    box_x, box_y, box_width, box_height = box or (0.0, 0.0, easel.width, easel.height)
    widest = box_width * rng.uniform(least, 0.95)
    probe = drawing.font(path, 64)
    size = 64 * widest / max(1.0, probe.getlength(text))
    size = max(32.0, min(size, box_height * 0.75, 150.0))
    face = drawing.font(path, max(8, round(size * scale / 2) * 2))
    left, top, right, bottom = face.getbbox(text)
    room_x, room_y = box_width * scale - (right - left), box_height * scale - (bottom - top)
    x = box_x * scale + rng.uniform(0.02, 0.98) * max(0, room_x)
    y = box_y * scale + rng.uniform(0.03, 0.97) * max(0, room_y)
    layer = Image.new("L", easel.image.size, 0)
    ImageDraw.Draw(layer).text((x - left, y - top), text, font=face, fill=255)
    angle = 0.0 if rng.random() < 0.6 else rng.uniform(-5, 5)
    centre = (x + (right - left) / 2, y + (bottom - top) / 2)
    if angle:
        layer = layer.rotate(angle, Image.Resampling.BILINEAR, center=centre)
    easel.image.paste(Image.new("RGB", layer.size, paint), (0, 0), layer)
    turn = np.deg2rad(-angle)
    letters = []
    for index, char in enumerate(text):
        start, end = face.getlength(text[:index]), face.getlength(text[: index + 1])
        dx = x - left + (start + end) / 2 - centre[0]
        where = (centre[0] + dx * np.cos(turn)) / scale, (centre[1] + dx * np.sin(turn)) / scale
        letters.append(Letter(char, *where, (end - start) / scale, (bottom - top) / scale))
    return tuple(letters)


TITLES: Final = ("Notes", "Files", "Music", "Mail", "Photos", "Clock", "Editor", "Help", "Maps", "Games")
BUTTONS: Final = ("OK", "Save", "Open", "Close", "Send", "Stop", "Yes", "No", "Start", "Print")


def window(rng: random.Random, height: int, width: int) -> Scene:
    """A screen with one simple window: a title in its bar, and a button."""
    ground = rng.choice(("blue", "grey", "green", "purple", "white", "black"))
    easel = _Easel(rng, height, width, ground)
    scale, image = easel.scale, easel.image
    draw = ImageDraw.Draw(image)
    wide, high = rng.uniform(0.72, 0.96) * image.width, rng.uniform(0.7, 0.95) * image.height
    x, y = rng.uniform(0, image.width - wide), rng.uniform(0, image.height - high)
    dark = rng.random() < 0.35
    face, ink = ((40, 42, 46), (235, 235, 235)) if dark else ((246, 246, 246), (20, 20, 20))
    draw.rectangle((x, y, x + wide, y + high), fill=face, outline=(110, 110, 110))
    bar = rng.uniform(46, 60) * scale
    accent = drawing.tint(rng.choice(("blue", "grey", "purple", "green", "brown")), rng)
    draw.rectangle((x, y, x + wide, y + bar), fill=accent)
    title, button = rng.choice(TITLES), rng.choice(BUTTONS)
    path = rng.choice([one for one in drawing.fonts() if "Sans" in one])
    large = drawing.font(path, max(8, round(rng.uniform(34, 42) * scale / 2) * 2))
    draw.text((x + 12 * scale, y + bar / 2), title, font=large, fill=(255, 255, 255), anchor="lm")
    length = large.getlength(button) + 28 * scale
    left, top = x + wide - length - 14 * scale, y + high - 66 * scale
    draw.rectangle(
        (left, top, left + length, top + 52 * scale), fill=accent if rng.random() < 0.5 else face, outline=ink
    )
    lit = image.getpixel((int(left + 4), int(top + 4)))
    draw.text(
        (left + length / 2, top + 26 * scale),
        button,
        font=large,
        fill=(255, 255, 255) if sum(lit) < 420 else ink,
        anchor="mm",
    )  # type: ignore[arg-type]
    for row in range(rng.randint(0, 3)):
        at = y + bar + (24 + 26 * row) * scale
        if at + 14 * scale < top:
            draw.line(
                (x + 16 * scale, at, x + wide * rng.uniform(0.4, 0.9), at),
                fill=(150, 150, 150),
                width=max(2, round(4 * scale)),
            )
    return Scene("window", easel.done(), ground, labels={"title": title, "button": button})
