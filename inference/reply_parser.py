"""The stream of a reply, taken apart into thoughts, text and tool calls.

Gemma 4 marks both with tokens of their own: ``<|channel>thought\\n…<channel|>`` holds a thought,
``<|tool_call>call:…<tool_call|>`` a call. The parser goes by tokens, so that a marker which the model merely spells
out in letters stays text.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final

from inference.messages import Text, Thought, ToolCall
from inference.tool_calls import QUOTE, MalformedCallError, parse_call

ReplyPart = Text | Thought | ToolCall

CHANNEL_OPEN: Final = "<|channel>"
CHANNEL_CLOSE: Final = "<channel|>"
CALL_OPEN: Final = "<|tool_call>"
CALL_CLOSE: Final = "<tool_call|>"
TURN_OPEN: Final = "<|turn>"

_HEADER: Final = "thought\n"
_LINE_BREAKS: Final = "\r\n"


class _State(Enum):
    TEXT = "text"
    HEADER = "header"
    THOUGHT = "thought"
    CALL = "call"


def _unique_call_id() -> str:
    return f"call_{uuid.uuid4().hex[:12]}"


class ReplyParser:
    """Feed it every token of a reply, then call :meth:`finish` once; it never raises and loses no visible text.

    ``markers`` maps the ids of all control tokens to their names; those without a meaning here are dropped.
    ``inside_thought`` says that the prompt ended within an open thought channel. ``new_call_id`` names the calls.
    """

    def __init__(
        self,
        markers: Mapping[int, str],
        *,
        inside_thought: bool = False,
        new_call_id: Callable[[], str] = _unique_call_id,
    ) -> None:
        self._markers = markers
        self._new_call_id = new_call_id
        self._state = _State.THOUGHT if inside_thought else _State.TEXT
        self._header = ""
        self._thought_started = False
        self._text_started = False
        self._held_space = ""
        """White space of a thought that is only shown if something follows it."""
        self._call: list[tuple[str, bool]] = []

    def feed(self, token: int, piece: str) -> list[ReplyPart]:
        """Take one token with the text that it made final, and return what can be shown now.

        The piece of a marker token is the text that was pending before it, not the marker's name.
        """
        parts = self._take(piece)
        marker = self._markers.get(token)
        if marker is not None:
            parts += self._take_marker(marker)
        return parts

    def finish(self, piece: str = "") -> list[ReplyPart]:
        """Return what is left at the end of the reply; ``piece`` is the last pending text."""
        parts = self._take(piece)
        if self._state is _State.CALL:
            parts += self._end_call(closed=False)
        self._state = _State.TEXT
        return parts

    def _take(self, piece: str) -> list[ReplyPart]:
        if not piece:
            return []
        if self._state is _State.CALL:
            self._call.append((piece, False))
            return []
        if self._state is _State.HEADER:
            self._header += piece
            if self._header != _HEADER and _HEADER.startswith(self._header):
                return []
            piece = self._header.removeprefix(_HEADER)
            self._state = _State.THOUGHT
        return self._take_thought(piece) if self._state is _State.THOUGHT else self._take_text(piece)

    def _take_thought(self, piece: str) -> list[ReplyPart]:
        """Hold white space back until more follows: a thought ends with a line break that is not part of it."""
        piece = self._held_space + piece
        if not self._thought_started:
            piece = piece.lstrip(_LINE_BREAKS)
        kept = piece.rstrip()
        self._held_space = piece[len(kept) :]
        self._thought_started = self._thought_started or bool(kept)
        return [Thought(kept)] if kept else []

    def _take_text(self, piece: str) -> list[ReplyPart]:
        if not self._text_started:
            piece = piece.lstrip(_LINE_BREAKS)
        self._text_started = self._text_started or bool(piece)
        return [Text(piece)] if piece else []

    def _take_marker(self, marker: str) -> list[ReplyPart]:
        parts: list[ReplyPart] = []
        if self._state is _State.CALL:
            if marker == CALL_CLOSE:
                return self._end_call(closed=True)
            if marker not in (CALL_OPEN, CHANNEL_OPEN):
                self._call.append((marker, marker == QUOTE))
                return []
            parts += self._end_call(closed=False)
        if marker == CALL_OPEN:
            self._state = _State.CALL
        elif marker == CHANNEL_OPEN:
            self._state = _State.HEADER
            self._header = self._held_space = ""
            self._thought_started = False
        elif marker == CHANNEL_CLOSE:
            parts += self._end_thought()
        elif marker == QUOTE:
            parts += self._take('"')
        return parts

    def _end_thought(self) -> list[ReplyPart]:
        """Close the channel; a single line without a line break is the thought itself, unless it is the header."""
        parts: list[ReplyPart] = []
        if self._state is _State.HEADER and self._header.strip() not in ("", _HEADER.strip()):
            parts = self._take_thought(self._header)
        self._state = _State.TEXT
        self._held_space = ""
        return parts

    def _end_call(self, *, closed: bool) -> list[ReplyPart]:
        """Return the call; what cannot be read as one is text, as the model wrote it."""
        pieces, self._call = self._call, []
        self._state = _State.TEXT
        try:
            name, arguments = parse_call(pieces)
        except MalformedCallError:
            raw = CALL_OPEN + "".join(text for text, _ in pieces) + (CALL_CLOSE if closed else "")
            self._text_started = True
            return [Text(raw)]
        self._text_started = False
        return [ToolCall(name, arguments, self._new_call_id())]


def ends_inside_thought(prompt_ids: Sequence[int], markers: Mapping[int, str]) -> bool:
    """Whether a prompt ends within a thought channel that the chat template opened for the model."""
    for token in reversed(prompt_ids):
        marker = markers.get(token)
        if marker == CHANNEL_OPEN:
            return True
        if marker in (CHANNEL_CLOSE, TURN_OPEN):
            return False
    return False
