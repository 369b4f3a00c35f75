"""What dictation shows while another program has the keyboard: a small card at the foot of the screen."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from PySide6.QtCore import QEasingCurve, QPropertyAnimation, QRect, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QCursor,
    QFont,
    QFontMetrics,
    QGuiApplication,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QRegion,
    QShowEvent,
)
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.theme import GRID, Theme
from app.widgets.leading import leading

_WIDTH: Final = 460
_SHADOW: Final = 20
"""Room around the card for its shadow, where the desktop can draw one."""
_RADIUS: Final = 14
_FROM_BOTTOM: Final = 6 * GRID
_LINES: Final = 3
"""Lines of text at most; older words make room."""
_DONE_MS: Final = 900
_NOTE_MS: Final = 3500
_PROBLEM_MS: Final = 7000
_FADE_MS: Final = 140


class Overlay(QWidget):
    """Shows that it listens, how loud it is, and the words; never takes the keyboard. For the GUI thread."""

    cancel_requested = Signal()
    """The user clicked the cross."""

    def __init__(self, theme: Theme, *, translucent: bool = True) -> None:
        """Hidden at first; ``translucent`` where the desktop composes windows, which allows soft corners."""
        super().__init__(None)
        self._theme = theme
        self._translucent = translucent
        self._margin = _SHADOW if translucent else 0
        self._fades = translucent and QGuiApplication.platformName() not in ("offscreen", "minimal")
        self._began = 0.0
        self._text = ""
        self.setWindowFlags(
            Qt.WindowType.Tool
            | Qt.WindowType.FramelessWindowHint
            | Qt.WindowType.WindowStaysOnTopHint
            | Qt.WindowType.WindowDoesNotAcceptFocus
            | Qt.WindowType.X11BypassWindowManagerHint
            | Qt.WindowType.NoDropShadowWindowHint
        )
        for attribute in (
            Qt.WidgetAttribute.WA_ShowWithoutActivating,
            Qt.WidgetAttribute.WA_X11NetWmWindowTypeNotification,
            Qt.WidgetAttribute.WA_MacAlwaysShowToolWindow,
        ):
            self.setAttribute(attribute)
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground, translucent)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWindowTitle(self.tr("Dictation"))
        self.setObjectName("overlay")
        self.mark = _Mark(theme, self)
        self.meter = LevelMeter(theme, self)
        self.heading = leading(QLabel(self))
        self.heading.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.clock = QLabel(self)
        self.clock.setObjectName("hint")
        self.cross = QToolButton(self)
        self.cross.setAutoRaise(True)
        self.cross.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.cross.setIconSize(QSize(14, 14))
        self.cross.setAccessibleName(self.tr("Cancel dictation"))
        self.cross.setToolTip(self.tr("Cancel (Esc)"))
        self.cross.clicked.connect(lambda _checked=False: self.cancel_requested.emit())
        self.words = leading(QLabel(self))
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.hint = leading(QLabel(self))
        self.hint.setObjectName("hint")
        self.hint.setWordWrap(True)
        top = QHBoxLayout()
        top.setSpacing(GRID)
        top.addWidget(self.mark)
        top.addWidget(self.heading, 1)
        top.addWidget(self.meter)
        top.addWidget(self.clock)
        top.addWidget(self.cross)
        column = QVBoxLayout(self)
        edge = self._margin
        column.setContentsMargins(edge + 2 * GRID, edge + GRID + 4, edge + GRID + 4, edge + GRID + 4)
        column.setSpacing(GRID // 2)
        column.addLayout(top)
        column.addWidget(self.words)
        column.addWidget(self.hint)
        self._tick = QTimer(self)
        self._tick.setInterval(250)
        self._tick.timeout.connect(self._show_clock)
        self._leave = QTimer(self)
        self._leave.setSingleShot(True)
        self._leave.timeout.connect(self.vanish)
        self._fade = QPropertyAnimation(self, b"windowOpacity", self)
        self._fade.setDuration(_FADE_MS)
        self._fade.setEasingCurve(QEasingCurve.Type.OutCubic)
        self._fade.finished.connect(self._faded)
        theme.changed.connect(self._restyle)
        self._restyle()

    # --- what it shows ---

    def show_starting(self) -> None:
        """Say that it does not listen yet."""
        self._set("starting", self.tr("One moment …"), "", self.tr("The microphone is being opened."))

    def show_recording(self, hint: str) -> None:
        """Say that it listens; ``hint`` is how to end that."""
        self._began = time.monotonic()
        self._text = ""
        self.meter.clear()
        self._set("recording", self.tr("Listening"), "", hint)
        self._tick.start()
        self._show_clock()

    def show_level(self, level: float) -> None:
        """Show how loud it is: 0 is silence, 1 is as loud as can be."""
        self.meter.add(level)

    def show_text(self, text: str) -> None:
        """Show the words so far."""
        self._text = text.strip()
        self._show_words()
        self._place()

    def show_processing(self) -> None:
        """Say that the last words are being written."""
        self._tick.stop()
        self._set("processing", self.tr("Writing …"), self._text, "")

    def show_inserted(self) -> None:
        """Say that the text is where it should be, and go."""
        self._set("done", self.tr("Inserted"), self._text, "")
        self._leave.start(_DONE_MS)

    def show_message(self, sentence: str, kind: str) -> None:
        """Say a sentence (``kind``: note, kept or problem), and go after a while."""
        heading = {
            "problem": self.tr("Dictation"),
            "kept": self.tr("On the clipboard"),
        }.get(kind, self.tr("Dictation"))
        self._set(kind, heading, sentence, "")
        self._leave.start(_PROBLEM_MS if kind != "note" else _NOTE_MS)

    def vanish(self) -> None:
        """Go away."""
        self._tick.stop()
        self._leave.stop()
        if self._fades and self.isVisible():
            self._fade_to(0.0)
        else:
            self.hide()

    # --- how ---

    def _set(self, state: str, heading: str, words: str, hint: str) -> None:
        self._leave.stop()
        live = state == "recording"
        self.mark.set_state(state)
        self.heading.setText(heading)
        self.meter.setVisible(live)
        self.clock.setVisible(live)
        self.cross.setVisible(state in ("starting", "recording", "processing"))
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))
        self._text = words
        self._show_words()
        spoken = f"{heading}. {words or hint}".strip()
        self.setAccessibleName(self.tr("Dictation: {state}").format(state=heading))
        self.setAccessibleDescription(words or hint)
        self._appear()
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, spoken))

    def _show_words(self) -> None:
        self.words.setText(last_lines(self._text, self.words.font(), self._text_width(), _LINES))
        self.words.setVisible(bool(self._text))

    def _text_width(self) -> int:
        return self._card_width() - 2 * GRID - (GRID + 4)

    def _card_width(self) -> int:
        # as many letters in large type
        return round(_WIDTH * max(1.0, self._theme.body_font.pointSizeF() / 11.0))

    def _show_clock(self) -> None:
        seconds = int(time.monotonic() - self._began)
        self.clock.setText(f"{seconds // 60}:{seconds % 60:02}")

    def _appear(self) -> None:
        self._place()
        if not self.isVisible():
            if self._fades:
                self.setWindowOpacity(0.0)
            self.show()
            self.raise_()
        if self._fades:
            self._fade_to(1.0)

    def _fade_to(self, opacity: float) -> None:
        if self._fade.endValue() == opacity and self._fade.state() is QPropertyAnimation.State.Running:
            return
        self._fade.stop()
        self._fade.setStartValue(self.windowOpacity())
        self._fade.setEndValue(opacity)
        self._fade.start()

    def _faded(self) -> None:
        if self._fade.endValue() == 0.0:
            self.hide()

    def _place(self) -> None:
        """Stand at the foot of the screen that has the pointer, in the middle."""
        screen = QGuiApplication.screenAt(QCursor.pos()) or QGuiApplication.primaryScreen()
        room = screen.availableGeometry()
        width = min(self._card_width() + 2 * self._margin, room.width())
        layout = self.layout()
        if layout is None:
            return
        layout.activate()
        height = layout.totalHeightForWidth(width) if layout.hasHeightForWidth() else self.sizeHint().height()
        place = QRect(
            room.x() + (room.width() - width) // 2,
            room.bottom() + 1 - _FROM_BOTTOM - height + self._margin,
            width,
            height,
        )
        if place != self.geometry():
            self.setGeometry(place)
        if not self._translucent:
            path = QPainterPath()
            path.addRoundedRect(QRectF(0, 0, width, height), _RADIUS, _RADIUS)
            self.setMask(QRegion(path.toFillPolygon().toPolygon()))

    def showEvent(self, event: QShowEvent) -> None:
        """Be on top of what was there before."""
        super().showEvent(event)
        self.raise_()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the card, and its shadow where that is possible."""
        colours = self._theme.colours
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        card = QRectF(self.rect()).adjusted(self._margin, self._margin, -self._margin, -self._margin)
        if self._margin:
            painter.setPen(Qt.PenStyle.NoPen)
            for spread in range(self._margin - 4, 0, -1):
                strength = 1 - spread / (self._margin - 3)
                painter.setBrush(QColor(0, 0, 0, round((14 if colours.dark else 7) * strength)))
                painter.drawRoundedRect(
                    card.adjusted(-spread, -spread + 4, spread, spread + 4), _RADIUS + spread, _RADIUS + spread
                )
        painter.setBrush(QColor(colours.raised))
        painter.setPen(QPen(QColor(colours.border_strong if not self._margin else colours.border), 1.0))
        painter.drawRoundedRect(card.adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)

    def _restyle(self) -> None:
        heading = QFont(self._theme.body_font)
        heading.setWeight(QFont.Weight.DemiBold)
        self.heading.setFont(heading)
        self.words.setFont(self._theme.body_font)
        self.hint.setFont(self._theme.small_font)
        self.clock.setFont(self._theme.small_font)
        self.cross.setIcon(self._theme.icon("close", self._theme.colours.muted, 14))
        if self.isVisible():
            self._show_words()
            self._place()
        self.update()


