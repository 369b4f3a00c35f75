"""RGB arrays to the patches that the vision encoders take.

Gemma 4 sees a picture at its own shape: it is scaled to the largest multiple of 48 pixels a side that stays within a
budget of soft tokens, and cut into patches of 16 pixels. Nine patches (48 × 48 pixels) become one soft token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.media.image_decoding import load_image, open_image

__all__ = [
    "BUDGETS",
    "DEFAULT_BUDGET",
    "ImageFeatures",
    "Layout",
    "aspect_preserving_size",
    "cut_patches",
    "image_features",
    "image_soft_tokens",
    "load_image",
    "open_image",
    "patch_features",
    "resize",
]

Layout = Literal["tower", "unified"]
"""Which encoder the features are for: E2B, E4B, 26B and 31B have towers, the 12B Unified takes raw patches."""

BUDGETS: Final = (70, 140, 280, 560, 1120)
"""The numbers of soft tokens that Gemma 4 was trained with."""
DEFAULT_BUDGET: Final = 280

_PATCH: Final = 16
_POOLING: Final = 3
_SIDE: Final = _PATCH * _POOLING
"""Pixels that one soft token spans in each direction."""


@dataclass(frozen=True)
class ImageFeatures:
    """What a vision encoder takes, for one picture or one frame."""

    pixel_values: NDArray[np.float32]
    """In [0, 1], channel fastest: [P, 768] patches of 16 × 16, or [P, 6912] of 48 × 48 for the unified layout.
    Padding, if any, is 0."""
    position_ids: NDArray[np.int64]
    """[P, 2]: column and row of each patch; padding is −1."""
    soft_tokens: int
    """Number of embeddings that the encoder makes of it."""

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return self.pixel_values.nbytes + self.position_ids.nbytes


def aspect_preserving_size(height: int, width: int, budget: int = DEFAULT_BUDGET) -> tuple[int, int]:
    """Return height and width, in pixels, to which a picture is scaled (small ones are scaled up).

    Raises:
        ValueError: a side is below 1, or the budget is none of :data:`BUDGETS`.
    """
    if budget not in BUDGETS:
        raise ValueError(f"the budget must be one of {BUDGETS}, not {budget}")
    if height < 1 or width < 1:
        raise ValueError(f"a picture of {width} × {height} pixels has no size")
    factor = math.sqrt(budget * _SIDE**2 / (height * width))
    rows, columns = int(factor * height / _SIDE), int(factor * width / _SIDE)
    # Very long pictures: one soft token across, and no longer than the budget. Both cannot be 0 with these budgets.
    if rows == 0:
        rows, columns = 1, min(width // height, budget)
    elif columns == 0:
        rows, columns = min(height // width, budget), 1
    return rows * _SIDE, columns * _SIDE


def image_soft_tokens(height: int, width: int, budget: int = DEFAULT_BUDGET) -> int:
    """Return how many soft tokens a picture of that size takes, without looking at it."""
    rows, columns = aspect_preserving_size(height, width, budget)
    return rows * columns // _SIDE**2


def resize(picture: NDArray[np.uint8] | Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """Scale to uint8 [height, width, 3], bicubic with antialiasing; unchanged when the size fits already."""
    if isinstance(picture, np.ndarray):
        if picture.shape[:2] == (height, width):
            return picture
        picture = Image.fromarray(picture)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def image_features(
    picture: NDArray[np.uint8] | Image.Image,
    budget: int = DEFAULT_BUDGET,
    layout: Layout = "tower",
    *,
    pad: bool = True,
) -> ImageFeatures:
    """Scale a picture into its budget and cut it into patches, row by row.

    Args:
        picture: uint8 [height, width, 3], RGB; or what :func:`open_image` returned, which saves copying it.
        budget: most soft tokens; one of :data:`BUDGETS`.
        layout: for which encoder.
        pad: fill up to the budget, as the reference does (9 × budget patches for towers, budget patches for the
            unified layout). Without, the encoder has less to do; its output is the same.

    Raises:
        ValueError: the picture or the budget is of another kind.
    """
    return patch_features(cut_patches(picture, budget, layout), budget, layout, pad=pad)


def cut_patches(
    picture: NDArray[np.uint8] | Image.Image, budget: int = DEFAULT_BUDGET, layout: Layout = "tower"
) -> NDArray[np.uint8]:
    """Scale a picture into its budget and cut it: the first half of :func:`image_features`, a quarter of its size.

    Returns:
        uint8 [rows, columns, side, side, 3], where side is 16, or 48 for the unified layout.
    """
    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(f"expected uint8 [height, width, 3], not {picture.dtype} {list(picture.shape)}")
        height, width = aspect_preserving_size(picture.shape[0], picture.shape[1], budget)
    else:
        if picture.mode != "RGB":
            raise ValueError(f"expected an RGB picture, not {picture.mode}")
        height, width = aspect_preserving_size(picture.height, picture.width, budget)
    side, _ = _patch_limits(budget, layout)
    return resize(picture, height, width).reshape(height // side, side, width // side, side, 3).swapaxes(1, 2)


def patch_features(
    patches: NDArray[np.uint8], budget: int = DEFAULT_BUDGET, layout: Layout = "tower", *, pad: bool = True
) -> ImageFeatures:
    """Make of patches what the encoder takes: the second half of :func:`image_features`.

    Raises:
        ValueError: no picture could be cut into these patches.
    """
    side, most = _patch_limits(budget, layout)
    rows, columns = patches.shape[:2]
    count = rows * columns
    if patches.dtype != np.uint8 or patches.shape != (rows, columns, side, side, 3):
        raise ValueError(f"expected uint8 [rows, columns, {side}, {side}, 3], not {list(patches.shape)}")
    whole = _SIDE // side
    if not 0 < count <= most or rows % whole or columns % whole:
        raise ValueError(f"{rows} × {columns} patches are none of a budget of {budget}")
    length = most if pad else count
    values = np.zeros((length, side * side * 3), np.float32)
    np.divide(patches, np.float32(255), out=values[:count].reshape(patches.shape))
    positions = np.full((length, 2), -1, np.int64)
    positions[:count, 0] = np.tile(np.arange(columns), rows)
    positions[:count, 1] = np.repeat(np.arange(rows), columns)
    return ImageFeatures(values, positions, count // whole**2)


def _patch_limits(budget: int, layout: Layout) -> tuple[int, int]:
    """Return the pixels of a patch's side, and how many patches a picture has at most."""
    return (_PATCH, budget * _POOLING**2) if layout == "tower" else (_SIDE, budget)
