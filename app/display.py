"""Whether a window can be opened here, found out without starting Qt: Qt ends the process when it cannot."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import socket
import sys
from pathlib import Path

DEBIAN_PACKAGES = (
    "libglib2.0-0",
    "libegl1",
    "libgl1",
    "libdbus-1-3",
    "libfontconfig1",
    "libxkbcommon0",
    "libxkbcommon-x11-0",
    "libxcb-cursor0",
    "libxcb-icccm4",
    "libxcb-keysyms1",
    "libxcb-shape0",
    "libportaudio2",
)
"""What a bare Debian or Ubuntu lacks for the window and the microphone; ``packaging/run.sh`` installs the same."""

QT_LIBRARIES = ("libQt6Core.so.6", "libQt6Gui.so.6", "libQt6Widgets.so.6")


def window_problem() -> str | None:
    """Return a sentence that says why no window can be opened, or None when one can."""
    spec = importlib.util.find_spec("PySide6")
    if spec is None or not spec.submodule_search_locations:
        return "PySide6, which draws the window, is not installed (sh packaging/run.sh installs everything)."
    if not sys.platform.startswith("linux"):
        return None
    if not os.environ.get("QT_QPA_PLATFORM"):
        display, wayland = os.environ.get("DISPLAY"), os.environ.get("WAYLAND_DISPLAY")
        if not (display or wayland):
            return "There is no display for a window."
        if display and not wayland and not _x_server_answers(display):
            return f"The display {display} does not answer."
    return _library_problem(Path(next(iter(spec.submodule_search_locations))))


def _library_problem(pyside: Path) -> str | None:
    """Load what Qt will load, since the loader's message names the system library that is missing."""
    qt = pyside / "Qt"
    libraries = [qt / "lib" / name for name in QT_LIBRARIES]
    platform = os.environ.get("QT_QPA_PLATFORM", "")
    if os.environ.get("DISPLAY") and not os.environ.get("WAYLAND_DISPLAY") and platform in ("", "xcb"):
        libraries.append(qt / "plugins" / "platforms" / "libqxcb.so")
    for library in libraries:
        if not library.exists():
            continue  # a Qt of the distribution lies elsewhere and has its dependencies installed
        try:
            ctypes.CDLL(str(library))
        except OSError as error:
            missing = re.match(r"(\S+\.so[.\d]*): cannot open shared object", str(error))
            what = f"the system library {missing[1]} is missing" if missing else str(error)
            line = f"apt-get install -y --no-install-recommends {' '.join(DEBIAN_PACKAGES)}"
            return f"Qt cannot be loaded: {what} (on Debian or Ubuntu, as root: {line})."
    return None


def _x_server_answers(display: str) -> bool:
    """Whether something listens at an X display on this machine; displays elsewhere are taken on trust."""
    match = re.fullmatch(r"(?:unix)?:(\d+)(?:\.\d+)?", display)
    if match is None:
        return True
    path = f"/tmp/.X11-unix/X{match[1]}"
    # Linux servers also listen in the abstract namespace, which containers without a shared /tmp rely on.
    for address in (path, f"\0{path}"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            try:
                connection.connect(address)
            except OSError:
                continue
            return True
    return False
