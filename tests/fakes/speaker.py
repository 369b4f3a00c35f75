"""A voice that says nothing, and ends its sentences when a test wants it to."""

from __future__ import annotations

from app.devices.speaker import Speaker


class FakeSpeaker(Speaker):
    """Remembers what it was to say."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.stops = 0
        self.saying = ""

    available = True  # type: ignore[assignment]

    def say(self, text: str) -> None:
        self.said.append(text)
        self.saying = text
        self.started.emit()

    def stop(self) -> None:
        self.stops += 1
        if self.saying:
            self.end()

    def end(self) -> None:
        """Come to the end of the sentence."""
        self.saying = ""
        self.finished.emit()
