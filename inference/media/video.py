"""Video files to still frames with times: one a second for up to a minute, 32 evenly spaced ones of longer videos.

The sound track is read with :func:`inference.media.audio.load_clips`, which takes a video as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import MediaError
from inference.media.container import decoded_frames, opened_container, subject_of
from inference.media.image import ImageFeatures, Layout, image_features
from inference.media.source import Source
from inference.media.timeline import beginning, length

FRAME_BUDGET: Final = 70
"""Soft tokens a frame."""
DENSE_SECONDS: Final = 60.0
"""Up to this length a frame is taken every second."""
SPARSE_FRAMES: Final = 32
"""So many are taken of longer videos."""

_KIND: Final = "video"
_FALLBACK_RATE: Final = 24.0
_ROUNDING: Final = 0.005
"""Seconds by which the times of two streams differ because they are counted in different units."""
_BLIND_SEEK: Final = 10.0
"""Seconds from which jumping ahead is tried where the file has no index of its key frames."""


@dataclass(frozen=True)
class VideoInfo:
    """What a file says about itself, counted where it says nothing."""

    width: int
    height: int
    rate: float
    """Frames a second, on average."""
    frames: int
    has_sound: bool

    @property
    def seconds(self) -> float:
        """Length."""
        return self.frames / self.rate


@dataclass(frozen=True)
class VideoFrame:
    """A still of a video."""

    pixels: NDArray[np.uint8]
    """uint8 [height, width, 3], RGB, upright."""
    time: float
    """Seconds from the beginning."""


@dataclass(frozen=True)
class VideoFeatures:
    """What the vision encoder takes for the frames of a video."""

    frames: tuple[ImageFeatures, ...]
    times: tuple[float, ...]
    """Seconds from the beginning, one for each frame."""

    @property
    def soft_tokens(self) -> tuple[int, ...]:
        """Number of embeddings of each frame."""
        return tuple(frame.soft_tokens for frame in self.frames)

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return sum(frame.nbytes for frame in self.frames)


def sample_indices(frames: int, rate: float) -> NDArray[np.int64]:
    """Return which of ``frames`` frames, at ``rate`` a second, the model is shown; int64 [k], ascending, k ≥ 1."""
    if frames < 1 or not rate > 0:
        raise ValueError(f"a video of {frames} frames at {rate} a second has nothing to sample")
    count = int(frames / rate) if frames / rate <= DENSE_SECONDS else SPARSE_FRAMES
    count = min(max(count, 1), frames)
    return np.arange(count, dtype=np.int64) * frames // count


def probe_video(source: Source) -> VideoInfo:
    """Look at a video without decoding it.

    Raises:
        MediaError: it cannot be read or has no moving picture.
    """
    with opened_container(source, _KIND) as container:
        return _probe(container, _picture(container, source))


def sampled_frames(source: Source) -> Iterator[VideoFrame]:
    """Yield the frames that the model is shown, one in memory at a time; jumps over what it need not decode.

    Raises:
        MediaError: it cannot be read, has no moving picture, or none that can be decoded.
    """
    with opened_container(source, _KIND) as container:
        stream = _picture(container, source)
        info = _probe(container, stream)
        times = sample_indices(max(info.frames, 1), info.rate) / info.rate
        reader = _Reader(container, stream, info.rate)
        late = _lateness(container, stream)
        shown = None
        for time in times:
            frame = reader.at(float(time))
            if frame is None or (reader.ended and frame is shown):
                break
            shown = frame
            yield VideoFrame(upright(frame), late + float(time))
        if shown is None:
            raise MediaError(f"{subject_of(source, _KIND)} holds no frame that can be decoded. Choose another {_KIND}.")


def frames_features(
    frames: Iterable[VideoFrame], budget: int = FRAME_BUDGET, layout: Layout = "tower", *, pad: bool = True
) -> VideoFeatures:
    """Cut frames, of a file or of a camera, into patches; see :func:`inference.media.image.image_features`."""
    features: list[ImageFeatures] = []
    times: list[float] = []
    for frame in frames:
        features.append(image_features(frame.pixels, budget, layout, pad=pad))
        times.append(frame.time)
    return VideoFeatures(tuple(features), tuple(times))


def video_features(
    source: Source, budget: int = FRAME_BUDGET, layout: Layout = "tower", *, pad: bool = True
) -> VideoFeatures:
    """Sample a video and cut its frames into patches. Raises as :func:`sampled_frames` does."""
    return frames_features(sampled_frames(source), budget, layout, pad=pad)


def upright(frame: Any) -> NDArray[np.uint8]:
    """Return a decoded frame as players show it: uint8 [height, width, 3], RGB, turned and mirrored as its file says.

    The display matrix (a, b, u, c, d, v, x, y, w) puts the pixel at (p, q) to (a·p + c·q, b·p + d·q); only turns by
    multiples of 90° and mirrorings are followed, other angles are ignored.
    """
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24")
    matrix = frame.side_data.get("DISPLAYMATRIX")
    values = np.frombuffer(b"" if matrix is None else bytes(matrix), np.int32)
    return placed(pixels, values) if values.size == 9 else pixels


def placed(pixels: NDArray[np.uint8], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Turn and mirror uint8 [height, width, 3] by a display matrix, int32 [9]; see :func:`upright`."""
    a, b, c, d = (int(matrix[place]) for place in (0, 1, 3, 4))
    along, across = min(abs(a), abs(d)), min(abs(b), abs(c))
    if max(along, across) <= 100 * min(max(abs(a), abs(d)), max(abs(b), abs(c))):
        return pixels
    if across > along:
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    if a < 0:
        pixels = pixels[:, ::-1]
    if d < 0:
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


