"""Microphones: every rate and number of channels, and everything that can be wrong with them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.devices import audio_microphone
from app.devices.audio_file import FileAudioSource
from app.devices.audio_microphone import Microphone, microphones
from app.devices.audio_ring import AudioRing
from app.devices.audio_source import VARIABLE, audio_source
from app.devices.errors import DeviceError, DeviceLost
from inference.transcription import Speech


class PortAudioError(Exception):
    pass


class FakeSoundDevice:
    """Stands in for the module: devices that take certain rates and channels only."""

    PortAudioError = PortAudioError

    def __init__(self) -> None:
        self.devices: list[dict[str, Any]] = []
        self.accepts: Callable[[int, int], bool] = lambda rate, channels: True
        self.fails: PortAudioError | None = None
        self.streams: list[Any] = []
        self.looked = 0
        self.default = SimpleNamespace(device=[0, 0])

    def add(self, name: str, rate: float = 48_000, channels: int = 2) -> None:
        self.devices.append(
            {
                "index": len(self.devices),
                "name": name,
                "hostapi": 0,
                "max_input_channels": channels,
                "default_samplerate": rate,
            }
        )

    def _initialize(self) -> None:
        self.looked += 1

    def _terminate(self) -> None:
        pass

    def query_devices(self) -> list[dict[str, Any]]:
        return self.devices

    def query_hostapis(self) -> list[dict[str, Any]]:
        return [{"name": "ALSA", "default_input_device": self.default.device[0]}]

    def InputStream(self, **options: Any) -> Any:
        if self.fails is not None:
            raise self.fails
        if not self.accepts(options["samplerate"], options["channels"]):
            raise PortAudioError("Invalid sample rate", -9997)
        closed: list[bool] = []
        stream = SimpleNamespace(
            options=SimpleNamespace(**options),
            closed=closed,
            start=lambda: None,
            abort=lambda ignore_errors=True: None,
            close=lambda ignore_errors=True: closed.append(True),
        )
        self.streams.append(stream)
        return stream

    def record(self, samples: NDArray[np.float32], *, overflow: bool = False) -> None:
        """Call back as PortAudio does, with blocks in one and the same memory."""
        callback = self.streams[-1].options.callback
        buffer = np.zeros((480, samples.shape[1]), np.float32)
        for start in range(0, len(samples), 480):
            block = samples[start : start + 480]
            buffer[: len(block)] = block
            callback(buffer[: len(block)], len(block), None, SimpleNamespace(input_overflow=overflow))


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    fake = FakeSoundDevice()
    monkeypatch.setitem(__import__("sys").modules, "sounddevice", fake)
    monkeypatch.setattr(audio_microphone, "_open_streams", 0)
    return fake


def tone(rate: int, seconds: float, hertz: float = 440.0) -> NDArray[np.float32]:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_every_rate_and_number_of_channels(library: FakeSoundDevice, rate: int, channels: int) -> None:
    library.add("Interface", rate, channels)
    library.accepts = lambda wanted, count: (wanted, count) == (rate, channels)
    microphone = Microphone()
    microphone.open()
    library.record(np.repeat(tone(rate, 1.0)[:, None], channels, axis=1))
    heard = np.concatenate([microphone.read(0.01) for _ in range(2)])
    microphone.close()
    assert heard.dtype == np.float32
    assert 14_500 < len(heard) <= 16_000, "the resampler holds back a little"
    middle = heard[2_000:14_000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(np.argmax(spectrum) * 16_000 / len(middle) - 440) < 3
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


def test_the_default_rate_is_preferred_and_others_are_tried(library: FakeSoundDevice) -> None:
    library.add("USB", 44_100, 1)
    microphone = Microphone()
    microphone.open()
    assert library.streams[0].options.samplerate == 44_100
    microphone.close()
    library.accepts = lambda rate, channels: rate == 32_000 and channels == 1
    microphone.open()
    assert library.streams[-1].options.samplerate == 32_000
    microphone.close()
    assert library.streams[-1].closed


def test_no_kind_of_sound_fits(library: FakeSoundDevice) -> None:
    library.add("Odd one")
    library.accepts = lambda rate, channels: False
    with pytest.raises(DeviceError, match="“Odd one” offers no kind of sound"):
        Microphone().open()


def test_portaudio_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Missing:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    import sys

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Missing(), *sys.meta_path])
    with pytest.raises(DeviceError, match="PortAudio is not installed"):
        Microphone().open()
    with pytest.raises(DeviceError, match="PortAudio is not installed"):
        microphones()


def test_there_is_no_microphone(library: FakeSoundDevice) -> None:
    with pytest.raises(DeviceError, match="There is no microphone"):
        Microphone().open()
    library.add("Loudspeaker", channels=0)
    assert microphones() == []
    library.add("USB")
    with pytest.raises(DeviceError, match="“Studio” is not there"):
        Microphone("Studio").open()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PortAudioError("Device unavailable", -9985), "in use by another program"),
        (PortAudioError("Invalid device", -9996), "not there any more"),
        (PortAudioError("Unanticipated host error", -9999), "Unanticipated host error"),
    ],
)
def test_what_portaudio_refuses_is_a_sentence(library: FakeSoundDevice, error: PortAudioError, words: str) -> None:
    library.add("USB")
    library.fails = error
    with pytest.raises(DeviceError, match=words):
        Microphone().open()
    library.fails = None
    microphone = Microphone()
    microphone.open()
    microphone.close()


def test_a_device_that_ends_is_lost_after_its_last_sound_was_read(library: FakeSoundDevice) -> None:
    library.add("USB", 16_000, 1)
    microphone = Microphone()
    microphone.open()
    library.record(tone(16_000, 0.3)[:, None])
    library.streams[-1].options.finished_callback()
    assert len(microphone.read(0.01)) == 4_800
    with pytest.raises(DeviceLost, match="“USB” is gone"):
        microphone.read(0.01)
    microphone.close()
    microphone.close()


def test_what_the_resampler_holds_back_is_not_lost(library: FakeSoundDevice) -> None:
    library.add("USB", 8_000, 1)
    microphone = Microphone()
    microphone.open()
    library.record(tone(8_000, 0.5)[:, None])
    library.streams[-1].options.finished_callback()
    assert len(microphone.read(0.01)) + len(microphone.read(0.01)) == 8_000
    with pytest.raises(DeviceLost):
        microphone.read(0.01)
    microphone.close()


def test_a_device_that_falls_silent_is_lost(library: FakeSoundDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    library.add("USB", 16_000, 1)
    now = [100.0]
    monkeypatch.setattr(audio_microphone, "time", SimpleNamespace(monotonic=lambda: now[0]))
    microphone = Microphone()
    microphone.open()
    library.record(tone(16_000, 0.1)[:, None])
    assert len(microphone.read(0.01))
    now[0] += 1.0
    assert not len(microphone.read(0.0))
    now[0] += 1.0
    with pytest.raises(DeviceLost):
        microphone.read(0.0)
    microphone.close()


def test_overflows_are_counted_and_the_list_is_fresh_unless_something_records(library: FakeSoundDevice) -> None:
    library.add("USB", 16_000, 1)
    library.add("Webcam", 16_000, 1)
    library.default.device = [1, 0]
    assert [(each.name, each.default) for each in microphones()] == [("Webcam", True), ("USB", False)]
    looked = library.looked
    microphone = Microphone("USB")
    microphone.open()
    assert microphone.name == "USB"
    library.record(tone(16_000, 0.1)[:, None], overflow=True)
    assert microphone.overflows == 4
    assert library.looked == looked + 1
    microphones()
    assert library.looked == looked + 1, "PortAudio may not be started again while it records"
    microphone.close()
    microphones()
    assert library.looked == looked + 2


def test_the_ring_keeps_order_over_its_end_and_counts_what_is_lost() -> None:
    ring = AudioRing(10, 2)
    numbers = np.arange(60, dtype=np.float32).reshape(30, 2)
    ring.write(numbers[:7])
    np.testing.assert_array_equal(ring.read(0), numbers[:7])
    ring.write(numbers[7:12])
    ring.write(numbers[12:15])
    np.testing.assert_array_equal(ring.read(0), numbers[7:15])
    assert ring.lost == 0
    ring.write(numbers[15:])
    np.testing.assert_array_equal(ring.read(0), numbers[20:])
    assert ring.lost == 5
    assert ring.read(0).shape == (0, 2)


def test_the_ring_loses_nothing_between_threads() -> None:
    ring = AudioRing(4_096, 1)
    total = 200_000
    room = threading.Semaphore(4)

    def write() -> None:
        for start in range(0, total, 1_000):
            room.acquire()
            ring.write(np.arange(start, start + 1_000, dtype=np.float32)[:, None])

    writer = threading.Thread(target=write)
    writer.start()
    got = np.zeros((0, 1), np.float32)
    while len(got) < total:
        block = ring.read(1.0)
        got = np.concatenate([got, block])
        for _ in range(len(block) // 1_000):
            room.release()
    writer.join()
    np.testing.assert_array_equal(got[:, 0], np.arange(total))
    assert ring.lost == 0


def wav(path: Path, seconds: float) -> Path:
    content = Speech(0, 0, tone(16_000, seconds)).recording.source
    assert isinstance(content, bytes)
    path.write_bytes(content)
    return path


def test_a_file_stands_in_for_a_microphone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = wav(tmp_path / "speech.wav", 0.2)
    monkeypatch.setenv(VARIABLE, f"file:{path}")
    source = audio_source("whatever")
    assert source.name == "speech.wav"
    source.open()
    begun = time.monotonic()
    blocks = [source.read(1.0) for _ in range(12)]
    assert time.monotonic() - begun > 0.2, "a microphone is not faster than time"
    heard = np.concatenate(blocks)
    np.testing.assert_allclose(heard[:3_200], tone(16_000, 0.2), atol=1e-4)
    assert not heard[3_200:].any(), "then it is silent"
    source.close()
    monkeypatch.setenv(VARIABLE, "nonsense")
    with pytest.raises(DeviceError, match="names no source"):
        audio_source()
    with pytest.raises(DeviceError, match="There is no file"):
        FileAudioSource(tmp_path / "none.wav").open()
    pulled = FileAudioSource(path, speed=float("inf"), lost_after=0.1)
    pulled.open()
    assert sum(len(pulled.read(1.0)) for _ in range(5)) == 1_600
    with pytest.raises(DeviceLost):
        pulled.read(1.0)
