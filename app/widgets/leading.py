"""Words that begin where a line begins, and are read in their own direction."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel


def leading(label: QLabel) -> QLabel:
    """Let a label begin at the side where the window's lines begin, whichever way its own words run."""
    mirrored = label.layoutDirection() is Qt.LayoutDirection.RightToLeft
    side = Qt.AlignmentFlag.AlignRight if mirrored else Qt.AlignmentFlag.AlignLeft
    label.setAlignment(side | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter)
    return label


def isolated(text: str) -> str:
    """Return ``text`` so that it is read in its own direction, whatever that of the window is."""
    return f"\u2068{text}\u2069"
