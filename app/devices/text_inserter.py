"""Putting a text where the cursor of another program is: what that promises, and which way this desktop has.

The way everywhere is the clipboard: our text goes onto it, the keys for pasting go to the program in front, and when
that program has read the text, what was on the clipboard before comes back.

* :mod:`app.devices.text_inserter_x11`: X11, whose clipboard says who reads
* :mod:`app.devices.text_inserter_keys`: the clipboard as Qt knows it, with keys sent by a portal or a helper program on
  Wayland, and by SendInput on Windows; where nothing can send keys, the text stays on the clipboard and the user pastes
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Final

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtGui import QGuiApplication

translate = QCoreApplication.translate  # the name that lupdate looks for

QUIET_SECONDS: Final = 0.2
"""How long nobody must have read our text before the former clipboard comes back."""
UNREAD_SECONDS: Final = 8.0
"""How long a program may take to read it."""
UNSURE_SECONDS: Final = 0.5
"""How long it stays after a reading that may have been somebody else's."""


@dataclass(slots=True)
class Insertion:
    """A text on its way; times are of ``time.monotonic()``, 0 until then."""

    number: int
    text: str
    asked: float = field(default_factory=time.monotonic)
    keys_sent: float = 0.0
    read: float = 0.0
    """When the program in front had read the text."""
    restored: float = 0.0
    """When the clipboard had its former content again."""


class TextInserter(QObject):
    """Inserts texts, one after the other; this one cannot, and says why.

    Every insertion ends with exactly one of ``inserted``, ``kept`` and ``failed``, on the GUI thread.
    """

    inserted = Signal(object)
    """Carries the :class:`Insertion`: the program in front has read the text, or was sent the keys for it."""
    kept = Signal(object, str)
    """Carries the :class:`Insertion` and a sentence: the text is on the clipboard, for the user to paste."""
    failed = Signal(object, str)
    """Carries the :class:`Insertion` and a sentence: the text is not where it should be."""
    restored = Signal(object, str)
    """Comes later, once an insertion was ``inserted``: the former clipboard is back; a sentence when not all of it."""
    undone = Signal(str)
    """Answers :meth:`undo`: empty when the keys for it were sent, a sentence why not otherwise."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._last_number = 0

    def prepare(self) -> None:
        """Expect a text soon: what takes time before it can be done now."""

    def insert(self, text: str) -> Insertion:
        """Begin to insert ``text`` into the program in front."""
        insertion = self._next(text)
        sentence = translate("TextInserter", "Nothing can be inserted into other programs on this display.")
        self.failed.emit(insertion, sentence)
        return insertion

    def undo(self) -> None:
        """Let the program that got the last text take it back."""
        self.undone.emit(translate("TextInserter", "Nothing was inserted that could be taken back."))

    def close(self) -> None:
        """End the work under way; what others had on the clipboard stays as long as the system allows."""

    def _next(self, text: str) -> Insertion:
        self._last_number += 1
        return Insertion(self._last_number, text)


def make_text_inserter(app_id: str, parent: QObject | None = None) -> TextInserter:
    """Return the way of this desktop. ``app_id`` is the name of the program's .desktop file, without that."""
    platform = QGuiApplication.platformName()
    if platform == "xcb" and not os.environ.get("WAYLAND_DISPLAY"):
        try:
            from app.devices.text_inserter_x11 import X11TextInserter
        except ImportError:
            return TextInserter(parent)
        return X11TextInserter(parent)
    if platform.startswith("wayland") or platform in ("windows", "cocoa", "xcb"):
        from app.devices.paste_keys import make_paste_keys
        from app.devices.text_inserter_keys import ClipboardTextInserter

        # a program on X11 under Wayland reaches the other programs only as those on Wayland do
        return ClipboardTextInserter(make_paste_keys(app_id, "wayland" if platform == "xcb" else platform), parent)
    return TextInserter(parent)
