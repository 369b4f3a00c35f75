"""Sources of frames: a file in real time, a camera that hangs, is busy, absent or pulled out, and the screen."""

from __future__ import annotations

import errno
import struct
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtGui import QGuiApplication, QImage
from pytestqt.qtbot import QtBot

from app.devices import frame_camera, frame_devices, frame_ffmpeg
from app.devices.errors import DeviceError, DeviceLost
from app.devices.frame_devices import SOURCE_VARIABLE, first_camera, linux_cameras, list_cameras, make_source
from app.devices.frame_feed import FrameFeed
from app.devices.frame_ffmpeg import FFmpegCamera
from app.devices.frame_file import FileFrameSource
from app.devices.frame_opencv import OpenCVCamera
from app.devices.frame_reader import FrameReader
from app.devices.frame_screen import ScreenFrameSource
from app.devices.frame_source import Frame, FrameSource
from app.pictures import qimage_of, rgb_of
from gui.scenes import film, scene
from inference.media.image_encoding import png_of

WAIT = 5.0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fifth of a second of red, then as much of blue, at 30 frames a second."""
    return film(
        tmp_path_factory.mktemp("film") / "clip.mp4", [(scene("circle", "red"), 0.2), (scene("square", "blue"), 0.2)]
    )


class Scripted(FrameReader):
    """A camera that does what a test says."""

    def __init__(self, grab: Callable[[threading.Event], object], opens: Exception | None = None) -> None:
        super().__init__("Test camera", open_seconds=0.2)
        self.grab, self.opens = grab, opens
        self.releases = 0

    def _open(self, stop: threading.Event) -> None:
        if self.opens is not None:
            raise self.opens

    def _grab(self, stop: threading.Event) -> tuple[NDArray[np.uint8], float | None] | None:
        return self.grab(stop)  # type: ignore[return-value]

    def _release(self) -> None:
        self.releases += 1


def picture(value: int = 0) -> NDArray[np.uint8]:
    return np.full((4, 6, 3), value, np.uint8)


def read_on(source: FrameSource, seen: list[Frame] | None = None) -> None:
    """Read until there is an error."""
    while True:
        frame = source.read(WAIT)
        assert frame is not None
        if seen is not None:
            seen.append(frame)


def test_a_file_plays_with_its_times_and_then_is_gone(clip: Path) -> None:
    source = FileFrameSource(clip)
    source.open()
    seen: list[Frame] = []
    with pytest.raises(DeviceLost, match=r"“clip\.mp4” has ended"):
        read_on(source, seen)
    source.close()
    times = [frame.time for frame in seen]
    assert times == sorted(times)
    assert 0.2 <= times[-1] <= 12 / 30, "in the second scene; a slow machine passes over some frames"
    assert not seen[0].image.flags.writeable
    assert seen[0].size == (640, 480)
    red, blue = seen[0].image[240, 320], seen[-1].image[240, 320]
    assert red[0] > 200 > red[2] + 100
    assert blue[2] > 200 > blue[0] + 100


def test_a_file_may_play_over_and_over(clip: Path) -> None:
    source = make_source(frame_devices.FrameDevice("loop", str(clip), "clip"))
    source.open()
    times = [0.0]
    while times[-1] < 0.5:
        frame = source.read(WAIT)
        assert frame is not None
        times.append(frame.time)
    source.close()
    assert times == sorted(times)


def test_what_is_no_video_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    for name in ("a.mp4", "missing.mp4"):
        source = FileFrameSource(tmp_path / name)
        with pytest.raises(DeviceError, match=name):
            source.open()
        assert source.released


def test_only_the_newest_frame_is_kept() -> None:
    numbers = iter(range(100))
    ready = threading.Event()

    def grab(stop: threading.Event) -> object:
        number = next(numbers)
        if number == 50:
            ready.set()
            stop.wait(WAIT)
            return None
        return picture(number), float(number)

    source = Scripted(grab)
    source.open()
    assert ready.wait(WAIT)
    frame = source.read(WAIT)
    assert frame is not None
    assert frame.time == 49.0
    assert source.read(0.0) is None
    source.close()
    assert source.releases == 1


def test_closing_ends_a_read_and_does_not_wait_for_a_driver_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    release, first = threading.Event(), iter([True])

    def grab(stop: threading.Event) -> object:
        if next(first, False):
            return picture(), 0.0
        release.wait(WAIT)  # a driver knows nothing of our event
        return None

    source = Scripted(grab)
    source.open()
    assert source.read(WAIT) is not None
    closer = threading.Timer(0.02, source.close)
    closer.start()
    assert source.read(WAIT) is None, "closing lets the reader go"
    closer.join()
    assert not source.released, "the driver still has it"
    with pytest.raises(DeviceError, match="not been given back"):
        source.open()
    release.set()
    assert source._released.wait(WAIT)
    assert source.releases == 1
    assert "does not answer" in caplog.text


def test_a_camera_that_gives_no_picture_is_given_up() -> None:
    source = Scripted(lambda stop: stop.wait(WAIT) and None)
    with pytest.raises(DeviceError, match="gives no picture"):
        source.open()
    assert source._released.wait(WAIT)


def test_errors_before_and_after_the_first_frame(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(DeviceError, match="is in use by another program"):
        Scripted(lambda _: None, frame_camera.busy("Test camera")).open()

    frames = iter([(picture(), 0.0)])

    def grab(_: threading.Event) -> object:
        try:
            return next(frames)
        except StopIteration:
            raise ValueError("what a driver may raise") from None

    source = Scripted(grab)
    source.open()
    assert source.read(WAIT) is not None
    with pytest.raises(DeviceLost, match="Test camera stopped working"):
        source.read(WAIT)
    source.close()
    assert source.releases == 1
    assert "Unexpected in Test camera" in caplog.text


@pytest.mark.parametrize(
    "make", [lambda: OpenCVCamera(63, "HD Webcam"), lambda: FFmpegCamera("/dev/video63", "HD Webcam")]
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the other systems do not tell")
def test_an_absent_camera_is_said_to_be_absent(make: Callable[[], FrameReader]) -> None:
    source = make()
    with pytest.raises(DeviceError, match=r"HD Webcam is not there\. Plug it in"):
        source.open()
    assert source.released


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.EBUSY, "in use by another program"),
        (errno.EACCES, "may not use"),
        (errno.ENODEV, "not there"),
        (71, "cannot be opened"),
    ],
)
def test_ffmpeg_says_what_the_system_says(number: int, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "from the driver")

    monkeypatch.setattr("av.open", refuse)
    monkeypatch.setattr(frame_ffmpeg, "FORMAT", "lavfi")  # a format that FFmpeg has everywhere
    with pytest.raises(DeviceError, match=sentence):
        FFmpegCamera("0", "HD Webcam").open()


def test_ffmpeg_asks_for_less_where_a_camera_has_less_and_notices_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Through a device of FFmpeg's that is on every machine, since no camera is."""
    import av

    asked: list[dict[str, str]] = []
    really_open = av.open

    def open_device(address: str, format: str, options: dict[str, str], timeout: object) -> object:  # noqa: A002
        asked.append(options)
        if options:
            raise OSError(errno.EINVAL, "Invalid argument")
        return really_open(address, format=format, options=options, timeout=timeout)

    monkeypatch.setattr("av.open", open_device)
    monkeypatch.setattr(frame_ffmpeg, "FORMAT", "lavfi")
    source = FFmpegCamera("testsrc=size=64x48:rate=10:duration=0.3", "HD Webcam")
    source.open()
    assert asked[-1] == {}
    frame = source.read(WAIT)
    assert frame is not None
    assert frame.size == (64, 48)
    with pytest.raises(DeviceLost, match="HD Webcam is gone"):
        read_on(source)
    source.close()
    assert source.released


