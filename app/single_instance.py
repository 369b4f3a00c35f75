"""One Larimar for each user and data folder: a second start hands its wishes to the first and ends.

The first holds a lock file, and listens on a local socket that only its user may open. A request is one line of JSON,
the answer another.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

log = logging.getLogger(__name__)

Deed = Literal["", "dictate", "dictate-start", "dictate-stop", "cancel", "paste-last", "ask-screen"]
"""What a second start can have done without a word in the window; empty for nothing."""
_LINE_AT_MOST = 1 << 20
_PATIENCE_MS = 10_000
"""How long a second start waits for one that is just starting, or busy."""
_TRY_MS = 100
_PATH_AT_MOST = 100
"""Socket files have names of some hundred bytes at most."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a start of the program wants of the one that runs."""

    new_chat: bool = False
    ask: str = ""
    """A question to send; empty for none."""
    quit: bool = False
    do: Deed = ""

    @property
    def line(self) -> bytes:
        """The request."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Wishes:
        """Return what a request says.

        Raises:
            ValueError: it makes no sense.
        """
        said = json.loads(line)
        if not isinstance(said, dict):
            raise ValueError("no object")
        ask = said.get("ask", "")
        if not isinstance(ask, str):
            raise ValueError("ask is no text")
        do = said.get("do", "")
        if do not in get_args(Deed):
            raise ValueError("nothing that can be done")
        return cls(new_chat=said.get("new_chat") is True, ask=ask, quit=said.get("quit") is True, do=do)


def tell(folder: Path, wishes: Wishes) -> bool:
    """Tell the one that runs, if one does, what is wanted; return whether it has taken it. Needs no application."""
    socket = QLocalSocket()
    socket.connectToServer(_socket_name(folder))
    if not socket.waitForConnected(_TRY_MS):
        return False
    return _request(socket, wishes)


def _request(socket: QLocalSocket, wishes: Wishes) -> bool:
    socket.write(wishes.line)
    socket.flush()
    return socket.waitForReadyRead(_PATIENCE_MS) and bytes(socket.readLine().data()).strip() == b"ok"


class SingleInstance(QObject):
    """Find out with :meth:`first` whether this is the first; if it is not, :meth:`hand_over`."""

    wished = Signal(object)
    """Another start wants something; carries :class:`Wishes`."""

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = _socket_name(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = QLockFile(str(folder / "running.lock"))
        self._lock.setStaleLockTime(0)  # only a process that is gone makes it stale
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._connected)

    def first(self) -> bool:
        """Return whether nobody was there before us; if so, listen from now on."""
        if not self._lock.tryLock(0):
            return False
        QLocalServer.removeServer(self._name)  # left by one that was killed
        if not self._server.listen(self._name):
            log.warning("Other starts will not be heard: %s", self._server.errorString())
        return True

    def hand_over(self, wishes: Wishes) -> bool:
        """Tell the one that runs what is wanted; return whether it has taken it. Blocks for up to ten seconds."""
        end = time.monotonic() + _PATIENCE_MS / 1000
        while time.monotonic() < end:
            socket = QLocalSocket()
            socket.connectToServer(self._name)
            if socket.waitForConnected(_TRY_MS):
                return _request(socket, wishes)
            if self._lock.tryLock(_TRY_MS):  # it has just ended; waits a moment when it has not
                self._lock.unlock()
                return False
        return False

    def close(self) -> None:
        """Let the next start be the first."""
        self._server.close()
        self._lock.unlock()

    def _connected(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.readyRead.connect(lambda socket=socket: self._read(socket))
            socket.disconnected.connect(socket.deleteLater)

    def _read(self, socket: QLocalSocket) -> None:
        if not socket.canReadLine():
            if socket.bytesAvailable() > _LINE_AT_MOST:
                socket.abort()
            return
        try:
            wishes = Wishes.of(bytes(socket.readLine(_LINE_AT_MOST).data()))
        except ValueError:
            socket.write(b"not understood\n")
        else:
            socket.write(b"ok\n")
            self.wished.emit(wishes)
        socket.flush()
        socket.disconnectFromServer()


def _socket_name(folder: Path) -> str:
    mark = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    if os.name == "nt":
        return f"larimar-{mark}"
    # A folder of the user's own, where nobody else could put a socket of that name first.
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    for place in (Path(runtime) if runtime else folder, folder):
        path = place / f"larimar-{mark}.socket"
        if place.is_dir() and len(str(path)) <= _PATH_AT_MOST:
            return str(path)
    return str(Path(tempfile.gettempdir()) / f"larimar-{os.getuid()}-{mark}.socket")
