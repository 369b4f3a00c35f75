"""Says that camera, microphone or screen is live, and stops all of them with one click."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QToolButton, QWidget

from app.live_senses import LiveSenses, Sense
from app.theme import Theme

translate = QCoreApplication.translate  # the name that lupdate looks for
_DOT, _ICON, _GAP = 8, 14, 4
_ORDER = (Sense.CAMERA, Sense.MICROPHONE, Sense.SCREEN)
_LARGEST_SCALE = 3


class LiveIndicator(QToolButton):
    """A red dot with the icons of what is live, and the word that ends it; nothing while nothing is live."""

    def __init__(self, senses: LiveSenses, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("live")
        self._senses = senses
        self._theme = theme
        self.setText(" " + self.tr("Stop"))
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.clicked.connect(lambda _checked=False: senses.stop_all())
        senses.changed.connect(self._refresh)
        theme.changed.connect(self._refresh)
        self._refresh()

    def _refresh(self) -> None:
        live = [sense for sense in _ORDER if sense in self._senses.live]
        self.setVisible(bool(live))
        if not live:
            return
        self.setFont(self._theme.small_font)
        colour = self._theme.colours.danger
        width = _DOT + len(live) * (_GAP + _ICON)
        self.setIconSize(QSize(width, _ICON))
        self.setIcon(self._icon(live, colour, width))
        words = live_words(self._senses.live)
        self.setAccessibleName(self.tr("{what}. Stop.").format(what=words))
        self.setToolTip(self.tr("{what}. Click to stop.").format(what=words))

    def _icon(self, live: list[Sense], colour: str, width: int) -> QIcon:
        pixmap = QPixmap(QSize(width, _ICON) * _LARGEST_SCALE)
        pixmap.setDevicePixelRatio(_LARGEST_SCALE)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colour))
        painter.drawEllipse(0, (_ICON - _DOT) // 2, _DOT, _DOT)
        for number, sense in enumerate(live):
            left = _DOT + _GAP + number * (_ICON + _GAP)
            self._theme.icon(sense.value, colour, _ICON).paint(painter, left, 0, _ICON, _ICON)
        painter.end()
        return QIcon(pixmap)


def live_words(live: frozenset[Sense]) -> str:
    """Return in words what is live, as “On now: camera, microphone”; empty where nothing is."""
    names = {
        Sense.CAMERA: translate("LiveIndicator", "camera"),
        Sense.MICROPHONE: translate("LiveIndicator", "microphone"),
        Sense.SCREEN: translate("LiveIndicator", "screen"),
    }
    shown = [names[sense] for sense in _ORDER if sense in live]
    if not shown:
        return ""
    return translate("LiveIndicator", "On now: {senses}").format(senses=", ".join(shown))
