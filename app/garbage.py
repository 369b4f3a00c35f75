"""Python's garbage, collected on the GUI thread alone.

A cycle that holds a Qt object may otherwise be found by whichever thread happens to allocate next, and the object ends
there: Qt's timers, windows and models must end on the thread that they live on, or the process does.
"""

from __future__ import annotations

import gc
import time
from typing import Final

from PySide6.QtCore import QObject, QTimer

_PERIOD_MS: Final = 250
_WHOLE_SECONDS: Final = 30.0
"""Least seconds between two looks at all objects, which may take some frames."""


class GuiThreadCollector(QObject):
    """Turns the automatic collection off and does it from the event loop, at the same thresholds, until ``close``."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._was_enabled = gc.isenabled()
        self._looked_at_all = time.monotonic()
        gc.disable()
        self._timer = QTimer(self)
        self._timer.setInterval(_PERIOD_MS)
        self._timer.timeout.connect(self.collect)
        self._timer.start()

    def collect(self) -> None:
        """Collect the oldest generation that is due, if any."""
        counts, thresholds = gc.get_count(), gc.get_threshold()
        due = [generation for generation in (0, 1, 2) if 0 < thresholds[generation] < counts[generation]]
        if 2 in due and time.monotonic() - self._looked_at_all < _WHOLE_SECONDS:
            due.remove(2)
        if due:
            gc.collect(due[-1])
        if 2 in due:
            self._looked_at_all = time.monotonic()

    def close(self) -> None:
        """Leave the collection to Python again."""
        self._timer.stop()
        if self._was_enabled:
            gc.enable()
