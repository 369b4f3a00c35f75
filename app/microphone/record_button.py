"""The big round button: hold it while speaking, or click to begin and click to end."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QInputEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

from app.hearing.listener import ListenerState
from app.theme import Theme

HOLD_SECONDS = 0.4
"""A press that lasts longer is push-to-talk: its release ends the recording."""

_SIZE = 64
_HALO = 12  # pixels around the button for how loud it is
_ICON = 28


class RecordButton(QAbstractButton):
    """Space and Enter work as the mouse does; a key that repeats counts once."""

    start_requested = Signal()
    stop_requested = Signal()

    def __init__(
        self, theme: Theme, parent: QWidget | None = None, *, clock: Callable[[QInputEvent], float] | None = None
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        # when it happened, not when a busy window came to it: a click must not become push-to-talk
        self._clock = clock or (lambda event: event.timestamp() / 1000)
        self._now = 0.0
        self._state = ListenerState.IDLE
        self._level = 0.0
        self._pressed_at = 0.0
        self._begun_by_press = False
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.pressed.connect(self._press)
        self.released.connect(self._release)
        theme.changed.connect(self.update)
        self.show_state(ListenerState.IDLE)

    def sizeHint(self) -> QSize:
        """Return a square with room for the halo."""
        return QSize(_SIZE + 2 * _HALO, _SIZE + 2 * _HALO)

    def show_state(self, state: ListenerState) -> None:
        """Look as the listener is."""
        self._state = state
        self._level = 0.0
        names = {
            ListenerState.IDLE: self.tr("Record"),
            ListenerState.RECORDING: self.tr("Stop recording"),
            ListenerState.PROCESSING: self.tr("Writing down …"),
        }
        self.setAccessibleName(names[state])
        self.setAccessibleDescription(self.tr("Hold it while you speak, or press once to begin and once to end"))
        self.setToolTip(names[state])
        self.update()

    def show_level(self, level: float) -> None:
        """Show how loud it is, 0 to 1."""
        self._level = max(level, self._level * 0.8)  # falls slower than it rises, as meters do
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Note when it was."""
        self._now = self._clock(event)
        super().mousePressEvent(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Note when it was."""
        self._now = self._clock(event)
        super().mouseReleaseEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter press the button as Space does; ignore repetitions."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            if not event.isAutoRepeat():
                self._now = self._clock(event)
                self.setDown(True)
                self.pressed.emit()
            event.accept()
            return
        super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """End what the press began."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            if not event.isAutoRepeat() and self.isDown():
                self._now = self._clock(event)
                self.setDown(False)
                self.released.emit()
            event.accept()
            return
        super().keyReleaseEvent(event)

    def _press(self) -> None:
        self._pressed_at = self._now
        self._begun_by_press = self._state is ListenerState.IDLE
        if self._begun_by_press:
            self.start_requested.emit()

    def _release(self) -> None:
        held = self._now - self._pressed_at >= HOLD_SECONDS
        if held or not self._begun_by_press:
            self.stop_requested.emit()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the circle, its halo, and a microphone or a square."""
        colours = self._theme.colours
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre = QPointF(self.width() / 2, self.height() / 2)
        recording = self._state is ListenerState.RECORDING
        colour = QColor(colours.danger if recording else colours.accent)
        if recording:
            halo = QColor(colour)
            halo.setAlphaF(0.18)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(halo)
            radius = _SIZE / 2 + 2 + (_HALO - 2) * self._level
            painter.drawEllipse(centre, radius, radius)
        if self.hasFocus():
            painter.setPen(QPen(QColor(colours.text), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(centre, _SIZE / 2 + 4, _SIZE / 2 + 4)
        if not self.isEnabled() or self._state is ListenerState.PROCESSING:
            colour = QColor(colours.border_strong)
        elif self.isDown() or self.underMouse():
            colour = colour.lighter(112) if colours.dark else colour.darker(112)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        painter.drawEllipse(centre, _SIZE / 2, _SIZE / 2)
        on = colours.surface if recording else colours.on_accent
        if recording:
            painter.setBrush(QColor(on))
            painter.drawRoundedRect(QRectF(centre.x() - 9, centre.y() - 9, 18, 18), 3, 3)
        else:
            icon = self._theme.icon("microphone", on, _ICON)
            icon.paint(painter, int(centre.x() - _ICON / 2), int(centre.y() - _ICON / 2), _ICON, _ICON)
