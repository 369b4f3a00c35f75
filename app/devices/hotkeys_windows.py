"""Global keys on Windows: RegisterHotKey on a thread with its own message loop.

Written after the documentation of Windows with care, but not run by us yet. Windows says when keys go down, not when
they go up: that is found out by looking at the key while it is held.
"""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

from PySide6.QtCore import QObject, Qt, Signal

from app.devices.hotkeys import Hotkeys, combination_of, translate
from app.shortcuts import shown

log = logging.getLogger(__name__)

_WM_HOTKEY: Final = 0x0312
_WM_QUIT: Final = 0x0012
_WM_APP: Final = 0x8000
_PM_NOREMOVE: Final = 0
_PM_REMOVE: Final = 1
_MOD_ALT, _MOD_CONTROL, _MOD_SHIFT, _MOD_WIN, _MOD_NOREPEAT = 1, 2, 4, 8, 0x4000
_QS_ALLINPUT: Final = 0x04FF
_INFINITE: Final = 0xFFFFFFFF
_LOOK_MS: Final = 15
"""How often to look whether a key is still held."""
_ANSWER_SECONDS: Final = 2.0

_VIRTUAL_KEYS: Final = {
    Qt.Key.Key_Escape: 0x1B,
    Qt.Key.Key_Tab: 0x09,
    Qt.Key.Key_Backspace: 0x08,
    Qt.Key.Key_Return: 0x0D,
    Qt.Key.Key_Space: 0x20,
    Qt.Key.Key_PageUp: 0x21,
    Qt.Key.Key_PageDown: 0x22,
    Qt.Key.Key_End: 0x23,
    Qt.Key.Key_Home: 0x24,
    Qt.Key.Key_Left: 0x25,
    Qt.Key.Key_Up: 0x26,
    Qt.Key.Key_Right: 0x27,
    Qt.Key.Key_Down: 0x28,
    Qt.Key.Key_Insert: 0x2D,
    Qt.Key.Key_Delete: 0x2E,
    Qt.Key.Key_Pause: 0x13,
    Qt.Key.Key_ScrollLock: 0x91,
    Qt.Key.Key_Comma: 0xBC,
    Qt.Key.Key_Period: 0xBE,
    Qt.Key.Key_Minus: 0xBD,
    Qt.Key.Key_Plus: 0xBB,
}


def virtual_key(keys: str) -> tuple[int, int]:
    """Return the virtual key code and the modifier bits of portable keys; a code of 0 when Windows has no such key."""
    combination = combination_of(keys)
    if combination is None:
        return 0, 0
    key, held = combination.key(), combination.keyboardModifiers()
    bits = 0
    for modifier, bit in (
        (Qt.KeyboardModifier.AltModifier, _MOD_ALT),
        (Qt.KeyboardModifier.ControlModifier, _MOD_CONTROL),
        (Qt.KeyboardModifier.ShiftModifier, _MOD_SHIFT),
        (Qt.KeyboardModifier.MetaModifier, _MOD_WIN),
    ):
        if held & modifier:
            bits |= bit
    value = int(key)
    if Qt.Key.Key_A <= key <= Qt.Key.Key_Z or Qt.Key.Key_0 <= key <= Qt.Key.Key_9:
        return value, bits
    if Qt.Key.Key_F1 <= key <= Qt.Key.Key_F24:
        return 0x70 + value - int(Qt.Key.Key_F1), bits
    return _VIRTUAL_KEYS.get(key, 0), bits


class WindowsHotkeys(Hotkeys):
    """Keys that Windows reports to us alone."""

    passing = True

    _went_down = Signal(str)
    _went_up = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("", parent)
        queued = Qt.ConnectionType.QueuedConnection
        self._went_down.connect(self.pressed, queued)
        self._went_up.connect(self.released, queued)
        self._thread = _MessageLoop(self._went_down.emit, self._went_up.emit)
        self._thread.start()

    def bind(self, action: str, keys: str, name: str = "") -> str | None:
        """Register ``keys``."""
        try:
            return self._thread.post(lambda: self._thread.register(action, keys)).result(_ANSWER_SECONDS)
        except FutureTimeoutError:
            return translate("Hotkeys", "Windows does not answer; the keys may work after the next start.")

    def close(self) -> None:
        """Let go of all keys."""
        self._thread.close()


class _MessageLoop(threading.Thread):
    """Hot keys belong to the thread that registers them, which must read its messages."""

    def __init__(self, went_down: Callable[[str], object], went_up: Callable[[str], object]) -> None:
        super().__init__(name="larimar-hotkeys", daemon=True)
        self._went_down = went_down
        self._went_up = went_up
        self._work: deque[tuple[Callable[[], str | None], Future[str | None]]] = deque()
        self._numbers: dict[int, tuple[str, int]] = {}
        self._held: dict[str, int] = {}
        self._next = 1
        self._ready = threading.Event()
        self._native = 0

    def post(self, work: Callable[[], str | None]) -> Future[str | None]:
        future: Future[str | None] = Future()
        self._work.append((work, future))
        self._ready.wait(_ANSWER_SECONDS)
        if sys.platform == "win32":
            ctypes.windll.user32.PostThreadMessageW(self._native, _WM_APP, 0, 0)
        return future

    def close(self) -> None:
        if sys.platform == "win32":
            self._ready.wait(_ANSWER_SECONDS)
            ctypes.windll.user32.PostThreadMessageW(self._native, _WM_QUIT, 0, 0)
        self.join(_ANSWER_SECONDS)

    def register(self, action: str, keys: str) -> str | None:
        if sys.platform != "win32":
            return None
        user32 = ctypes.windll.user32
        for number, (name, _) in list(self._numbers.items()):
            if name == action:
                user32.UnregisterHotKey(None, number)
                del self._numbers[number]
        if not keys:
            return None
        code, bits = virtual_key(keys)
        if not code:
            return translate("Hotkeys", "This keyboard has no key for {keys}.").format(keys=shown(keys))
        number, self._next = self._next, self._next + 1
        if not user32.RegisterHotKey(None, number, bits | _MOD_NOREPEAT, code):
            return translate(
                "Hotkeys", "{keys} belongs to another program already; choose other keys, or free them there."
            ).format(keys=shown(keys))
        self._numbers[number] = (action, code)
        return None

    def run(self) -> None:
        if sys.platform != "win32":
            return
        from ctypes import wintypes

        user32 = ctypes.windll.user32
        message = wintypes.MSG()
        user32.PeekMessageW(ctypes.byref(message), None, 0, 0, _PM_NOREMOVE)  # makes the queue of the thread
        self._native = threading.get_native_id()
        self._ready.set()
        try:
            while True:
                user32.MsgWaitForMultipleObjects(0, None, False, _LOOK_MS if self._held else _INFINITE, _QS_ALLINPUT)
                while user32.PeekMessageW(ctypes.byref(message), None, 0, 0, _PM_REMOVE):
                    if message.message == _WM_QUIT:
                        return
                    if message.message == _WM_HOTKEY and message.wParam in self._numbers:
                        action, code = self._numbers[message.wParam]
                        if action not in self._held:
                            self._held[action] = code
                            self._went_down(action)
                while self._work:
                    work, future = self._work.popleft()
                    future.set_result(work())
                for action, code in list(self._held.items()):
                    if not user32.GetAsyncKeyState(code) & 0x8000:
                        del self._held[action]
                        self._went_up(action)
        finally:
            for number in self._numbers:
                user32.UnregisterHotKey(None, number)
            for action in self._held:
                self._went_up(action)
