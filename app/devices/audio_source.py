"""Where sound comes from: what every source offers, and which one is used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.devices.errors import DeviceError

VARIABLE = "LARIMAR_AUDIO_SOURCE"
"""Environment variable for tests and demonstrations: ``file:PATH`` lets a recording stand in for the microphone."""


class AudioSource(Protocol):
    """A microphone, or what stands in for one. All methods are for one thread, but :meth:`close` is for any."""

    @property
    def name(self) -> str:
        """What to call it."""

    def open(self) -> None:
        """Begin to record.

        Raises:
            DeviceError: it cannot be used; the sentence says why and what to do.
        """

    def read(self, timeout: float) -> NDArray[np.float32]:
        """Return what was recorded since the last call, float32 [n], 16 kHz mono; empty after ``timeout`` seconds.

        Raises:
            DeviceLost: the device is gone. All that it gave before was returned by earlier calls.
        """

    def close(self) -> None:
        """Stop recording and let the device go; idempotent."""


def audio_source(device: str = "") -> AudioSource:
    """Return the source to record from: the microphone called ``device``, or the system's for an empty name.

    Raises:
        DeviceError: the environment asks for a source that there is not.
    """
    wanted = os.environ.get(VARIABLE, "")
    if wanted:
        from app.devices.audio_file import FileAudioSource

        kind, _, path = wanted.partition(":")
        if kind != "file" or not path:
            raise DeviceError(f"{VARIABLE} is “{wanted}”, which names no source; write file: and the path of a file.")
        return FileAudioSource(Path(path))
    from app.devices.audio_microphone import Microphone

    return Microphone(device)