class LevelMeter(QWidget):
    """The loudness of the last second or so, as bars."""

    _BARS: Final = 24
    _STEP: Final = 5

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._levels: deque[float] = deque(maxlen=self._BARS)
        self.clear()
        self.setFixedSize(self._BARS * self._STEP, 22)
        self.setAccessibleName(self.tr("Loudness"))

    @property
    def levels(self) -> tuple[float, ...]:
        """What is shown, the newest last."""
        return tuple(self._levels)

    def clear(self) -> None:
        """Show silence."""
        self._levels.extend([0.0] * self._BARS)
        self.update()

    def add(self, level: float) -> None:
        """Show one more level, from 0 to 1."""
        self._levels.append(min(1.0, max(0.0, level)))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a bar for each level."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.colours.accent))
        middle = self.height() / 2
        for number, level in enumerate(self._levels):
            half = max(1.25, level * (middle - 1))
            painter.drawRoundedRect(QRectF(number * self._STEP + 1, middle - half, 2.5, 2 * half), 1.25, 1.25)


class _Mark(QWidget):
    """A sign for the state, beside the word for it."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._state = ""
        self.setFixedSize(16, 16)

    def set_state(self, state: str) -> None:
        self._state = state
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint a red dot while the microphone is live, and an icon otherwise."""
        colours = self._theme.colours
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._state == "recording":
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(colours.danger if not colours.dark else "#ff6b5e"))
            painter.drawEllipse(QRectF(2.5, 2.5, 11, 11))
            return
        name, colour = {
            "done": ("check", colours.good),
            "problem": ("warning", colours.danger),
            "kept": ("copy", colours.accent),
            "processing": ("edit", colours.accent),
        }.get(self._state, ("microphone", colours.muted))
        self._theme.icon(name, colour, 16).paint(painter, self.rect())


def last_lines(text: str, font: QFont, width: int, lines: int) -> str:
    """Return the end of ``text`` that fits into so many lines of ``width`` pixels, whole words with … before them."""
    metrics = QFontMetrics(font)
    room = QRect(0, 0, width, 100_000)
    wrap = Qt.TextFlag.TextWordWrap

    def fits(piece: str) -> bool:
        return metrics.boundingRect(room, wrap, piece).height() <= lines * metrics.lineSpacing()

    if fits(text):
        return text
    words = text.split()
    first, last = 0, len(words)  # the fewest words to leave out: by halves, since more never fit where fewer do not
    while first < last:
        middle = (first + last) // 2
        if fits("… " + " ".join(words[middle:])):
            last = middle
        else:
            first = middle + 1
    kept = " ".join(words[first:])
    return f"… {kept}" if kept else metrics.elidedText(text[-400:], Qt.TextElideMode.ElideLeft, width * lines - 40)
