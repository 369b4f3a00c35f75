"""What a browser is told of an attachment: its kind by content, from a short list, and never by its name."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import PIL.Image

from inference.media.isolated import open_picture

IMAGES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
_MEDIA: Final = (
    (b"fLaC", "audio/flac"),
    (b"OggS", "application/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_EMBEDDED_AT_MOST: Final = 24 << 20
"""Bytes of a picture that is taken over as it is; a larger one is written anew, no larger than it can be shown."""
_SIDE_AT_MOST: Final = 3000
_DRAWING_PIXELS: Final = 1 << 18
"""Pixels up to which a picture is written without loss."""
_QUALITY: Final = 90
_CHUNK: Final = 3 << 18  # a multiple of three, so that pieces of Base64 can follow one another


def image_address(source: Path | bytes) -> str:
    """Return a picture as a ``data:`` address of a kind that every browser shows.

    Raises:
        LarimarError: it cannot be decoded.
        OSError: it cannot be read.
    """
    data = source if isinstance(source, bytes) else b""
    if isinstance(source, Path):
        with source.open("rb") as file:
            data = file.read(_EMBEDDED_AT_MOST + 1)
    kind = image_kind(data[:16])
    if not kind or len(data) > _EMBEDDED_AT_MOST:
        picture, _ = open_picture(source, within=(_SIDE_AT_MOST, _SIDE_AT_MOST))
        kind, data = _written(picture)
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def image_kind(head: bytes) -> str:
    """Return the kind of a picture that browsers show, from its first 16 bytes; empty for others."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for signature, kind in IMAGES if head.startswith(signature)), "")


def media_kind(head: bytes, *, video: bool) -> str:
    """Return the kind of a recording from its first 16 bytes; the usual one when it is not known."""
    if head[4:8] == b"ftyp":
        return "video/mp4" if video else "audio/mp4"
    if head[:4] == b"RIFF":
        return "video/x-msvideo" if head[8:12] == b"AVI " else "audio/wav"
    for signature, kind in _MEDIA:
        if head.startswith(signature):
            return kind if video or kind != "video/webm" else "audio/webm"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "audio/mpeg"
    return "video/mp4" if video else "audio/wav"


def pieces(source: Path | bytes) -> Iterator[bytes]:
    """Return the content in pieces, the first one at once.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _written(picture: PIL.Image.Image) -> tuple[str, bytes]:
    """Return a picture, which has no transparency any more, as PNG where that is small, else as JPEG."""
    picture.thumbnail((_SIDE_AT_MOST, _SIDE_AT_MOST))
    out = io.BytesIO()
    if picture.width * picture.height <= _DRAWING_PIXELS:
        picture.save(out, "PNG")
        return "image/png", out.getvalue()
    picture.save(out, "JPEG", quality=_QUALITY)
    return "image/jpeg", out.getvalue()