class _Reader:
    """Finds the frame that is on display at a time; times are asked for in ascending order."""

    def __init__(self, container: Any, stream: Any, rate: float) -> None:
        self._container = container
        self._stream = stream
        self._tolerance = 0.5 / rate
        self._step = 1 / rate
        self._start = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
        self._blind_seek = _BLIND_SEEK
        self._frames = decoded_frames(container, stream)
        self._position = -self._step
        """Time of the frame that was decoded last."""
        self._held: Any = None
        self._ahead: Any = None
        self._ahead_time = 0.0
        self.ended = False
        stream.thread_type = "AUTO"

    def at(self, time: float) -> Any:
        """Return the decoded frame, or ``None`` when there is none up to the end of the file."""
        if self._seek_pays(time):
            self._seek(time)
        while True:
            if self._ahead is None and not self._decode():
                return self._held
            if self._ahead_time > time + self._tolerance and self._held is not None:
                return self._held
            self._held, self._ahead = self._ahead, None
            if self._ahead_time >= time - self._tolerance:
                return self._held

    def _decode(self) -> bool:
        self._ahead = next(self._frames, None)
        if self._ahead is None:
            self.ended = True
            return False
        known = self._ahead.time
        self._position = self._position + self._step if known is None else known - self._start
        self._ahead_time = self._position
        return True

    def _seek_pays(self, time: float) -> bool:
        distance = time - self._position
        if self.ended or distance <= 2 * self._step:
            return False
        index = self._stream.index_entries
        entry = index.search_timestamp(self._ticks(time), backward=True) if len(index) else -1
        if entry >= 0 and index[entry].is_keyframe:
            key_frame = float(index[entry].timestamp * self._stream.time_base) - self._start
            if key_frame > self._position + self._step:
                return True
        return distance > self._blind_seek

    def _seek(self, time: float) -> None:
        import av

        before = self._position
        try:
            self._container.seek(self._ticks(time), stream=self._stream, backward=True)
        except av.error.FFmpegError:
            self._blind_seek = float("inf")  # this file cannot be sought in; decoding goes on where it was
            return
        self._frames = decoded_frames(self._container, self._stream)
        self._held = self._ahead = None
        if self._decode() and self._position <= before:
            self._blind_seek *= 2  # key frames are farther apart than that

    def _ticks(self, time: float) -> int:
        return int((time + self._start) / float(self._stream.time_base))


def _picture(container: Any, source: Source) -> Any:
    from av.stream import Disposition

    stream = container.streams.best("video")
    # The cover of an album is a video stream too, to the libraries.
    if stream is None or stream.disposition & Disposition.attached_pic:
        raise MediaError(f"{subject_of(source, _KIND)} has no moving picture. Choose a {_KIND}.")
    return stream


def _lateness(container: Any, stream: Any) -> float:
    """Return how much later than the file's first stream, its sound for instance, the pictures begin, in seconds."""
    if stream.start_time is None:
        return 0.0
    late = float(stream.start_time * stream.time_base) - beginning(container)
    return late if _ROUNDING < late <= (length(container) or 0.0) else 0.0


def _probe(container: Any, stream: Any) -> VideoInfo:
    rate = float(stream.average_rate or stream.guessed_rate or _FALLBACK_RATE)
    rate = rate if rate > 0 else _FALLBACK_RATE
    frames = stream.frames
    if not frames and stream.duration is not None:
        frames = round(float(stream.duration * stream.time_base) * rate)
    if not frames and container.duration is not None:
        frames = round(container.duration / 1e6 * rate)
    if frames < 1:
        frames = _count(container, stream)
    has_sound = container.streams.best("audio") is not None
    return VideoInfo(stream.width, stream.height, rate, frames, has_sound)


def _count(container: Any, stream: Any) -> int:
    """Count the packets of a file that states no length, as browsers record them."""
    import av

    count = 0
    try:
        for packet in container.demux(stream):
            count += packet.size > 0
    except av.error.FFmpegError:
        pass  # cut off: what was counted is there
    container.seek(0)
    return count
