"""Text that the reader has marked with the pointer, within one message."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QTextCursor

from app.chat.layout import MessageLayout

Place = tuple[int, int]
"""Index of the piece, and the position in its document."""


@dataclass(slots=True)
class TextSelection:
    """From an anchor to a moving end, in either direction."""

    message_id: str = ""
    anchor: Place = (0, 0)
    end: Place = (0, 0)

    def start(self, message_id: str, place: Place) -> None:
        """Begin an empty selection."""
        self.message_id, self.anchor, self.end = message_id, place, place

    def clear(self) -> None:
        """Select nothing."""
        self.start("", (0, 0))

    @property
    def empty(self) -> bool:
        """Whether nothing is selected."""
        return not self.message_id or self.anchor == self.end

    def range_in(self, message_id: str, piece: int) -> Place | None:
        """Return the selected positions in a piece; ``None`` when there are none. The end may lie past the text."""
        if self.empty or message_id != self.message_id:
            return None
        first, last = sorted((self.anchor, self.end))
        if not first[0] <= piece <= last[0]:
            return None
        start = first[1] if piece == first[0] else 0
        stop = last[1] if piece == last[0] else 1 << 30
        return (start, stop) if start < stop else None

    def text(self, layout: MessageLayout) -> str:
        """Return the selected text of the message that ``layout`` shows."""
        found = []
        for number, piece in enumerate(layout.pieces):
            selected = self.range_in(self.message_id, number)
            if piece.document is None or selected is None:
                continue
            end = piece.document.characterCount() - 1
            cursor = QTextCursor(piece.document)
            cursor.setPosition(min(selected[0], end))
            cursor.setPosition(min(selected[1], end), QTextCursor.MoveMode.KeepAnchor)
            found.append(cursor.selection().toPlainText())
        return "\n".join(found)
