"""Picking a part of the screen: every screen stands still and dark, and what is picked is light."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

from PySide6.QtCore import QObject, QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QColor,
    QFont,
    QGuiApplication,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QWidget

from app.screen.capture import Region, Shot, shot_at
from app.screen.window_list import Rectangle
from app.theme import GRID, Theme

_DIM = QColor(6, 12, 15, 140)
_STRIP = QColor(8, 14, 17, 225)
_WORDS = QColor("#ffffff")
_FAINT = QColor(255, 255, 255, 170)
_STEP, _SMALL_STEP = 10, 1
_CLICK = 4
"""Qt's pixels that the pointer may move before a click becomes a drag."""
_SMALLEST = 4
"""Pixels of a side, below which nothing was meant."""


class RegionPicker(QObject):
    """A cover over each screen. Drag picks a region, a click the window under the pointer or the whole screen, and
    the arrow keys, Tab and Enter do the same."""

    picked = Signal(object, object)
    """Carries the :class:`~app.screen.capture.Shot` and the region of it, in its pixels."""
    cancelled = Signal()

    def __init__(self, taken: Sequence[Shot], theme: Theme, last: Region | None = None, parent: QObject | None = None):
        super().__init__(parent)
        self._over = False
        self.covers = [Cover(shot, theme) for shot in taken]
        here = shot_at(list(taken))
        for cover in self.covers:
            cover.chosen.connect(self._pick)
            cover.given_up.connect(self.cancel)
            cover.drag_begun.connect(lambda cover=cover: self._only(cover))
            if last is not None and last.screen == cover.shot.screen.name():
                cover.hint_region(last.area)
        self._first = next((cover for cover in self.covers if cover.shot is here), None)

    def show(self) -> None:
        """Cover the screens and take the keyboard."""
        for cover in self.covers:
            cover.cover()
        if self._first is not None:
            self._first.activateWindow()
            self._first.setFocus(Qt.FocusReason.OtherFocusReason)

    def set_windows(self, rectangles: Sequence[Rectangle]) -> None:
        """Say where the windows of other programs are, in the pixels of the whole desktop, the topmost first."""
        for cover in self.covers:
            cover.set_windows(rectangles)

    def cancel(self) -> None:
        """Take the covers away; nothing was picked."""
        if not self._over:
            self._uncover()
            self.cancelled.emit()

    def _pick(self, shot: Shot, area: QRect) -> None:
        if not self._over:
            self._uncover()
            self.picked.emit(shot, area)

    def _only(self, cover: Cover) -> None:
        for other in self.covers:
            if other is not cover:
                other.clear()

    def _uncover(self) -> None:
        self._over = True
        for cover in self.covers:
            cover.hide()
            cover.deleteLater()


