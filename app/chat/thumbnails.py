"""Small pictures of attachments, made off the GUI thread and kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage

from app.background import Background
from app.pictures import qimage_of
from inference.cancellation import CancelToken
from inference.media.isolated import open_picture, probe_audio, video_still
from inference.messages import Audio, Image, Video

MediaPart = Image | Audio | Video
_Key = tuple[type, Path | bytes]

SIDE = 480
"""The longer side of a thumbnail, in device pixels."""
BOX = (2 * SIDE, 2 * SIDE)
"""What child processes make pictures smaller to: Qt's filter then does the rest."""
_KEPT = 200


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """What can be shown of an attachment without opening it."""

    image: QImage | None
    """``None`` for sound, and for what can no longer be read."""
    seconds: float | None = None
    """Length of sound and video."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the original, in pixels."""


class Thumbnails(QObject):
    """Makes thumbnails, each once."""

    ready = Signal(object)
    """A thumbnail can be had now; carries the part that it belongs to."""

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._made: OrderedDict[_Key, Thumbnail | None] = OrderedDict()

    def get(self, part: MediaPart) -> Thumbnail | None:
        """Return the thumbnail of ``part``, or ``None`` while it is made."""
        key = _key(part)
        if key not in self._made:
            self._made[key] = None
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
            self._background.decode(
                lambda cancel: make_thumbnail(part, cancel),
                lambda made: self._keep(part, made),
                lambda error: self._keep(part, Thumbnail(None)),
            )
        self._made.move_to_end(key)
        return self._made[key]

    def put(self, part: MediaPart, thumbnail: Thumbnail) -> None:
        """Keep what somebody else has made already."""
        self._made[_key(part)] = thumbnail

    def _keep(self, part: MediaPart, made: Thumbnail) -> None:
        self._made[_key(part)] = made
        self.ready.emit(part)


def make_thumbnail(part: MediaPart, cancel: CancelToken | None = None) -> Thumbnail:
    """Return the thumbnail of an attachment; for a background thread.

    Raises:
        CallCancelled: ``cancel`` was set.
        MediaError: it cannot be used; the sentence says why.
    """
    if isinstance(part, Audio):
        info = probe_audio(part.source, cancel=cancel)
        return Thumbnail(None, info.seconds if info else None)
    if isinstance(part, Video):
        about, pixels = video_still(part.source, BOX, cancel=cancel)
        image = None if pixels is None else thumbnail_of(pixels)
        return Thumbnail(image, about.seconds, (about.width, about.height))
    picture, size = open_picture(part.source, within=BOX, cancel=cancel)
    return Thumbnail(thumbnail_of(np.asarray(picture)), None, size)


def thumbnail_of(pixels: NDArray[np.uint8]) -> QImage:
    """Return a small picture of pixels (uint8 [height, width, 3]) that owns its own."""
    return _scaled(qimage_of(np.ascontiguousarray(pixels)))


def _key(part: MediaPart) -> _Key:
    """Return what tells attachments apart here: not the detail in which they are looked at."""
    return type(part), part.source


def _scaled(image: QImage) -> QImage:
    """Return a small copy that owns its pixels."""
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    if max(image.width(), image.height()) <= SIDE:
        return image.copy()
    return image.scaled(QSize(SIDE, SIDE), keep, smooth)