class FakeCapture:
    """OpenCV's camera, as far as we use it."""

    def __init__(self, opened: bool = True, grabs: bool = True, frames: int = 3) -> None:
        self.opened, self.grabs, self.frames = opened, grabs, frames
        self.settings: dict[int, float] = {}
        self.released = False

    def isOpened(self) -> bool:
        return self.opened

    def set(self, name: int, value: float) -> bool:
        self.settings[name] = value
        return True

    def grab(self) -> bool:
        return self.grabs

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        self.frames -= 1
        return (
            (True, np.dstack([picture(10), picture(20), picture(30)])[:, :, [0, 3, 6]])
            if self.frames >= 0
            else (False, None)
        )

    def release(self) -> None:
        self.released = True


def test_opencv_gives_rgb_until_the_camera_is_pulled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    capture = FakeCapture()
    monkeypatch.setattr("cv2.VideoCapture", lambda *_: capture)
    source = OpenCVCamera(0, "HD Webcam")
    source.open()
    frame = source.read(WAIT)
    assert frame is not None
    assert frame.image[0, 0].tolist() == [30, 20, 10]
    with pytest.raises(DeviceLost, match="HD Webcam is gone"):
        read_on(source)
    source.close()
    assert capture.released


def test_a_camera_that_is_wanted_back_while_it_is_opened_is_not_opened_to_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    capture = FakeCapture()
    source = OpenCVCamera(0, "HD Webcam")

    def first_setting(name: int, value: float) -> bool:
        source.interrupt()
        return FakeCapture.set(capture, name, value)

    monkeypatch.setattr(capture, "set", first_setting)
    monkeypatch.setattr(capture, "grab", lambda: pytest.fail("a first frame takes longest"))
    monkeypatch.setattr("cv2.VideoCapture", lambda *_: capture)
    source.open()
    source.close()
    assert source._released.wait(WAIT)
    assert len(capture.settings) == 1
    assert capture.released


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the other systems do not tell")
def test_opencv_tells_busy_from_forbidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "video3").touch()
    assert "in use by another program" in str(frame_camera.camera_problem(3, "HD Webcam", tmp_path))
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "group “video”" in str(frame_camera.camera_problem(3, "HD Webcam", tmp_path))
    monkeypatch.setattr("cv2.VideoCapture", lambda *_: FakeCapture(grabs=False))
    with pytest.raises(DeviceError, match="HD Webcam"):
        OpenCVCamera(3, "HD Webcam").open()


