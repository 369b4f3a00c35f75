"""What was written down, as rows: headings, utterances, and at the end what is being said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from inference.transcript import as_srt, as_text, clock
from inference.transcription import Utterance

ROW_ROLE = int(Qt.ItemDataRole.UserRole)


@dataclass(frozen=True, slots=True)
class Heading:
    """Where the utterances below come from."""

    title: str


@dataclass(frozen=True, slots=True)
class Partial:
    """What was understood so far of what is being said."""

    text: str


Row = Heading | Utterance | Partial
Index = QModelIndex | QPersistentModelIndex


class TranscriptModel(QAbstractListModel):
    """Several recordings, one after the other."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Row] = []

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows."""
        return tuple(self._rows)

    @property
    def empty(self) -> bool:
        """Whether nothing was written down yet."""
        return not any(isinstance(row, Utterance) for row in self._rows)

    def begin(self, title: str) -> None:
        """Begin another recording; a heading that nothing came below goes."""
        self.set_partial("")
        if self._rows and isinstance(self._rows[-1], Heading):
            self._remove_last()
        self._insert(Heading(title), len(self._rows))

    def add(self, utterance: Utterance) -> None:
        """Append an utterance, in place of what was shown while it was said."""
        self.set_partial("")
        self._insert(utterance, len(self._rows))

    def set_partial(self, text: str) -> None:
        """Show what is being said; empty for nothing."""
        last = self._rows[-1] if self._rows else None
        if isinstance(last, Partial):
            if text:
                self._rows[-1] = Partial(text)
                changed = self.index(len(self._rows) - 1)
                self.dataChanged.emit(changed, changed)
            else:
                self._remove_last()
        elif text:
            self._insert(Partial(text), len(self._rows))

    def clear(self) -> None:
        """Forget everything."""
        self.beginResetModel()
        self._rows.clear()
        self.endResetModel()

    # --- as text ---

    def sections(self) -> list[tuple[str, list[Utterance]]]:
        """Return title and utterances of each recording in which somebody spoke."""
        found: list[tuple[str, list[Utterance]]] = []
        for row in self._rows:
            if isinstance(row, Heading):
                found.append((row.title, []))
            elif isinstance(row, Utterance) and found:
                found[-1][1].append(row)
        return [(title, said) for title, said in found if said]

    def text(self, rows: Sequence[int] | None = None, *, times: bool = False) -> str:
        """Return the rows with these numbers, or all, as text; with titles where there are several recordings."""
        if rows is not None:
            return as_text([row for row in map(self._rows.__getitem__, rows) if isinstance(row, Utterance)])
        sections = self.sections()
        if len(sections) == 1:
            return as_text(sections[0][1], times=times)
        return "\n".join(f"# {title}\n{as_text(said, times=times)}" for title, said in sections)

    def subtitles(self) -> list[str]:
        """Return the subtitles of each recording."""
        return [as_srt(said, translated=True) for _, said in self.sections()]

    # --- for the view ---

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of rows."""
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """Return the row, or its words for screen readers."""
        row = self._rows[index.row()]
        if role == ROW_ROLE:
            return row
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            match row:
                case Heading(title):
                    return title
                case Partial(text):
                    return text
                case Utterance(start, _, text, translation):
                    return " ".join(part for part in (clock(start), text, translation) if part)
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Let utterances be chosen."""
        flags = Qt.ItemFlag.ItemIsEnabled
        if isinstance(self._rows[index.row()], Utterance):
            flags |= Qt.ItemFlag.ItemIsSelectable
        return flags

    def _insert(self, row: Row, at: int) -> None:
        self.beginInsertRows(QModelIndex(), at, at)
        self._rows.insert(at, row)
        self.endInsertRows()

    def _remove_last(self) -> None:
        last = len(self._rows) - 1
        self.beginRemoveRows(QModelIndex(), last, last)
        del self._rows[last]
        self.endRemoveRows()
