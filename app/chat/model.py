"""The conversation as a Qt model. It lives on the GUI thread and is changed by whole frames."""

from __future__ import annotations

import time
from dataclasses import replace
from enum import IntEnum
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from app.chat.message import Message, MessageState
from app.session import Frame
from inference.messages import Turn

Index = QModelIndex | QPersistentModelIndex

_STATE_AFTER = {
    "stop": MessageState.DONE,
    "tool_calls": MessageState.DONE,
    "cancelled": MessageState.STOPPED,
    "length": MessageState.CUT,
    "context": MessageState.CUT,
}


class MessageRole(IntEnum):
    """What the model answers to beside the standard roles."""

    MESSAGE = Qt.ItemDataRole.UserRole + 1


class ChatModel(QAbstractListModel):
    """Messages, oldest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._messages: list[Message] = []
        self._next_id = 1
        self._thinking_since: float | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages."""
        return tuple(self._messages)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of messages."""
        return 0 if parent.isValid() else len(self._messages)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the message itself, its text, or what a screen reader says of it."""
        if not index.isValid() or not 0 <= index.row() < len(self._messages):
            return None
        message = self._messages[index.row()]
        if role == MessageRole.MESSAGE:
            return message
        if role == Qt.ItemDataRole.DisplayRole:
            return message.text
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self._spoken(message)
        return None

    def turns(self) -> tuple[Turn, ...]:
        """Return what the model should know of the conversation, without questions that were never answered."""
        turns: list[Turn] = []
        for message in self._messages:
            turn = message.turn
            if turn is None:
                # A reply without a word: its question would make two questions in a row.
                if message.role == "assistant" and not message.state.under_way and turns and turns[-1].role == "user":
                    turns.pop()
                continue
            turns.append(turn)
        return tuple(turns)

    def ask(self, text: str) -> None:
        """Append the user's message."""
        self._append(Message(self._take_id(), "user", text))

    def begin_reply(self) -> None:
        """Append the reply that frames will fill."""
        self._thinking_since = None
        self._append(Message(self._take_id(), "assistant", state=MessageState.WAITING))

    def apply(self, frame: Frame) -> None:
        """Put what a frame brings into the reply under way."""
        if not self._messages or not self._messages[-1].state.under_way:
            return
        old = self._messages[-1]
        state = old.state
        if frame.text or frame.thought or frame.tool_calls:
            state = MessageState.STREAMING
        if frame.error:
            state = MessageState.FAILED
        elif frame.done is not None:
            state = _STATE_AFTER[frame.done.reason]
        self._messages[-1] = replace(
            old,
            text=old.text + frame.text,
            thought=old.thought + frame.thought,
            state=state,
            version=old.version + 1,
            prefill=(frame.prefill.done, frame.prefill.total) if frame.prefill else old.prefill,
            thought_seconds=self._thought_seconds(old, frame),
            stats=frame.done.stats if frame.done else None,
            error=frame.error,
            tool_calls=old.tool_calls + frame.tool_calls,
        )
        self._changed(len(self._messages) - 1)

    def abandon_reply(self) -> None:
        """Mark the reply under way as stopped; nothing more of it will come."""
        if self._messages and self._messages[-1].state.under_way:
            old = self._messages[-1]
            self._messages[-1] = replace(old, state=MessageState.STOPPED, version=old.version + 1)
            self._changed(len(self._messages) - 1)

    def clear(self) -> None:
        """Forget the conversation."""
        self.beginResetModel()
        self._messages.clear()
        self.endResetModel()

    def _thought_seconds(self, old: Message, frame: Frame) -> float | None:
        if old.thought_seconds is not None:
            return old.thought_seconds
        now = time.monotonic()
        if frame.thought and self._thinking_since is None:
            self._thinking_since = now
        if self._thinking_since is not None and (frame.text or frame.last or frame.tool_calls):
            return now - self._thinking_since
        return None

    def _append(self, message: Message) -> None:
        row = len(self._messages)
        self.beginInsertRows(QModelIndex(), row, row)
        self._messages.append(message)
        self.endInsertRows()

    def _changed(self, row: int) -> None:
        index = self.index(row)
        self.dataChanged.emit(index, index)

    def _take_id(self) -> int:
        taken = self._next_id
        self._next_id += 1
        return taken

    def _spoken(self, message: Message) -> str:
        if message.role == "user":
            return self.tr("You: {text}").format(text=message.text)
        parts = [message.text] if message.text else []
        if message.state is MessageState.WAITING:
            parts.append(self.tr("no answer yet"))
        elif message.state is MessageState.STOPPED:
            parts.append(self.tr("(stopped)"))
        elif message.error:
            parts.append(message.error)
        return self.tr("Larimar: {text}").format(text=" ".join(parts))
