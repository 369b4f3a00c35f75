"""What goes into the engine and what comes out of it: immutable values that may cross threads.

A conversation is a sequence of :class:`Turn`; a reply is a stream of :data:`ReplyEvent`. ``Text``, ``Thought`` and
``ToolCall`` are both: as an event they are the next piece, as a part of a turn they are the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "context", "cancelled", "tool_calls"]
ToolChoice = Literal["auto", "none", "required"]


@dataclass(frozen=True, slots=True)
class Text:
    """Visible text."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """Text of the thought channel, which is shown apart from the answer and dropped from older turns."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """A still picture: a file, or encoded bytes (PNG, JPEG, …)."""

    source: Path | bytes
    soft_tokens: int | None = None
    """Visual detail: 70, 140, 280, 560 or 1120 soft tokens; ``None`` lets the engine choose."""


@dataclass(frozen=True, slots=True)
class Audio:
    """A recording: a file, or encoded bytes."""

    source: Path | bytes


@dataclass(frozen=True, slots=True)
class Video:
    """A video: a file, or encoded bytes (what a camera showed; see :mod:`inference.media.clip`)."""

    source: Path | bytes


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The model asks for a tool to be run."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    call_id: str = ""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back: a text, or a mapping that the template writes in Gemma 4's own syntax."""

    name: str
    value: str | Mapping[str, Any]
    call_id: str = ""


Part = Text | Thought | Image | Audio | Video | ToolCall | ToolResult


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, role: Role, text: str) -> Turn:
        """Return a turn that is one text."""
        return cls(role, (Text(text),))

    @property
    def text(self) -> str:
        """The visible text of the turn, without thoughts, media and tools."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call, described by a JSON schema as in the OpenAI format.

    Calls are held to the schema. An object that declares properties and says nothing of ``additionalProperties`` takes
    only these.
    """

    name: str
    description: str
    parameters: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class ReplyOptions:
    """How to answer. ``None`` means: as the model's ``generation_config.json`` says."""

    temperature: float | None = None
    """0 is greedy decoding."""
    top_k: int | None = None
    """0 switches the limit off."""
    top_p: float | None = None
    """1 switches the limit off."""
    min_p: float | None = None
    """Tokens less likely than this share of the likeliest one are never drawn; 0 switches the limit off."""
    seed: int | None = None
    """``None`` draws a fresh one for each reply."""
    max_tokens: int | None = None
    """Limit of generated tokens, thoughts included; ``None``: as many as the context holds."""
    stop: tuple[str, ...] = ()
    """The answer ends before the first of these texts; thoughts are not searched."""
    json_schema: Mapping[str, Any] | None = None
    """The answer is JSON that this schema admits, whatever the model would rather write; thoughts are free. It is
    complete only where the reply ends for the reason ``stop``. :meth:`Engine.schema_notes` tells what it is not held
    to."""
    drafts: int | None = None
    """Most tokens to guess ahead at a time, 0 for none; ``None``: as many as pay. The answer is the same."""
    thinking: bool = False
    tools: Sequence[Tool] = ()
    when_full: Literal["drop_oldest", "stop"] = "drop_oldest"
    """What becomes of a conversation that is longer than the context: its oldest exchanges are left out, or the reply
    ends in an error. System turns and the last exchange always stay."""
    tool_choice: ToolChoice = "auto"
    """Whether the model decides about calling a tool, may not, or must."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """Progress of reading the prompt, in tokens; ``done`` includes what was reused from the KV cache."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class ReplyStats:
    """What a reply cost. Times in seconds."""

    prompt_tokens: int = 0
    reused_tokens: int = 0
    """Prompt tokens whose keys and values were in the KV cache already."""
    generated_tokens: int = 0
    """Generated tokens, stop token included."""
    time_to_first_token: float = 0.0
    decode_seconds: float = 0.0
    """Time from the first generated token to the last."""
    drafted_tokens: int = 0
    """Tokens that were guessed ahead and then checked by the model."""
    accepted_tokens: int = 0
    """Guesses that the model confirmed."""
    target_passes: int = 0
    """Runs of the model after the prompt was read; fewer than generated tokens where guesses were right."""
    context_length: int = 0
    dropped_turns: int = 0
    """Turns at the beginning of the conversation that were left out because the context is full."""

    @property
    def tokens_per_second(self) -> float:
        """Decode speed after the first token; 0 when there was nothing to measure."""
        if self.generated_tokens < 2 or self.decode_seconds <= 0:
            return 0.0
        return (self.generated_tokens - 1) / self.decode_seconds


@dataclass(frozen=True, slots=True)
class Done:
    """Always the last event of a reply that did not raise."""

    reason: FinishReason
    stats: ReplyStats


ReplyEvent = Prefill | Thought | Text | ToolCall | Done
