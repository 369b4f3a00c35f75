"""The computer's microphones, by PortAudio."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.devices.audio_ring import AudioRing
from app.devices.errors import DeviceError, DeviceLost
from inference.errors import MediaError
from inference.media.audio import MonoResampler

log = logging.getLogger(__name__)

_RING_SECONDS = 30.0  # a reader that is late by less loses nothing
_LATENCY = 0.06  # seconds; less only costs processor time here
_FIRST_SOUND = 8.0  # seconds; wireless headsets need some
_NEXT_SOUND = 1.5
"""Seconds without any sample, not even silence, after which a device counts as gone: drivers do not all say so."""
_CLOSING = 2.0  # seconds until a driver that does not end is left alone
_GAP = 0.3  # seconds without any sample after which something is wrong
_USUAL_RATES = (48_000, 44_100, 16_000, 96_000, 192_000, 32_000, 22_050, 8_000)

# PortAudio's error codes
_NO_DEVICE = -9996
_BAD_CHANNELS = -9998
_BAD_RATE = -9997
_UNAVAILABLE = -9985

_lock = threading.RLock()
"""PortAudio is started, ended and asked for devices by one thread at a time."""
_open_streams = 0
_quiet = 0
_stderr: list[int] = []  # where the standard error really goes, while it is sent to nowhere


@dataclass(frozen=True, slots=True)
class MicrophoneInfo:
    """A microphone that can be chosen."""

    name: str
    default: bool
    """Whether it is the one that the system prefers."""


def microphones() -> list[MicrophoneInfo]:
    """Return the microphones that are there now, the preferred one first; may take half a second.

    While one is recording, PortAudio cannot look again: what it saw before is returned.

    Raises:
        DeviceError: PortAudio is not installed.
    """
    with _lock:
        library = _library()
        _look_again(library)
        found = _inputs(library)
        preferred = _preferred(library)
    infos = [MicrophoneInfo(device["name"], device["index"] == preferred) for device in found]
    return sorted(infos, key=lambda info: not info.default)


class Microphone:
    """One microphone, see :class:`app.devices.audio_source.AudioSource`.

    Args:
        device: its name; empty for the one that the system prefers.
    """

    def __init__(self, device: str = "") -> None:
        self._wanted = device
        self._name = device
        self._stream: Any = None
        self._ring = AudioRing(1, 1)
        self._resampler = MonoResampler(16_000)
        self._ended = threading.Event()
        self._heard = False
        self._last = 0.0
        self._uneasy = False
        self._quiet = ExitStack()
        self.overflows = 0
        """How often the driver had to throw sound away, because the computer was too busy."""

    @property
    def name(self) -> str:
        """What the system calls it."""
        return self._name

    def open(self) -> None:
        """Begin to record, with a rate and a number of channels that the device can.

        Raises:
            DeviceError: PortAudio is not installed; there is no such device; it is busy, or not allowed.
        """
        global _open_streams
        with _lock:
            if self._stream is not None:
                return
            library = _library()
            _look_again(library)
            device = self._find(library)
            self._name = device["name"]
            self._ended.clear()
            self._stream = self._open(library, device)
            _open_streams += 1
        self._heard, self._last = False, time.monotonic()

    def read(self, timeout: float) -> NDArray[np.float32]:
        """Return what is new. Raises :class:`DeviceLost`."""
        block = self._ring.read(timeout)
        now = time.monotonic()
        if len(block):
            self._heard, self._last = True, now
            self._calm()
            try:
                return self._resampler.push(block)
            except MediaError:  # samples that are no numbers: the driver is out of order
                return np.zeros(0, np.float32)
        if not self._uneasy and now - self._last > _GAP:
            self._uneasy = True
            self._quiet.enter_context(_quiet_drivers())
        patience = _NEXT_SOUND if self._heard else _FIRST_SOUND
        if self._stream is not None and (self._ended.is_set() or now - self._last > patience):
            rest, self._resampler = self._resampler.finish(), MonoResampler(16_000)
            if len(rest):
                return rest
            raise DeviceLost(f"The microphone “{self._name}” is gone: it was unplugged, switched off or taken over.")
        return np.zeros(0, np.float32)

    def close(self) -> None:
        """Let the device go."""
        with _lock:
            stream, self._stream = self._stream, None
        if stream is None:
            return
        # A driver whose sound server has died may never come back from this.
        ending = threading.Thread(target=_end_stream, args=[stream], name="larimar-microphone-end", daemon=True)
        ending.start()
        ending.join(_CLOSING)
        if ending.is_alive():
            log.warning("The microphone's driver does not end")
        self._ring.wake()
        self._calm()
        if self.overflows:
            log.warning("The microphone's driver lost sound %d times", self.overflows)

    def _calm(self) -> None:
        self._uneasy = False
        self._quiet.close()

    def _find(self, library: Any) -> Any:
        devices = _inputs(library)
        if not devices:
            raise DeviceError("There is no microphone. Plug one in, or switch it on in the system's sound settings.")
        if self._wanted:
            for device in devices:
                if device["name"] == self._wanted:
                    return device
            raise DeviceError(f"The microphone “{self._wanted}” is not there. Plug it in, or choose another one.")
        preferred = _preferred(library)
        return next((device for device in devices if device["index"] == preferred), devices[0])

    def _open(self, library: Any, device: Any) -> Any:
        rates = dict.fromkeys([round(device["default_samplerate"]) or _USUAL_RATES[0], *_USUAL_RATES])
        most = max(1, int(device["max_input_channels"]))
        channels = dict.fromkeys([1, min(2, most), min(8, most), most])
        refusal: Exception | None = None
        for rate in rates:
            for count in channels:
                try:
                    with _quiet_drivers():
                        return self._start(library, device["index"], rate, count)
                except library.PortAudioError as error:
                    refusal = error
                    if _code(error) not in (_BAD_RATE, _BAD_CHANNELS):
                        raise DeviceError(_sentence(error, device["name"])) from error
        raise DeviceError(
            f"The microphone “{device['name']}” offers no kind of sound that Larimar can use. Choose another one."
        ) from refusal

    def _start(self, library: Any, index: int, rate: int, channels: int) -> Any:
        # The converter of Windows is asked for, since there a device knows one rate and one number of channels only.
        settings = library.WasapiSettings(auto_convert=True) if sys.platform == "win32" else None
        ring = AudioRing(int(_RING_SECONDS * rate), channels)

        def copy(block: Any, _frames: int, _time: Any, status: Any) -> None:
            ring.write(block)
            if status and status.input_overflow:
                self.overflows += 1

        stream = library.InputStream(
            samplerate=rate,
            channels=channels,
            device=index,
            dtype="float32",
            latency=_LATENCY,
            callback=copy,
            finished_callback=self._ended.set,
            extra_settings=settings,
        )
        try:
            stream.start()
        except BaseException:
            stream.close(ignore_errors=True)
            self._ended.clear()
            raise
        self._ring, self._resampler = ring, MonoResampler(rate)
        log.debug("Recording at %d Hz, %d channels", rate, channels)
        return stream


def _end_stream(stream: Any) -> None:
    global _open_streams
    try:
        stream.abort(ignore_errors=True)
        stream.close(ignore_errors=True)
    except BaseException as error:  # a device that is gone may complain about anything
        log.debug("Closing the microphone: %s", type(error).__name__)
    with _lock:
        _open_streams -= 1


def _library() -> Any:
    """Return sounddevice. Raises :class:`DeviceError` when PortAudio or it is missing."""
    try:
        with _quiet_drivers():  # it starts PortAudio when it is imported
            import sounddevice
    except (OSError, ImportError) as error:
        advice = " Install it (on Debian and Ubuntu: apt install libportaudio2), then try again."
        raise DeviceError(
            "The microphone cannot be used, because the library PortAudio is not installed."
            + (advice if sys.platform.startswith("linux") else " Install Larimar again.")
        ) from error
    return sounddevice


def _look_again(library: Any) -> None:
    """Let PortAudio see what was plugged in or pulled out since it was started."""
    if _open_streams:
        return
    with _portaudio_errors(), _quiet_drivers():
        library._terminate()
        library._initialize()


def _inputs(library: Any) -> list[Any]:
    with _portaudio_errors():
        devices = [device for device in library.query_devices() if device["max_input_channels"] > 0]
        interfaces = library.query_hostapis()
    # Windows lists each device under several interfaces; the newest one gives whole names.
    best = [number for number, interface in enumerate(interfaces) if interface["name"] == "Windows WASAPI"]
    return [device for device in devices if not best or device["hostapi"] in best]


def _preferred(library: Any) -> int:
    """Return the index of the device that the system prefers; -1 for none."""
    with _portaudio_errors():
        interfaces = library.query_hostapis()
        for interface in interfaces:
            if interface["name"] == "Windows WASAPI":
                return int(interface["default_input_device"])
        return int(library.default.device[0])
    return -1


@contextmanager
def _quiet_drivers() -> Iterator[None]:
    """Keep what C libraries write to the standard error out of the terminal.

    ALSA tells of every device that it cannot find, and PortAudio, when the sound server has died, the same thing a
    million times a second.
    """
    global _quiet
    with _lock:
        _quiet += 1
        if _quiet == 1 and not sys.platform.startswith("win"):
            _stderr[:] = _to_nowhere()
    try:
        yield
    finally:
        with _lock:
            _quiet -= 1
            if not _quiet and _stderr:
                os.dup2(_stderr[0], 2)
                os.close(_stderr.pop())


def _to_nowhere() -> list[int]:
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        return []
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    return [kept]


@contextmanager
def _portaudio_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if type(error).__name__ != "PortAudioError":
            raise
        raise DeviceError(_sentence(error, "")) from error


def _code(error: Exception) -> int:
    return error.args[1] if len(error.args) > 1 and isinstance(error.args[1], int) else 0


def _sentence(error: Exception, name: str) -> str:
    subject = f"The microphone “{name}”" if name else "The microphone"
    if _code(error) == _UNAVAILABLE:
        return f"{subject} is in use by another program. Close that program, or choose another microphone."
    if _code(error) == _NO_DEVICE:
        return f"{subject} is not there any more. Plug it in, or choose another one."
    return (
        f"{subject} cannot be opened ({error.args[0] if error.args else error}). See whether the system lets programs "
        "record, and whether another program uses it."
    )
