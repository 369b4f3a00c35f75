"""A conversation as a tree of immutable messages, and what a store of conversations must offer. Pure Python, no Qt.

Every message knows its parent. Editing a question or asking for another answer makes a *sibling*: a message with the
same parent. What the window shows is one path through the tree, from the root to the conversation's ``leaf_id``; the
other branches stay in the store and are reached through :attr:`Page.siblings`. ::

    question A ─ answer 1 ─ question B ─ answer 2        ← the path, when answer 2 is the leaf
              └─ answer 1′ (asked for again)
    question A′ (edited) ─ answer 3

Values cross threads freely. :class:`app.conversation_memory.MemoryStore` keeps conversations as long as the program
runs; a store on disk offers the same protocol from a thread of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from inference.messages import (
    Audio,
    FinishReason,
    Image,
    Part,
    ReplyStats,
    Role,
    Text,
    Thought,
    ToolCall,
    Turn,
    Video,
)

PAGE = 100
"""Messages that are read from a store at a time."""
TITLE_LENGTH = 60
"""Characters of a title that is taken from the first question."""


class MessageStatus(StrEnum):
    """How far a message is. The values are what a store writes."""

    STREAMING = "streaming"
    """More may come. A store that finds one of these when it is opened was interrupted: it makes it STOPPED."""
    COMPLETE = "complete"
    STOPPED = "stopped"
    """Ended by the user, or by the end of the program."""
    FAILED = "failed"
    """Ended by an error; :attr:`Message.error` says which."""


def new_id() -> str:
    """Return an id that no other message or conversation has."""
    return uuid.uuid4().hex


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Message:
    """One message; a change makes a new value with the same ``id``."""

    role: Role
    parts: tuple[Part, ...] = ()
    """In the order in which they came; neighbouring pieces of text are one ``Text``, of thought one ``Thought``."""
    parent_id: str | None = None
    """The message before; ``None`` for the first one."""
    id: str = field(default_factory=new_id)
    created: datetime = field(default_factory=now)
    status: MessageStatus = MessageStatus.COMPLETE
    finish_reason: FinishReason | None = None
    """Why a reply ended; ``None`` for other messages and while it goes on."""
    thought_seconds: float | None = None
    """How long the model thought; ``None`` while it thinks and when it did not."""
    stats: ReplyStats | None = None
    """What the reply cost; ``None`` until it has ended."""
    error: str = ""
    """A sentence for the user, when the reply failed."""
    model: str = ""
    """Name of the model that replied."""

    @property
    def under_way(self) -> bool:
        """Whether more may come."""
        return self.status is MessageStatus.STREAMING

    @property
    def text(self) -> str:
        """The visible text, without thoughts, media and tools."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def thought(self) -> str:
        """What the model thought before and while it answered."""
        return "".join(part.text for part in self.parts if isinstance(part, Thought))

    @property
    def media(self) -> tuple[Image | Audio | Video, ...]:
        """The attachments."""
        return tuple(part for part in self.parts if isinstance(part, Image | Audio | Video))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model asked for."""
        return tuple(part for part in self.parts if isinstance(part, ToolCall))

    @property
    def turn(self) -> Turn | None:
        """What the model is told of this message later: no thoughts. ``None`` when there is nothing to tell."""
        parts = tuple(part for part in self.parts if not _untold(part))
        told = any(not isinstance(part, Text) or part.text.strip() for part in parts)
        return Turn(self.role, parts) if told else None

    def extended(self, *pieces: Text | Thought | ToolCall) -> Message:
        """Return the message with more at its end; what continues its last part becomes one part with it."""
        if not pieces:
            return self
        parts = list(self.parts)
        for piece in pieces:
            last = parts[-1] if parts else None
            if isinstance(piece, Text) and isinstance(last, Text):
                parts[-1] = Text(last.text + piece.text)
            elif isinstance(piece, Thought) and isinstance(last, Thought):
                parts[-1] = Thought(last.text + piece.text)
            else:
                parts.append(piece)
        return replace(self, parts=tuple(parts))


@dataclass(frozen=True, slots=True)
class Conversation:
    """What belongs to a conversation as a whole; its messages are read page by page."""

    id: str = field(default_factory=new_id)
    title: str = ""
    """Empty until the first question; see :func:`title_of`."""
    system_prompt: str = ""
    leaf_id: str | None = None
    """The last message of the path that is shown; ``None`` while there are no messages."""
    created: datetime = field(default_factory=now)


@dataclass(frozen=True, slots=True)
class Page:
    """Neighbouring messages of a path, oldest first."""

    messages: tuple[Message, ...] = ()
    siblings: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """For each message of the page that has siblings: the ids of all of them, itself included, oldest first."""
    earlier: bool = False
    """Whether the path has messages before these."""


class ConversationStore(Protocol):
    """Where conversations are kept. All methods return at once and may be called on the GUI thread only.

    Calls take effect in the order in which they were made, and a read sees every write that was asked for before it.
    The futures end on any thread; those of writes end when the change can no longer be lost, and carry the error
    (``OSError``, :class:`inference.errors.LarimarError`) when it could not be written. A ``KeyError`` is carried by
    the futures of reads for an id that is not there.

    Media in ``Message.parts`` are files of the user or bytes. A store on disk keeps copies of its own and gives back
    ``Path`` sources of these; a message that was appended need not be read again for that.
    """

    def create(self, conversation: Conversation) -> Future[None]:
        """Add a conversation. The window does so with the first question, so that none is ever empty."""

    def change(self, conversation: Conversation) -> Future[None]:
        """Replace title, system prompt and leaf of the conversation with that id."""

    def append(self, conversation_id: str, message: Message) -> Future[None]:
        """Add a message, whose parent is there, and make it the leaf of the conversation."""

    def update(self, message: Message) -> Future[None]:
        """Replace a message whose reply is under way; comes once a frame.

        A store that lags may drop an update for a later one of the same message.
        """

    def finish(self, message: Message) -> Future[None]:
        """Replace a message whose reply is over."""

    def conversation(self, conversation_id: str) -> Future[Conversation]:
        """Return a conversation as it is now."""

    def page(self, conversation_id: str, before: str | None = None, limit: int = PAGE) -> Future[Page]:
        """Return the last ``limit`` messages of the path, or those before the message ``before`` on it."""

    def path(self, conversation_id: str) -> Future[tuple[Message, ...]]:
        """Return the whole path, oldest first: what the model reads."""

    def leaf_below(self, message_id: str) -> Future[str]:
        """Return the id of the leaf that is reached from a message by its newest child, and its newest child, …"""

    def close(self) -> None:
        """Write what is left and end. Blocks; the last call."""


def title_of(message: Message) -> str:
    """Return a title for a conversation that begins with ``message``: its words, else the name of its first file."""
    words = " ".join(message.text.split())
    if not words:
        words = next((part.source.name for part in message.media if isinstance(part.source, Path)), "")
    if len(words) <= TITLE_LENGTH:
        return words
    short = words[:TITLE_LENGTH]
    cut = short.rfind(" ")
    return short[: cut if cut > TITLE_LENGTH // 2 else TITLE_LENGTH].rstrip(" ,;:.–-") + "…"


def turns_of(path: Sequence[Message], system_prompt: str = "") -> tuple[Turn, ...]:
    """Return what the model should know of a path, without questions that were never answered."""
    turns: list[Turn] = [Turn.of("system", system_prompt)] if system_prompt.strip() else []
    for message in path:
        turn = message.turn
        if turn is not None:
            turns.append(turn)
        elif message.role == "assistant" and not message.under_way and turns and turns[-1].role == "user":
            turns.pop()  # a reply without a word: its question would make two questions in a row
    return tuple(turns)


def _untold(part: Part) -> bool:
    return isinstance(part, Thought) or (isinstance(part, Text) and not part.text)


def path_to(messages: Mapping[str, Message], leaf_id: str | None) -> tuple[Message, ...]:
    """Return the messages from the root to ``leaf_id``; from somewhere on it, where they go in a circle."""
    path: list[Message] = []
    while leaf_id is not None and len(path) < len(messages):
        path.append(messages[leaf_id])
        leaf_id = path[-1].parent_id
    return tuple(reversed(path))
