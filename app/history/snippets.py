"""Texts with marked words, made to fit into one line."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics

Pieces = tuple[tuple[str, bool], ...]
"""Text in pieces, and whether each is a word that was searched for."""

_ELLIPSIS = "…"
_BEFORE = 0.6
"""Share of a line that may stand before the first marked word; the beginning gives way where it takes more."""


def fitted(pieces: Pieces, metrics: QFontMetrics, width: int) -> Pieces:
    """Return what of ``pieces`` fits into ``width`` pixels, from the beginning unless that hides the first mark."""
    if metrics.horizontalAdvance("".join(text for text, _ in pieces)) <= width:
        return pieces
    first = next((at for at, (_, found) in enumerate(pieces) if found), len(pieces))
    before = "".join(text for text, _ in pieces[:first])
    mark = pieces[first][0] if first < len(pieces) else ""
    rest = list(pieces[first:])
    if mark and metrics.horizontalAdvance(before + mark) > width:
        words = before.split(" ")
        while len(words) > 1 and metrics.horizontalAdvance(_ELLIPSIS + " ".join(words)) > _BEFORE * width:
            del words[0]
        before = _ELLIPSIS + " ".join(words)
    kept: list[tuple[str, bool]] = []
    left = width
    for text, found in ([(before, False)] if before else []) + rest:
        if metrics.horizontalAdvance(text) > left:
            kept.append((metrics.elidedText(text, Qt.TextElideMode.ElideRight, left), found))
            break
        kept.append((text, found))
        left -= metrics.horizontalAdvance(text)
    return tuple(piece for piece in kept if piece[0])
