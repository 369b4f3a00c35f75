"""Conversations to put into stores."""

from __future__ import annotations

from app.conversation import Conversation, Message
from app.history_store import HistoryStore
from inference.messages import Text


def said(role: str, text: str, parent: Message | None = None) -> Message:
    return Message(role, (Text(text),), parent.id if parent else None)  # type: ignore[arg-type]


def begun(store: HistoryStore, title: str, *texts: str) -> tuple[Conversation, list[Message]]:
    """Add a conversation in which ``texts`` are said in turn."""
    conversation = Conversation(title=title)
    store.create(conversation)
    messages: list[Message] = []
    for number, text in enumerate(texts):
        message = said("assistant" if number % 2 else "user", text, messages[-1] if messages else None)
        store.append(conversation.id, message)
        messages.append(message)
    store.ready().result()
    return store.conversation(conversation.id).result(), messages
