"""An icon in the tray, on desktops that have one."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QMenu, QSystemTrayIcon


class Tray(QObject):
    """Brings the window back, begins a chat, quits. Does nothing where there is no tray."""

    show_requested = Signal()
    new_chat_requested = Signal()
    quit_requested = Signal()

    def __init__(self, icon: QIcon, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.available = QSystemTrayIcon.isSystemTrayAvailable()
        self.menu = QMenu()
        self.menu.addAction(self.tr("Show Larimar"), self.show_requested.emit)
        self.menu.addAction(self.tr("New chat"), self.new_chat_requested.emit)
        self.menu.addSeparator()
        self.menu.addAction(self.tr("Quit"), self.quit_requested.emit)
        self._icon = QSystemTrayIcon(icon, self)
        self._icon.setToolTip("Larimar")
        self._icon.setContextMenu(self.menu)
        self._icon.activated.connect(self._activated)

    def set_shown(self, shown: bool) -> None:
        """Show the icon, where there is a tray."""
        self._icon.setVisible(shown and self.available)

    def close(self) -> None:
        """Take the icon away."""
        self._icon.hide()
        self.menu.deleteLater()

    def _activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason is QSystemTrayIcon.ActivationReason.Trigger:
            self.show_requested.emit()
