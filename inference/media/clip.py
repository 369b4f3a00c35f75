"""Stills of a camera to a small video in memory: how frames are handed over without a file.

It is played back by :mod:`inference.media.video` like any other video, so that its frames get the same times and the
same places in the prompt, and whoever keeps it can play it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

STILLS_AT_MOST: Final = 60
"""More are never all shown to the model; see :data:`inference.media.video.DENSE_SECONDS`."""
_QUALITY: Final = {"qmin": "2", "qmax": "2"}  # of 1 to 31; 1 is hardly better and twice as large


def clip_of(stills: Sequence[NDArray[np.uint8]]) -> bytes:
    """Return a video that shows one still a second, the first at 00:00: Motion JPEG in AVI.

    Args:
        stills: 1 to 60 pictures, uint8 [height, width, 3], RGB, oldest first; all are brought to the size of the last.
    """
    import av

    if not 1 <= len(stills) <= STILLS_AT_MOST:
        raise ValueError(f"{len(stills)} stills; a clip has 1 to {STILLS_AT_MOST}")
    # Colours are kept for blocks of 2 × 2 pixels, so that sides must be even.
    height, width = (side - side % 2 or 2 for side in stills[-1].shape[:2])
    with io.BytesIO() as file:
        with av.open(file, "w", format="avi") as container:
            stream = container.add_stream("mjpeg", rate=Fraction(1), options=dict(_QUALITY))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
            for second, still in enumerate(stills):
                frame = av.VideoFrame.from_ndarray(_fitted(still, width, height), format="rgb24")
                frame.pts, frame.time_base = second, Fraction(1)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return file.getvalue()


def _fitted(still: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    if abs(still.shape[1] - width) > 1 or abs(still.shape[0] - height) > 1:
        return np.asarray(PilImage.fromarray(still).resize((width, height), PilImage.Resampling.BILINEAR))
    return np.ascontiguousarray(still[:height, :width])
