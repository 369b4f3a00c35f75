"""One message of a conversation, as the window shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from inference.messages import ReplyStats, ToolCall, Turn


class MessageState(Enum):
    """How far a message is."""

    WAITING = "waiting"
    """The prompt is being read; nothing has been said yet."""
    STREAMING = "streaming"
    DONE = "done"
    STOPPED = "stopped"
    CUT = "cut"
    """The context was full or the limit of tokens was reached."""
    FAILED = "failed"

    @property
    def under_way(self) -> bool:
        """Whether more may come."""
        return self in (MessageState.WAITING, MessageState.STREAMING)


@dataclass(frozen=True, slots=True)
class Message:
    """An immutable message; each change makes a new one with a higher version."""

    id: int
    role: Literal["user", "assistant"]
    text: str = ""
    thought: str = ""
    state: MessageState = MessageState.DONE
    version: int = 0
    prefill: tuple[int, int] | None = None
    """Tokens of the prompt that are read, and all of them."""
    thought_seconds: float | None = None
    """How long the model thought; ``None`` while it thinks and when it did not."""
    stats: ReplyStats | None = None
    error: str = ""
    tool_calls: tuple[ToolCall, ...] = ()

    @property
    def turn(self) -> Turn | None:
        """What the model is told of this message later; ``None`` when there is nothing to tell."""
        return Turn.of(self.role, self.text) if self.text.strip() else None