def test_linux_lists_cameras_by_name(tmp_path: Path) -> None:
    for number, name in {
        0: "HD Webcam: HD Webcam\n",
        1: "HD Webcam: HD Webcam\n",
        2: "Desk camera\n",
        10: "HD Webcam",
    }.items():
        (tmp_path / f"video{number}").mkdir()
        (tmp_path / f"video{number}" / "name").write_text(name)
    found = linux_cameras(tmp_path, Path("/dev"), captures=lambda node: node.name != "video1")
    assert [(device.address, device.name) for device in found] == [
        ("/dev/video0", "HD Webcam (1)"),
        ("/dev/video2", "Desk camera"),
        ("/dev/video10", "HD Webcam (2)"),
    ]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Video4Linux")
@pytest.mark.parametrize(
    ("whole", "own", "captures"), [(0x84A00001, 0x04200001, True), (0x84A00001, 0x04A00000, False), (0x01, 0, True)]
)
def test_nodes_for_metadata_are_no_cameras(
    whole: int, own: int, captures: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "video0").touch()

    def answer(_file: int, _request: int, room: bytes) -> bytes:
        return struct.pack("=84x2I12x", whole, own).ljust(len(room), b"\0")

    monkeypatch.setattr("fcntl.ioctl", answer)
    assert frame_devices._captures(tmp_path / "video0") is captures
    assert not frame_devices._captures(tmp_path / "video1")


