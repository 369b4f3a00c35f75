"""How far an export is, and the wish to stop it: told message by message, between two threads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.conversation import Message
from inference.errors import LarimarError


class TransferCancelled(LarimarError):  # noqa: N818 — asked for, not a fault
    """The user stopped an export."""


class Course:
    """Counts the messages of an export as they go by."""

    def __init__(self, total: int = 0) -> None:
        self.total = total
        """Messages in all; 0 where nobody counts."""
        self.done = 0
        self.cancelled = False
        """Set by the thread that watches; the other ends at the next message, or the next piece of a large file."""

    def along(self, messages: Iterable[Message]) -> Iterator[Message]:
        """Yield the messages.

        Raises:
            TransferCancelled: the user stopped it.
        """
        for message in messages:
            self.check()
            yield message
            self.done += 1

    def check(self) -> None:
        """Go on, or not.

        Raises:
            TransferCancelled: the user stopped it.
        """
        if self.cancelled:
            raise TransferCancelled("The export was stopped; nothing was written.")
