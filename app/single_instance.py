"""One Larimar for each user and data folder: a second start hands its wishes to the first and ends.

The first holds a lock file, and listens on a local socket that only its user may open. A request is one line of JSON,
the answer another.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import stat
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, get_args

from PySide6.QtCore import QLockFile, QObject, QTimer, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

from app.paths import LOCK
from app.private_files import make_private_folder, private_opener
from inference.errors import ForeignFileError
from inference.foreign_json import JsonLimits, parse_json

log = logging.getLogger(__name__)

Deed = Literal["", "dictate", "dictate-start", "dictate-stop", "cancel", "paste-last", "ask-screen"]
"""What a second start can have done without a word in the window; empty for nothing."""
_LINE_AT_MOST = 1 << 20
_LIMITS = JsonLimits(bytes=_LINE_AT_MOST, depth=2, values=_LINE_AT_MOST)
_CALLERS_AT_MOST = 16
"""Starts that are listened to at the same time; one more is sent away."""
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
        try:
            said = parse_json(line, "a request", _LIMITS)
        except ForeignFileError as error:
            raise ValueError("no JSON") from error
        if not isinstance(said, dict):
            raise ValueError("no object")
        ask = said.get("ask", "")
        if not isinstance(ask, str) or "\0" in ask:
            raise ValueError("ask is no text")
        do = next((deed for deed in get_args(Deed) if deed == said.get("do", "")), None)
        if do is None:
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
        self._folder = folder
        self._lock_file = _lock_folder(folder) / LOCK
        self._lock = QLockFile(str(self._lock_file))
        self._lock.setStaleLockTime(0)  # only a process that is gone makes it stale
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._connected)
        self._callers: list[QLocalSocket] = []

    def first(self) -> bool:
        """Return whether nobody was there before us, as far as can be told; if so, listen from now on."""
        # (Qt would wait for the other end of a pipe)
        if _may_be_lock(self._lock_file) and not self._lock.tryLock(0):
            failed = QLockFile.LockError.LockFailedError
            if self._lock.error() is failed and not (_removed_if_stale(self._lock_file) and self._lock.tryLock(0)):
                return False
        if not self._lock.isLocked():
            log.warning("Whether another Larimar runs cannot be told: no lock can be written")
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
        if self._lock_file.parent != self._folder:
            with contextlib.suppress(OSError):
                self._lock_file.parent.rmdir()  # a substitute that nobody needs any more

    def _connected(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.setReadBufferSize(_LINE_AT_MOST + 1)
            socket.readyRead.connect(lambda socket=socket: self._read(socket))
            socket.disconnected.connect(lambda socket=socket: self._gone(socket))
            patience = QTimer(socket)
            patience.setSingleShot(True)
            patience.timeout.connect(lambda socket=socket: self._refuse(socket))
            patience.start(_PATIENCE_MS)
            self._callers.append(socket)
            if len(self._callers) > _CALLERS_AT_MOST:
                self._refuse(self._callers[0])
            if socket.bytesAvailable():  # it came before anybody listened
                self._read(socket)

    def _gone(self, socket: QLocalSocket) -> None:
        if socket in self._callers:
            self._callers.remove(socket)
        socket.deleteLater()

    def _read(self, socket: QLocalSocket) -> None:
        if socket not in self._callers:  # answered already
            return
        if not socket.canReadLine():
            if socket.bytesAvailable() > _LINE_AT_MOST:
                self._refuse(socket)
            return
        try:
            wishes = Wishes.of(bytes(socket.readLine(_LINE_AT_MOST).data()))
        except ValueError:
            self._refuse(socket)
            return
        self._answer(socket, b"ok\n")
        self.wished.emit(wishes)

    def _refuse(self, socket: QLocalSocket) -> None:
        self._answer(socket, b"not understood\n")

    def _answer(self, socket: QLocalSocket, words: bytes) -> None:
        if socket not in self._callers:
            return
        self._callers.remove(socket)
        socket.write(words)
        socket.flush()
        if socket.bytesToWrite():  # one that does not even read
            socket.abort()
        else:
            socket.disconnectFromServer()


def _may_be_lock(lock: Path) -> bool:
    """Whether somebody can hold what stands in the place of the lock: a folder or a pipe is held by nobody."""
    try:
        mode = lock.lstat().st_mode
    except OSError:  # it has gone meanwhile, and there may be another
        return True
    return stat.S_ISREG(mode) or (stat.S_ISLNK(mode) and lock.is_file())


def _removed_if_stale(lock: Path) -> bool:
    """Remove a lock that nobody holds; return whether it was one.

    Qt asks whether a process of the number in it runs. In a container that can be anybody, even this one: after a
    kill, every start would find itself running already. Who holds the lock keeps the file locked as well.
    """
    try:
        import fcntl
    except ImportError:  # Windows does not let files be removed that somebody holds
        return False
    try:
        with open(lock, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                lock.unlink()  # while it is ours: one who starts at the same time finds it locked, or another
                return True
    except OSError:
        return False
    return False


def _lock_folder(folder: Path) -> Path:
    """Return where the lock lies: in ``folder``, or in a substitute where that takes no files."""
    for place in chain([folder], _substitutes(folder)):
        try:
            make_private_folder(place)
            if _takes_files(place) and _has_room(place):
                return place
        except OSError:
            continue
    return folder


def _substitutes(folder: Path) -> Iterator[Path]:
    """Yield folders that only this user can have made, for what ``folder`` does not take."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime):
        yield Path(runtime, f"larimar-{_mark(folder)}")
    with contextlib.suppress(OSError):  # on a full disk, Python finds no place for temporary files
        temporary = Path(tempfile.gettempdir(), f"larimar-{_user()}-{_mark(folder)}")
        temporary.mkdir(mode=0o700, exist_ok=True)
        status = temporary.lstat()  # anybody may have made it first
        if stat.S_ISDIR(status.st_mode) and (os.name == "nt" or status.st_uid == os.getuid()):
            yield temporary


def _has_room(folder: Path) -> bool:
    """Whether a lock can be written: a full disk takes its name, but not what is in it."""
    if (folder / LOCK).exists():
        return True
    probe = folder / f".{uuid.uuid4().hex}.part"
    try:
        with open(probe, "xb", opener=private_opener) as file:
            file.write(b"x" * 200)
    finally:
        probe.unlink(missing_ok=True)
    return True


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "user"


def _mark(folder: Path) -> str:
    try:
        folder = folder.resolve()
    except (OSError, RuntimeError):  # links in a circle
        folder = folder.absolute()
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def _socket_name(folder: Path) -> str:
    mark = _mark(folder)
    if os.name == "nt":
        return f"larimar-{mark}"
    # A folder of the user's own, where nobody else could put a socket of that name first.
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    usual = [Path(runtime)] if os.path.isabs(runtime) else []
    for place in chain(usual, [folder], _substitutes(folder)):
        path = place / f"larimar-{mark}.socket"
        if len(os.fsencode(path)) <= _PATH_AT_MOST and _takes_files(place):
            return str(path)
    return f"larimar-{mark}"


def _takes_files(folder: Path) -> bool:
    try:
        return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False
