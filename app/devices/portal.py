"""Talking to the desktop's portals over D-Bus, on the caller's thread: calls, requests to a person, signals."""

from __future__ import annotations

import logging
import select
import socket
import uuid
from collections.abc import Callable
from typing import Any, Final

from jeepney import DBusAddress, HeaderFields, MatchRule, Message, MessageType, new_method_call
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import DBusErrorResponse, unwrap_msg

log = logging.getLogger(__name__)

PORTAL: Final = "org.freedesktop.portal.Desktop"
OBJECT: Final = "/org/freedesktop/portal/desktop"
_REGISTRY: Final = "org.freedesktop.host.portal.Registry"
_CALL_SECONDS: Final = 5.0


class PortalMissing(Exception):  # noqa: N818 — states of the desktop more than mistakes
    """There is no session bus, no portal, or not this one."""


class PortalRefused(Exception):  # noqa: N818
    """The desktop or its user said no."""


class PortalEnded(Exception):  # noqa: N818
    """The connection or the session is over, or the caller wants to end."""


class Portal:
    """One connection, used by one thread. ``wake`` is a socket that becomes readable when the caller is to end."""

    def __init__(
        self, app_id: str, wake: socket.socket, heard: Callable[[str, str, tuple[Any, ...], str], None]
    ) -> None:
        """Connect and say who we are; ``heard`` takes signals: interface, member, body, path.

        Raises:
            PortalMissing: there is no session bus, or nothing answers there.
        """
        self._wake = wake
        self._heard = heard
        self._connection: DBusConnection
        try:
            self._connection = open_dbus_connection()
        except (OSError, KeyError, ValueError) as problem:
            raise PortalMissing(f"no session bus: {problem}") from problem
        try:
            for rule in (
                MatchRule(type="signal", sender=PORTAL, path_namespace=OBJECT),
                MatchRule(type="signal", interface="org.freedesktop.DBus", member="NameOwnerChanged"),
            ):
                unwrap_msg(self._connection.send_and_get_reply(message_bus.AddMatch(rule), timeout=_CALL_SECONDS))
            # Portals from 1.21 on refuse a program outside a sandbox that has not said who it is; older ones lack this.
            try:
                self.call(OBJECT, _REGISTRY, "Register", "sa{sv}", (app_id, {}))
            except PortalMissing as problem:
                log.debug("The portal keeps no registry: %s", problem)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def call(
        self, path: str, interface: str, method: str, signature: str = "", arguments: tuple[Any, ...] = ()
    ) -> tuple[Any, ...]:
        """Call a method and return its answer; signals that come before it are not lost.

        Raises:
            PortalMissing: there is no such method, or no answer.
            PortalEnded: the connection is gone.
        """
        message = new_method_call(DBusAddress(path, PORTAL, interface), method, signature or None, arguments)
        serial = next(self._connection.outgoing_serial)
        answers: list[Message] = []

        def taken(message: Message) -> None:
            if message.header.fields.get(HeaderFields.reply_serial) == serial:
                answers.append(message)

        try:
            self._connection.send(message, serial=serial)
        except OSError as problem:
            raise PortalEnded from problem
        while not answers:
            if not self.listen(_CALL_SECONDS, taken):
                raise PortalMissing(f"{method} has no answer")
        try:
            body: tuple[Any, ...] = unwrap_msg(answers[0])
        except DBusErrorResponse as problem:
            raise PortalMissing(str(problem.name)) from problem
        return body

    def request(
        self, interface: str, method: str, signature: str, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> dict[str, Any]:
        """Call a method whose options come last and that answers by a signal, perhaps after asking a person.

        Returns what the signal brings, by name, each with its D-Bus type.

        Raises:
            PortalMissing, PortalRefused, PortalEnded: see there.
        """
        token = new_token()
        sender = str(self._connection.unique_name)[1:].replace(".", "_")
        handles = {f"{OBJECT}/request/{sender}/{token}"}
        answers: list[tuple[int, dict[str, Any]]] = []

        def answered(message: Message) -> None:
            fields = message.header.fields
            if fields.get(HeaderFields.member) == "Response" and fields.get(HeaderFields.path) in handles:
                answers.append(message.body)

        self._also = answered
        try:
            options = {**options, "handle_token": ("s", token)}
            (handle,) = self.call(OBJECT, interface, method, f"{signature}a{{sv}}", (*arguments, options))
            handles.add(handle)  # old portals choose it themselves
            while not answers:
                self.listen(None)
        finally:
            self._also = None
        code, results = answers[0]
        if code:
            raise PortalRefused
        return results

    _also: Callable[[Message], None] | None = None

    def listen(self, seconds: float | None, taken: Callable[[Message], None] | None = None) -> bool:
        """Take what the bus brings, waiting up to ``seconds`` for it; return whether there was anything.

        Raises:
            PortalEnded: the caller is to end, or the connection or the portal is gone.
        """
        ready, _, _ = select.select([self._connection.sock, self._wake], [], [], seconds)
        if self._wake in ready:
            raise PortalEnded
        any_came = False
        while True:
            try:
                message = self._connection.receive(timeout=0)
            except TimeoutError:
                return any_came
            except (OSError, EOFError) as problem:
                raise PortalEnded from problem
            any_came = True
            for listener in (taken, self._also):
                if listener is not None:
                    listener(message)
            if message.header.message_type is MessageType.signal:
                fields = message.header.fields
                member = str(fields.get(HeaderFields.member))
                if member == "NameOwnerChanged" and message.body[0] == PORTAL and not message.body[2]:
                    raise PortalEnded
                self._heard(
                    str(fields.get(HeaderFields.interface)), member, message.body, str(fields.get(HeaderFields.path))
                )


def new_token() -> str:
    """Return a name for a request or a session that nobody else has."""
    return f"larimar_{uuid.uuid4().hex[:12]}"
