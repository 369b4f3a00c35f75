"""The switch “Offline”: no socket out of this machine."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

import pytest

from inference.network import NETWORK, BlockedConnectionError, OfflineError, stays_here


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    NETWORK.guard()
    monkeypatch.setattr(NETWORK, "offline", True)


@pytest.mark.parametrize(
    "address",
    [("127.0.0.1", 1), ("::1", 1, 0, 0), "/run/bus", "\0abstract", b"localhost", "localhost", None, "", 7, (1, 2)],
)
def test_what_stays_on_this_machine(address: object) -> None:
    assert stays_here(address)


@pytest.mark.parametrize(
    "address", [("192.0.2.1", 80), ("2001:db8::1", 443, 0, 0), "example.org", b"example.org", "0.0.0.0", "127.0.0.1.x"]
)
def test_what_does_not(address: object) -> None:
    assert not stays_here(address)


def test_every_way_out_is_closed(offline: None) -> None:
    before = NETWORK.refused
    with pytest.raises(BlockedConnectionError):
        socket.getaddrinfo("example.org", 443)
    with pytest.raises(BlockedConnectionError):
        socket.gethostbyname("example.org")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram, pytest.raises(BlockedConnectionError):
        datagram.sendto(b"x", ("192.0.2.1", 9))
    # below the test suite's own guard, which also forbids it
    with socket.socket() as stream, pytest.raises(BlockedConnectionError):
        super(socket.socket, stream).connect(("192.0.2.1", 9))
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen("http://192.0.2.1/", timeout=1)
    assert NETWORK.refused >= before + 4
    with pytest.raises(OfflineError):
        NETWORK.require()


def test_loopback_stays_open(offline: None) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as connection:
        connection.sendall(b"x")


def test_nothing_is_closed_while_the_switch_is_off() -> None:
    NETWORK.guard()
    before = NETWORK.refused
    assert socket.getaddrinfo("127.0.0.1", 80)
    NETWORK.require()
    assert NETWORK.refused == before
