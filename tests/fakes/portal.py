"""A session bus with a Screenshot portal that answers as a test says."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jeepney import HeaderFields, Message, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.wrappers import DBusAddress, new_signal

NAME = "org.freedesktop.portal.Desktop"


@dataclass
class Answer:
    """What the desktop does when it is asked for a picture."""

    code: int = 0
    """0 done, 1 cancelled by the user, 2 something else."""
    uri: str = ""
    silent: bool = False
    """Whether the user is still picking."""


@dataclass
class FakePortal:
    """What was asked of the portal."""

    answer: Answer = field(default_factory=Answer)
    asked: list[dict[str, Any]] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    missing: bool = False
    """Whether the desktop has portals, but not this one."""


@contextmanager
def session_bus() -> Iterator[str]:
    """Run a bus and give its address."""
    daemon = shutil.which("dbus-daemon")
    assert daemon is not None
    process = subprocess.Popen(
        [daemon, "--session", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextmanager
def fake_portal(address: str) -> Iterator[FakePortal]:
    """Answer on the bus at ``address``, on a thread of its own."""
    portal = FakePortal()
    connection = open_dbus_connection(address)
    connection.send_and_get_reply(message_bus.RequestName(NAME))
    stop = threading.Event()
    thread = threading.Thread(target=_serve, args=(connection, portal, stop), name="portal")
    thread.start()
    try:
        yield portal
    finally:
        stop.set()
        thread.join()
        connection.close()


def _serve(connection: DBusConnection, portal: FakePortal, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            message = connection.receive(timeout=0.02)
        except TimeoutError:
            continue
        if message.header.message_type is MessageType.method_call:
            _answer(connection, portal, message)


def _answer(connection: DBusConnection, portal: FakePortal, message: Message) -> None:
    fields = message.header.fields
    member, sender = fields[HeaderFields.member], str(fields[HeaderFields.sender])
    if member == "Register":
        portal.registered.append(message.body[0])
        connection.send(new_method_return(message))
    elif member == "Screenshot" and not portal.missing:
        options = {name: value for name, (_, value) in message.body[1].items()}
        portal.asked.append(options)
        handle = f"/org/freedesktop/portal/desktop/request/{sender[1:].replace('.', '_')}/{options['handle_token']}"
        connection.send(new_method_return(message, "o", (handle,)))
        if not portal.answer.silent:
            results = {"uri": ("s", portal.answer.uri)} if portal.answer.uri else {}
            emitter = DBusAddress(handle, interface="org.freedesktop.portal.Request")
            connection.send(new_signal(emitter, "Response", "ua{sv}", (portal.answer.code, results)))
    else:
        connection.send(new_error(message, "org.freedesktop.DBus.Error.UnknownMethod"))
