"""The path of a conversation as a Qt model: as much of its end as has been read, changed by its controller only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from app.chat.long_messages import more_words
from app.chat.shown_message import ShownMessage
from app.conversation import Message, MessageStatus, Page
from inference.messages import Audio, Image

Index = QModelIndex | QPersistentModelIndex
_SPOKEN_AT_MOST = 20_000
"""Characters of a message that a screen reader is given."""


class MessageRole(IntEnum):
    """What the model answers to beside the standard roles."""

    MESSAGE = Qt.ItemDataRole.UserRole + 1


class ChatModel(QAbstractListModel):
    """Messages of one path, oldest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._shown: list[ShownMessage] = []
        self._earlier = False

    @property
    def messages(self) -> tuple[Message, ...]:
        """The messages that have been read."""
        return tuple(shown.message for shown in self._shown)

    @property
    def shown(self) -> tuple[ShownMessage, ...]:
        """The same with what the window adds to them."""
        return tuple(self._shown)

    @property
    def last(self) -> Message | None:
        """The end of the path."""
        return self._shown[-1].message if self._shown else None

    @property
    def first_id(self) -> str:
        """The id of the first message here; empty when there is none."""
        return self._shown[0].id if self._shown else ""

    @property
    def earlier(self) -> bool:
        """Whether the path has messages before the first one here."""
        return self._earlier

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of messages."""
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the shown message itself, its text, or what a screen reader says of it."""
        if not index.isValid() or not 0 <= index.row() < len(self._shown):
            return None
        shown = self._shown[index.row()]
        if role == MessageRole.MESSAGE:
            return shown
        if role == Qt.ItemDataRole.DisplayRole:
            return shown.message.text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._spoken(shown)
        return None

    def row_of(self, message_id: str) -> int:
        """Return the row of a message; -1 when it is not here."""
        for row in range(len(self._shown) - 1, -1, -1):
            if self._shown[row].id == message_id:
                return row
        return -1

    def show_page(self, page: Page) -> None:
        """Show another path, of which ``page`` is the end."""
        self.beginResetModel()
        self._shown = [_shown(message, page.siblings) for message in page.messages]
        self._earlier = page.earlier
        self.endResetModel()

    def switch_to(self, page: Page) -> None:
        """Show another branch, of whose path ``page`` is the end; rows that both branches share stay untouched."""
        row = self.row_of(page.messages[0].id) if page.messages else -1
        if row < 0:
            self.show_page(page)
            return
        new = [_shown(message, page.siblings) for message in page.messages]
        shared = 0
        while row + shared < len(self._shown) and shared < len(new) and self._shown[row + shared].id == new[shared].id:
            shared += 1
        self.cut(row + shared)
        if shared < len(new):
            first = len(self._shown)
            self.beginInsertRows(QModelIndex(), first, first + len(new) - shared - 1)
            self._shown += new[shared:]
            self.endInsertRows()

    def prepend(self, page: Page) -> None:
        """Add what comes before the first message."""
        self._earlier = page.earlier
        if page.messages:
            self.beginInsertRows(QModelIndex(), 0, len(page.messages) - 1)
            self._shown[:0] = [_shown(message, page.siblings) for message in page.messages]
            self.endInsertRows()

    def append(self, message: Message, siblings: tuple[str, ...] = ()) -> None:
        """Add a message at the end."""
        row = len(self._shown)
        self.beginInsertRows(QModelIndex(), row, row)
        self._shown.append(ShownMessage(message, siblings if len(siblings) > 1 else ()))
        self.endInsertRows()

    def replace(self, message: Message, prefill: tuple[int, int] | None = None) -> None:
        """Put another value in the place of the message with its id; nothing happens when that is not here."""
        row = self.row_of(message.id)
        if row < 0:
            return
        old = self._shown[row]
        self._shown[row] = replace(old, message=message, prefill=prefill or old.prefill)
        index = self.index(row)
        self.dataChanged.emit(index, index)

    def cut(self, row: int) -> None:
        """Take away the message in ``row`` and all after it."""
        if 0 <= row < len(self._shown):
            self.beginRemoveRows(QModelIndex(), row, len(self._shown) - 1)
            del self._shown[row:]
            self.endRemoveRows()

    def clear(self) -> None:
        """Show nothing."""
        self.show_page(Page())

    def _spoken(self, shown: ShownMessage) -> str:
        message = shown.message
        parts = [self._attachments(message)] if message.media else []
        text = message.text
        if len(text) > _SPOKEN_AT_MOST:  # a screen reader gets it in one piece
            text = f"{text[:_SPOKEN_AT_MOST]} {more_words(len(text) - _SPOKEN_AT_MOST)}"
        parts += [text] if text else []
        if shown.waiting:
            parts.append(self.tr("no answer yet"))
        elif message.status is MessageStatus.STOPPED:
            parts.append(self.tr("(stopped)"))
        elif message.error:
            parts.append(message.error)
        if shown.siblings:
            version = self.tr("(version {number} of {count})")
            parts.append(version.format(number=shown.branch + 1, count=len(shown.siblings)))
        who = self.tr("You: {text}") if message.role == "user" else self.tr("Larimar: {text}")
        return who.format(text=" ".join(parts))

    def _attachments(self, message: Message) -> str:
        kinds = [
            self.tr("picture")
            if isinstance(part, Image)
            else self.tr("recording")
            if isinstance(part, Audio)
            else self.tr("video")
            for part in message.media
        ]
        return self.tr("(attached: {kinds})").format(kinds=", ".join(kinds))


def _shown(message: Message, siblings: Mapping[str, tuple[str, ...]]) -> ShownMessage:
    return ShownMessage(message, siblings.get(message.id, ()))
