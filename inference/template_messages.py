"""Turns in the message format of Hugging Face chat templates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inference.messages import Audio, Image, Part, Text, Thought, Tool, ToolCall, ToolResult, Turn, Video
from inference.tool_schema import flatten_parameters

Message = dict[str, Any]

_THOUGHT, _CALL, _RESULT, _CONTENT = range(4)


def messages_of(turns: Sequence[Turn]) -> list[Message]:
    """Return the messages that a chat template expects.

    A template writes a message of the model in the order thought, calls, results, content. A turn in another order
    becomes several messages, which the template joins again. Results stand right after the message of their calls.
    Left out: what renders as nothing, and calls from before the last user turn that were never answered.
    """
    builder = _Builder(turns)
    for turn in turns:
        builder.add(turn)
    return list(builder.messages())


def media_of(turns: Sequence[Turn]) -> list[Image | Audio | Video]:
    """Return the media of :func:`messages_of`, in the order in which a template writes their places."""
    builder = _Builder(turns)
    for turn in turns:
        builder.add(turn)
    return list(builder.media())


def declarations_of(tools: Iterable[Tool]) -> list[Message]:
    """Return tools in the OpenAI format, their schemas simplified to what the template can write."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": flatten_parameters(tool.parameters),
            },
        }
        for tool in tools
    ]


@dataclass(slots=True)
class _Call:
    """A call with an id that is unique in the conversation, which the ids given by models and programs need not be."""

    id: str
    call: ToolCall
    answered: bool = False


@dataclass(slots=True)
class _Result:
    result: ToolResult
    call: _Call
    media: list[Part] = field(default_factory=list)


@dataclass(slots=True)
class _Step:
    role: str
    content: list[Part] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    results: list[_Result] = field(default_factory=list)
    slot: int = _THOUGHT


class _Builder:
    def __init__(self, turns: Iterable[Turn]) -> None:
        self._steps: list[_Step] = []
        self._calls: list[tuple[_Step, _Call]] = []
        # How many results of each id are still to come: no other result answers a call that one of these is meant for.
        self._coming = Counter(
            part.call_id for turn in turns for part in turn.parts if isinstance(part, ToolResult) and part.call_id
        )

    def add(self, turn: Turn) -> None:
        if turn.role == "assistant":
            self._add_model_turn(turn.parts)
        else:
            self._add_other_turn(turn)

    def media(self) -> Iterator[Image | Audio | Video]:
        for step, _, results in self._written():
            for part in (*(medium for result in results for medium in result.media), *step.content):
                if isinstance(part, Image | Audio | Video):
                    yield part

    def messages(self) -> Iterator[Message]:
        for step, calls, results in self._written():
            if step.role != "assistant":
                yield {"role": step.role, "content": _content(step.content)}
                continue
            message: Message = {"role": "assistant", "content": _content(step.content)}
            if step.thoughts:
                message["reasoning_content"] = "\n".join(step.thoughts)
            if calls:
                message["tool_calls"] = [_call_message(call) for call in calls]
            # The template writes a mapping only when it stands in the message itself, and media only when they do not.
            mappings = any(isinstance(result.result.value, Mapping) for result in results)
            if mappings and not any(result.media for result in results):
                message["tool_responses"] = [
                    {"name": result.call.call.name, "response": result.result.value} for result in results
                ]
                yield message
            else:
                yield message
                yield from (_result_message(result) for result in results)

    def _written(self) -> Iterator[tuple[_Step, list[_Call], list[_Result]]]:
        """Yield the steps that become messages, with their calls and, in the order of these, the results."""
        last_user = max((index for index, step in enumerate(self._steps) if step.role == "user"), default=-1)
        for index, step in enumerate(self._steps):
            calls = [call for call in step.calls if call.answered or index > last_user]
            if step.role == "assistant" and not calls and not step.content:
                continue
            # Templates write results in the order in which they come: each stands where its call does.
            yield step, calls, [result for call in calls for result in step.results if result.call is call]

    def _add_model_turn(self, parts: Iterable[Part]) -> None:
        step = _Step("assistant")
        self._steps.append(step)

        def step_for(slot: int) -> _Step:
            nonlocal step
            if slot < step.slot:
                step = _Step("assistant")
                self._steps.append(step)
            step.slot = slot
            return step

        for part in parts:
            if isinstance(part, Thought):
                step_for(_THOUGHT).thoughts.append(part.text)
            elif isinstance(part, ToolCall):
                call = _Call(str(len(self._calls)), part)
                step_for(_CALL).calls.append(call)
                self._calls.append((step, call))
            elif isinstance(part, ToolResult):
                self._add_result(part)
                step.slot = max(step.slot, _RESULT)
            elif not isinstance(part, Text) or part.text:
                step_for(_CONTENT).content.append(part)

    def _add_other_turn(self, turn: Turn) -> None:
        content: list[Part] = []
        result: _Result | None = None
        for part in turn.parts:
            if isinstance(part, ToolResult):
                result = self._add_result(part)
            elif isinstance(part, Image | Audio | Video) and result is not None:
                result.media.append(part)
            elif not isinstance(part, Thought | ToolCall):
                content.append(part)
        if turn.role == "tool":
            if content:
                self._add_result(ToolResult("", _text(content)))
        elif content or (turn.role == "user" and result is None):
            self._steps.append(_Step(turn.role, content))

    def _add_result(self, result: ToolResult) -> _Result | None:
        """Answer the call of the same id, else the first open one of the same name, else the first open one."""
        if result.call_id:
            self._coming[result.call_id] -= 1
        waiting = [(step, call) for step, call in self._calls if not call.answered]
        unclaimed = [pair for pair in waiting if self._coming[pair[1].call.call_id] <= 0]
        matches = (
            [pair for pair in waiting if result.call_id and pair[1].call.call_id == result.call_id]
            or [pair for pair in unclaimed if pair[1].call.name == result.name]
            or unclaimed
        )
        if not matches:
            return None
        step, call = matches[0]
        call.answered = True
        answer = _Result(result, call)
        step.results.append(answer)
        return answer


def _call_message(call: _Call) -> Message:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.call.name, "arguments": call.call.arguments},
    }


def _result_message(result: _Result) -> Message:
    value = result.result.value
    text = value if isinstance(value, str) else json.dumps(dict(value), ensure_ascii=False, default=str)
    media = [_item(part) for part in result.media]
    content = [{"type": "text", "text": text}, *media] if media else text
    return {"role": "tool", "tool_call_id": result.call.id, "name": result.call.call.name, "content": content}


def _content(parts: Sequence[Part]) -> str | list[Message]:
    """Return a plain string where there is only text.

    Neighbouring texts are joined: the template would trim each of them and so lose the space between.
    """
    items: list[Message] = []
    for part in parts:
        if isinstance(part, Text) and items and items[-1]["type"] == "text":
            items[-1]["text"] += part.text
        else:
            items.append(_item(part))
    if all(item["type"] == "text" for item in items):
        return "".join(item["text"] for item in items)
    return items


def _item(part: Part) -> Message:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image():
            return {"type": "image"}
        case Audio():
            return {"type": "audio"}
        case Video():
            return {"type": "video"}
    raise TypeError(f"{type(part).__name__} cannot stand in the content of a message")


def _text(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))
