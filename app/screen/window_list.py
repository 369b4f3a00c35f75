"""Where the windows of other programs are, so that one can be taken with a click."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

Rectangle = tuple[int, int, int, int]
"""Left, top, width, height, in the pixels of the whole desktop."""


def window_rectangles() -> list[Rectangle]:
    """Return the windows that can be seen, the topmost first; none where the system does not tell (macOS, Wayland).

    Takes some milliseconds, so not for the GUI thread. Windows of this program are left out.
    """
    if sys.platform == "win32":
        return _of_windows()
    if sys.platform.startswith("linux") and os.environ.get("DISPLAY"):
        return _of_x11()
    return []


def _of_x11() -> list[Rectangle]:
    from Xlib import X, display, error

    try:
        connection = display.Display()
    except (error.DisplayError, error.XauthError, OSError):
        return []
    try:
        root = connection.screen().root
        stacking = root.get_full_property(connection.intern_atom("_NET_CLIENT_LIST_STACKING"), X.AnyPropertyType)
        found: list[Rectangle] = []
        for number in reversed(stacking.value if stacking is not None else []):
            try:
                rectangle = _x11_rectangle(connection, root, connection.create_resource_object("window", number))
            except error.XError:  # closed meanwhile
                continue
            if rectangle is not None:
                found.append(rectangle)
        return found
    except (error.XError, OSError):
        return []
    finally:
        connection.close()


def _x11_rectangle(connection: Any, root: Any, window: Any) -> Rectangle | None:
    """Return where a window is with its frame; ``None`` for one that is not to be seen, or ours."""
    from Xlib import X

    def property_of(name: str) -> list[int]:
        found = window.get_full_property(connection.intern_atom(name), X.AnyPropertyType)
        return list(found.value) if found is not None else []

    if window.get_attributes().map_state != X.IsViewable:
        return None
    if connection.intern_atom("_NET_WM_STATE_HIDDEN") in property_of("_NET_WM_STATE"):
        return None
    if connection.intern_atom("_NET_WM_WINDOW_TYPE_DESKTOP") in property_of("_NET_WM_WINDOW_TYPE"):
        return None
    if property_of("_NET_WM_PID") == [os.getpid()]:
        return None
    shape = window.get_geometry()
    place = window.translate_coords(root, 0, 0)
    left, top, width, height = -place.x, -place.y, shape.width, shape.height
    frame = property_of("_NET_FRAME_EXTENTS")
    if len(frame) == 4:
        left, top, width, height = left - frame[0], top - frame[2], width + sum(frame[:2]), height + sum(frame[2:])
    shadow = property_of("_GTK_FRAME_EXTENTS")  # what such a window draws of its own shadow
    if len(shadow) == 4:
        left, top = left + shadow[0], top + shadow[2]
        width, height = width - sum(shadow[:2]), height - sum(shadow[2:])
    return (left, top, width, height) if width > 0 and height > 0 else None


def _of_windows() -> list[Rectangle]:
    from ctypes import wintypes

    user32, dwmapi = ctypes.windll.user32, ctypes.windll.dwmapi  # type: ignore[attr-defined,unused-ignore]
    frame_bounds, cloaked = 9, 14  # attributes of the window manager
    found: list[Rectangle] = []

    def take(window: int, _: int) -> bool:
        if not user32.IsWindowVisible(window) or user32.IsIconic(window):
            return True
        hidden = wintypes.DWORD()
        dwmapi.DwmGetWindowAttribute(window, cloaked, ctypes.byref(hidden), ctypes.sizeof(hidden))
        process = wintypes.DWORD()
        user32.GetWindowThreadProcessId(window, ctypes.byref(process))
        box = wintypes.RECT()
        if hidden.value or process.value == os.getpid():
            return True
        if dwmapi.DwmGetWindowAttribute(window, frame_bounds, ctypes.byref(box), ctypes.sizeof(box)) == 0:
            width, height = box.right - box.left, box.bottom - box.top
            if width > 0 and height > 0 and user32.GetWindowTextLengthW(window):
                found.append((box.left, box.top, width, height))
        return True

    callback = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)  # type: ignore[attr-defined,unused-ignore]
    user32.EnumWindows(callback(take), 0)
    return found
