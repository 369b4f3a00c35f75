"""What a store offers beyond single conversations: the list of them, search, deletion, and moving them in and out."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from app.conversation import Conversation, ConversationStore, Message

HITS = 60
"""Results of a search that are shown at most."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list of conversations."""

    id: str
    title: str
    used: datetime
    """When something was last said in it, in UTC."""
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Hit:
    """One result of a search."""

    conversation_id: str
    title: str
    """The conversation's."""
    when: datetime
    message_id: str | None = None
    """``None`` when the title was found."""
    snippet: tuple[tuple[str, bool], ...] = ()
    """What stands around the words, in pieces, and whether a piece is one of the words."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a message is."""

    conversation_id: str
    leaf_id: str
    """The leaf of a path on which the message is: the shown path where possible."""
    distance: int
    """How many messages of that path there are from the message to the leaf, both included."""


@dataclass(frozen=True, slots=True)
class WholeConversation:
    """A conversation with all branches."""

    conversation: Conversation
    messages: tuple[Message, ...] = field(default=())
    """Parents before children, siblings oldest first."""
    pinned: bool = False


class HistoryStore(ConversationStore, Protocol):
    """A :class:`~app.conversation.ConversationStore` that knows its conversations; the same rules hold."""

    def ready(self) -> Future[None]:
        """End when the store can be used; carries the error, a sentence, when it cannot."""

    def entries(self) -> Future[tuple[Entry, ...]]:
        """Return the conversations that are not deleted: the pinned ones first, then by last use, latest first."""

    def search(self, words: str, limit: int = HITS) -> Future[tuple[Hit, ...]]:
        """Return where all of ``words`` occur, the best results first; each word may be the beginning of one.

        Accents and upper case make no difference.
        """

    def place(self, message_id: str) -> Future[Place]:
        """Return where a message is."""

    def rename(self, conversation_id: str, title: str) -> Future[None]:
        """Give a conversation another title."""

    def pin(self, conversation_id: str, pinned: bool) -> Future[None]:
        """Keep a conversation at the top of the list, or no more."""

    def delete(self, conversation_id: str) -> Future[None]:
        """Take a conversation out of lists and searches; :meth:`restore` undoes it until :meth:`purge`."""

    def restore(self, conversation_id: str) -> Future[None]:
        """Undo :meth:`delete`."""

    def purge(self) -> Future[None]:
        """Remove for good what is deleted, with its media. Also happens when a store is opened."""

    def whole(self, conversation_id: str) -> Future[WholeConversation]:
        """Return a conversation with all of its branches."""

    def add(self, whole: WholeConversation) -> Future[int]:
        """Add a conversation from elsewhere; return how many of its messages were new.

        Messages that are there already stay as they are, and so do title and leaf of a conversation that is.
        """
