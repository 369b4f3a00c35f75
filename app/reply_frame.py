"""What arrives of a reply between two frames of the window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from inference.messages import Done, Prefill, ReplyEvent, Text, Thought, ToolCall


@dataclass(frozen=True, slots=True)
class Frame:
    """All that arrived of one reply since the last frame."""

    turn: int
    pieces: tuple[Text | Thought | ToolCall, ...] = ()
    """In the order in which they came; neighbours of one kind are joined."""
    prefill: Prefill | None = None
    done: Done | None = None
    error: str = ""
    """A sentence for the user when the reply ended in an error."""

    @property
    def text(self) -> str:
        """The visible text."""
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Text))

    @property
    def thought(self) -> str:
        """What was thought."""
        return "".join(piece.text for piece in self.pieces if isinstance(piece, Thought))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that were asked for."""
        return tuple(piece for piece in self.pieces if isinstance(piece, ToolCall))

    @property
    def last(self) -> bool:
        """Whether the reply is over."""
        return self.done is not None or bool(self.error)


def joined(events: Iterable[ReplyEvent]) -> tuple[Text | Thought | ToolCall, ...]:
    """Return what was said, with neighbouring pieces of one kind as one."""
    pieces: list[Text | Thought | ToolCall] = []
    for kind, group in groupby((event for event in events if isinstance(event, Text | Thought | ToolCall)), key=type):
        if kind is ToolCall:
            pieces.extend(group)
        else:
            pieces.append(kind("".join(event.text for event in group if isinstance(event, Text | Thought))))
    return tuple(pieces)
