"""An icon in the tray, on desktops that have one."""

from __future__ import annotations

from PySide6.QtCore import QObject, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPainter, QPen
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

_SIZE = 64
_LIVE = "#d92d20"


class Tray(QObject):
    """Brings the window back, begins a chat, quits. Does nothing where there is no tray."""

    show_requested = Signal()
    new_chat_requested = Signal()
    quit_requested = Signal()
    stop_senses_requested = Signal()
    dictation_requested = Signal()
    """The user wants to begin to dictate, or to end it."""
    paste_requested = Signal()
    """The user wants the last dictation again."""
    screen_requested = Signal()
    """The user wants to ask about a part of the screen."""

    def __init__(self, icon: QIcon, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.available = QSystemTrayIcon.isSystemTrayAvailable()
        self.menu = QMenu()
        self.menu.addAction(self.tr("Show Larimar"), self.show_requested.emit)
        self.menu.addAction(self.tr("New chat"), self.new_chat_requested.emit)
        self.dictate = self.menu.addAction(self.tr("Dictate"), self.dictation_requested.emit)
        self.menu.addAction(self.tr("Paste last dictation"), self.paste_requested.emit)
        self.menu.addAction(self.tr("Ask about the screen"), self.screen_requested.emit)
        self.stop_senses = self.menu.addAction(self.tr("Stop"), self.stop_senses_requested.emit)
        self.stop_senses.setVisible(False)
        self.menu.addSeparator()
        self.menu.addAction(self.tr("Quit"), self.quit_requested.emit)
        self._quiet = icon
        self._icon = QSystemTrayIcon(icon, self)
        self._icon.setToolTip("Larimar")
        self._icon.setContextMenu(self.menu)
        self._icon.activated.connect(self._activated)

    @property
    def shown(self) -> bool:
        """Whether there is an icon with which the window can be brought back."""
        return self.available and self._icon.isVisible()

    def say(self, words: str) -> None:
        """Show ``words`` beside the icon for a while."""
        self._icon.showMessage("Larimar", words, self._icon.icon())

    def set_shown(self, shown: bool) -> None:
        """Show the icon, where there is a tray."""
        self._icon.setVisible(shown and self.available)

    def show_dictating(self, dictating: bool) -> None:
        """Offer to end what is being recorded, or to begin."""
        self.dictate.setText(self.tr("Insert what was said") if dictating else self.tr("Dictate"))

    def show_live(self, words: str) -> None:
        """Say in ``words`` what of camera, microphone and screen is live, with a red dot; empty takes that back."""
        self.stop_senses.setVisible(bool(words))
        self.stop_senses.setText(self.tr("Stop ({what})").format(what=words))
        self._icon.setToolTip(f"Larimar · {words}" if words else "Larimar")
        self._icon.setIcon(with_dot(self._quiet) if words else self._quiet)

    def close(self) -> None:
        """Take the icon away."""
        self._icon.hide()
        self.menu.deleteLater()

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason is QSystemTrayIcon.ActivationReason.Trigger:
            self.show_requested.emit()


def with_dot(icon: QIcon) -> QIcon:
    """Return ``icon`` with the red dot of something that is live, which shows on light and on dark panels."""
    pixmap = icon.pixmap(_SIZE, _SIZE)
    side = pixmap.width() / pixmap.devicePixelRatio()
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(Qt.GlobalColor.white, side / 20))
    painter.setBrush(QColor(_LIVE))
    dot = side * 0.42
    painter.drawEllipse(QRectF(side - dot - side / 20, side - dot - side / 20, dot, dot))
    painter.end()
    return QIcon(pixmap)
