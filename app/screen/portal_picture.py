"""Pictures of the screen where only the desktop takes them: the Screenshot portal of Wayland."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage

from app.error_report import describe

log = logging.getLogger(__name__)

_INTERFACE: Final = "org.freedesktop.portal.Screenshot"
_MISSING: Final = (
    "This desktop does not let programs take pictures of the screen: its Screenshot portal is missing. Install "
    "xdg-desktop-portal and the part of it for your desktop, or take the picture yourself and paste it into the chat."
)
_UNREADABLE: Final = "The desktop took a picture, but it cannot be read. Take one yourself and paste it into the chat."


class PortalPicture(QObject):
    """Asks the desktop for a picture; its user picks the part, in the desktop's own way."""

    taken = Signal(object)
    """Carries the picture, a QImage."""
    cancelled = Signal()
    """The user wants none after all."""
    failed = Signal(str)
    """There is none; carries a sentence."""

    _ended = Signal(object, str)

    def __init__(self, app_id: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._app_id = app_id
        self._thread: threading.Thread | None = None
        self._wake: socket.socket | None = None
        self._ended.connect(self._hear, Qt.ConnectionType.QueuedConnection)

    @property
    def waiting(self) -> bool:
        """Whether the desktop is being asked."""
        return self._thread is not None

    def ask(self, *, interactive: bool) -> None:
        """Ask for a picture: of the part that the user picks, or of everything. One at a time."""
        if self._thread is not None:
            return
        ours, theirs = socket.socketpair()
        self._wake = ours
        self._thread = threading.Thread(
            target=self._work, args=(theirs, interactive), name="larimar-screenshot", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Ask no longer."""
        thread, self._thread = self._thread, None
        if self._wake is not None:
            self._wake.close()
            self._wake = None
        if thread is not None:
            thread.join(1.0)

    def _hear(self, image: QImage | None, sentence: str) -> None:
        if self._thread is None:
            return
        self.close()
        if image is not None:
            self.taken.emit(image)
        elif sentence:
            self.failed.emit(sentence)
        else:
            self.cancelled.emit()

    # --- the thread ---

    def _work(self, wake: socket.socket, interactive: bool) -> None:
        image: QImage | None = None
        sentence = ""
        try:
            image = self._picture(wake, interactive)
            if image.isNull():
                image, sentence = None, _UNREADABLE
        except _RefusedError:
            pass
        except BaseException as error:
            log.info("There is no picture of the screen: %s", describe(error))
            sentence = _MISSING
        finally:
            wake.close()
        with contextlib.suppress(RuntimeError):  # the window is gone already
            self._ended.emit(image, sentence)

    def _picture(self, wake: socket.socket, interactive: bool) -> QImage:
        from app.devices.portal import Portal, PortalEnded, PortalRefused

        portal = Portal(self._app_id, wake, lambda *_: None)
        try:
            options = {"interactive": ("b", interactive), "modal": ("b", False)}
            answer = portal.request(_INTERFACE, "Screenshot", "s", ("",), options)
        except (PortalRefused, PortalEnded) as problem:
            raise _RefusedError from problem
        finally:
            portal.close()
        path = Path(unquote(urlsplit(str(answer["uri"][1])).path))
        try:
            return QImage(str(path))
        finally:
            # The desktop made the file for us and keeps no account of it: nothing is stored unless the user does so.
            path.unlink(missing_ok=True)


class _RefusedError(Exception):
    """The user, or the end of the program, said no."""
