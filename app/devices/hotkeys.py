"""Keys that act while any program has the keyboard: what they promise, and which kind this desktop has.

* :mod:`app.devices.hotkeys_x11`: X11, by passive grabs
* :mod:`app.devices.hotkeys_portal`: Wayland, where the desktop offers the GlobalShortcuts portal
* :mod:`app.devices.hotkeys_windows`: Windows

Where none of these works, the desktop's own keyboard settings can run ``main.py --dictate`` and its like.
"""

from __future__ import annotations

import logging
import os
import sys

from PySide6.QtCore import QCoreApplication, QKeyCombination, QObject, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence

log = logging.getLogger(__name__)
translate = QCoreApplication.translate  # the name that lupdate looks for


class Hotkeys(QObject):
    """Global keys, by action; this kind has none and says why.

    Signals come on the GUI thread. A key that is held down presses once; what repeats it is filtered.
    """

    pressed = Signal(str)
    """Carries the action whose keys went down."""
    released = Signal(str)
    """Carries the action whose keys went up; also when the system swallowed that and it is only found out later."""
    failed = Signal(str, str)
    """Carries an action and a sentence: its keys do not work after all, or no longer."""

    passing = False
    """Whether keys can be taken for a moment and without being asked about, such as Esc while something runs."""

    def __init__(self, reason: str = "", parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reason = reason

    @property
    def reason(self) -> str:
        """Why there are no global keys here at all, as a sentence; empty when there may be."""
        return self._reason

    def bind(self, action: str, keys: str, name: str = "") -> str | None:
        """Let ``keys`` (portable, such as ``"Ctrl+Alt+D"``) act from now on; empty keys take them away.

        ``name`` is what a desktop shows that asks its user. Returns why that is not possible, as a sentence; then the
        action has no keys. A desktop that decides later answers with ``failed``.
        """
        return self._reason or None

    def close(self) -> None:
        """Let go of all keys and end the thread."""


def make_hotkeys(app_id: str, parent: QObject | None = None) -> Hotkeys:
    """Return the global keys of this desktop. ``app_id`` is the name of the program's .desktop file, without that."""
    if sys.platform == "win32":
        from app.devices.hotkeys_windows import WindowsHotkeys

        return WindowsHotkeys(parent)
    if sys.platform == "darwin":
        return Hotkeys(
            translate(
                "Hotkeys",
                "Larimar has no global keys on macOS yet: let the Shortcuts app run “larimar --dictate” with keys of "
                "your choice.",
            ),
            parent,
        )
    platform = QGuiApplication.platformName()
    try:
        if platform == "xcb" and not os.environ.get("WAYLAND_DISPLAY"):
            from app.devices.hotkeys_x11 import X11Hotkeys

            return X11Hotkeys(parent)
        if platform.startswith("wayland") or (platform == "xcb" and os.environ.get("WAYLAND_DISPLAY")):
            from app.devices.hotkeys_portal import PortalHotkeys

            return PortalHotkeys(app_id, parent)
    except ImportError as error:
        log.info("No global keys: %s", error)
        return Hotkeys(
            translate("Hotkeys", "Global keys need the Python package {package}, which is not installed.").format(
                package=error.name
            ),
            parent,
        )
    return Hotkeys(translate("Hotkeys", "There are no global keys on this display."), parent)


def combination_of(keys: str) -> QKeyCombination | None:
    """Return the one combination in portable keys; ``None`` when there is none or several."""
    sequence = QKeySequence.fromString(keys, QKeySequence.SequenceFormat.PortableText)
    return sequence[0] if sequence.count() == 1 else None  # type: ignore[index]
