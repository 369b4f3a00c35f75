"""Downloads under way, each on a thread of its own; how far they are is told a few times a second."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Qt, QTimer, Signal

from app.error_report import describe
from inference.cancellation import CancelToken
from inference.catalogue import CatalogueModel
from inference.errors import LarimarError
from inference.hub import DownloadCancelledError, Progress, Source, download, forget_partial, partial_bytes

log = logging.getLogger(__name__)

TICK_MS = 200
_SPEED_OVER = 5.0  # seconds
_PATIENCE = 3.0
"""Seconds to wait for a thread at the end of the program; one that waits for the network is left behind."""


@dataclass(slots=True)
class _Running:
    model: CatalogueModel
    folder: Path
    cancel: CancelToken = field(default_factory=CancelToken)
    forget: bool = False
    progress: Progress = field(default_factory=lambda: Progress(0, 0))
    history: deque[tuple[float, int]] = field(default_factory=deque)
    thread: threading.Thread | None = None


class Downloads(QObject):
    """Starts and stops downloads. Methods are for the GUI thread; nothing is asked of the network before ``start``."""

    progressed = Signal(str, object, float)
    """Carries the id of a model, its :class:`~inference.hub.Progress`, and bytes a second."""
    finished = Signal(str, object)
    """Carries the id of a model and the folder that is there now."""
    stopped = Signal(str, str)
    """Carries the id of a model and why its download ended early, as a sentence; empty when the user stopped it."""
    _ended = Signal(str, object, str)

    def __init__(self, source: Source, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._source = source
        self._running: dict[str, _Running] = {}
        self._closed = False
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._ended.connect(self._end, Qt.ConnectionType.QueuedConnection)

    def running(self, model_id: str) -> bool:
        """Return whether a model is being downloaded."""
        return model_id in self._running

    def start(self, model: CatalogueModel, folder: Path) -> None:
        """Begin a download into ``folder``, or go on with one."""
        if model.id in self._running or self._closed:
            return
        running = self._running[model.id] = _Running(model, folder)
        running.thread = threading.Thread(
            target=self._run, args=(running,), name=f"larimar-download-{model.id}", daemon=True
        )
        running.thread.start()
        self._timer.start()

    def pause(self, model_id: str) -> None:
        """Stop a download; what has arrived stays."""
        if running := self._running.get(model_id):
            running.cancel.cancel()

    def cancel(self, model_id: str, folder: Path) -> None:
        """Stop a download, if it is under way, and delete what has arrived."""
        if running := self._running.get(model_id):
            running.forget = True
            running.cancel.cancel()
        else:
            forget_partial(folder, model_id)
            self.stopped.emit(model_id, "")

    def kept(self, model_id: str, folder: Path) -> int:
        """Return how many bytes of an earlier try there are."""
        return partial_bytes(folder, model_id)

    def close(self) -> None:
        """Stop everything."""
        self._closed = True
        self._timer.stop()
        for running in self._running.values():
            running.cancel.cancel()
        for running in self._running.values():
            if running.thread is not None:
                running.thread.join(_PATIENCE)
        self._running.clear()

    def _run(self, running: _Running) -> None:
        model = running.model

        def progressed(progress: Progress) -> None:
            running.progress = progress

        path: Path | None = None
        sentence = ""
        try:
            path = download(
                self._source, model.repository, model.suffix, running.folder, model.id, progressed, running.cancel
            )
        except DownloadCancelledError:
            if running.forget:
                forget_partial(running.folder, model.id)
        except LarimarError as error:
            sentence = str(error)
        except BaseException as error:
            log.error("Unexpected in a download: %s", describe(error))
            sentence = QCoreApplication.translate(
                "Downloads", "Something went wrong inside Larimar during the download. Please try again."
            )
        if not self._closed:
            self._ended.emit(model.id, path, sentence)

    def _end(self, model_id: str, path: Path | None, sentence: str) -> None:
        running = self._running.pop(model_id, None)
        if running is None:
            return
        if running.thread is not None:
            running.thread.join()
        if not self._running:
            self._timer.stop()
        if path is not None:
            self.finished.emit(model_id, path)
        else:
            self.stopped.emit(model_id, sentence)

    def _tick(self) -> None:
        now = time.monotonic()
        for model_id, running in self._running.items():
            history = running.history
            fetched = running.progress.done - running.progress.kept
            history.append((now, fetched))
            while now - history[0][0] > _SPEED_OVER:
                history.popleft()
            elapsed = now - history[0][0]
            speed = (fetched - history[0][1]) / elapsed if elapsed > 1 else 0.0
            self.progressed.emit(model_id, running.progress, max(0.0, speed))
