"""Global keys on Wayland, through the desktop's GlobalShortcuts portal; D-Bus on a small thread of its own.

The desktop decides: it may ask its user, give other keys than ours, or have no such portal at all. A session takes its
shortcuts once, so that a change makes another session.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any, Final

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence

from app.devices.hotkeys import Hotkeys, combination_of, translate
from app.devices.portal import Portal, PortalEnded, PortalMissing, PortalRefused, new_token

log = logging.getLogger(__name__)

_SHORTCUTS: Final = "org.freedesktop.portal.GlobalShortcuts"
_QUIT_SECONDS: Final = 3.0


class PortalHotkeys(Hotkeys):
    """Keys that the desktop listens to for us. What it refuses, it refuses later: listen to ``failed``."""

    _activated = Signal(str)
    _deactivated = Signal(str)
    _refused = Signal(str)

    def __init__(self, app_id: str, parent: QObject | None = None) -> None:
        super().__init__("", parent)
        self._app_id = app_id
        self._wanted: dict[str, tuple[str, str]] = {}
        self._thread: _Conversation | None = None
        self._soon = QTimer(self)  # several actions are bound one after the other, a session takes them all at once
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._begin)
        queued = Qt.ConnectionType.QueuedConnection
        self._activated.connect(self.pressed, queued)
        self._deactivated.connect(self.released, queued)
        self._refused.connect(self._say_refused, queued)

    def bind(self, action: str, keys: str, name: str = "") -> str | None:
        """Ask the desktop for keys, in a moment, together with all others."""
        if keys:
            self._wanted[action] = (keys, name or action)
        else:
            self._wanted.pop(action, None)
        self._soon.start()
        return None

    def close(self) -> None:
        """End the session."""
        self._soon.stop()
        if self._thread is not None:
            self._thread.close()
            self._thread = None

    def _begin(self) -> None:
        if self._thread is not None:
            self._thread.close()
            self._thread = None
        if self._wanted:
            self._thread = _Conversation(
                self._app_id, dict(self._wanted), self._activated.emit, self._deactivated.emit, self._refused.emit
            )
            self._thread.start()

    def _say_refused(self, sentence: str) -> None:
        for action in self._wanted:
            self.failed.emit(action, sentence)


class _Conversation(threading.Thread):
    """One session with the portal, from its start to its end."""

    def __init__(
        self,
        app_id: str,
        wanted: dict[str, tuple[str, str]],
        activated: Callable[[str], object],
        deactivated: Callable[[str], object],
        refused: Callable[[str], object],
    ) -> None:
        super().__init__(name="larimar-portal", daemon=True)
        self._app_id = app_id
        self._wanted = wanted
        self._activated = activated
        self._deactivated = deactivated
        self._refused = refused
        self._reader, self._writer = socket.socketpair()
        self._ends = threading.Event()
        self._session = ""
        self._held: set[str] = set()

    def close(self) -> None:
        """End it; from another thread."""
        self._ends.set()
        with contextlib.suppress(OSError):
            self._writer.send(b"x")
        self.join(_QUIT_SECONDS)
        self._reader.close()
        self._writer.close()

    def run(self) -> None:
        """Ask for the keys, then listen until the end; the connection's end is the session's."""
        portal: Portal | None = None
        try:
            portal = Portal(self._app_id, self._reader, self._heard)
            self._begin(portal)
            while True:
                portal.listen(None)
        except PortalMissing as problem:
            log.info("No global keys from the portal: %s", problem)
            self._refused(
                translate(
                    "Hotkeys",
                    "This desktop offers no global keys to programs. Let its own keyboard settings run "
                    "“larimar --dictate”.",
                )
            )
        except PortalRefused:
            self._refused(
                translate("Hotkeys", "The desktop gave Larimar no global keys; its keyboard settings may allow them.")
            )
        except PortalEnded:
            if not self._ends.is_set():
                self._refused(
                    translate("Hotkeys", "The desktop hears the global keys no longer; they work after the next start.")
                )
        finally:
            if portal is not None:
                portal.close()
            for action in sorted(self._held):
                self._deactivated(action)

    def _begin(self, portal: Portal) -> None:
        answer = portal.request(_SHORTCUTS, "CreateSession", "", (), {"session_handle_token": ("s", new_token())})
        self._session = str(answer["session_handle"][1])
        shortcuts = [
            (action, {"description": ("s", name), "preferred_trigger": ("s", trigger(keys))})
            for action, (keys, name) in self._wanted.items()
        ]
        portal.request(_SHORTCUTS, "BindShortcuts", "oa(sa{sv})s", (self._session, shortcuts, ""), {})
        log.debug("The portal has taken %d global keys", len(shortcuts))

    def _heard(self, interface: str, member: str, body: tuple[Any, ...], path: str) -> None:
        if interface == _SHORTCUTS and member in ("Activated", "Deactivated"):
            session, action = body[:2]
            if session == self._session and action in self._wanted:
                if member == "Activated":
                    self._held.add(action)
                    self._activated(action)
                else:
                    self._held.discard(action)
                    self._deactivated(action)
        elif member == "Closed" and self._session and path == self._session:
            raise PortalEnded


def trigger(keys: str) -> str:
    """Return portable keys as the specification of shortcuts writes them: ``CTRL+ALT+d``."""
    combination = combination_of(keys)
    if combination is None:
        return ""
    held = combination.keyboardModifiers()
    parts = [
        name
        for modifier, name in (
            (Qt.KeyboardModifier.ControlModifier, "CTRL"),
            (Qt.KeyboardModifier.AltModifier, "ALT"),
            (Qt.KeyboardModifier.ShiftModifier, "SHIFT"),
            (Qt.KeyboardModifier.MetaModifier, "LOGO"),
        )
        if held & modifier
    ]
    key = QKeySequence(combination.key()).toString(QKeySequence.SequenceFormat.PortableText)
    return "+".join([*parts, _NAMES.get(key, key.lower() if len(key) == 1 else key)])


_NAMES: Final = {
    "Esc": "Escape",
    "Return": "Return",
    "Ins": "Insert",
    "Del": "Delete",
    "PgUp": "Page_Up",
    "PgDown": "Page_Down",
    "Space": "space",
    "Backspace": "BackSpace",
    ",": "comma",
    ".": "period",
    "-": "minus",
    "+": "plus",
    "/": "slash",
    "#": "numbersign",
}
"""How keysyms are called, where Qt calls them otherwise."""
