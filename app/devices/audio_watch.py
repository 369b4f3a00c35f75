"""Says when a microphone was plugged in or pulled out."""

from __future__ import annotations

import os
import sys

from PySide6.QtCore import QFileSystemWatcher, QObject, Signal

_LINUX_DEVICES = "/dev/snd"


class AudioWatch(QObject):
    """Watches without opening any device.

    On Linux it looks at the list of ALSA's devices; what only a sound server knows, it moves to by itself. Elsewhere
    Qt Multimedia tells. Where neither is there, nothing is told.
    """

    changed = Signal()
    """Other microphones may be there now."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        if sys.platform.startswith("linux"):
            if os.path.isdir(_LINUX_DEVICES):
                watcher = QFileSystemWatcher([_LINUX_DEVICES], self)
                watcher.directoryChanged.connect(lambda _: self.changed.emit())
            return
        try:
            from PySide6.QtMultimedia import QMediaDevices
        except ImportError:  # a library of the system's that it needs is missing
            return
        devices = QMediaDevices(self)
        devices.audioInputsChanged.connect(self.changed)