class Cover(QWidget):
    """The cover of one screen. Regions are kept in the pixels of its picture, so that none is lost to rounding."""

    chosen = Signal(object, object)
    given_up = Signal()
    drag_begun = Signal()

    def __init__(self, shot: Shot, theme: Theme) -> None:
        flags = Qt.WindowType.Window | Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint
        super().__init__(None, flags)
        self.shot = shot
        self._theme = theme
        self._region: QRect | None = None
        self._window: QRect | None = None
        self._windows: list[QRect] = []
        self._wished = 0
        self._pressed: QPoint | None = None
        self._pressed_at = QPointF()
        self._dragged = False
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        self.setWindowTitle(self.tr("Pick a part of the screen"))
        self.setAccessibleName(self.tr("Pick a part of the screen"))
        self.setAccessibleDescription(self.hint)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setScreen(shot.screen)
        self.setGeometry(shot.screen.geometry())

    @property
    def hint(self) -> str:
        """What can be done, in a line."""
        return self.tr("Drag over a part · click a window · Enter takes the whole screen · Esc ends")

    @property
    def region(self) -> QRect | None:
        """What is picked so far, in pixels of the picture."""
        return self._region

    def cover(self) -> None:
        """Fill the screen."""
        if QGuiApplication.platformName() == "offscreen":
            self.show()  # which has no notion of a full screen
        else:
            self.showFullScreen()
        self.raise_()

    def hint_region(self, area: QRect) -> None:
        """Show where the last region was; Enter takes it again."""
        area = area.intersected(self.shot.image.rect())
        if not area.isEmpty():
            self._region = area
            self.update()

    def set_windows(self, rectangles: Sequence[Rectangle]) -> None:
        """Say where windows are, in pixels of the whole desktop."""
        # Qt leaves the corner of a screen where the system has it and scales only what is inside.
        corner = self.shot.screen.geometry().topLeft()
        placed = [QRect(*rectangle).translated(-corner) for rectangle in rectangles]
        wished, self._wished = self._wished, 0
        self._windows = [seen for each in placed if not (seen := each.intersected(self.shot.image.rect())).isEmpty()]
        if wished:
            self._next_window(wished)
        self.update()

    def clear(self) -> None:
        """Forget what is picked here; it is being picked on another screen."""
        self._region = self._window = None
        self.update()

    # --- the pointer ---

    def _pixel(self, place: QPointF) -> QPoint:
        """Return the pixel of the picture under the pointer."""
        image, scale = self.shot.image, self.shot.scale
        # A hundredth makes up for what was lost when the system's pixels were divided by the scale.
        x, y = floor(place.x() * scale + 0.01), floor(place.y() * scale + 0.01)
        return QPoint(min(max(x, 0), image.width() - 1), min(max(y, 0), image.height() - 1))

    def _window_at(self, pixel: QPoint) -> QRect | None:
        return next((window for window in self._windows if window.contains(pixel)), None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a region; the right button gives up."""
        if event.button() == Qt.MouseButton.RightButton:
            self.given_up.emit()
        elif event.button() == Qt.MouseButton.LeftButton:
            self._pressed, self._pressed_at = self._pixel(event.position()), event.position()
            self._window = self._window_at(self._pressed)
            self.drag_begun.emit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Stretch the region, or show which window a click would take."""
        pixel = self._pixel(event.position())
        if self._pressed is None:
            under = self._window_at(pixel)
            if under != self._window:
                self._window = under
                self.update()
            return
        if (event.position() - self._pressed_at).manhattanLength() >= _CLICK or self._dragged:
            self._dragged = True
            self._window = None
            self._region = between(self._pressed, pixel)
            self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Take the region; after a click the window, or the whole screen."""
        if event.button() != Qt.MouseButton.LeftButton or self._pressed is None:
            return
        pressed, self._pressed = self._pressed, None
        if self._dragged:
            self._dragged = False
            region = between(pressed, self._pixel(event.position()))
            if min(region.width(), region.height()) >= _SMALLEST:
                self.chosen.emit(self.shot, region)
            else:
                self._region = None
                self.update()
        else:
            self.chosen.emit(self.shot, self._window or self.shot.image.rect())

    # --- the keyboard ---

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move the region with the arrow keys (Ctrl: by pixels), resize it with Shift, take it with Enter."""
        key, modifiers = event.key(), event.modifiers()
        moves = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        if key == Qt.Key.Key_Escape:
            self.given_up.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(self.shot, self._region or self._window or self.shot.image.rect())
        elif key in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            self._next_window(-1 if key == Qt.Key.Key_Backtab else 1)
        elif key in moves:
            step = _SMALL_STEP if modifiers & Qt.KeyboardModifier.ControlModifier else _STEP
            across, down = (round(part * step * max(1.0, self.shot.scale)) for part in moves[Qt.Key(key)])
            self._push(across, down, resize=bool(modifiers & Qt.KeyboardModifier.ShiftModifier))
        else:
            super().keyPressEvent(event)

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Leave Tab to :meth:`keyPressEvent`."""
        return False

    def _push(self, across: int, down: int, *, resize: bool) -> None:
        whole = self.shot.image.rect()
        self.drag_begun.emit()
        if self._region is None:
            self._region = self._window or QRect(
                whole.width() // 4, whole.height() // 4, whole.width() // 2, whole.height() // 2
            )
        region = QRect(self._region)
        if resize:
            width = min(max(region.width() + across, _SMALLEST), whole.width() - region.left())
            height = min(max(region.height() + down, _SMALLEST), whole.height() - region.top())
            region.setSize(QSize(width, height))
        else:
            left = min(max(region.left() + across, 0), whole.width() - region.width())
            top = min(max(region.top() + down, 0), whole.height() - region.height())
            region.moveTo(left, top)
        self._region, self._window = region, None
        self._tell()

    def _next_window(self, step: int) -> None:
        if not self._windows:
            self._wished = step  # they may not be known yet
            return
        self.drag_begun.emit()
        here = self._windows.index(self._window) if self._window in self._windows else (-1 if step > 0 else 0)
        self._window, self._region = self._windows[(here + step) % len(self._windows)], None
        self._tell()

    def _tell(self) -> None:
        area = self._region or self._window
        if area is not None:
            self.setAccessibleDescription(f"{area.width()} × {area.height()}. {self.hint}")
        self.update()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Closing a cover by other means gives up too."""
        super().closeEvent(event)
        self.given_up.emit()

    # --- painting ---

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the screen, dark but for what is picked."""
        painter = QPainter(self)
        painter.drawImage(self._placed(self.shot.image.rect()), self.shot.image)
        painter.fillRect(self.rect(), _DIM)
        area = self._region or self._window
        if area is not None:
            place = self._placed(area)
            painter.drawImage(place, self.shot.image, QRectF(area))
            pen = QPen(QColor(self._theme.colours.accent if self._theme.colours.dark else "#5fc9d8"), 2)
            painter.setPen(pen)
            painter.drawRect(place.adjusted(-1, -1, 1, 1))
            self._paint_size(painter, place, area)
        if self._pressed is None:
            self._paint_hint(painter, self._placed(area) if area is not None else QRectF())

    def _placed(self, area: QRect) -> QRectF:
        scale = self.shot.scale
        return QRectF(area.left() / scale, area.top() / scale, area.width() / scale, area.height() / scale)

    def _paint_size(self, painter: QPainter, place: QRectF, area: QRect) -> None:
        painter.setFont(self._theme.small_font)
        words = f"{area.width()} × {area.height()}"
        box = QRectF(painter.fontMetrics().boundingRect(words)).adjusted(-GRID, -4, GRID, 4)
        box.moveTopRight(QPointF(place.right(), place.bottom() + 6))
        if box.bottom() > self.height():
            box.moveBottomRight(QPointF(place.right() - 6, place.bottom() - 6))
        if box.left() < 0:
            box.moveLeft(0)
        self._paint_words(painter, box, words, _FAINT)

    def _paint_hint(self, painter: QPainter, free: QRectF) -> None:
        font = QFont(self._theme.body_font)
        painter.setFont(font)
        box = QRectF(painter.fontMetrics().boundingRect(self.hint)).adjusted(-2 * GRID, -GRID, 2 * GRID, GRID)
        box.moveCenter(QPointF(self.width() / 2, 6 * GRID))
        if not box.intersects(free):  # what is picked stays readable
            self._paint_words(painter, box, self.hint, _WORDS)

    @staticmethod
    def _paint_words(painter: QPainter, box: QRectF, words: str, colour: QColor) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_STRIP)
        painter.drawRoundedRect(box, 8, 8)
        painter.setPen(colour)
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)


def between(first: QPoint, second: QPoint) -> QRect:
    """Return the pixels from one to the other, both included."""
    left, right = sorted((first.x(), second.x()))
    top, bottom = sorted((first.y(), second.y()))
    return QRect(left, top, right - left + 1, bottom - top + 1)
