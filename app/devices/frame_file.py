"""A video file in place of a camera, at the pace of real time."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.devices.errors import DeviceError, DeviceLost
from app.devices.frame_reader import FrameReader
from inference.errors import MediaError
from inference.media.container import decoded_frames, opened_container, unreadable
from inference.media.video import upright

_LATE: Final = 0.1
"""A frame that is later than this many seconds is passed over, as a camera's would be."""
_PASSED_OVER_AT_MOST: Final = 5
_FALLBACK_RATE: Final = 25.0


class FileFrameSource(FrameReader):
    """Plays a video: over and over, or until it ends, which is then like a camera that is pulled out."""

    def __init__(self, path: Path, *, loops: bool = False) -> None:
        super().__init__(path.name)
        self._path = path
        self._loops = loops
        self._frames: Generator[tuple[Any, float]] | None = None
        self._began: float | None = None

    def _open(self, stop: threading.Event) -> None:
        self._began = None
        self._frames = self._decoded()

    def _grab(self, stop: threading.Event) -> tuple[NDArray[np.uint8], float | None] | None:
        assert self._frames is not None
        passed_over = 0
        while not stop.is_set():
            try:
                frame, moment = next(self._frames)
            except MediaError as error:
                raise DeviceError(str(error)) from error
            except StopIteration:
                raise DeviceLost(f"“{self.name}” has ended. Start it again, or choose another source.") from None
            if self._began is None:
                self._began = time.monotonic() - moment
            wait = self._began + moment - time.monotonic()
            if wait < -_LATE and passed_over < _PASSED_OVER_AT_MOST:
                passed_over += 1
                continue
            if stop.wait(max(0.0, wait)):
                break
            return upright(frame), moment
        return None

    def _release(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None

    def _decoded(self) -> Generator[tuple[Any, float]]:
        """Yield the decoded frames with their times, which go on rising when the file begins again."""
        import av

        offset = 0.0
        while True:
            last = -1.0
            with opened_container(self._path, "video") as container:
                stream = container.streams.best("video")
                if stream is None:
                    raise unreadable(self._path, "video")
                assert isinstance(stream, av.VideoStream)
                # Threads that decode frames ahead all have to end before the file is given back.
                stream.thread_type = "SLICE"
                step = 1 / (float(stream.average_rate or 0) or _FALLBACK_RATE)
                start: float | None = None
                for frame in decoded_frames(container, stream):
                    known = frame.time
                    start = known if start is None else start
                    last = last + step if known is None or start is None else known - start
                    yield frame, offset + max(0.0, last)
            if last < 0:
                raise unreadable(self._path, "video")
            if not self._loops:
                return
            offset += last + step
