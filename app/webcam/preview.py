"""What the camera sees now, with a caption over it."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QColor,
    QFont,
    QImage,
    QPainter,
    QPainterPath,
    QPaintEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.devices.frame_source import Frame
from app.pictures import qimage_of
from app.theme import GRID, Theme
from app.widgets.leading import isolated

_RADIUS = 14
_STRIP = QColor(8, 14, 17, 190)
_CAPTION = QColor("#ffffff")
_GROUND = QColor("#0b1012")
_WAITING = QColor("#9db1b9")


class Preview(QWidget):
    """Paints the newest frame, as large as it fits. A frame costs about a millisecond, most of it in Qt's own code
    without Python's lock, so that it takes nothing from a reply; one that nobody can see costs nothing."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._frame: Frame | None = None
        self._image = QImage()
        self._caption = ""
        self.painted = 0
        """How many frames were painted."""
        self._new = False
        self.setMinimumSize(240, 160)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(self.tr("What the camera sees"))
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:
        """Return the shape of a camera's picture."""
        return QSize(640, 360)

    def show_frame(self, frame: Frame) -> None:
        """Paint ``frame`` from now on."""
        if self.isVisible() and not self.window().isMinimized():
            self._frame, self._new = frame, True
            self.update()

    def show_caption(self, caption: str) -> None:
        """Write ``caption`` over the picture and let a screen reader say it; empty takes it away."""
        if caption == self._caption:
            return
        self._caption = caption
        self.setAccessibleDescription(caption)
        if caption and QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, caption))
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self._frame, self._image, self._caption = None, QImage(), ""
        self.setAccessibleDescription("")
        self.update()

    @property
    def caption(self) -> str:
        """What is written over the picture."""
        return self._caption

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture, round corners, and the caption."""
        if self._new and self._frame is not None:
            # 32 bits a pixel are what Qt scales fastest.
            self._image = qimage_of(self._frame.image).convertToFormat(QImage.Format.Format_RGB32)
            self._frame, self._new = None, False
            self.painted += 1
        painter = QPainter(self)
        place = self._place()
        if self._image.isNull():
            painter.fillRect(place, _GROUND)
            painter.setPen(_WAITING)
            painter.setFont(self._theme.body_font)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, self.tr("Starting the camera …"))
        else:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(place, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._caption:
            self._paint_caption(painter, place)
        # A clip path has hard edges; what is outside of the corners is painted over instead.
        outside = QPainterPath()
        outside.addRect(QRectF(place).adjusted(-1, -1, 1, 1))
        outside.addRoundedRect(QRectF(place), _RADIUS, _RADIUS)
        painter.fillPath(outside, QColor(self._theme.colours.surface))

    def _place(self) -> QRect:
        """Return where the picture is: as large as it fits, in the middle."""
        shape = QSize(16, 9) if self._image.isNull() else self._image.size()
        place = QRect(QPoint(0, 0), shape.scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio))
        place.moveCenter(self.rect().center())
        return place

    def _paint_caption(self, painter: QPainter, place: QRect) -> None:
        font = QFont(self._theme.body_font)
        font.setPointSizeF(font.pointSizeF() * 1.15)
        font.setWeight(QFont.Weight.Medium)
        painter.setFont(font)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap
        room = place.adjusted(4 * GRID, 0, -4 * GRID, 0)
        caption = isolated(self._caption)
        needed = painter.boundingRect(room, flags, caption)
        needed.setHeight(min(needed.height(), place.height() // 2))
        strip = needed.adjusted(-2 * GRID, -GRID, 2 * GRID, GRID)
        strip.moveBottom(place.bottom() - 2 * GRID)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_STRIP)
        painter.drawRoundedRect(strip, 10, 10)
        painter.setPen(_CAPTION)
        painter.drawText(strip.adjusted(2 * GRID, GRID, -2 * GRID, -GRID), flags, caption)
