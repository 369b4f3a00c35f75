"""The attachments of the message that is being written, as small tiles that can be removed."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QToolButton, QWidget

from app.chat.attachments import Attachment, Attachments
from app.chat.media_tiles import MediaTiles, length_words
from app.theme import GRID, Theme
from inference.messages import Audio

_HEIGHT = 64
_CLOSE = 22
_WIDE = 176


class AttachmentTile(QWidget):
    """One attachment."""

    remove_requested = Signal(int)

    def __init__(self, item: Attachment, theme: Theme, tiles: MediaTiles, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._item = item
        self._theme = theme
        self._tiles = tiles
        wide = item.kind == "audio"
        self.setFixedSize(_WIDE if wide else _HEIGHT + 6, _HEIGHT + 6)
        self.setAccessibleName(item.name)
        self.setToolTip(_tool_tip(item))
        self.remove_button = QToolButton(self)
        self.remove_button.setObjectName("remove")
        self.remove_button.setIcon(theme.icon("close", theme.colours.surface, 14))
        self.remove_button.setIconSize(QSize(14, 14))
        self.remove_button.setFixedSize(_CLOSE, _CLOSE)
        self.remove_button.setAccessibleName(self.tr("Remove {name}").format(name=item.name))
        self.remove_button.setToolTip(self.remove_button.accessibleName())
        mirrored = self.layoutDirection() is Qt.LayoutDirection.RightToLeft
        self.remove_button.move(0 if mirrored else self.width() - _CLOSE, 0)
        self.remove_button.clicked.connect(lambda: self.remove_requested.emit(item.id))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the tile, or its place while the file is looked at."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left = 5.5 if self.layoutDirection() is Qt.LayoutDirection.RightToLeft else 0.5
        rect = QRectF(left, 5.5, self.width() - 6, _HEIGHT)
        if self._item.checked is not None:
            self._tiles.paint(painter, rect, self._item.checked.part)
            return
        colours = self._theme.colours
        painter.setPen(QPen(QColor(colours.border), 1))
        painter.setBrush(QColor(colours.code))
        painter.drawRoundedRect(rect, 12, 12)
        painter.setPen(QColor(colours.muted))
        painter.drawText(rect, Qt.AlignmentFlag.AlignCenter, "…")


class AttachmentStrip(QScrollArea):
    """A row of tiles; hidden while there are none."""

    def __init__(
        self, attachments: Attachments, theme: Theme, tiles: MediaTiles, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._attachments = attachments
        self._theme = theme
        self._tiles = tiles
        self.setObjectName("attachments")
        self.setAccessibleName(self.tr("Attachments"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidgetResizable(True)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedHeight(_HEIGHT + 10)
        inside = QWidget(self)
        self._row = QHBoxLayout(inside)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(GRID)
        self._row.addStretch(1)
        self.setWidget(inside)
        self._shown: dict[int, tuple[Attachment, AttachmentTile]] = {}
        attachments.changed.connect(self._refresh)
        theme.changed.connect(self._restyle)
        self._refresh()

    @property
    def tiles(self) -> list[AttachmentTile]:
        """The tiles, in order."""
        return [tile for _, tile in self._shown.values()]

    def _restyle(self) -> None:
        for _, tile in self._shown.values():
            tile.deleteLater()
        self._shown.clear()
        self._refresh()

    def _refresh(self) -> None:
        wanted = {item.id: item for item in self._attachments.items}
        for item_id, (item, tile) in list(self._shown.items()):
            if wanted.get(item_id) != item:
                del self._shown[item_id]
                self._row.removeWidget(tile)
                tile.hide()
                tile.deleteLater()
        ordered: dict[int, tuple[Attachment, AttachmentTile]] = {}
        for number, item in enumerate(wanted.values()):
            kept = self._shown.get(item.id)
            if kept is None:
                tile = AttachmentTile(item, self._theme, self._tiles, self.widget())
                tile.remove_requested.connect(self._attachments.remove)
                self._row.insertWidget(number, tile)
                tile.show()
                kept = (item, tile)
            ordered[item.id] = kept
        self._shown = ordered
        self.setVisible(bool(ordered))


def _tool_tip(item: Attachment) -> str:
    if item.checked is None:
        return item.name
    thumbnail = item.checked.thumbnail
    about = []
    if not isinstance(item.checked.part, Audio) and thumbnail.size[0]:
        about.append(f"{thumbnail.size[0]} × {thumbnail.size[1]}")
    if thumbnail.seconds is not None:
        about.append(length_words(thumbnail.seconds))
    return "\n".join([item.name, "  ·  ".join(about)]) if about else item.name
