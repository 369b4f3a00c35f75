"""Qt's application object: its names, and the ways in which it is told to end."""

from __future__ import annotations

import signal
import socket

from PySide6.QtCore import QCoreApplication, QEvent, QSocketNotifier, Signal
from PySide6.QtWidgets import QApplication

from inference.version import __version__

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
APP_ID = "io.github.larimar.Larimar"


class Application(QApplication):
    """Says that it was asked to quit before it closes its windows, which may otherwise stay in the tray."""

    quitting = Signal()

    def event(self, event: QEvent) -> bool:
        """Look at what is sent to the program itself."""
        if event.type() is QEvent.Type.Quit:
            self.quitting.emit()
        return super().event(event)


def make_qapplication(argv: list[str]) -> QApplication:
    """Return the QApplication with the program's names."""
    QCoreApplication.setOrganizationName("")  # Qt would put it into every path
    QCoreApplication.setApplicationName("larimar")
    QCoreApplication.setApplicationVersion(__version__)
    app = Application(argv or ["larimar"])
    app.setApplicationDisplayName("Larimar")
    app.setDesktopFileName(APP_ID)
    return app


class QuitOnInterrupt:
    """Quit in order when the terminal sends Ctrl+C or the system asks to end.

    Python runs its handlers between any two of its own instructions, perhaps where a lock is held that the end needs,
    and of these there are none while Qt waits for events. So the signal comes as a byte in a socket, and ends the
    program as one event among others.
    """

    def __init__(self, app: QApplication) -> None:
        self._app = app
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._reader.setblocking(False)

    def __enter__(self) -> None:
        self._notifier = QSocketNotifier(self._reader.fileno(), QSocketNotifier.Type.Read, self._app)
        self._notifier.activated.connect(lambda *_: self._drain())
        self._old_fd = signal.set_wakeup_fd(self._writer.fileno())
        self._old = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._notifier.setEnabled(False)
        self._reader.close()
        self._writer.close()

    def _drain(self) -> None:
        try:
            numbers = self._reader.recv(64)
        except BlockingIOError:
            return
        if any(number in _SIGNALS for number in numbers):
            self._app.quit()  # which closes the windows