def test_ffmpeg_lists_cameras_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        SimpleNamespace(name="@device_pnp_1", description="HD Webcam", media_types=["video"]),
        SimpleNamespace(name="@device_cm_1", description="Microphone", media_types=["audio"]),
    ]
    monkeypatch.delenv(SOURCE_VARIABLE, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr("av.enumerate_input_devices", lambda _: listed)
    (device,) = list_cameras()
    assert (device.address, device.name) == ("video=@device_pnp_1", "HD Webcam")
    assert isinstance(make_source(device), FFmpegCamera)


def test_a_video_may_stand_in_for_the_camera(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOURCE_VARIABLE, f"file:{clip}")
    assert first_camera().name == "clip.mp4"
    assert isinstance(make_source(first_camera()), FileFrameSource)
    monkeypatch.delenv(SOURCE_VARIABLE)
    monkeypatch.setattr(frame_devices, "list_cameras", lambda: ())
    with pytest.raises(DeviceError, match="No camera was found"):
        first_camera()


# --- on the way to the window ---


@pytest.fixture
def feed(qtbot: QtBot) -> Iterator[FrameFeed]:
    feed = FrameFeed()
    yield feed
    feed.shut_down()


def test_the_feed_tells_of_frames_and_gives_the_device_back(feed: FrameFeed, clip: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignals([feed.opened, feed.arrived], order="strict"):
        feed.start(FileFrameSource(clip, loops=True))
    assert feed.newest is not None
    with qtbot.waitSignal(feed.closed):
        feed.stop()
    assert not feed.live
    assert feed.newest is None


def test_the_feed_says_why_there_is_nothing(feed: FrameFeed, tmp_path: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(feed.closed), qtbot.waitSignal(feed.failed) as failed:
        feed.start(FileFrameSource(tmp_path / "none.mp4"))
    assert "none.mp4" in failed.args[0]
    assert not feed.live


def test_the_feed_says_when_the_camera_is_lost(feed: FrameFeed, clip: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(feed.closed), qtbot.waitSignal(feed.failed) as failed:
        feed.start(FileFrameSource(clip))
    assert "has ended" in failed.args[0]


def test_another_source_waits_until_the_first_is_closed(feed: FrameFeed, clip: Path, qtbot: QtBot) -> None:
    numbers = iter(range(1000))

    def grab(stop: threading.Event) -> object:
        stop.wait(0.01)
        return picture(7), float(next(numbers))

    first = Scripted(grab)
    with qtbot.waitSignal(feed.arrived):
        feed.start(first)
    with qtbot.waitSignal(feed.closed):
        feed.start(FileFrameSource(clip, loops=True))
    assert first.released
    qtbot.waitUntil(lambda: feed.newest is not None)
    assert feed.newest is not None
    assert feed.newest.size == (640, 480)


def test_stopping_while_the_camera_has_not_begun(feed: FrameFeed, qtbot: QtBot) -> None:
    source = Scripted(lambda stop: stop.wait(WAIT) and None)
    source._open_seconds = WAIT
    feed.start(source)
    told: list[str] = []
    feed.opened.connect(lambda: told.append("opened"))
    feed.failed.connect(told.append)
    with qtbot.waitSignal(feed.closed):
        feed.stop()
    assert told == []


# --- the screen, and pictures in general ---


def test_the_screen_is_a_source(feed: FrameFeed, qtbot: QtBot) -> None:
    screen = QGuiApplication.primaryScreen()
    source = ScreenFrameSource(screen)
    with qtbot.waitSignal(feed.arrived):
        feed.start(source)
    assert feed.newest is not None
    ratio = screen.devicePixelRatio()
    assert feed.newest.size == (screen.size().width() * ratio, screen.size().height() * ratio)
    with qtbot.waitSignal(feed.closed):
        feed.stop()
    assert source.released


def test_the_screen_of_wayland_is_refused(monkeypatch: pytest.MonkeyPatch, qtbot: QtBot) -> None:
    monkeypatch.setattr("app.devices.frame_screen.wayland", lambda: True)
    with pytest.raises(DeviceError, match="On Wayland"):
        ScreenFrameSource(QGuiApplication.primaryScreen()).open()


def test_pixels_survive_the_way_through_qt_and_a_file() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)  # rows that Qt has to pad
    assert np.array_equal(rgb_of(qimage_of(pixels)), pixels)
    again = QImage.fromData(png_of(pixels))
    assert np.array_equal(rgb_of(again), pixels)


def test_a_picture_of_qt_keeps_its_pixels_alive() -> None:
    image = qimage_of(picture(99))  # the array has no other owner
    assert image.pixelColor(5, 3).red() == 99
