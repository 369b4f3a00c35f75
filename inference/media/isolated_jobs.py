"""What the child processes of :mod:`inference.media.isolated` do: decode, and make small what nobody needs large."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.media.audio import AudioClip, load_clips
from inference.media.audio_decoding import decode_audio
from inference.media.image import Layout, cut_patches
from inference.media.image_decoding import open_image
from inference.media.image_encoding import png_of
from inference.media.log_mel import SAMPLE_RATE
from inference.media.source import Source
from inference.media.video import VideoInfo, probe_video, sampled_frames

Box = tuple[int, int]
"""Width and height within which a picture is to be, in pixels."""
_BATCH: Final = SAMPLE_RATE
"""Samples that are sent at once; decoders give a few hundred at a time."""


def warm() -> None:
    """Import what is needed most, so that the first file need not wait for it."""
    for library in ("av", "soxr", "pypdfium2"):
        with contextlib.suppress(ImportError):
            importlib.import_module(library)


def picture(source: Source, within: Box | None) -> tuple[NDArray[np.uint8], Box]:
    """Return a picture, uint8 [height, width, 3], and the width and height that it had before it was made smaller."""
    image = open_image(source)
    size = image.size
    if within is not None:
        image.thumbnail(within, Image.Resampling.BILINEAR)  # half the time of the usual filter, for the screen alone
    return np.asarray(image), size


def patches(source: Source, budget: int, layout: Layout) -> NDArray[np.uint8]:
    """Return a picture scaled and cut for the vision encoder."""
    return cut_patches(open_image(source), budget, layout)


def page(path: Path, number: int, pixels: int, within: Box) -> tuple[bytes, NDArray[np.uint8], Box]:
    """Return a page of a PDF as PNG file, a small picture of it, and the size of the large one."""
    from inference.media.pdf import draw_page

    drawn = draw_page(path, number, pixels)
    content = png_of(np.asarray(drawn))
    size = drawn.size
    drawn.thumbnail(within)
    return content, np.asarray(drawn), size


def sound(source: Source) -> Iterator[NDArray[np.float32]]:
    """Yield what :func:`decode_audio` does, in pieces of a second or more."""
    blocks: list[NDArray[np.float32]] = []
    held = 0
    for block in decode_audio(source):
        blocks.append(block)
        held += len(block)
        if held >= _BATCH:
            yield np.concatenate(blocks)
            blocks, held = [], 0
    if blocks:
        yield np.concatenate(blocks)


def clips(source: Source) -> Iterator[AudioClip]:
    """Yield what :func:`load_clips` does."""
    yield from load_clips(source)


def still(source: Source, within: Box) -> tuple[VideoInfo, NDArray[np.uint8] | None]:
    """Return what a video says about itself, and its first frame made small."""
    about = probe_video(source)
    for frame in sampled_frames(source):
        image = Image.fromarray(frame.pixels)
        image.thumbnail(within)
        return about, np.asarray(image)
    return about, None


def frames(source: Source, budget: int, layout: Layout) -> Iterator[tuple[NDArray[np.uint8], float]]:
    """Yield each frame that the model is shown, scaled and cut for the vision encoder, and its time in seconds."""
    for frame in sampled_frames(source):
        yield cut_patches(frame.pixels, budget, layout), frame.time
