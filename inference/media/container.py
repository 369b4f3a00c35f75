"""Files of sound and moving pictures, opened with FFmpeg's libraries (PyAV), and errors that a user understands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from inference.errors import MediaError
from inference.media.source import Source, name_of, opened

if TYPE_CHECKING:
    from av.container import InputContainer

_SECONDS_TO_WAIT: Final = 20.0
"""Time that opening, or reading one packet, may take."""
_MAX_FRAME_PIXELS: Final = 8192 * 8192
"""Video frames beyond are refused by the decoder, before it takes memory for them."""
_BAD_PACKETS: Final = 200
"""So many undecodable packets in a row end the reading."""
_NOT_MEDIA: Final = frozenset(
    {"tty", "sbg", "concat", "hls", "dash", "imf", "ffmetadata", "lrc", "bin", "xbin", "adf", "idf"}
)
"""Demuxers that make sound or pictures out of plain text, or read other files than the one that was opened."""


@contextmanager
def opened_container(source: Source, kind: str) -> Iterator[InputContainer]:
    """Open a recording or a video; whatever fails in the block becomes a :class:`MediaError`.

    FFmpeg gets an open file and nothing else: a playlist that names other files or addresses is refused.
    """
    import av

    subject = subject_of(source, kind)
    with opened(source, kind) as stream:
        try:
            with av.open(
                stream,
                mode="r",
                metadata_errors="replace",
                timeout=_SECONDS_TO_WAIT,
                options={"protocol_whitelist": "none", "max_pixels": str(_MAX_FRAME_PIXELS)},
                io_open=_refuse,
            ) as container:
                if container.format.name in _NOT_MEDIA:
                    raise unreadable(source, kind)
                yield container
        except MediaError:
            raise
        except MemoryError as error:
            raise MediaError(f"{subject} needs more memory than there is.") from error
        except Exception as error:  # damaged data make the bindings raise more than their own errors
            raise unreadable(source, kind) from error


def decoded_frames(container: InputContainer, stream: Any) -> Iterator[Any]:
    """Yield the decoded frames of a stream, passing over damaged packets; ends early where the file is cut off."""
    for _, frame in frames_of_streams(container, [stream]):
        yield frame


def frames_of_streams(container: InputContainer, streams: Sequence[Any]) -> Iterator[tuple[int, Any]]:
    """Yield the decoded frames of several streams as they lie in the file, each with the index of its stream."""
    import av

    for stream in streams:
        if stream.type == "video":
            stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(_MAX_FRAME_PIXELS)}
    bad = 0
    packets = container.demux(list(streams))
    while bad < _BAD_PACKETS:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            bad += 1
            continue
        bad = 0 if frames else bad
        for frame in frames:
            yield packet.stream.index, frame


def subject_of(source: Source, kind: str) -> str:
    """Return the name of a source as the beginning of a sentence."""
    name = name_of(source, kind)
    return name[0].upper() + name[1:]


def unreadable(source: Source, kind: str) -> MediaError:
    """Return the error for a file whose content makes no sense."""
    return MediaError(
        f"{subject_of(source, kind)} cannot be read: it is damaged, or no {kind} of a known kind. "
        f"Get it again, or choose another {kind}."
    )


def _refuse(url: str, flags: int, options: dict[str, str]) -> Any:
    raise PermissionError(f"a media file may not open {url}")
