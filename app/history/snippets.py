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
        # scripts without spaces have one long word, of which only letters can go
        before = metrics.elidedText(_ELLIPSIS + " ".join(words), Qt.TextElideMode.ElideLeft, int(_BEFORE * width))
    kept: list[tuple[str, bool]] = []
    line = ""
    for text, found in [(before, False), *rest]:
        # the whole line is measured: the widths of its pieces are rounded
        left = width - metrics.horizontalAdvance(line)
        cut = text
        while cut and (over := metrics.horizontalAdvance(line + cut) - width) > 0:
            cut = metrics.elidedText(text, Qt.TextElideMode.ElideRight, left) if left > 0 else ""
            left -= over
        kept.append((cut, found))
        line += cut
        if cut != text:
            break
    return tuple(piece for piece in kept if piece[0])
