"""Looks at files before they are sent, on a background thread: what they are, and whether they can be used at all.

They are decoded in a child process; where ``cancel`` is set meanwhile, it is killed, and ``CallCancelled`` raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QBuffer, QByteArray, QIODevice
from PySide6.QtGui import QImage

from app.chat.thumbnails import BOX, MediaPart, Thumbnail, make_thumbnail, thumbnail_of
from app.visual_detail import DOCUMENT_DETAIL, look_at
from inference.cancellation import CancelToken
from inference.errors import MediaError
from inference.media import isolated
from inference.media.image import DEFAULT_BUDGET
from inference.media.kinds import MediaKind
from inference.media.source import opened
from inference.messages import Audio, Image, Video

Kind = MediaKind

_MEGABYTE: Final = 1 << 20
_PICTURE_BYTES: Final = 256 * _MEGABYTE
_PDF_BYTES: Final = 512 * _MEGABYTE
_PAGE_PIXELS: Final = DOCUMENT_DETAIL * 48 * 48
"""What the model sees of a page at most; more would be thrown away again."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Something that can be attached."""

    part: MediaPart
    name: str
    thumbnail: Thumbnail
    automatic_detail: int = DEFAULT_BUDGET
    """For pictures: the soft tokens of the choice “Auto”."""


def kind_of(path: Path, cancel: CancelToken | None = None) -> Kind:
    """Return what a file is, by its content, without decoding it.

    Raises:
        MediaError: it cannot be read, or is none of what can be attached.
    """
    if kind := isolated.media_kind(path, cancel=cancel):
        return kind
    raise MediaError(
        f"“{path.name}” cannot be attached. Pictures, recordings, videos and PDF files can; "
        "of other files, copy the text that matters into the message."
    )


def check_file(path: Path, kind: Kind, cancel: CancelToken | None = None) -> Checked:
    """Return a picture, recording or video of the user, ready to be sent.

    Raises:
        MediaError: it cannot be used; the sentence says why.
    """
    if kind == "image":
        _check_size(path, _PICTURE_BYTES, "picture")
        return check_picture(path, path.name, cancel)
    if kind == "video":
        try:
            return Checked(Video(path), path.name, make_thumbnail(Video(path), cancel))
        except MediaError:
            if not _has_sound(path, cancel):
                raise
    thumbnail = _sound(path, cancel)
    if thumbnail is None:
        raise MediaError(f"“{path.name}” has no sound. Choose another recording.")
    return Checked(Audio(path), path.name, thumbnail)


def check_picture(source: Path | bytes, name: str, cancel: CancelToken | None = None) -> Checked:
    """Return a picture, ready to be sent. Raises :class:`MediaError`."""
    looked = look_at(source, max(BOX), cancel)
    return Checked(Image(source), name, Thumbnail(thumbnail_of(looked.pixels), None, looked.size), looked.detail)


def check_pasted(image: QImage, name: str, cancel: CancelToken | None = None) -> Checked:
    """Return a picture of the clipboard. Raises :class:`MediaError`."""
    return check_picture(_png(image), name, cancel)


def count_pages(path: Path, cancel: CancelToken | None = None) -> int:
    """Return how many pages a PDF file has.

    Raises:
        MediaError: it cannot be opened.
    """
    _check_size(path, _PDF_BYTES, "PDF file")
    return isolated.count_pages(path, cancel=cancel)


def render_page(path: Path, page: int, cancel: CancelToken | None = None) -> Checked:
    """Return a page of a PDF, numbered from 0, as a picture in which the model can read the letters.

    Raises:
        MediaError: it cannot be opened or drawn.
    """
    content, small, size = isolated.draw_page(path, page, _PAGE_PIXELS, BOX, cancel=cancel)
    thumbnail = Thumbnail(thumbnail_of(small), None, size)
    return Checked(Image(content), f"{path.name}, {page + 1}", thumbnail, DOCUMENT_DETAIL)


def _png(image: QImage) -> bytes:
    data = QByteArray()
    buffer = QBuffer(data)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    if image.isNull() or not image.save(buffer, "PNG"):  # type: ignore[call-overload]
        raise MediaError("The picture on the clipboard cannot be read. Save it as a file and attach that.")
    return bytes(data.data())


def _check_size(path: Path, most: int, kind: str) -> None:
    with opened(path, kind) as stream:
        size = stream.seek(0, 2)
    if size > most:
        most_words = f"At most {most // _MEGABYTE} MB can be opened."
        raise MediaError(f"“{path.name}” is too large for a {kind}: {size / 1e9:.1f} GB. {most_words}")


def _sound(path: Path, cancel: CancelToken | None) -> Thumbnail | None:
    """Return what can be shown of a recording; ``None`` when the file has no sound."""
    about = isolated.probe_audio(path, cancel=cancel)
    return None if about is None else Thumbnail(None, about.seconds)


def _has_sound(path: Path, cancel: CancelToken | None) -> bool:
    try:
        return isolated.probe_audio(path, cancel=cancel) is not None
    except MediaError:
        return False
