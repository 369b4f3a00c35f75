"""Which cameras there are, by the names that people know."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from app.devices.errors import DeviceError
from app.devices.frame_file import FileFrameSource
from app.devices.frame_source import FrameSource

SOURCE_VARIABLE: Final = "LARIMAR_FRAME_SOURCE"
"""``file:PATH`` (or ``loop:PATH``, over and over) puts a video in the place of all cameras; for rehearsals."""
_NODES: Final = Path("/sys/class/video4linux")
_QUERY_CAPABILITIES: Final = 0x80685600
"""VIDIOC_QUERYCAP of Video4Linux, which answers in 104 bytes."""
_CAPTURES, _HAS_OWN_CAPABILITIES = 0x00000001, 0x80000000
_NUMBERS_TO_TRY: Final = 4
"""Where nobody lists cameras, so many numbers are offered."""


@dataclass(frozen=True, slots=True)
class FrameDevice:
    """Something that can be looked through."""

    kind: Literal["camera", "file", "loop"]
    address: str
    """A camera's number, path or name, or a file's path; the same as long as the device is plugged in."""
    name: str


def list_cameras() -> tuple[FrameDevice, ...]:
    """Return the cameras that are plugged in; takes milliseconds, so not for the GUI thread. Opens none of them."""
    kind, _, path = os.environ.get(SOURCE_VARIABLE, "").partition(":")
    if kind in ("file", "loop") and path:
        return (FrameDevice("file" if kind == "file" else "loop", path, Path(path).name),)
    if sys.platform.startswith("linux"):
        return linux_cameras()
    return _listed_by_ffmpeg()


def make_source(device: FrameDevice) -> FrameSource:
    """Return the source of a device, not opened yet."""
    if device.kind != "camera":
        return FileFrameSource(Path(device.address), loops=device.kind == "loop")
    number = re.fullmatch(r"(?:/dev/video)?(\d+)", device.address)
    if number is not None and importlib.util.find_spec("cv2") is not None:
        from app.devices.frame_opencv import OpenCVCamera

        return OpenCVCamera(int(number[1]), device.name)
    from app.devices.frame_ffmpeg import FFmpegCamera

    return FFmpegCamera(device.address, device.name)


def first_camera() -> FrameDevice:
    """Return the first camera.

    Raises:
        DeviceError: there is none.
    """
    cameras = list_cameras()
    if not cameras:
        raise DeviceError("No camera was found. Plug one in, then try again.")
    return cameras[0]


def linux_cameras(
    nodes: Path = _NODES, devices: Path = Path("/dev"), captures: Callable[[Path], bool] | None = None
) -> tuple[FrameDevice, ...]:
    """Return the cameras that Linux knows. Most have a second node, for data about the pictures, which is left out."""
    captures = captures or _captures
    found: list[FrameDevice] = []
    numbered = [(int(node.name[5:]), node) for node in nodes.glob("video*") if node.name[5:].isdigit()]
    for number, node in sorted(numbered):
        device = devices / f"video{number}"
        if captures(device):
            name = f"video{number}"
            with contextlib.suppress(OSError):
                name = (node / "name").read_text(encoding="utf-8", errors="replace").strip() or name
            # Many drivers say their product's name twice: “HD Webcam: HD Webcam”.
            first, colon, second = name.partition(": ")
            name = first if colon and second.startswith(first[: len(second)]) else name
            found.append(FrameDevice("camera", str(device), name))
    return _told_apart(found)


def _told_apart(devices: list[FrameDevice]) -> tuple[FrameDevice, ...]:
    """Number those that have the same name."""
    names = [device.name for device in devices]
    return tuple(
        FrameDevice(device.kind, device.address, f"{device.name} ({names[: place + 1].count(device.name)})")
        if names.count(device.name) > 1
        else device
        for place, device in enumerate(devices)
    )


def _captures(device: Path) -> bool:
    """Return whether a node of Video4Linux gives pictures; asking does not switch the camera on."""
    import fcntl

    try:
        file = os.open(device, os.O_RDWR | os.O_NONBLOCK)
    except PermissionError:
        return True  # it is listed, so that the sentence about permissions is said when it is chosen
    except OSError:
        return False
    try:
        answer = fcntl.ioctl(file, _QUERY_CAPABILITIES, bytes(104))
    except OSError:
        return False
    finally:
        os.close(file)
    whole, own = struct.unpack_from("=II", answer, 84)
    return bool((own if whole & _HAS_OWN_CAPABILITIES else whole) & _CAPTURES)


def _listed_by_ffmpeg() -> tuple[FrameDevice, ...]:
    """Return the cameras of Windows and macOS."""
    import av

    from app.devices.frame_ffmpeg import FORMAT

    opencv = importlib.util.find_spec("cv2") is not None
    try:
        listed = av.enumerate_input_devices(FORMAT)
    except (ValueError, OSError, AttributeError):
        if not opencv:
            return ()
        return tuple(FrameDevice("camera", str(number), f"{number + 1}") for number in range(_NUMBERS_TO_TRY))
    cameras = [device for device in listed if "video" in (device.media_types or ())]
    if sys.platform == "win32":
        # FFmpeg opens them by name, which cannot be mistaken as numbers can.
        return tuple(FrameDevice("camera", f"video={device.name}", device.description) for device in cameras)
    return tuple(FrameDevice("camera", device.name, device.description) for device in cameras)
