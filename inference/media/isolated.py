"""Files of strangers, decoded in a child process that is killed when they turn out to be too much.

The same results and sentences as from the functions that decode in this process, which nothing but the children calls
for a file that came from outside. None of this is for the GUI's thread: it waits for the child.

Everybody's arguments: ``source`` is the file; ``cancel`` kills the child and has the call raise
:class:`~inference.isolation.CallCancelled`. Everybody raises :class:`~inference.errors.MediaError` with a sentence for
the user when the file cannot be read, takes too long, needs too much memory, or ends the child.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.cancellation import CancelToken
from inference.errors import MediaError
from inference.isolation import POOL, BrokeDownError, Limits, NeededTooMuchMemoryError, TookTooLongError
from inference.media import audio_decoding, isolated_jobs, kinds, pdf, video
from inference.media.audio import MAX_CLIP_SAMPLES, AudioClip, AudioInfo
from inference.media.image import ImageFeatures, Layout, patch_features
from inference.media.isolated_jobs import Box
from inference.media.kinds import MediaKind
from inference.media.source import Source, name_of
from inference.media.video import DENSE_SECONDS, VideoInfo
from inference.memory import available_bytes

_MB: Final = 1 << 20
_PICTURE: Final = Limits(memory=2560 * _MB, seconds=20.0)
"""The largest picture that is opened has 128 megapixels, of which a conversion may hold three copies at a time."""
_PAGE: Final = Limits(memory=512 * _MB, seconds=20.0, answer=256 * _MB)
"""Little, for hostile pages take 500 MB a second; a page scanned at 600 dots an inch takes 150."""
_SOUND: Final = Limits(memory=1024 * _MB, seconds=60.0, answer=256 * _MB)
_VIDEO: Final = Limits(memory=2560 * _MB, seconds=120.0)
"""Time to the next frame, which a far key frame makes long."""
_MOST_FRAMES: Final = 2 * int(DENSE_SECONDS)
"""Twice what a video is sampled to: from there on, somebody else speaks."""
_LEAST: Final = 384 * _MB
_SHARE: Final = 0.7  # of what memory is left


def warm() -> None:
    """Have a child ready, with what it needs imported; to be called when a file is likely to come soon."""
    POOL.warm(isolated_jobs.warm)


def open_picture(
    source: Source, *, within: Box | None = None, cancel: CancelToken | None = None
) -> tuple[Image.Image, Box]:
    """Return a picture in the mode RGB, and the width and height that the file has.

    As :func:`inference.media.image_decoding.open_image`, but made smaller where it exceeds ``within`` (width, height):
    what is not needed should not be sent.
    """
    with _sentences(source, "picture"):
        pixels, size = _parts(_call(isolated_jobs.picture, source, within, limits=_PICTURE, cancel=cancel), 2)
        return Image.fromarray(_pixels(pixels)), _box(size)


def picture_features(
    source: Source, budget: int, layout: Layout, *, pad: bool = True, cancel: CancelToken | None = None
) -> ImageFeatures:
    """Return what the vision encoder takes of a picture; see :func:`inference.media.image.image_features`."""
    with _sentences(source, "picture"):
        patches = _call(isolated_jobs.patches, source, budget, layout, limits=_PICTURE, cancel=cancel)
        return _features(patches, budget, layout, pad)


def call_for_picture(
    function: Callable[..., object],
    source: Source,
    *arguments: object,
    accepts: Sequence[type] = (),
    cancel: CancelToken | None = None,
) -> Any:
    """Call a function of the caller's in the child, for a picture, which is its first argument.

    What comes back is of an expected type, and otherwise not to be believed; see :meth:`WorkerPool.call`.
    """
    with _sentences(source, "picture"):
        return _call(function, source, *arguments, limits=_PICTURE, accepts=accepts, cancel=cancel)


def count_pages(path: Path, *, cancel: CancelToken | None = None) -> int:
    """Return how many pages a PDF file has."""
    with _sentences(path, "PDF file"):
        pages = _call(pdf.count_pages, path, limits=_PAGE, cancel=cancel)
        if type(pages) is not int or not 1 <= pages <= 1 << 24:
            raise BrokeDownError
        return pages


def draw_page(
    path: Path, page: int, pixels: int, within: Box, *, cancel: CancelToken | None = None
) -> tuple[bytes, NDArray[np.uint8], Box]:
    """Draw a page of a PDF, numbered from 0.

    Returns:
        A PNG file of roughly so many pixels, a picture uint8 [height, width, 3] of it within a width and height, and
        the width and height of the large one.
    """
    with _sentences(path, "PDF file", f"Page {page + 1} of {name_of(path, 'PDF file')}", "Choose other pages."):
        drawn = _call(isolated_jobs.page, path, page, pixels, within, limits=_PAGE, cancel=cancel)
        content, small, size = _parts(drawn, 3)
        if not isinstance(content, bytes):
            raise BrokeDownError
        return content, _pixels(small), _box(size)


def media_kind(path: Path, *, cancel: CancelToken | None = None) -> MediaKind | None:
    """Return what a file holds, by its content; see :func:`inference.media.kinds.media_kind`."""
    with _sentences(path, "file"):
        found = _call(kinds.media_kind, path, limits=_SOUND, cancel=cancel)
        for kind in kinds.ENDINGS:
            if found == kind:
                return kind
        if found is not None:
            raise BrokeDownError
        return None


def probe_audio(source: Source, *, cancel: CancelToken | None = None) -> AudioInfo | None:
    """Return what a file says about its sound; see :func:`inference.media.audio_decoding.probe_audio`."""
    with _sentences(source, "recording"):
        about = _call(audio_decoding.probe_audio, source, limits=_SOUND, cancel=cancel, accepts=(AudioInfo,))
        if about is None:
            return None
        if not isinstance(about, AudioInfo) or not math.isfinite(about.seconds or 0.0):
            raise BrokeDownError
        return about


def decode_audio(source: Source, *, cancel: CancelToken | None = None) -> Generator[NDArray[np.float32], None, None]:
    """Yield the sound, float32 [n] at 16 kHz mono; see :func:`inference.media.audio_decoding.decode_audio`."""
    with _sentences(source, "recording"), _stream(isolated_jobs.sound, source, limits=_SOUND, cancel=cancel) as blocks:
        for block in blocks:
            yield _samples(block)


def load_clips(source: Source, *, cancel: CancelToken | None = None) -> Generator[AudioClip, None, None]:
    """Yield clips of at most 30 seconds; see :func:`inference.media.audio.load_clips`."""
    with (
        _sentences(source, "recording"),
        _stream(isolated_jobs.clips, source, limits=_SOUND, cancel=cancel, accepts=(AudioClip,)) as found,
    ):
        end = 0.0
        for clip in found:
            if not isinstance(clip, AudioClip) or not 0 < len(_samples(clip.samples)) <= MAX_CLIP_SAMPLES:
                raise BrokeDownError
            if not end - 0.001 <= clip.start < math.inf:  # whoever adds up the clips must come to an end
                raise BrokeDownError
            end = clip.end
            yield clip


def probe_video(source: Source, *, cancel: CancelToken | None = None) -> VideoInfo:
    """Return what a video says about itself; see :func:`inference.media.video.probe_video`."""
    with _sentences(source, "video"):
        return _video(_call(video.probe_video, source, limits=_VIDEO, cancel=cancel, accepts=(VideoInfo,)))


def video_still(
    source: Source, within: Box, *, cancel: CancelToken | None = None
) -> tuple[VideoInfo, NDArray[np.uint8] | None]:
    """Return what a video says about itself, and its first frame, uint8 [height, width, 3], within a size."""
    with _sentences(source, "video"):
        found = _call(isolated_jobs.still, source, within, limits=_VIDEO, cancel=cancel, accepts=(VideoInfo,))
        about, pixels = _parts(found, 2)
        return _video(about), None if pixels is None else _pixels(pixels)


def frames_features(
    source: Source, budget: int, layout: Layout, *, pad: bool = True, cancel: CancelToken | None = None
) -> Generator[tuple[ImageFeatures, float], None, None]:
    """Yield what the vision encoder takes of each frame that the model is shown, and its time in seconds."""
    with (
        _sentences(source, "video"),
        _stream(isolated_jobs.frames, source, budget, layout, limits=_VIDEO, cancel=cancel) as frames,
    ):
        for number, frame in enumerate(frames):
            patches, moment = _parts(frame, 2)
            if number >= _MOST_FRAMES:
                raise BrokeDownError
            if type(moment) not in (int, float) or not math.isfinite(moment):
                raise BrokeDownError
            yield _features(patches, budget, layout, pad), float(moment)


def _call(
    job: Callable[..., object],
    source: Source,
    *arguments: object,
    limits: Limits,
    cancel: CancelToken | None,
    accepts: Sequence[type] = (),
) -> Any:
    limits = _limits(limits, source)
    return POOL.call(job, _from_anywhere(source), *arguments, limits=limits, cancel=cancel, accepts=accepts)


def _stream(
    job: Callable[..., object],
    source: Source,
    *arguments: object,
    limits: Limits,
    cancel: CancelToken | None,
    accepts: Sequence[type] = (),
) -> AbstractContextManager[Generator[Any, None, None]]:
    limits = _limits(limits, source)
    return POOL.stream(job, _from_anywhere(source), *arguments, limits=limits, cancel=cancel, accepts=accepts)


def _from_anywhere(source: Source) -> Source:
    """Return a source as the child, which is at home in another folder, must be told of it."""
    if isinstance(source, Path):
        with suppress(OSError):  # a current folder that is gone
            return source.absolute()
    return source


def _limits(limits: Limits, source: Source) -> Limits:
    """Return limits that also leave the machine some memory, and give bytes that are handed over their own room."""
    assert limits.memory is not None
    memory = limits.memory
    left = available_bytes()
    if left is not None:
        memory = min(memory, max(_LEAST, int(left * _SHARE)))
    handed_over = 3 * len(source) if isinstance(source, bytes) else 0
    return Limits(memory + handed_over, limits.seconds, limits.answer)


@contextmanager
def _sentences(source: Source, kind: str, subject: str = "", advice: str = "") -> Iterator[None]:
    """Turn what became of the child into a sentence about the file."""
    subject = subject or name_of(source, kind)
    subject = subject[0].upper() + subject[1:]
    advice = advice or f"Choose another {kind}, or save it anew in another program first."
    try:
        yield
    except TookTooLongError as error:
        raise MediaError(f"{subject} takes too long to read, and was given up. {advice}") from error
    except NeededTooMuchMemoryError as error:
        raise MediaError(f"{subject} needs more memory than it may take, and was given up. {advice}") from error
    except BrokeDownError as error:
        raise MediaError(
            f"{subject} cannot be read: it is damaged so badly that it ends the program that tries. {advice}"
        ) from error


def _parts(value: Any, count: int) -> tuple[Any, ...]:
    if not isinstance(value, tuple) or len(value) != count:
        raise BrokeDownError
    return value


def _pixels(value: Any) -> NDArray[np.uint8]:
    """Return what the child gave as a picture, if it is one."""
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8 or value.ndim != 3 or value.shape[2] != 3:
        raise BrokeDownError
    if not value.size:
        raise BrokeDownError
    return value


def _samples(value: Any) -> NDArray[np.float32]:
    if not isinstance(value, np.ndarray) or value.dtype != np.float32 or value.ndim != 1:
        raise BrokeDownError
    return value


def _box(value: Any) -> Box:
    match value:
        case (int(width), int(height)) if width > 0 and height > 0:
            return width, height
    raise BrokeDownError


def _video(value: Any) -> VideoInfo:
    if not isinstance(value, VideoInfo) or not 0 < value.rate < math.inf or value.frames < 0:
        raise BrokeDownError
    return value


def _features(value: Any, budget: int, layout: Layout, pad: bool) -> ImageFeatures:
    """Return the features of what the child gave as patches, if it is that."""
    if not isinstance(value, np.ndarray) or value.ndim != 5:
        raise BrokeDownError
    try:
        return patch_features(value, budget, layout, pad=pad)
    except ValueError as error:
        raise BrokeDownError from error
