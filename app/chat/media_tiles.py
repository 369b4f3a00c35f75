"""Paints attachments: pictures and videos as tiles, sound as a pill with its name and length."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QCoreApplication, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPen

from app.chat.thumbnails import MediaPart, Thumbnail, Thumbnails
from app.theme import Theme
from inference.messages import Audio, Image, Video

translate = QCoreApplication.translate  # the name that lupdate looks for
_RADIUS = 12.0
_ICON = 24


class MediaTiles:
    """Draws an attachment into a rectangle."""

    def __init__(self, theme: Theme, thumbnails: Thumbnails) -> None:
        self._theme = theme
        self._thumbnails = thumbnails

    def paint(self, painter: QPainter, rect: QRectF, part: MediaPart) -> None:
        """Paint ``part``; its place while the thumbnail is made."""
        thumbnail = self._thumbnails.get(part)
        if isinstance(part, Audio):
            self._sound(painter, rect, part, thumbnail)
        elif thumbnail is None or thumbnail.image is None:
            self._place(painter, rect, "video" if isinstance(part, Video) else "picture")
        else:
            self._picture(painter, rect, thumbnail.image)
            if isinstance(part, Video):
                self._length(painter, rect, thumbnail)

    def _picture(self, painter: QPainter, rect: QRectF, image: QImage) -> None:
        ratio = painter.device().devicePixelRatio()
        wanted = QSize(round(rect.width() * ratio), round(rect.height() * ratio))
        covering = QSize(image.size())
        covering.scale(wanted, Qt.AspectRatioMode.KeepAspectRatioByExpanding)
        factor = covering.width() / image.width()
        source = QRectF(0, 0, wanted.width() / factor, wanted.height() / factor)
        source.moveCenter(QRectF(image.rect()).center())
        if image.height() > image.width():
            source.moveTop(0)  # pages, and people, begin at the top
        path = QPainterPath()
        path.addRoundedRect(rect, _RADIUS, _RADIUS)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.setClipPath(path)
        painter.drawImage(rect, image, source)
        painter.restore()
        painter.setPen(QPen(QColor(self._theme.colours.border), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(path)

    def _place(self, painter: QPainter, rect: QRectF, icon: str) -> None:
        colours = self._theme.colours
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.setBrush(QColor(colours.code))
        painter.drawRoundedRect(rect, _RADIUS, _RADIUS)
        centre = rect.center()
        x, y = round(centre.x() - _ICON / 2), round(centre.y() - _ICON / 2)
        self._theme.icon(icon, colours.muted, _ICON).paint(painter, x, y, _ICON, _ICON)

    def _sound(self, painter: QPainter, rect: QRectF, part: Audio, thumbnail: Thumbnail | None) -> None:
        colours = self._theme.colours
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colours.bubble))
        painter.drawRoundedRect(rect, _RADIUS, _RADIUS)
        self._theme.icon("sound", colours.accent, _ICON).paint(
            painter, round(rect.x()) + 14, round(rect.center().y() - _ICON / 2), _ICON, _ICON
        )
        painter.setFont(self._theme.small_font)
        metrics, line = painter.fontMetrics(), painter.fontMetrics().height()
        words = QRectF(rect.x() + 14 + _ICON + 10, rect.center().y() - line, rect.width() - 62, line)
        name = metrics.elidedText(name_of_part(part), Qt.TextElideMode.ElideMiddle, int(words.width()))
        painter.setPen(QColor(colours.text))
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, name)
        painter.setPen(QColor(colours.muted))
        length = length_words(thumbnail.seconds) if thumbnail else ""
        words.translate(0, line)
        painter.drawText(words, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, length)

    def _length(self, painter: QPainter, rect: QRectF, thumbnail: Thumbnail) -> None:
        words = "▶ " + length_words(thumbnail.seconds)
        painter.setFont(self._theme.small_font)
        width = painter.fontMetrics().horizontalAdvance(words) + 14
        label = QRectF(rect.x() + 8, rect.bottom() - 30, width, 22)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(0, 0, 0, 185))
        painter.drawRoundedRect(label, 6, 6)
        painter.setPen(QColor("#ffffff"))
        painter.drawText(label, Qt.AlignmentFlag.AlignCenter, words)


def name_of_part(part: MediaPart) -> str:
    """Return what to call an attachment: its file's name, or its kind."""
    if isinstance(part.source, Path):
        return part.source.name
    if isinstance(part, Image):
        return translate("MediaTiles", "Picture")
    return translate("MediaTiles", "Recording") if isinstance(part, Audio) else translate("MediaTiles", "Video")


def length_words(seconds: float | None) -> str:
    """Return a length as minutes and seconds; empty when nobody knows it."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"
