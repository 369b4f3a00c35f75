"""The composition root: builds everything, connects it, and takes it down again in order."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, QSocketNotifier
from PySide6.QtWidgets import QApplication, QFileDialog

from app.background import Background
from app.devices.speaker import Speaker, SystemSpeaker
from app.engine_worker import Engine, EngineFactory
from app.history_actions import HistoryActions
from app.history_store import HistoryStore
from app.logging_setup import log_to, stop_logging_qt
from app.paths import Paths
from app.session import Session, SessionState
from app.settings import ColourScheme, Settings, SettingsStore
from app.store.sqlite_store import SqliteStore
from app.theme import Theme
from app.transfer_actions import TransferActions
from app.window import MainWindow
from inference.cancellation import CancelToken
from inference.version import __version__

APP_ID = "io.github.larimar.Larimar"
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says about the window."""

    model: Path | None = None
    """The model folder for this run; ``None`` is the one of the settings, or the default one."""
    data_dir: Path | None = None
    """Where every file of the program goes; ``None`` leaves that to the operating system."""

    @property
    def paths(self) -> Paths:
        """The folders that follow from the options."""
        return Paths.under(self.data_dir) if self.data_dir else Paths.of_user()


class Larimar(QObject):
    """The running program, without the event loop."""

    def __init__(
        self,
        app: QApplication,
        options: Options,
        factory: EngineFactory,
        *,
        choose_folder: Callable[[Path | None], Path | None] | None = None,
        speaker: Speaker | None = None,
    ) -> None:
        super().__init__(app)
        self._options = options
        self._choose_folder = choose_folder or self._ask_for_folder
        self._store = SettingsStore(options.paths.config / "settings.ini")
        self.settings = self._store.load()
        self.theme = Theme(app, self.settings.colour_scheme)
        self._closed = False
        self.session = Session(factory, self)
        self.background = Background(self)
        self.conversations: HistoryStore = SqliteStore(options.paths.data)
        self.speaker = speaker or Speaker(self)
        self.window = MainWindow(self.session, self.theme, self.conversations, self.background, self.speaker)
        self.history = HistoryActions(self.window.history, self.window.chat, self.conversations, self.background, self)
        self.history.opened.connect(self._conversation_opened)
        self.transfer = TransferActions(self.window.history, self.conversations, self.background, self)
        self.transfer.imported = self.history.refresh
        self.history.open_at_start(self.settings.conversation)
        self.window.restore(self.settings.window_geometry)
        self.window.chat.composer.think.setChecked(self.settings.thinking)

        self.session.state_changed.connect(self._spare_the_collector)
        self.window.closing.connect(self.close)
        self.window.chat.composer.thinking_changed.connect(self._thinking_changed)
        self.window.chat.choose_model_requested.connect(self.choose_model)
        self.window.status.choose_model_requested.connect(self.choose_model)
        self.window.menu.choose_model_requested.connect(self.choose_model)
        self.window.menu.show_scheme(self.settings.colour_scheme)
        self.window.menu.colour_scheme_chosen.connect(self._colour_scheme_chosen)

    def start(self) -> None:
        """Show the window, then load the model behind it."""
        self.window.show()
        log.debug("The window is shown")
        folder = self._options.model
        if folder is None and not os.environ.get("LARIMAR_MODEL"):  # which the default model folder obeys
            folder = self.settings.model_folder
        self.session.load(folder)

    def choose_model(self) -> None:
        """Let the user pick a model folder and load it."""
        folder = self._choose_folder(self.session.path)
        if folder is not None:
            self._change(replace(self.settings, model_folder=folder))
            self.session.load(folder)

    def close(self) -> None:
        """Stop the engine, write the settings, and leave no thread behind."""
        if self._closed:
            return
        self._closed = True
        self._change(replace(self.settings, window_geometry=self.window.geometry_to_keep()))
        self.speaker.close()
        self.session.close()
        self.background.close()
        self.conversations.close()
        self._store.close()

    def _spare_the_collector(self, state: SessionState) -> None:
        """Let Python's garbage collector no longer look through what the start and the model brought.

        That is most of all objects; to look through them takes longer than a frame, in the middle of a reply.
        """
        if state is SessionState.READY:
            gc.freeze()
            self.session.state_changed.disconnect(self._spare_the_collector)

    def _change(self, settings: Settings) -> None:
        self.settings = settings
        self._store.save(settings)

    def _conversation_opened(self, conversation_id: str) -> None:
        if not self._closed:
            self._change(replace(self.settings, conversation=conversation_id))

    def _thinking_changed(self, thinking: bool) -> None:
        self._change(replace(self.settings, thinking=thinking))

    def _colour_scheme_chosen(self, scheme: ColourScheme) -> None:
        self.theme.wish(scheme)
        self._change(replace(self.settings, colour_scheme=scheme))

    def _ask_for_folder(self, start: Path | None) -> Path | None:
        title = self.tr("Choose a model folder")
        chosen = QFileDialog.getExistingDirectory(self.window, title, str(start or Path.home()))
        return Path(chosen) if chosen else None


def run(model: Path | None = None, data_dir: Path | None = None) -> int:
    """Open the window and return the exit status when it is closed.

    ``model`` is the model folder for this run and ``data_dir`` the folder for every file of the program;
    ``None`` leaves either to the settings and the operating system.
    """
    options = Options(model, data_dir)
    log_to(options.paths.logs)
    app = make_qapplication(sys.argv[:1])
    larimar = Larimar(app, options, open_engine, speaker=SystemSpeaker(app))
    with _quit_on_interrupt(app):
        larimar.start()
        status = app.exec()
    larimar.close()
    stop_logging_qt()
    return status


def make_qapplication(argv: list[str]) -> QApplication:
    """Return the QApplication with the program's names."""
    QCoreApplication.setOrganizationName("")  # Qt would put it into every path
    QCoreApplication.setApplicationName("larimar")
    QCoreApplication.setApplicationVersion(__version__)
    app = QApplication(argv or ["larimar"])
    app.setApplicationDisplayName("Larimar")
    app.setDesktopFileName(APP_ID)
    return app


def open_engine(
    path: Path | None, progress: Callable[[str, float], None] | None = None, cancel: CancelToken | None = None
) -> Engine:
    """Load a model; runs on the engine thread, which also pays for the import."""
    # ONNX Runtime 1.29 and later report the machine to their maker unless this is set before the first import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    from inference.engine import Engine as RealEngine

    return RealEngine.open(path, progress=progress, cancel=cancel)


class _quit_on_interrupt:  # noqa: N801 — used like a function
    """Quit in order when the terminal sends Ctrl+C or the system asks to end.

    Python runs its handlers only between two of its own instructions, of which there are none while Qt waits for
    events; a byte in a socket wakes it up.
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
        self._old = {number: signal.signal(number, self._quit) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        self._notifier.setEnabled(False)
        self._reader.close()
        self._writer.close()

    def _drain(self) -> None:
        try:
            self._reader.recv(64)
        except BlockingIOError:
            return

    def _quit(self, *_: object) -> None:
        self._app.closeAllWindows()
        self._app.quit()
