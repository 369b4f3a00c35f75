"""The bar over the message field while a conversation goes on without hands: whose turn it is, and how to end it."""

from __future__ import annotations

import math
from collections import deque

from PySide6.QtCore import QElapsedTimer, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QFont,
    QHideEvent,
    QPainter,
    QPaintEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.theme import GRID, Theme
from app.voice.hands_free import Phase
from app.widgets.leading import leading

_BARS = 9
_BAR, _GAP = 3, 3
_HEIGHT = 30
_FRAME_MS = 33
_FALL = 0.82
"""What is left of a bar's height after a frame without sound."""


class VoiceWave(QWidget):
    """Bars that follow a voice, or a slow wave while the model thinks. For the eye; the words beside it say it too."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._phase = Phase.OFF
        self._levels: deque[float] = deque([0.0] * _BARS, maxlen=_BARS)
        self._level = 0.0
        self._clock = QElapsedTimer()
        self._clock.start()
        self._timer = QTimer(self)
        self._timer.setInterval(_FRAME_MS)
        self._timer.timeout.connect(self._step)
        self.setFixedSize(self.sizeHint())

    def sizeHint(self) -> QSize:
        """Return the size of all bars."""
        return QSize(_BARS * (_BAR + _GAP) - _GAP, _HEIGHT)

    def set_phase(self, phase: Phase) -> None:
        """Move as it becomes the phase."""
        self._phase = phase
        self.update()

    def hear(self, level: float) -> None:
        """Follow the microphone: 0 to 1."""
        self._level = max(self._level, level)

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to move."""
        self._timer.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Do nothing while nobody looks."""
        self._timer.stop()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bars."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        colours = self._theme.colours
        painter.setBrush(QColor(colours.muted if self._phase is Phase.LISTENING else colours.accent))
        for number, level in enumerate(self._heights()):
            height = _BAR + level * (_HEIGHT - _BAR)
            painter.drawRoundedRect(
                QRectF(number * (_BAR + _GAP), (_HEIGHT - height) / 2, _BAR, height), _BAR / 2, _BAR / 2
            )

    def _heights(self) -> list[float]:
        if self._phase in (Phase.LISTENING, Phase.HEARING):
            middle = _BARS // 2
            newest = list(self._levels)[::-1]
            return [newest[2 * abs(number - middle)] * (1 - 0.12 * abs(number - middle)) for number in range(_BARS)]
        seconds = self._clock.elapsed() / 1000
        if self._phase is Phase.THINKING:
            return [0.12 + 0.14 * (1 + math.sin(4 * seconds - 0.7 * number)) / 2 for number in range(_BARS)]
        return [
            0.25 + 0.3 * (1 + math.sin(7 * seconds + 1.3 * number)) * (1 + math.sin(3.1 * seconds - 0.8 * number)) / 2
            for number in range(_BARS)
        ]

    def _step(self) -> None:
        shown = max(self._level, self._levels[-1] * _FALL)
        self._levels.append(shown if shown > 0.02 else 0.0)
        self._level = 0.0
        self.update()


class VoiceBar(QFrame):
    """Hidden while there is no such conversation and nothing to say about the last one."""

    end_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("voice")
        self._theme = theme
        self._phase = Phase.OFF
        self._advice = ""
        self.wave = VoiceWave(theme, self)
        self.title = leading(QLabel(self))
        self.title.setTextFormat(Qt.TextFormat.PlainText)
        self.hint = leading(QLabel(self))
        self.hint.setObjectName("hint")
        self.hint.setTextFormat(Qt.TextFormat.PlainText)
        self.hint.setWordWrap(True)
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.end = QPushButton(self)
        self.end.clicked.connect(lambda _checked=False: self._ended())
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.title)
        words.addWidget(self.hint)
        row = QHBoxLayout(self)
        row.setContentsMargins(2 * GRID, GRID + 2, GRID + 2, GRID + 2)
        row.setSpacing(2 * GRID)
        row.addWidget(self.wave)
        row.addLayout(words, 1)
        row.addWidget(self.end, 0, Qt.AlignmentFlag.AlignVCenter)
        self.hide()
        theme.changed.connect(self._restyle)
        self._restyle()

    def show_phase(self, phase: Phase) -> None:
        """Say whose turn it is."""
        begins = self._phase is Phase.OFF and phase is not Phase.OFF
        self._phase = phase
        self.wave.set_phase(phase)
        if begins:
            self._advice = ""
        title, hint = {
            Phase.OFF: ("", ""),
            Phase.LISTENING: (self.tr("Listening"), self.tr("Just speak. Esc ends the conversation.")),
            Phase.HEARING: (self.tr("You are speaking"), ""),
            Phase.THINKING: (self.tr("Thinking …"), self.tr("Speak to ask something else.")),
            Phase.SPEAKING: (self.tr("Larimar is speaking"), self.tr("Speak to interrupt it.")),
        }[phase]
        self._say(title, self._advice or hint)
        self.setProperty("alarming", "no")
        self.end.setText(self.tr("End"))
        self.end.setAccessibleName(self.tr("End the conversation without hands"))
        self.wave.show()
        self._polish()
        self.setVisible(phase is not Phase.OFF)
        if begins:
            self._announce(self.tr("Conversation without hands. Just speak. Esc ends it."))

    def show_heard(self, text: str) -> None:
        """Show what is understood of what the user says."""
        if self._phase is Phase.HEARING:
            self._say(self.title.text(), text)

    def show_advice(self, sentence: str) -> None:
        """Keep showing a sentence until the conversation ends."""
        self._advice = sentence
        self.hint.setText(sentence)
        self._announce(sentence)

    def show_problem(self, sentence: str) -> None:
        """Say why it ended; stays until it is closed."""
        self._phase = Phase.OFF
        self._say(self.tr("The conversation without hands has ended"), sentence)
        self.setProperty("alarming", "yes")
        self.end.setText(self.tr("Close"))
        self.end.setAccessibleName(self.tr("Close"))
        self.wave.hide()
        self._polish()
        self.show()
        self._announce(sentence)

    def _ended(self) -> None:
        if self._phase is Phase.OFF:
            self.hide()
        else:
            self.end_requested.emit()

    def _say(self, title: str, hint: str) -> None:
        self.title.setText(title)
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))

    def _announce(self, text: str) -> None:
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    def _polish(self) -> None:
        for widget in (self, self.hint):
            widget.style().unpolish(widget)
            widget.style().polish(widget)
        self._restyle()

    def _restyle(self) -> None:
        font = QFont(self._theme.body_font)
        font.setWeight(QFont.Weight.DemiBold)
        self.title.setFont(font)
        self.hint.setFont(self._theme.small_font)
        self.wave.update()
