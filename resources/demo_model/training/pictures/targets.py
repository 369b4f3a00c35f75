"""What each soft token of a picture should know: the targets with which the eyes are trained before they are joined."""

from __future__ import annotations

import string
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from . import drawing, emoji
from .scenes import MOST_THINGS, Scene

CELL: Final = 48
"""Pixels that one soft token spans in each direction."""
THINGS: Final = {name: index + 1 for index, name in enumerate((*drawing.SHAPES, *emoji.NAMES))}
COLOURS: Final = {name: index + 1 for index, name in enumerate(drawing.NAMES)}
CHARS: Final = {char: index + 1 for index, char in enumerate(string.digits + string.ascii_letters)}
SLOTS: Final = 3
"""Characters are told apart by the third of a cell, from left to right, that holds their centre."""
UNKNOWN: Final = -100
"""Nothing is asked here."""


@dataclass(frozen=True, slots=True)
class Targets:
    """int64, [rows, columns] of cells each; 0 means that there is none, -100 that it does not matter."""

    things: NDArray[np.int64]
    colours: NDArray[np.int64]
    centres: NDArray[np.int64]
    """1 where a thing has its centre."""
    chars: NDArray[np.int64]
    """[rows, columns, 3]."""
    relations: NDArray[np.int64]
    """Within each of two things, as answers say it: it is 1 left of, 2 right of, 3 above, 4 below the other."""
    count: int
    """Things in the picture; -100 where they are not of one kind."""
    ground: int


def targets(scene: Scene) -> Targets:
    """Return the targets of a scene."""
    rows, columns = scene.height // CELL, scene.width // CELL
    ys, xs = (np.mgrid[0:rows, 0:columns] + 0.5) * CELL
    things, colours = np.zeros((2, rows, columns), np.int64)
    centres, relations = np.zeros((rows, columns), np.int64), np.full((rows, columns), UNKNOWN)
    known = scene.kind != "window"
    for thing in scene.things:
        distance = np.maximum(np.abs(xs - thing.x), np.abs(ys - thing.y))
        # half covered: not asked
        edge = (distance < thing.size / 2 + CELL * 0.6) & (things == 0)
        things[edge], colours[edge] = UNKNOWN, UNKNOWN
    for thing in scene.things:
        distance = np.maximum(np.abs(xs - thing.x), np.abs(ys - thing.y))
        inside = distance < thing.size * 0.3
        row, column = _cell(thing.x, thing.y, rows, columns)
        inside[row, column] = True
        things[inside] = THINGS[thing.name]
        colours[inside] = COLOURS[thing.colour] if thing.colour else UNKNOWN
        centres[row, column] = 1
    if scene.kind == "two":
        for one, other in (scene.things, scene.things[::-1]):
            dx, dy = one.x - other.x, one.y - other.y
            way = (1 if dx < 0 else 2) if abs(dx) > abs(dy) else (3 if dy < 0 else 4)
            relations[np.maximum(np.abs(xs - one.x), np.abs(ys - one.y)) < one.size * 0.3] = way
            relations[_cell(one.x, one.y, rows, columns)] = way
    chars = np.zeros((rows, columns, SLOTS), np.int64)
    for letter in scene.letters:
        row, column = _cell(letter.x, letter.y, rows, columns)
        slot = min(SLOTS - 1, max(0, int((letter.x - column * CELL) / CELL * SLOTS)))
        chars[row, column, slot] = CHARS[letter.char]
    count = len(scene.things) if scene.kind in ("one", "emoji", "several", "nothing") else UNKNOWN
    if not known:
        chars[:] = UNKNOWN
    return Targets(things, colours, centres, chars, relations, min(count, MOST_THINGS), COLOURS[scene.ground])


def stroke_targets(scene: Scene) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return which character each patch is part of, and where the middle is of what it shows: the finest to be asked.

    Characters are int64 [patches], 0 where there is none; the way to the middle of a character or thing is float32
    [patches, 2], in soft tokens to the right and down, and not a number where there is neither.
    """
    rows, columns = 3 * scene.height // CELL, 3 * scene.width // CELL
    ys, xs = (np.mgrid[0:rows, 0:columns] + 0.5) * (CELL / 3)
    found, ways = np.zeros((rows, columns), np.int64), np.full((rows, columns, 2), np.nan, np.float32)
    for thing in scene.things:
        inside = np.maximum(np.abs(xs - thing.x), np.abs(ys - thing.y)) < thing.size * 0.4
        ways[inside] = np.stack([thing.x - xs[inside], thing.y - ys[inside]], -1) / CELL
    for letter in scene.letters:
        across, down = max(letter.width / 2, CELL / 6), max(letter.height / 2, CELL / 6)
        inside = (np.abs(xs - letter.x) <= across) & (np.abs(ys - letter.y) <= down)
        found[inside] = CHARS[letter.char]
        ways[inside] = np.stack([letter.x - xs[inside], letter.y - ys[inside]], -1) / CELL
    return found.flatten(), ways.reshape(-1, 2)


def _cell(x: float, y: float, rows: int, columns: int) -> tuple[int, int]:
    return min(rows - 1, max(0, int(y // CELL))), min(columns - 1, max(0, int(x // CELL)))
