"""Sending the keys for pasting, or for taking back, to the program in front, where X11 cannot do it.

On Wayland: helper programs that the user has installed, then the RemoteDesktop portal, which asks once. On Windows:
SendInput, written after its documentation but not run by us yet. Elsewhere nothing can, and the user pastes.
"""

from __future__ import annotations

import ctypes
import logging
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, Final, Literal

log = logging.getLogger(__name__)

Stroke = Literal["paste", "undo"]

_PROGRAM_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 0.012
"""Between two keys: some programs lose what comes at once."""
_CONTROL, _V, _Z = 29, 47, 44  # as the kernel numbers keys, whatever is printed on them


class PasteKeys:
    """Sends keys, on whatever thread it is called; this kind cannot."""

    @property
    def ready(self) -> bool:
        """Whether it can probably be done without asking anybody."""
        return False

    def prepare(self) -> None:
        """Ask for what is needed, perhaps of the user; may take long."""

    def send(self, stroke: Stroke) -> bool:
        """Press and release the keys; return whether that was possible."""
        return False

    def close(self) -> None:
        """Let go of everything."""


class ProgramKeys(PasteKeys):
    """Helper programs for Wayland: wtype where the compositor lets it, dotool and ydotool where the user has set up."""

    _COMMANDS: Final[dict[str, dict[Stroke, tuple[Sequence[str], bytes]]]] = {
        "wtype": {
            "paste": (("-M", "ctrl", "v", "-m", "ctrl"), b""),
            "undo": (("-M", "ctrl", "z", "-m", "ctrl"), b""),
        },
        "dotool": {"paste": ((), b"key ctrl+v\n"), "undo": ((), b"key ctrl+z\n")},
        "ydotool": {
            "paste": (("key", f"{_CONTROL}:1", f"{_V}:1", f"{_V}:0", f"{_CONTROL}:0"), b""),
            "undo": (("key", f"{_CONTROL}:1", f"{_Z}:1", f"{_Z}:0", f"{_CONTROL}:0"), b""),
        },
    }

    def __init__(self) -> None:
        self._useless: set[str] = set()

    @property
    def ready(self) -> bool:
        """Whether a program is installed that has not failed yet."""
        return any(shutil.which(name) for name in self._COMMANDS if name not in self._useless)

    def send(self, stroke: Stroke) -> bool:
        """Let the first program do it that can."""
        for name, strokes in self._COMMANDS.items():
            path = shutil.which(name) if name not in self._useless else None
            if path is None:
                continue
            arguments, said = strokes[stroke]
            try:
                done = subprocess.run(
                    [path, *arguments], input=said, capture_output=True, timeout=_PROGRAM_SECONDS, check=False
                )
            except (OSError, subprocess.TimeoutExpired) as problem:
                log.info("%s does not work here: %s", name, type(problem).__name__)
            else:
                if done.returncode == 0:
                    return True
                log.info("%s does not work here: exit code %d", name, done.returncode)
            self._useless.add(name)  # until the next start
        return False


class PortalKeys(PasteKeys):
    """The RemoteDesktop portal: the desktop asks its user once whether Larimar may press keys."""

    _INTERFACE: Final = "org.freedesktop.portal.RemoteDesktop"
    _KEYBOARD: Final = 1

    def __init__(self, app_id: str) -> None:
        self._app_id = app_id
        self._wake, self._closer = socket.socketpair()
        self._lock = threading.Lock()
        self._portal: Any = None
        self._session = ""
        self._useless = False

    @property
    def ready(self) -> bool:
        """Whether the user has allowed it."""
        return self._portal is not None

    def prepare(self) -> None:
        """Ask the user, the first time; the question must not come between the text and its place."""
        with self._lock:
            if self._portal is None and not self._useless:
                self._useless = not self._begin()

    def send(self, stroke: Stroke) -> bool:
        """Press the keys, if the user has allowed it."""
        from app.devices.portal import OBJECT, PortalEnded, PortalMissing

        if not self._lock.acquire(blocking=False):
            return False  # the user is still being asked
        try:
            if self._portal is None:
                return False
            key = _V if stroke == "paste" else _Z
            try:
                for code, state in ((_CONTROL, 1), (key, 1), (key, 0), (_CONTROL, 0)):
                    arguments: tuple[Any, ...] = (self._session, {}, code, state)
                    self._portal.call(OBJECT, self._INTERFACE, "NotifyKeyboardKeycode", "oa{sv}iu", arguments)
                    time.sleep(_PAUSE_SECONDS)
            except (PortalEnded, PortalMissing):
                self._portal.close()
                self._portal = None
                return False
            return True
        finally:
            self._lock.release()

    def close(self) -> None:
        """End the session, and a question that is still open."""
        self._closer.send(b"x")
        with self._lock:
            if self._portal is not None:
                self._portal.close()
                self._portal = None
        self._wake.close()
        self._closer.close()

    def _begin(self) -> bool:
        from app.devices.portal import Portal, PortalEnded, PortalMissing, PortalRefused, new_token

        portal = None
        try:
            portal = Portal(self._app_id, self._wake, lambda *_: None)
            created = portal.request(
                self._INTERFACE, "CreateSession", "", (), {"session_handle_token": ("s", new_token())}
            )
            self._session = str(created["session_handle"][1])
            wanted = {"types": ("u", self._KEYBOARD)}
            portal.request(self._INTERFACE, "SelectDevices", "o", (self._session,), wanted)
            started = portal.request(self._INTERFACE, "Start", "os", (self._session, ""), {})
            if not int(started.get("devices", ("u", 0))[1]) & self._KEYBOARD:
                raise PortalRefused
        except (PortalMissing, PortalRefused, PortalEnded) as problem:
            log.info("The desktop lets Larimar press no keys: %s %s", type(problem).__name__, problem)
            if portal is not None:
                portal.close()
            return False
        self._portal = portal
        return True


