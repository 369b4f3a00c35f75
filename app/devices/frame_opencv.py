"""A camera through OpenCV."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.devices.errors import DeviceLost
from app.devices.frame_camera import camera_problem, lost
from app.devices.frame_reader import FrameReader

WIDTH, HEIGHT, RATE = 1280, 720, 30
"""What is asked of a camera; it gives what it has that is nearest."""
_EMPTY_AT_MOST: Final = 5
"""So many empty frames in a row mean that the camera is gone."""
# OpenCV reads it when it is imported; its own default of ten seconds is long for somebody who pulled the plug.
_PATIENCE: Final = ("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "2")


class OpenCVCamera(FrameReader):
    """A camera by its number."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__(name)
        self._number = number
        self._capture: Any = None

    def _open(self, stop: threading.Event) -> None:
        os.environ.setdefault(*_PATIENCE)
        import cv2

        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # what it would print is in our own sentences
        backend = {"linux": cv2.CAP_V4L2, "win32": cv2.CAP_DSHOW, "darwin": cv2.CAP_AVFOUNDATION}
        self._capture = capture = cv2.VideoCapture(self._number, backend.get(sys.platform, cv2.CAP_ANY))
        if not capture.isOpened():
            raise camera_problem(self._number, self.name)
        for name, value in (
            # Uncompressed, most cameras have no more than ten large frames a second on their cable.
            (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
            (cv2.CAP_PROP_FRAME_WIDTH, WIDTH),
            (cv2.CAP_PROP_FRAME_HEIGHT, HEIGHT),
            (cv2.CAP_PROP_FPS, RATE),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            if stop.is_set():  # each of them may begin the stream anew, and the first frame takes longest
                return
            capture.set(name, value)
        if not stop.is_set() and not capture.grab():  # another program may have the camera open, which shows only now
            raise camera_problem(self._number, self.name)

    def _grab(self, stop: threading.Event) -> tuple[NDArray[np.uint8], float | None] | None:
        import cv2

        for _ in range(_EMPTY_AT_MOST):
            if stop.is_set():
                return None
            good, image = self._capture.read()
            if good and image is not None and image.size:
                code = cv2.COLOR_GRAY2RGB if image.ndim == 2 else cv2.COLOR_BGR2RGB
                return cv2.cvtColor(image, code), None
        raise DeviceLost(lost(self.name))

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None
