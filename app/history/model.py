"""What the sidebar lists, as a Qt model: conversations under their days, or the results of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from app.history.days import day_words, short_time
from app.history_store import Entry, Hit

Index = QModelIndex | QPersistentModelIndex


class HistoryRole(IntEnum):
    """What the model answers to beside the standard roles."""

    ROW = Qt.ItemDataRole.UserRole + 1


@dataclass(frozen=True, slots=True)
class Heading:
    """A line above conversations of one day."""

    words: str


Row = Heading | Entry | Hit


class HistoryModel(QAbstractListModel):
    """Rows of the sidebar."""

    renamed = Signal(str, str)
    """The user gave a conversation another title; carries its id and the title."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: tuple[Row, ...] = ()
        self.today = date.today

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is listed."""
        return self._rows

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """List conversations, which come in the order in which they are shown."""
        today = self.today()
        rows: list[Row] = []
        heading = ""
        for entry in entries:
            words = self.tr("Pinned") if entry.pinned else day_words(entry.used.astimezone().date(), today)
            if words != heading:
                rows.append(Heading(words))
                heading = words
            rows.append(entry)
        self._show(tuple(rows))

    def show_hits(self, hits: Sequence[Hit]) -> None:
        """List what a search has found."""
        self._show(tuple(hits))

    def row_of(self, conversation_id: str, message_id: str | None = None) -> int:
        """Return the row of a conversation, or of a message that was found; -1 when it is not listed."""
        for number, row in enumerate(self._rows):
            if isinstance(row, Entry) and message_id is None and row.id == conversation_id:
                return number
            if isinstance(row, Hit) and (row.conversation_id, row.message_id) == (conversation_id, message_id):
                return number
        return -1

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return how many rows there are."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the row itself, its words, or what a screen reader says of it."""
        if not index.isValid() or not 0 <= index.row() < len(self._rows):
            return None
        row = self._rows[index.row()]
        if role == HistoryRole.ROW:
            return row
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return row.words if isinstance(row, Heading) else row.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._spoken(row)
        if role == Qt.ItemDataRole.ToolTipRole and not isinstance(row, Heading):
            return row.title
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Rename a conversation."""
        row = self._rows[index.row()]
        title = " ".join(str(value).split())
        if role != Qt.ItemDataRole.EditRole or not isinstance(row, Entry) or not title or title == row.title:
            return False
        self._rows = (*self._rows[: index.row()], replace(row, title=title), *self._rows[index.row() + 1 :])
        changed = self.index(index.row())
        self.dataChanged.emit(changed, changed)
        self.renamed.emit(row.id, title)
        return True

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Headings cannot be chosen; conversations can be renamed."""
        row = self._rows[index.row()] if index.isValid() else None
        if isinstance(row, Entry):
            return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsEditable
        if isinstance(row, Hit):
            return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        return Qt.ItemFlag.NoItemFlags

    def _show(self, rows: tuple[Row, ...]) -> None:
        if rows != self._rows:
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()

    def _spoken(self, row: Row) -> str:
        if isinstance(row, Heading):
            return row.words
        title = row.title or self.tr("Untitled")
        if isinstance(row, Entry):
            return self.tr("{title}, pinned").format(title=title) if row.pinned else title
        found = "".join(text for text, _ in row.snippet)
        when = short_time(row.when, self.today())
        return (
            title
            if row.message_id is None
            else self.tr("{found} – in {title}, {when}").format(found=found, title=title, when=when)
        )
