"""A message as the window shows it: with what is known of it only while it is on the screen."""

from __future__ import annotations

from dataclasses import dataclass

from app.conversation import Message


@dataclass(frozen=True, slots=True, eq=False)
class ShownMessage:
    """An immutable row of the conversation; what has changed is another object."""

    message: Message
    siblings: tuple[str, ...] = ()
    """Ids of the message and its alternatives, oldest first; empty when it has none."""
    prefill: tuple[int, int] | None = None
    """Tokens of the prompt that are read, and all of them, while a reply is prepared."""

    @property
    def id(self) -> str:
        """The message's."""
        return self.message.id

    @property
    def waiting(self) -> bool:
        """Whether nothing has been said yet, and something may be."""
        return self.message.under_way and not self.message.parts

    @property
    def branch(self) -> int:
        """Which of its siblings it is, from 0; 0 when it has none."""
        return self.siblings.index(self.message.id) if self.siblings else 0
