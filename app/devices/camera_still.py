"""One picture of the camera, for programs without a window. No Qt here."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.devices.errors import DeviceError
from app.devices.frame_devices import first_camera, make_source

SETTLE_SECONDS: Final = 0.7
"""So long cameras take to find the right exposure; their first pictures are dark or green."""
_READ_SECONDS: Final = 5.0


def camera_still() -> NDArray[np.uint8]:
    """Switch the first camera on, take a picture and switch it off; uint8 [height, width, 3], RGB.

    Raises:
        DeviceError: there is no camera, or it gives no picture.
    """
    source = make_source(first_camera())
    try:
        source.open()
        end = time.monotonic() + SETTLE_SECONDS
        while True:
            frame = source.read(_READ_SECONDS)
            if frame is None:
                raise DeviceError(f"{source.name} gives no picture. Close other programs that use it, then try again.")
            if time.monotonic() >= end:
                return frame.image
    finally:
        source.close()
