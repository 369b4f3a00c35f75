"""Conversations that live as long as the program: the reference for every other store, and the one of tests."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from app.conversation import PAGE, Conversation, Message, Page, path_to

_Value = TypeVar("_Value")


class MemoryStore:
    """A :class:`~app.conversation.ConversationStore` without a disk; its futures are always done."""

    def __init__(self) -> None:
        self._conversations: dict[str, Conversation] = {}
        self._messages: dict[str, Message] = {}
        self._children: dict[tuple[str, str | None], list[str]] = {}
        self._home: dict[str, str] = {}

    def create(self, conversation: Conversation) -> Future[None]:
        """Add a conversation."""
        return self.change(conversation)

    def change(self, conversation: Conversation) -> Future[None]:
        """Replace what is known of a conversation."""
        self._conversations[conversation.id] = conversation
        return _done(lambda: None)

    def append(self, conversation_id: str, message: Message) -> Future[None]:
        """Add a message as the new leaf."""

        def add() -> None:
            if message.parent_id is not None and self._home[message.parent_id] != conversation_id:
                raise KeyError(message.parent_id)
            conversation = self._conversations[conversation_id]
            self._messages[message.id] = message
            self._home[message.id] = conversation_id
            self._children.setdefault((conversation_id, message.parent_id), []).append(message.id)
            self._conversations[conversation_id] = replace(conversation, leaf_id=message.id)

        return _done(add)

    def update(self, message: Message) -> Future[None]:
        """Replace a message."""

        def put() -> None:
            self._messages[self._messages[message.id].id] = message

        return _done(put)

    def finish(self, message: Message) -> Future[None]:
        """Replace a message."""
        return self.update(message)

    def conversation(self, conversation_id: str) -> Future[Conversation]:
        """Return a conversation."""
        return _done(lambda: self._conversations[conversation_id])

    def page(self, conversation_id: str, before: str | None = None, limit: int = PAGE) -> Future[Page]:
        """Return a page of the path."""

        def read() -> Page:
            path = self._path(conversation_id)
            end = len(path)
            if before is not None:
                end = next((n for n, message in enumerate(path) if message.id == before), -1)
                if end < 0:
                    raise KeyError(before)
            start = max(0, end - limit)
            families = {m.id: tuple(self._children[conversation_id, m.parent_id]) for m in path[start:end]}
            siblings = {one: family for one, family in families.items() if len(family) > 1}
            return Page(path[start:end], siblings, start > 0)

        return _done(read)

    def path(self, conversation_id: str) -> Future[tuple[Message, ...]]:
        """Return the whole path."""
        return _done(lambda: self._path(conversation_id))

    def leaf_below(self, message_id: str) -> Future[str]:
        """Return the leaf under a message."""

        def walk() -> str:
            home, here = self._home[message_id], message_id
            while children := self._children.get((home, here)):
                here = children[-1]
            return here

        return _done(walk)

    def close(self) -> None:
        """Do nothing: what was kept goes with the program."""

    def _path(self, conversation_id: str) -> tuple[Message, ...]:
        return path_to(self._messages, self._conversations[conversation_id].leaf_id)


def _done(work: Callable[[], _Value]) -> Future[_Value]:
    future: Future[_Value] = Future()
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
    return future
