"""Parts of messages as JSON: in the database, and in exported archives.

Media are references, which whoever keeps the files turns into paths and back: :class:`MediaNames`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from inference.messages import (
    Audio,
    Image,
    Part,
    ReplyStats,
    Text,
    Thought,
    ToolCall,
    ToolResult,
    Video,
)

Json = dict[str, Any]
_MEDIA: dict[str, type[Image] | type[Audio] | type[Video]] = {"image": Image, "audio": Audio, "video": Video}
_SECONDS_AT_MOST = 1e8
"""Three years."""
_COUNT_AT_MOST = 1e12
_KIND_OF = {made: kind for kind, made in _MEDIA.items()}


def encode_parts(parts: Sequence[Part], reference: Callable[[Path | bytes], str | None]) -> list[Json]:
    """Return ``parts`` as JSON values. A source that ``reference`` does not know stays in them as it is."""
    return [_encode(part, reference) for part in parts]


def decode_parts(values: Sequence[Mapping[str, Any]], path: Callable[[str], Path]) -> tuple[Part, ...]:
    """Return the parts; ``path`` turns a reference into a file.

    Raises:
        ValueError: they were not made by :func:`encode_parts`.
    """
    try:
        return tuple(_decode(value, path) for value in values)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("these are no parts of a message") from error


def encode_stats(stats: ReplyStats | None) -> Json | None:
    """Return what a reply cost as JSON."""
    return None if stats is None else asdict(stats)


def decode_stats(value: Mapping[str, Any] | None) -> ReplyStats | None:
    """Return what a reply cost; figures that this version does not know are left out.

    Raises:
        ValueError: they are no such figures.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise ValueError("these are no figures")
    figures: dict[str, Any] = {}
    for each in fields(ReplyStats):
        if each.name in value:
            whole = isinstance(each.default, int)
            figure = _number(value[each.name], _COUNT_AT_MOST if whole else _SECONDS_AT_MOST)
            figures[each.name] = int(figure) if whole else figure
    return ReplyStats(**figures)


def seconds_of(value: object) -> float | None:
    """Return a duration; ``None`` for none.

    Raises:
        ValueError: it is no duration, or longer than anybody waits.
    """
    return None if value is None else _number(value, _SECONDS_AT_MOST)


def _number(value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError("a number was expected")
    return float(value)


def _encode(part: Part, reference: Callable[[Path | bytes], str | None]) -> Json:
    if isinstance(part, Text):
        return {"type": "text", "text": _clean(part.text)}
    if isinstance(part, Thought):
        return {"type": "thought", "text": _clean(part.text)}
    if isinstance(part, ToolCall):
        return {"type": "tool_call", "name": part.name, "arguments": dict(part.arguments), "call_id": part.call_id}
    if isinstance(part, ToolResult):
        value = part.value if isinstance(part.value, str) else dict(part.value)
        return {"type": "tool_result", "name": part.name, "value": value, "call_id": part.call_id}
    encoded: Json = {"type": _KIND_OF[type(part)]}
    name = reference(part.source)
    if name is not None:
        encoded["media"] = name
    elif isinstance(part.source, Path):
        encoded["path"] = str(part.source)
    else:
        encoded["bytes"] = base64.b64encode(part.source).decode("ascii")
    if isinstance(part, Image) and part.soft_tokens is not None:
        encoded["soft_tokens"] = part.soft_tokens
    return encoded


def _decode(value: Mapping[str, Any], path: Callable[[str], Path]) -> Part:
    kind = value["type"]
    if kind in ("text", "thought"):
        return (Text if kind == "text" else Thought)(_string(value["text"]))
    if kind == "tool_call":
        return ToolCall(_string(value["name"]), _mapping(value["arguments"]), _string(value["call_id"]))
    if kind == "tool_result":
        result = value["value"]
        given = result if isinstance(result, str) else _mapping(result)
        return ToolResult(_string(value["name"]), given, _string(value["call_id"]))
    source: Path | bytes
    if "media" in value:
        source = path(_string(value["media"]))
    elif "path" in value:
        source = Path(_string(value["path"]))
        if "\0" in value["path"]:
            raise ValueError("no path has this character")
    else:
        source = base64.b64decode(_string(value["bytes"]), validate=True)
    if kind == "image":
        detail = value.get("soft_tokens")
        return Image(source, None if detail is None else int(_number(detail, _COUNT_AT_MOST)))
    if kind == "audio":
        return Audio(source)
    if kind == "video":
        return Video(source)
    raise ValueError(f"a part of the kind {kind!r} is not known")


def _mapping(value: object) -> Json:
    if not isinstance(value, dict):
        raise ValueError("an object was expected")
    return dict(value)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("a text was expected")
    return value


def _clean(text: str) -> str:
    """Return ``text`` without halves of surrogate pairs, which no file can hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