class SeveralKeys(PasteKeys):
    """The first of several ways that works."""

    def __init__(self, *ways: PasteKeys) -> None:
        self._ways = ways

    def prepare(self) -> None:
        """Prepare the first that works; no more is asked of the user than is needed."""
        for way in self._ways:
            if way.ready:
                return
            way.prepare()

    @property
    def ready(self) -> bool:
        """Whether one of them is."""
        return any(way.ready for way in self._ways)

    def send(self, stroke: Stroke) -> bool:
        """Try one after the other."""
        return any(way.send(stroke) for way in self._ways)

    def close(self) -> None:
        """Close all of them."""
        for way in self._ways:
            way.close()


class WindowsKeys(PasteKeys):
    """SendInput. Windows silently keeps it from programs that run as administrator."""

    _VK_CONTROL, _VK_V, _VK_Z, _VK_MENU, _VK_SHIFT, _VK_LWIN = 0x11, 0x56, 0x5A, 0x12, 0x10, 0x5B
    _KEY_UP: Final = 0x0002
    _HELD_SECONDS: Final = 1.5

    def send(self, stroke: Stroke) -> bool:
        """Press Ctrl and a letter once the user holds no other modifier."""
        if sys.platform != "win32":
            return False
        user32 = ctypes.windll.user32
        end = time.monotonic() + self._HELD_SECONDS
        modifiers = (self._VK_CONTROL, self._VK_MENU, self._VK_SHIFT, self._VK_LWIN)
        while (held := [key for key in modifiers if user32.GetAsyncKeyState(key) & 0x8000]) and time.monotonic() < end:
            time.sleep(0.01)
        letter = self._VK_V if stroke == "paste" else self._VK_Z
        keys = [(key, self._KEY_UP) for key in held]
        keys += [(self._VK_CONTROL, 0), (letter, 0), (letter, self._KEY_UP), (self._VK_CONTROL, self._KEY_UP)]
        return _send_input(keys) == len(keys)


class _KeyboardInput(ctypes.Structure):
    _fields_ = (
        ("key", ctypes.c_ushort),
        ("scan", ctypes.c_ushort),
        ("flags", ctypes.c_ulong),
        ("time", ctypes.c_ulong),
        ("extra", ctypes.c_void_p),
    )


class _AnyInput(ctypes.Union):
    # a mouse's input is the longest of those that share the place
    _fields_ = (("keyboard", _KeyboardInput), ("room", ctypes.c_byte * 32))


class _Input(ctypes.Structure):
    _fields_ = (("type", ctypes.c_ulong), ("what", _AnyInput))


def _send_input(keys: Sequence[tuple[int, int]]) -> int:
    """Press and release virtual keys; return how many of them Windows took."""
    if sys.platform != "win32":
        return 0
    inputs = (_Input * len(keys))()
    for place, (key, flags) in zip(inputs, keys, strict=True):
        place.type = 1  # a keyboard's
        place.what.keyboard = _KeyboardInput(key, 0, flags, 0, None)
    return int(ctypes.windll.user32.SendInput(len(keys), inputs, ctypes.sizeof(_Input)))


def make_paste_keys(app_id: str, platform: str) -> PasteKeys:
    """Return the way of this desktop; ``platform`` is Qt's name of it."""
    if platform == "windows":
        return WindowsKeys()
    if platform.startswith("wayland"):
        return SeveralKeys(ProgramKeys(), PortalKeys(app_id))
    return PasteKeys()
