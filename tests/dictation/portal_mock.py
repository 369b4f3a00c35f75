"""A stand-in for the desktop's portals: ``python portal_mock.py [refuse]``. Says each call that it gets, as JSON lines.

It reads commands from standard input: ``Activated dictate``, ``Deactivated dictate``, ``Closed``.
"""

from __future__ import annotations

import json
import select
import sys
from typing import Any

from jeepney import DBusAddress, HeaderFields, Message, MessageType, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

OBJECT = "/org/freedesktop/portal/desktop"
SESSION = f"{OBJECT}/session/mock"


def main() -> int:
    refuses = "refuse" in sys.argv
    bus = open_dbus_connection()
    bus.send_and_get_reply(message_bus.RequestName("org.freedesktop.portal.Desktop"))
    say("ready", ())

    def emit(path: str, interface: str, member: str, signature: str, body: tuple[Any, ...]) -> None:
        bus.send(new_signal(DBusAddress(path, None, interface), member, signature, body))

    def answer(call: Message) -> None:
        fields = call.header.fields
        method = fields[HeaderFields.member]
        say(method, call.body)
        if "handle_token" not in (call.body[-1] if call.body and isinstance(call.body[-1], dict) else {}):
            bus.send(new_method_return(call))
            return
        sender = fields[HeaderFields.sender][1:].replace(".", "_")
        handle = f"{OBJECT}/request/{sender}/{call.body[-1]['handle_token'][1]}"
        bus.send(new_method_return(call, "o", (handle,)))
        result = {"session_handle": ("s", SESSION)} if method == "CreateSession" else {}
        if method == "Start":
            result = {"devices": ("u", 1), "restore_token": ("s", "remembered")}
        code = 1 if refuses and method in ("BindShortcuts", "Start") else 0
        emit(handle, "org.freedesktop.portal.Request", "Response", "ua{sv}", (code, result))

    while True:
        ready, _, _ = select.select([bus.sock, sys.stdin], [], [])
        if sys.stdin in ready:
            words = sys.stdin.readline().split()
            if not words:
                return 0
            if words[0] == "Closed":
                emit(SESSION, "org.freedesktop.portal.Session", "Closed", "a{sv}", ({},))
            else:
                emit(OBJECT, "org.freedesktop.portal.GlobalShortcuts", words[0], "osta{sv}", (SESSION, words[1], 1, {}))
        while True:
            try:
                message = bus.receive(timeout=0)
            except TimeoutError:
                break
            if message.header.message_type is MessageType.method_call:
                answer(message)


def say(method: str, body: tuple[Any, ...]) -> None:
    print(json.dumps([method, body], default=str), flush=True)


if __name__ == "__main__":
    sys.exit(main())
