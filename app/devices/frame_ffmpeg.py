"""A camera through FFmpeg, which Larimar brings for video files anyway; for packages without OpenCV."""

from __future__ import annotations

import errno
import sys
import threading
from collections.abc import Generator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.devices.errors import DeviceError, DeviceLost
from app.devices.frame_camera import camera_error, lost
from app.devices.frame_reader import FrameReader

FORMAT: Final = {"linux": "v4l2", "win32": "dshow", "darwin": "avfoundation"}.get(sys.platform, "")
_SECONDS_TO_WAIT: Final = (10.0, 2.0)
"""For opening and for a packet."""
_SIZE: Final = {"video_size": "1280x720", "framerate": "30"}
_TRIES: Final[tuple[dict[str, str], ...]] = ({**_SIZE, "input_format": "mjpeg"}, _SIZE, {})
"""What is asked of the camera, one after the other: FFmpeg refuses what a camera does not have."""

_REFUSED: Final = (errno.EINVAL, errno.EIO, None)
"""How FFmpeg says that the camera is there, but not with these options."""


class FFmpegCamera(FrameReader):
    """A camera by what FFmpeg calls it: a path, a number, or a name, depending on the system."""

    def __init__(self, address: str, name: str) -> None:
        super().__init__(name)
        self._address = address
        self._container: Any = None
        self._frames: Generator[Any] | None = None

    def _open(self, stop: threading.Event) -> None:
        import av

        if not FORMAT or FORMAT not in {each for name in av.formats_available for each in name.split(",")}:
            raise DeviceError("Cameras cannot be used here: this version of FFmpeg knows none.")
        problem: OSError | None = None
        for options in _TRIES:
            if "input_format" in options and FORMAT != "v4l2":
                continue
            if stop.is_set():
                return
            try:
                self._container = av.open(self._address, format=FORMAT, options=dict(options), timeout=_SECONDS_TO_WAIT)
            except (OSError, ValueError) as error:
                problem = error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))
                if problem.errno not in _REFUSED:
                    break
            else:
                self._frames = self._decoded()
                return
        raise camera_error(problem or OSError(), self.name) from problem

    def _grab(self, stop: threading.Event) -> tuple[NDArray[np.uint8], float | None] | None:
        if stop.is_set():
            return None
        assert self._frames is not None
        try:
            frame = next(self._frames)
        except (OSError, StopIteration, ValueError) as error:
            if stop.is_set():
                return None
            raise DeviceLost(lost(self.name)) from error
        if stop.is_set():  # the device is wanted back, not another picture of it
            return None
        return frame.to_ndarray(format="rgb24"), None

    def _release(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None
        if self._container is not None:
            self._container.close()
            self._container = None

    def _decoded(self) -> Generator[Any]:
        import av

        for packet in self._container.demux(video=0):
            try:
                yield from packet.decode()
            except av.error.InvalidDataError:  # a picture that came damaged over the cable
                continue
