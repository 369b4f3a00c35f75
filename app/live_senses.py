"""Which senses are live now: the one place that knows, and that can switch all of them off."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum

from PySide6.QtCore import QObject, Signal

from app.error_report import describe

log = logging.getLogger(__name__)


class Sense(Enum):
    """What of the user's surroundings the program can take in."""

    CAMERA = "camera"
    MICROPHONE = "microphone"
    SCREEN = "screen"


class LiveSenses(QObject):
    """Everything that is open now. Whoever opens a device says so here; all of it on the GUI thread."""

    changed = Signal()
    """Another set of senses is live now."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._numbers = 0
        self._open: dict[int, tuple[Sense, Callable[[], object]]] = {}

    @property
    def live(self) -> frozenset[Sense]:
        """What is open."""
        return frozenset(sense for sense, _ in self._open.values())

    def begin(self, sense: Sense, stop: Callable[[], object]) -> int:
        """Say that a device is being opened; return the number to give to :meth:`end`.

        ``stop`` is called when the user wants it closed. It begins to close the device, and :meth:`end` is called by
        the same owner once that is done: until then the indicator stays, because it is true.
        """
        before = self.live
        self._numbers += 1
        self._open[self._numbers] = (sense, stop)
        self._tell(before)
        return self._numbers

    def end(self, number: int) -> None:
        """Say that the device is closed. A number that has ended already is ignored."""
        before = self.live
        self._open.pop(number, None)
        self._tell(before)

    def stop_all(self) -> None:
        """Close everything that is open, the newest first."""
        for number, (sense, stop) in sorted(self._open.items(), reverse=True):
            try:
                if number in self._open:  # another one's end may have ended it too
                    stop()
            except Exception as error:  # one that fails must not keep the others open
                log.error("Unexpected while closing the %s: %s", sense.value, describe(error))

    def _tell(self, before: frozenset[Sense]) -> None:
        if self.live != before:
            self.changed.emit()
