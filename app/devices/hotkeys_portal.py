"""Global keys on Wayland, through the desktop's GlobalShortcuts portal; D-Bus on a small thread of its own.

The desktop decides: it may ask its user, give other keys than ours, or have no such portal at all. A session takes its
shortcuts once, so that a change makes another session.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import uuid
from collections.abc import Callable
from typing import Any, Final

from jeepney import DBusAddress, HeaderFields, MatchRule, Message, MessageType, new_method_call
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import DBusErrorResponse, unwrap_msg
from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeySequence

from app.devices.hotkeys import Hotkeys, combination_of, translate

log = logging.getLogger(__name__)

PORTAL: Final = "org.freedesktop.portal.Desktop"
OBJECT: Final = "/org/freedesktop/portal/desktop"
_SHORTCUTS: Final = "org.freedesktop.portal.GlobalShortcuts"
_REGISTRY: Final = "org.freedesktop.host.portal.Registry"
_CALL_SECONDS: Final = 5.0
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


class _Refused(Exception):  # noqa: N818 — an answer, not a fault
    """The portal or its user said no; carries the sentence."""


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
        self._connection: DBusConnection

    def close(self) -> None:
        """End it; from another thread."""
        self._ends.set()
        with contextlib.suppress(OSError):
            self._writer.send(b"x")
        self.join(_QUIT_SECONDS)
        self._reader.close()
        self._writer.close()

    def run(self) -> None:
        """Ask for the keys, then listen until the end."""
        missing = translate(
            "Hotkeys",
            "This desktop offers no global keys to programs. Let its own keyboard settings run “larimar --dictate”.",
        )
        try:
            self._connection = open_dbus_connection()
        except (OSError, KeyError, ValueError) as problem:
            log.info("No session bus: %s", problem)
            self._refused(missing)
            return
        with self._connection:
            try:
                self._begin()
                while not self._ends.is_set():
                    self._listen(None)
                self._call(self._session, "org.freedesktop.portal.Session", "Close", reply=False)
            except _Refused as refusal:
                self._refused(str(refusal))
            except (DBusErrorResponse, TimeoutError) as problem:
                log.info("No global keys from the portal: %s", getattr(problem, "name", type(problem).__name__))
                self._refused(missing)
            except (OSError, ConnectionError, EOFError):
                if not self._ends.is_set():
                    self._refused(translate("Hotkeys", "The desktop ended the connection; there are no global keys."))
            finally:
                for action in sorted(self._held):
                    self._deactivated(action)

    # --- the session ---

    def _begin(self) -> None:
        for rule in (
            MatchRule(type="signal", sender=PORTAL, path_namespace=OBJECT),
            MatchRule(
                type="signal", interface="org.freedesktop.DBus", member="NameOwnerChanged", path="/org/freedesktop/DBus"
            ),
        ):
            unwrap_msg(self._connection.send_and_get_reply(message_bus.AddMatch(rule), timeout=_CALL_SECONDS))
        # Portals from 1.21 on refuse a program outside a sandbox that has not said who it is; older ones lack this.
        try:
            self._call(OBJECT, _REGISTRY, "Register", "sa{sv}", (self._app_id, {}))
        except DBusErrorResponse as problem:
            log.debug("The portal keeps no registry: %s", problem.name)
        token = f"larimar_{uuid.uuid4().hex[:12]}"
        answer = self._request("CreateSession", "", (), {"session_handle_token": ("s", token)})
        self._session = str(answer["session_handle"][1])
        shortcuts = [
            (action, {"description": ("s", name), "preferred_trigger": ("s", trigger(keys))})
            for action, (keys, name) in self._wanted.items()
        ]
        self._request("BindShortcuts", "oa(sa{sv})s", (self._session, shortcuts, ""), {})
        log.debug("The portal has taken %d global keys", len(shortcuts))

    def _request(
        self, method: str, signature: str, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> dict[str, Any]:
        """Call a method that answers by a signal; return what the signal brings."""
        token = f"larimar_{uuid.uuid4().hex[:12]}"
        options = {**options, "handle_token": ("s", token)}
        sender = self._connection.unique_name[1:].replace(".", "_")
        handle = f"{OBJECT}/request/{sender}/{token}"
        answers: list[tuple[int, dict[str, Any]]] = []

        def heard(message: Message) -> None:
            fields = message.header.fields
            if fields.get(HeaderFields.member) == "Response" and fields.get(HeaderFields.path) == handle:
                answers.append(message.body)

        (returned,) = self._call(OBJECT, _SHORTCUTS, method, f"{signature}a{{sv}}", (*arguments, options), heard=heard)
        handle = returned  # old portals choose it themselves
        while not answers and not self._ends.is_set():  # a person may be asked, and take any time
            self._listen(heard)
        if self._ends.is_set():
            raise ConnectionError
        code, results = answers[0]
        if code:
            raise _Refused(
                translate("Hotkeys", "The desktop gave Larimar no global keys; its keyboard settings may allow them.")
            )
        return results

    def _call(
        self,
        path: str,
        interface: str,
        method: str,
        signature: str = "",
        arguments: tuple[Any, ...] = (),
        *,
        heard: Callable[[Message], None] | None = None,
        reply: bool = True,
    ) -> tuple[Any, ...]:
        """Call a method and return its answer; signals that come before it are not lost.

        Raises:
            DBusErrorResponse: the portal refuses, or is not there.
            TimeoutError: no answer came.
        """
        message = new_method_call(DBusAddress(path, PORTAL, interface), method, signature or None, arguments)
        if not reply:
            self._connection.send(message)
            return ()
        serial = next(self._connection.outgoing_serial)
        self._connection.send(message, serial=serial)
        answers: list[Message] = []

        def taken(message: Message) -> None:
            if message.header.fields.get(HeaderFields.reply_serial) == serial:
                answers.append(message)
            elif heard is not None:
                heard(message)

        while not answers:
            if not self._listen(taken, _CALL_SECONDS):
                raise TimeoutError
        body: tuple[Any, ...] = unwrap_msg(answers[0])
        return body

    def _listen(self, heard: Callable[[Message], None] | None, seconds: float | None = None) -> bool:
        """Take what the bus brings; return whether there was anything. Waits for it, but not beyond the end."""
        select.select([self._connection.sock, self._reader], [], [], seconds)
        if self._ends.is_set():
            if heard is not None:
                raise ConnectionError
            return False
        taken = False
        while True:
            try:
                message = self._connection.receive(timeout=0)
            except TimeoutError:
                return taken
            taken = True
            self._signal(message)
            if heard is not None:
                heard(message)

    def _signal(self, message: Message) -> None:
        if message.header.message_type is not MessageType.signal:
            return
        fields = message.header.fields
        member = fields.get(HeaderFields.member)
        if fields.get(HeaderFields.interface) == _SHORTCUTS and member in ("Activated", "Deactivated"):
            session, action = message.body[:2]
            if session == self._session and action in self._wanted:
                if member == "Activated":
                    self._held.add(action)
                    self._activated(action)
                else:
                    self._held.discard(action)
                    self._deactivated(action)
        elif member == "Closed" and fields.get(HeaderFields.path) == self._session:
            raise _Refused(translate("Hotkeys", "The desktop has taken the global keys away."))
        elif member == "NameOwnerChanged" and message.body[0] == PORTAL and self._session and not message.body[2]:
            raise _Refused(
                translate("Hotkeys", "The part of the desktop that hears global keys ended; they work after a restart.")
            )


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
