"""Offline lets not even a name be looked up: shown with a name server of the test's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = ["unshare", "-n", "-m"]

pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None
    or subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="needs Linux and the right to make network and mount namespaces",
)

SCRIPT = """
import contextlib, fcntl, os, socket, struct, subprocess, sys, threading
sys.path.insert(0, sys.argv[2])

# the loopback device of the new namespace is up from here on
flags = struct.pack("16sh22x", b"lo", 1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
    fcntl.ioctl(device, 0x8914, flags)
config = os.path.join(sys.argv[1], "resolv.conf")
with open(config, "w") as file:
    file.write("nameserver 127.0.0.1\\noptions timeout:1 attempts:1\\n")
subprocess.run(["mount", "--bind", config, "/etc/resolv.conf"], check=True)

queries = []
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))

def serve():
    while True:
        question, sender = server.recvfrom(512)
        queries.append(question)
        server.sendto(question[:2] + b"\\x81\\x83" + question[4:6] + bytes(6) + question[12:], sender)  # no such name

threading.Thread(target=serve, daemon=True).start()

from inference.network import NETWORK
NETWORK.guard()

NAME = "somebody.example"

def tcp(act):
    with socket.socket() as one:
        act(one)

def udp(act):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        act(one)

WAYS = {
    "connect": lambda: tcp(lambda one: one.connect((NAME, 80))),
    "connect_ex": lambda: tcp(lambda one: one.connect_ex((NAME, 80))),
    "bind": lambda: tcp(lambda one: one.bind((NAME, 0))),
    "sendto": lambda: udp(lambda one: one.sendto(b"x", (NAME, 80))),
    "sendto with flags": lambda: udp(lambda one: one.sendto(b"x", 0, (NAME, 80))),
    "sendmsg": lambda: udp(lambda one: one.sendmsg([b"x"], [], 0, (NAME, 80))),
    "create_connection": lambda: socket.create_connection((NAME, 80), timeout=2),
    "getaddrinfo": lambda: socket.getaddrinfo(NAME, 80),
    "gethostbyname": lambda: socket.gethostbyname(NAME),
    "gethostbyname_ex": lambda: socket.gethostbyname_ex(NAME),
    "gethostbyaddr": lambda: socket.gethostbyaddr("192.0.2.1"),
    "getnameinfo": lambda: socket.getnameinfo(("192.0.2.1", 80), 0),
}
for offline in (False, True):
    NETWORK.offline = offline
    for name, way in WAYS.items():
        queries.clear()
        with contextlib.suppress(OSError):
            way()
        print(offline, name, "asked" if queries else "silent", sep="|")
"""


def test_no_name_leaves_while_offline(tmp_path: Path) -> None:
    done = subprocess.run(
        [*NAMESPACE, sys.executable, "-c", SCRIPT, str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line.split("|") for line in done.stdout.splitlines()]
    online = {name: what for offline, name, what in said if offline == "False"}
    offline = {name: what for offline, name, what in said if offline == "True"}
    assert len(online) == len(offline) == 12
    assert set(online.values()) == {"asked"}, online  # what the test would see, if there were anything to see
    assert set(offline.values()) == {"silent"}, offline
