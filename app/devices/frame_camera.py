"""What can be wrong with a camera, in sentences that say what to do."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Final

from app.devices.errors import DeviceError

_PERMISSION: Final = {
    "linux": "Add yourself to the group “video” (sudo usermod -aG video $USER), then log out and in again.",
    "darwin": "Allow it in System Settings, under Privacy & Security, Camera; then start Larimar again.",
    "win32": "Allow it in Settings, under Privacy & security, Camera.",
}


def absent(name: str) -> DeviceError:
    """Return the error for a camera that is not there."""
    return DeviceError(f"{name} is not there. Plug it in, or choose another one.")


def busy(name: str) -> DeviceError:
    """Return the error for a camera that somebody else has open."""
    return DeviceError(f"{name} is in use by another program. Close that one, then try again.")


def forbidden(name: str) -> DeviceError:
    """Return the error for a camera that we may not open."""
    how = _PERMISSION.get(sys.platform, "Allow it in the settings of your system.")
    return DeviceError(f"Larimar may not use {name}. {how}")


def lost(name: str) -> str:
    """Return the sentence for a camera that was there a moment ago."""
    return f"{name} is gone: it gives no more pictures. Plug it in again, or choose another one."


def camera_problem(number: int, name: str, folder: Path = Path("/dev")) -> DeviceError:
    """Return why camera ``number`` could not be opened by a library that does not say."""
    if sys.platform.startswith("linux"):
        node = folder / f"video{number}"
        if not node.exists():
            return absent(name)
        if not os.access(node, os.R_OK | os.W_OK):
            return forbidden(name)
        return busy(name)
    # The other systems do not tell.
    how = _PERMISSION.get(sys.platform, "")
    return DeviceError(f"{name} cannot be opened. Is it plugged in, and does no other program use it? {how}".strip())


def camera_error(error: OSError, name: str) -> DeviceError:
    """Return what an error of the system means for a camera."""
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return absent(name)
    if error.errno in (errno.EACCES, errno.EPERM):
        return forbidden(name)
    if error.errno in (errno.EBUSY, errno.EAGAIN):
        return busy(name)
    what = error.strerror or type(error).__name__
    return DeviceError(f"{name} cannot be opened ({what}). Unplug it and plug it in again, or choose another one.")
