"""Where moving pictures come from: a camera, the screen, or a file that plays in real time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A still of a source."""

    image: NDArray[np.uint8]
    """uint8 [height, width, 3], RGB, contiguous; nobody writes to it any more."""
    time: float
    """Seconds since the source was opened; in a file, of its playing time."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]


class FrameSource(Protocol):
    """Something that gives frames. One thread opens and reads it; any thread may close it."""

    @property
    def name(self) -> str:
        """What the user calls it."""

    def open(self) -> None:
        """Begin; blocks until the first frame is there.

        Raises:
            DeviceError: it is absent, busy, may not be used, or gives no picture. The sentence says which.
        """

    def read(self, timeout: float) -> Frame | None:
        """Return the newest frame that was not read yet, waiting for it; ``None`` after ``timeout`` seconds, or when
        the source is closed.

        Raises:
            DeviceLost: it is gone, or its file has ended.
        """

    def interrupt(self) -> None:
        """Begin to close and return at once; ends an ``open`` or ``read`` that waits on another thread."""

    def close(self) -> None:
        """Give the device back; returns within 200 ms, also while another thread reads. May be called again."""
