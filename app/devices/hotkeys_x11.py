"""Global keys on X11: passive grabs on the root window, on a thread of their own."""

from __future__ import annotations

import logging
import time
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from typing import Any, Final

from PySide6.QtCore import QObject, Qt, Signal
from Xlib import X, error

from app.devices.hotkeys import Hotkeys, translate
from app.devices.x11_keys import Keyboard, make_repeat_detectable
from app.devices.x11_thread import X11Thread
from app.shortcuts import shown

log = logging.getLogger(__name__)

_ANSWER_SECONDS: Final = 2.0
"""How long an X server may take to say whether keys are free."""
_LOOK_SECONDS: Final = 0.25
"""How often to look whether a key is really still held: its release may go astray."""


class X11Hotkeys(Hotkeys):
    """Keys that the X server reports to us alone."""

    passing = True

    _went_down = Signal(str)
    _went_up = Signal(str)
    _refused = Signal(str, str)
    _lost = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("", parent)
        self._thread = _Grabs(self)
        self._bound: set[str] = set()
        queued = Qt.ConnectionType.QueuedConnection
        self._went_down.connect(self.pressed, queued)
        self._went_up.connect(self.released, queued)
        self._refused.connect(self.failed, queued)
        self._lost.connect(self._gone, queued)
        try:
            self._thread.start()
        except OSError as problem:
            log.info("No global keys: %s", problem)
            self._reason = translate("Hotkeys", "There are no global keys: the X server lets nobody in.")

    def bind(self, action: str, keys: str, name: str = "") -> str | None:
        """Grab ``keys``, whatever the locks of the keyboard are."""
        if self._reason:
            return self._reason
        try:
            problem = self._thread.post(lambda: self._thread.bind(action, keys)).result(_ANSWER_SECONDS)
        except (ConnectionError, FutureTimeoutError):
            problem = translate("Hotkeys", "The X server does not answer; the keys may work after the next start.")
        if problem is None and keys:
            self._bound.add(action)
        else:
            self._bound.discard(action)
        return problem

    def close(self) -> None:
        """Let go of all keys."""
        self._thread.close()

    def _gone(self, sentence: str) -> None:
        self._reason = sentence
        for action in sorted(self._bound):
            self.failed.emit(action, sentence)


@dataclass
class _Binding:
    keys: str
    code: int
    bits: int
    held: bool = False


class _Grabs(X11Thread):
    """The grabs, and who is held; everything here but the constructor runs on the thread."""

    def __init__(self, owner: X11Hotkeys) -> None:
        super().__init__("hotkeys")
        self._owner = owner
        self._bindings: dict[str, _Binding] = {}
        self._keyboard: Keyboard | None = None
        self._look_at = 0.0

    @property
    def keyboard(self) -> Keyboard:
        if self._keyboard is None:
            if not make_repeat_detectable(self.display):
                log.info("The X server repeats the release of held keys too")
            self._keyboard = Keyboard(self.display)
        return self._keyboard

    def bind(self, action: str, keys: str) -> str | None:
        old = self._bindings.pop(action, None)
        if old is not None:
            self._ungrab(old)
            if old.held:
                self._owner._went_up.emit(action)
        if not keys:
            return None
        code, bits = self.keyboard.combination(keys)
        if not code:
            return translate("Hotkeys", "This keyboard has no key for {keys}.").format(keys=shown(keys))
        binding = _Binding(keys, code, bits)
        if not self._grab(binding):
            return translate(
                "Hotkeys", "{keys} belongs to another program already; choose other keys, or free them there."
            ).format(keys=shown(keys))
        self._bindings[action] = binding
        return None

    def handle(self, event: Any) -> None:
        if event.type == X.KeyPress:
            action = self._action(event)
            if action is not None and not self._bindings[action].held:
                self._bindings[action].held = True
                self._look_at = time.monotonic() + _LOOK_SECONDS
                self._owner._went_down.emit(action)
        elif event.type == X.KeyRelease:
            for action, binding in self._bindings.items():
                if binding.held and binding.code == event.detail:
                    self._let_go(action, binding)
        elif event.type == X.MappingNotify and event.request != X.MappingPointer:
            self.display.refresh_keyboard_mapping(event)
            self.keyboard.refresh()
            self._grab_anew()

    def until(self) -> float | None:
        if any(binding.held for binding in self._bindings.values()):
            return max(0.0, self._look_at - time.monotonic())
        return None

    def tick(self) -> None:
        if self.until() == 0.0:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            down = self.keyboard.down()
            for action, binding in self._bindings.items():
                if binding.held and binding.code not in down:
                    log.info("The release of a global key went astray")
                    self._let_go(action, binding)

    def lost(self) -> None:
        for action, binding in self._bindings.items():
            if binding.held:
                self._let_go(action, binding)
        self._owner._lost.emit(translate("Hotkeys", "The X server ended the connection; there are no global keys."))

    def _let_go(self, action: str, binding: _Binding) -> None:
        binding.held = False
        self._owner._went_up.emit(action)

    def _action(self, event: Any) -> str | None:
        """Return whose keys these are.

        While one of ours is held, all keys come to us; then one that is bound alone counts with the modifiers too
        that the held keys need.
        """
        here = [(action, binding) for action, binding in self._bindings.items() if binding.code == event.detail]
        held = event.state & (X.ShiftMask | X.ControlMask | self.keyboard.alt | self.keyboard.meta)
        for action, binding in here:
            if binding.bits == held:
                return action
        if any(binding.held for binding in self._bindings.values()):
            return next((action for action, binding in here if binding.bits == 0), None)
        return None

    def _grab(self, binding: _Binding) -> bool:
        root = self.display.screen().root
        refusals = []
        for locks in self.keyboard.lock_states:
            refused = error.CatchError(error.BadAccess)
            root.grab_key(binding.code, binding.bits | locks, False, X.GrabModeAsync, X.GrabModeAsync, onerror=refused)
            refusals.append(refused)
        self.display.sync()
        if any(refused.get_error() for refused in refusals):
            self._ungrab(binding)
            return False
        return True

    def _ungrab(self, binding: _Binding) -> None:
        root = self.display.screen().root
        for locks in self.keyboard.lock_states:
            root.ungrab_key(binding.code, binding.bits | locks)
        self.display.sync()

    def _grab_anew(self) -> None:
        """The layout is another one: the same keys may be elsewhere."""
        root = self.display.screen().root
        root.ungrab_key(X.AnyKey, X.AnyModifier)
        for action, binding in list(self._bindings.items()):
            binding.code, binding.bits = self.keyboard.combination(binding.keys)
            if not binding.code or not self._grab(binding):
                del self._bindings[action]
                sentence = translate("Hotkeys", "The keyboard is another one now, on which {keys} cannot be used.")
                self._owner._refused.emit(action, sentence.format(keys=shown(binding.keys)))
