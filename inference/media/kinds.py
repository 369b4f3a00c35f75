"""What a file is, by its content: names lie, and some formats hold sound, pictures or both under one name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal

from inference.errors import MediaError
from inference.media.container import opened_container
from inference.media.source import Source, opened

MediaKind = Literal["image", "audio", "video", "pdf"]

ENDINGS: Final[dict[MediaKind, tuple[str, ...]]] = {
    "image": ("png", "jpg", "jpeg", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif", "avif", "jp2", "psd"),
    "audio": (
        *("wav", "mp3", "m4a", "m4b", "aac", "flac", "ogg", "oga", "opus", "wma", "aif", "aiff", "amr", "caf", "ac3"),
        *("mka", "wv", "gsm", "au"),
    ),
    "video": (
        *("mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "wmv", "flv", "ogv", "3gp", "3g2", "ts", "mts"),
        *("m2ts", "mxf"),
    ),
    "pdf": ("pdf",),
}
"""Endings that file dialogs offer; what else is chosen is looked at as well."""

_HEAD: Final = 4096
"""Bytes that are looked at before anything is decoded."""
_PDF_WITHIN: Final = 1024
"""Bytes within which readers of PDF look for its mark."""
_IMAGE: Final = re.compile(
    rb"\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a|RIFF....WEBP|II\*\x00|MM\x00\*|II\+\x00|8BPS\x00\x01"
    rb"|BM....\x00\x00\x00\x00|\x00\x00\x00\x0cjP  \r\n|\xff\x4f\xff\x51|qoif|DDS |P[1-7]\s|\x00\x00\x01\x00[^\x00]"
    rb"|\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]|icns",
    re.DOTALL,
)
_IMAGE_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
)


def media_kind(source: Source) -> MediaKind | None:
    """Return what a file holds, without decoding it; ``None`` where it is neither pictures nor sound.

    A video is what has moving pictures; a file that could have them, and has sound alone, is a recording. Where the
    content makes no sense, the name says what it should have been, unless it is plain text.

    Raises:
        MediaError: it cannot be opened.
    """
    with opened(source, "file") as stream:
        head = stream.read(_HEAD)
    if b"%PDF-" in head[:_PDF_WITHIN]:
        return "pdf"
    if _IMAGE.match(head) or (head[4:8] == b"ftyp" and head[8:12] in _IMAGE_BRANDS):
        return "image"
    try:
        return _moving_or_sounding(source)
    except MediaError:
        return None if isinstance(source, bytes) or _is_text(head) else _by_name(source)


def _by_name(path: Path) -> MediaKind | None:
    ending = path.suffix.lower().removeprefix(".")
    return next((kind for kind, endings in ENDINGS.items() if ending in endings), None)


def _is_text(head: bytes) -> bool:
    """Return whether bytes are the beginning of a text of more than a few letters."""
    text = head.decode("utf-8", "ignore")
    return len(text.encode()) > len(head) - 4 > 0 and not re.search(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]", text)


def _moving_or_sounding(source: Source) -> MediaKind | None:
    from av.stream import Disposition

    with opened_container(source, "file") as container:
        if container.format.name.endswith("_pipe") or container.format.name in ("image2", "ico", "webp_anim"):
            return "image"
        if any(not stream.disposition & Disposition.attached_pic for stream in container.streams.video):
            return "video"
        return "audio" if container.streams.audio else None
