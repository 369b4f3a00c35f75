"""The switch "Offline": while it is on, no socket of this process reaches another machine.

Python tells its audit hooks of every attempt to look up a name or to connect, whichever library makes it. The hook
here refuses those that do not stay on this machine. A socket that is given a name in place of an address looks that
name up *before* it tells the hooks, which would let a DNS query out; the methods of :class:`socket.socket` that take
addresses are therefore wrapped, too. What is written in C and opens sockets of its own is not seen: of that the program
has nothing that it starts by itself, and :mod:`inference.hub_client` keeps to plain HTTP in Python.
"""

from __future__ import annotations

import errno
import functools
import ipaddress
import socket
import sys
from collections.abc import Callable
from typing import Any, Final

from inference.errors import LarimarError

_LOOKUPS: Final = frozenset(
    {"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo"}
)
_CONNECTIONS: Final = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind"})
_ADDRESS_AT: Final = {"connect": 0, "connect_ex": 0, "bind": 0, "sendto": -1, "sendmsg": 3}
"""By the method of a socket, which of its arguments is the address."""
_SENTENCE: Final = "Larimar is switched to “Offline” and opens no connection. Switch it off in the settings to do this."


class OfflineError(LarimarError):
    """Something needs the network, and the user has forbidden it."""

    def __init__(self) -> None:
        super().__init__(_SENTENCE)


class BlockedConnectionError(ConnectionRefusedError):
    """A socket was to reach another machine while the switch was on."""


class Network:
    """Whether this process may reach other machines. There is one of them, :data:`NETWORK`."""

    def __init__(self) -> None:
        self.offline = False
        """While true, connections to other machines fail; from any thread."""
        self.refused = 0
        """How many attempts were refused so far."""
        self._guarding = False

    def guard(self) -> None:
        """Begin to watch the sockets of this process; cannot be undone, costs nothing to speak of."""
        if not self._guarding:
            self._guarding = True
            for name, place in _ADDRESS_AT.items():
                if hasattr(socket.socket, name):  # sendmsg is not on Windows
                    setattr(socket.socket, name, self._wrapped(getattr(socket.socket, name), place))
            sys.addaudithook(self._audit)

    def require(self) -> None:
        """Return when the network may be used.

        Raises:
            OfflineError: it may not.
        """
        if self.offline:
            raise OfflineError

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.offline or not event.startswith("socket."):
            return
        if event in _LOOKUPS:
            host = arguments[0]
        elif event in _CONNECTIONS:
            host = arguments[1]
        else:
            return
        self._check(host)

    def _check(self, address: object) -> None:
        if self.offline and not stays_here(address):
            self.refused += 1
            raise BlockedConnectionError(errno.ECONNREFUSED, _SENTENCE)

    def _wrapped(self, method: Callable[..., Any], place: int) -> Callable[..., Any]:
        @functools.wraps(method)
        def checked(*arguments: Any) -> Any:
            if self.offline and -len(arguments) < place < len(arguments) - 1:
                self._check(arguments[1:][place])  # before the socket itself resolves the name
            return method(*arguments)

        return checked


NETWORK: Final = Network()
"""The one of this process; it watches nothing before its ``guard`` was called."""


def stays_here(address: object) -> bool:
    """Return whether an address, as sockets take them, is on this machine: loopback, or a socket file."""
    if isinstance(address, tuple):
        address = address[0] if address else None
    if address is None:
        return True  # a listening address, or a socket that is connected already
    if isinstance(address, bytes):
        address = address.decode("ascii", "replace")
    if not isinstance(address, str):
        return True  # families without hosts: Netlink, Bluetooth, …
    if address == "localhost" or address.startswith(("/", "\0")) or address == "":
        return True
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
