"""How closely a picture should be looked at, and what that costs in tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

from inference.cancellation import CancelToken
from inference.errors import MediaError
from inference.media.audio import audio_soft_tokens
from inference.media.image import BUDGETS, DEFAULT_BUDGET, image_soft_tokens, open_image
from inference.media.isolated import call_for_picture
from inference.media.log_mel import SAMPLE_RATE
from inference.media.source import Source
from inference.media.splitting import MAX_CLIP_SECONDS
from inference.media.video import DENSE_SECONDS, FRAME_BUDGET, SPARSE_FRAMES

DOCUMENT_DETAIL: Final = 1120
"""For pages and screenshots, whose letters are small."""
DETAILS: Final = BUDGETS

_FLAT_SHARE: Final = 0.55
"""Share of pixels that equal their neighbour; drawn pictures have more of them than photographs."""
_PAPER_SHARE: Final = 0.6
"""Share of pixels as bright as the commonest brightness; scanned pages are mostly paper."""
_LETTERS: Final = (0.01, 0.35)
"""Share of pixels that differ sharply from their neighbour: a page has some, an empty one none, noise too many."""
_SIDE_OF_SMALL: Final = 160
"""Pictures no larger than this hold nothing that more tokens would show."""


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What the window needs to know of a picture."""

    pixels: NDArray[np.uint8]
    """uint8 [height, width, 3], made smaller."""
    size: tuple[int, int]
    """Width and height of the picture itself."""
    detail: int
    """Its automatic detail, in soft tokens."""


def automatic_detail(picture: PilImage.Image) -> int:
    """Return the soft tokens that a picture deserves: more for screenshots and documents than for photographs."""
    if max(picture.size) <= _SIDE_OF_SMALL:
        return DEFAULT_BUDGET
    grey = np.asarray(_middle(picture).convert("L"), dtype=np.int16)
    steps = np.abs(np.diff(grey, axis=1))
    sharp = float((steps > 48).mean())
    if not _LETTERS[0] <= sharp <= _LETTERS[1]:
        return DEFAULT_BUDGET
    drawn = float((steps == 0).mean()) >= _FLAT_SHARE
    return DOCUMENT_DETAIL if drawn or _paper(grey) else DEFAULT_BUDGET


def closer_detail(picture: PilImage.Image) -> int | None:
    """Return the soft tokens for screenshots and documents, ``None`` for what the model's own default is enough for."""
    detail = automatic_detail(picture)
    return None if detail == DEFAULT_BUDGET else detail


def look_at(source: Source, side: int, cancel: CancelToken | None = None) -> LookedAt:
    """Look at a picture of a stranger, in a child process; for a background thread.

    Args:
        source: the file of the picture.
        side: the longest side that the smaller picture may have, in pixels.
        cancel: ends it.

    Raises:
        CallCancelled: ``cancel`` was set.
        MediaError: it cannot be used; the sentence says why.
    """
    looked = call_for_picture(_look_at, source, side, accepts=(LookedAt,), cancel=cancel)
    if not isinstance(looked, LookedAt) or looked.detail not in BUDGETS or looked.pixels.ndim != 3:
        raise MediaError("The picture cannot be read. Choose another picture.")
    return looked


def _look_at(source: Source, side: int) -> LookedAt:
    picture = open_image(source)
    size, detail = picture.size, automatic_detail(picture)
    picture.thumbnail((side, side))
    return LookedAt(np.asarray(picture), size, detail)


def picture_tokens(size: tuple[int, int], detail: int) -> int:
    """Return the soft tokens of a picture of ``size`` (width, height) at a detail."""
    width, height = size
    return image_soft_tokens(height, width, detail) if width > 0 and height > 0 else detail


def sound_tokens(seconds: float) -> int:
    """Return roughly the soft tokens of a recording, which is heard in clips."""
    clips, rest = divmod(max(0.0, seconds), MAX_CLIP_SECONDS)
    whole = audio_soft_tokens(int(MAX_CLIP_SECONDS * SAMPLE_RATE))
    return int(clips) * whole + audio_soft_tokens(int(rest * SAMPLE_RATE))


def video_tokens(seconds: float, size: tuple[int, int]) -> int:
    """Return roughly the soft tokens of the frames of a video."""
    frames = max(1, int(seconds)) if seconds <= DENSE_SECONDS else SPARSE_FRAMES
    return frames * picture_tokens(size, FRAME_BUDGET)


def _middle(picture: PilImage.Image) -> PilImage.Image:
    """Return the middle of a picture at its own scale: scaling would smooth away what tells letters from leaves."""
    width, height = picture.size
    across, down = min(width, 1024), min(height, 1024)
    left, top = (width - across) // 2, (height - down) // 2
    return picture.crop((left, top, left + across, top + down))


def _paper(grey: NDArray[np.int16]) -> bool:
    counts = np.bincount(grey.ravel(), minlength=256)
    commonest = int(counts.argmax())
    near = counts[max(0, commonest - 12) : commonest + 13].sum() / grey.size
    return commonest > 150 and float(near) >= _PAPER_SHARE
