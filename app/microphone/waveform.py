"""What came in during the last seconds, as bars that wander to the side."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.theme import Theme

_BAR = 3.0
_STEP = 5.0
_PEAKS_A_BAR = 5
"""Of 10 ms each, so that a bar is 50 ms."""
_HEIGHT = 56
_BARS_KEPT = 800


class Waveform(QWidget):
    """A strip; voices are shown in the accent's colour."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._bars: deque[tuple[float, bool]] = deque(maxlen=_BARS_KEPT)
        self._rest: list[float] = []
        self._speech = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Waveform"))
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Return the height of the strip."""
        return QSize(200, _HEIGHT)

    def add(self, peaks: NDArray[np.float32]) -> None:
        """Append float32 [n], the peak of each 10 ms, 0 to 1."""
        self._rest += peaks.tolist()
        while len(self._rest) >= _PEAKS_A_BAR:
            self._bars.append((max(self._rest[:_PEAKS_A_BAR]), self._speech))
            del self._rest[:_PEAKS_A_BAR]
        self.update()

    def set_speech(self, speech: bool) -> None:
        """Say whether what comes next is a voice."""
        self._speech = speech

    def clear(self) -> None:
        """Show silence."""
        self._bars.clear()
        self._rest.clear()
        self._speech = False
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the newest bars at the end of the strip."""
        colours = self._theme.colours
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        mirrored = self.layoutDirection() is Qt.LayoutDirection.RightToLeft
        count = int(self.width() / _STEP)
        middle, most = self.height() / 2, self.height() / 2 - 2
        newest = list(self._bars)[-count:]
        silent: list[tuple[float, bool]] = [(0.0, False)] * (count - len(newest))
        for number, (peak, speech) in enumerate(silent + newest):
            # loudness is felt in steps of decibels; the square root comes near enough
            half = max(1.5, most * peak**0.5)
            left = number * _STEP
            if mirrored:
                left = self.width() - left - _BAR
            painter.setBrush(QColor(colours.accent if speech else colours.border_strong if peak else colours.border))
            painter.drawRoundedRect(QRectF(left, middle - half, _BAR, 2 * half), _BAR / 2, _BAR / 2)
