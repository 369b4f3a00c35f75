"""Colours, type and icons: light and dark, after the system's wish or the user's.

Widgets take colours from palette roles wherever a role exists; what a palette has no role for is in
:class:`~app.colours.Colours`.
"""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtCore import QByteArray, QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QFontDatabase, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from app.colours import DARK, LIGHT, Colours
from app.settings import ColourScheme
from app.style_sheet import style_sheet

ICONS = Path(__file__).resolve().parent.parent / "resources" / "icons"
GRID = 8
"""Every distance is a multiple of this, or half of it."""
_SCALES = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)


class Theme(QObject):
    """The look of the whole program; one for each application."""

    changed = Signal()
    """The colours are different now."""

    def __init__(self, app: QApplication, wish: ColourScheme = "system") -> None:
        super().__init__(app)
        self._app = app
        self._wish = wish
        self._icons: dict[tuple[str, str, int], QIcon] = {}
        # the application outlives themes, and with it the size that one has set
        self._system_points = float(app.property("system_points") or self._points())
        app.setProperty("system_points", self._system_points)
        self.colours = LIGHT
        app.setStyle("Fusion")
        app.styleHints().colorSchemeChanged.connect(self._apply)
        self._apply()

    @property
    def body_font(self) -> QFont:
        """The font of the conversation: the system's, a little larger."""
        font = QFont(self._app.font())
        font.setPointSizeF(self._points() + 1.0)
        return font

    @property
    def small_font(self) -> QFont:
        """The font of notes and the status line."""
        font = QFont(self._app.font())
        font.setPointSizeF(max(self._points() - 0.5, 7.5))
        return font

    @property
    def code_font(self) -> QFont:
        """The fixed-width font of the system, in the size of the body."""
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPointSizeF(self._points() + 0.5)
        return font

    def wish(self, scheme: ColourScheme) -> None:
        """Follow the system, or stay light or dark."""
        changed, self._wish = scheme != self._wish, scheme
        if changed or self._is_dark() is not self.colours.dark:  # to style everything anew takes a moment
            self._apply()

    def zoom(self, percent: int) -> None:
        """Show all text in so many percent of the system's size."""
        points = self._system_points * percent / 100
        if abs(points - self._points()) > 0.01:
            font = QFont(self._app.font())
            font.setPointSizeF(points)
            self._app.setFont(font)
            self._apply()

    def icon(self, name: str, colour: str, size: int = 20) -> QIcon:
        """Return ``resources/icons/<name>.svg`` in ``colour``, sharp at any scale up to 300 %."""
        key = (name, colour, size)
        if key not in self._icons:
            icon = QIcon()
            for scale in _SCALES:
                icon.addPixmap(self._pixmap(name, colour, size, scale))
            self._icons[key] = icon
        return self._icons[key]

    @staticmethod
    def _pixmap(name: str, colour: str, size: int, scale: float) -> QPixmap:
        source = (ICONS / f"{name}.svg").read_bytes().replace(b"currentColor", colour.encode("ascii"))
        pixmap = QPixmap(round(size * scale), round(size * scale))
        pixmap.setDevicePixelRatio(scale)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        QSvgRenderer(QByteArray(source)).render(painter, QRectF(0, 0, size, size))
        painter.end()
        return pixmap

    def _points(self) -> float:
        points = self._app.font().pointSizeF()
        return points if points > 0 else 10.0  # a font that is set in pixels has no points

    def _is_dark(self) -> bool:
        wish = os.environ.get("LARIMAR_COLOR_SCHEME") or self._wish
        if wish in ("light", "dark"):
            return wish == "dark"
        return self._app.styleHints().colorScheme() is Qt.ColorScheme.Dark

    def _apply(self) -> None:
        self.colours = DARK if self._is_dark() else LIGHT
        self._app.setPalette(palette(self.colours))
        self._app.setStyleSheet(style_sheet(self.colours))
        self.changed.emit()


def palette(colours: Colours) -> QPalette:
    """Return ``colours`` as palette roles."""
    role = QPalette.ColorRole
    result = QPalette()
    for which, colour in {
        role.Window: colours.surface,
        role.WindowText: colours.text,
        role.Base: colours.surface,
        role.AlternateBase: colours.code,
        role.Text: colours.text,
        role.PlaceholderText: colours.muted,
        role.Button: colours.raised,
        role.ButtonText: colours.text,
        role.BrightText: colours.on_accent,
        role.ToolTipBase: colours.text,
        role.ToolTipText: colours.surface,
        role.Highlight: colours.selection,
        role.HighlightedText: colours.text,
        role.Link: colours.link,
        role.LinkVisited: colours.link,
        role.Accent: colours.accent,
        role.Light: colours.raised,
        role.Midlight: colours.hover,
        role.Mid: colours.border,
        role.Dark: colours.border_strong,
        role.Shadow: colours.border_strong,
    }.items():
        result.setColor(which, QColor(colour))
    for which in (role.WindowText, role.Text, role.ButtonText):
        result.setColor(QPalette.ColorGroup.Disabled, which, QColor(colours.border_strong))
    return result
