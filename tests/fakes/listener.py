"""A listener that says what a test tells it to, and that notices when it is used wrongly."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from app.hearing.listener import ListeningOptions
from inference.transcription import Utterance


class FakeListener(QObject):
    """Keeps to the rules of the real one: ``finished`` comes once for each start, unless it was cancelled."""

    state_changed = Signal(object)
    opened = Signal(str)
    level = Signal(float)
    partial = Signal(str)
    utterance = Signal(object)
    finished = Signal(str)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.state = "idle"
        self.options: list[ListeningOptions] = []
        self.cancelled = 0
        self.refuses = False

    def start(self, options: ListeningOptions | None = None) -> bool:
        assert self.state == "idle", "a second recording before the end of the first"
        if self.refuses:
            return False
        self.options.append(options or ListeningOptions())
        self.state = "recording"
        return True

    def stop(self) -> None:
        if self.state == "recording":
            self.state = "processing"

    def cancel(self) -> None:
        self.cancelled += self.state != "idle"
        self.state = "idle"

    def close(self) -> None:
        self.cancel()

    # --- for the test ---

    def say(self, text: str) -> None:
        """Understand a sentence."""
        if self.state != "idle":
            self.partial.emit(text)
            self.utterance.emit(Utterance(0.0, 1.0, text))

    def finish(self, text: str) -> None:
        """Have written everything down."""
        if self.state != "idle":
            self.state = "idle"
            self.finished.emit(text)

    def fail(self, sentence: str) -> None:
        """Lose the device."""
        if self.state == "recording":
            self.state = "processing"
            self.failed.emit(sentence)
