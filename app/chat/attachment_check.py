"""Looks at files before they are sent, on a background thread: what they are, and whether they can be used at all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QSize
from PySide6.QtGui import QImage, QPainter

from app.chat.thumbnails import MediaPart, Thumbnail, make_thumbnail
from app.visual_detail import DOCUMENT_DETAIL, automatic_detail
from inference.errors import MediaError
from inference.media.audio import probe_audio
from inference.media.image import DEFAULT_BUDGET, open_image
from inference.media.kinds import MediaKind, media_kind
from inference.media.source import opened
from inference.messages import Audio, Image, Video

if TYPE_CHECKING:
    from PySide6.QtPdf import QPdfDocument

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


def kind_of(path: Path) -> Kind:
    """Return what a file is, by its content, without decoding it.

    Raises:
        MediaError: it cannot be read, or is none of what can be attached.
    """
    if kind := media_kind(path):
        return kind
    raise MediaError(
        f"“{path.name}” cannot be attached. Pictures, recordings, videos and PDF files can; "
        "of other files, copy the text that matters into the message."
    )


def check_file(path: Path, kind: Kind) -> Checked:
    """Return a picture, recording or video of the user, ready to be sent.

    Raises:
        MediaError: it cannot be used; the sentence says why.
    """
    if kind == "image":
        _check_size(path, _PICTURE_BYTES, "picture")
        return check_picture(path, path.name)
    if kind == "video":
        try:
            return Checked(Video(path), path.name, make_thumbnail(Video(path)))
        except MediaError:
            if not _has_sound(path):
                raise
    if probe_audio(path) is None:
        raise MediaError(f"“{path.name}” has no sound. Choose another recording.")
    return Checked(Audio(path), path.name, make_thumbnail(Audio(path)))


def check_picture(source: Path | bytes, name: str) -> Checked:
    """Return a picture, ready to be sent. Raises :class:`MediaError`."""
    part = Image(source)
    return Checked(part, name, make_thumbnail(part), automatic_detail(open_image(source)))


def check_pasted(image: QImage, name: str) -> Checked:
    """Return a picture of the clipboard. Raises :class:`MediaError`."""
    return check_picture(_png(image), name)


def count_pages(path: Path) -> int:
    """Return how many pages a PDF file has.

    Raises:
        MediaError: it cannot be opened.
    """
    _check_size(path, _PDF_BYTES, "PDF file")
    return _open_pdf(path).pageCount()


def render_page(path: Path, page: int) -> Checked:
    """Return a page of a PDF, numbered from 0, as a picture in which the model can read the letters.

    Raises:
        MediaError: it cannot be opened or drawn.
    """
    document = _open_pdf(path)
    points = document.pagePointSize(page)
    if points.width() <= 0 or points.height() <= 0:
        raise MediaError(f"Page {page + 1} of “{path.name}” is empty. Choose other pages.")
    scale = (_PAGE_PIXELS / (points.width() * points.height())) ** 0.5
    size = QSize(max(1, round(points.width() * scale)), max(1, round(points.height() * scale)))
    drawn = document.render(page, size)
    if drawn.isNull():
        raise MediaError(f"Page {page + 1} of “{path.name}” cannot be drawn. Choose other pages.")
    paper = QImage(size, QImage.Format.Format_RGB32)
    paper.fill(0xFFFFFFFF)
    painter = QPainter(paper)
    painter.drawImage(0, 0, drawn)
    painter.end()
    part = Image(_png(paper))
    return Checked(part, f"{path.name}, {page + 1}", make_thumbnail(part), DOCUMENT_DETAIL)


def _open_pdf(path: Path) -> QPdfDocument:
    from PySide6.QtPdf import QPdfDocument

    document = QPdfDocument()
    error = document.load(str(path))
    errors = QPdfDocument.Error
    if error is errors.IncorrectPassword:
        raise MediaError(f"“{path.name}” is protected by a password. Save a copy without one first.")
    if error is not errors.None_ or document.pageCount() < 1:
        raise MediaError(f"“{path.name}” cannot be read: it is damaged, or no PDF file. Get it again.")
    return document


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


def _has_sound(path: Path) -> bool:
    try:
        return probe_audio(path) is not None
    except MediaError:
        return False
