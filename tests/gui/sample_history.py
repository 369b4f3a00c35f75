"""Conversations for the sidebar, some days old."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.conversation import Conversation, Message
from app.history_store import HistoryStore
from inference.messages import Text

TITLES = (
    ("Reading a large CSV file in Python", 0),
    ("What does this picture of the harbour show, and when was it taken?", 0),
    ("Recipe for a lemon cake", 1),
    ("מה אפשר לראות בתמונה?", 1),
    ("Packing list for the mountains", 3),
    ("Letter to the landlord", 5),
    ("Meeting notes, summarised", 12),
    ("Learning to read music", 40),
)


def fill(store: HistoryStore, now: datetime | None = None) -> list[Conversation]:
    """Add conversations of the last weeks; the fifth is pinned."""
    now = now or datetime.now(UTC)
    made = []
    for number, (title, days) in enumerate(TITLES):
        when = now - timedelta(days=days, minutes=number)
        conversation = Conversation(title=title, created=when)
        question = Message("user", (Text(title),), created=when)
        words = "Take warm clothes for the harbour, a lemon for the tea, and the letter. " * 3
        answer = Message("assistant", (Text(words),), question.id, created=when)
        store.create(conversation)
        store.append(conversation.id, question)
        store.append(conversation.id, answer).result()
        made.append(conversation)
    store.pin(made[4].id, True).result()
    return made
