"""What travels between the window's process and the engine's.

Requests are pickled: the child has nothing to fear from its parent. Answers are JSON of a few kinds, each field of
which is checked, since the child works on a stranger's weights.
"""

from __future__ import annotations

import copyreg
import dataclasses
import json
import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from io import BytesIO
from types import MappingProxyType
from typing import Any, Final, get_args

from inference.messages import Done, FinishReason, Prefill, ReplyEvent, ReplyStats, Text, Thought, ToolCall

LENGTH: Final = struct.Struct("<Q")
"""Before every frame: its length."""
ANSWER_BYTES: Final = 16 << 20
"""No answer is longer."""
REQUEST_BYTES: Final = 64 << 20
"""No request is answered with more; the longest reply of a model is a tenth of that."""
LOG_CHARACTERS: Final = 16_000
SHARED_BYTES: Final = 64 << 20
"""Most bytes of media that the child keeps, so that those of a conversation are sent once."""
_SMALL: Final = 4096
"""Bytes up to which a medium is not worth sharing."""


class MalformedError(ValueError):
    """An answer is none that a child of ours sends."""


# --- answers ---


@dataclass(frozen=True, slots=True)
class Opened:
    """The model is loaded; the fields are those of the engine."""

    name: str
    demo: bool
    modalities: frozenset[str]
    context_length: int
    provider: str
    provider_reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The model is being loaded."""

    step: str
    share: float


@dataclass(frozen=True, slots=True)
class Heard:
    """So many samples of a recording are encoded; ``None`` before the first soft token."""

    samples: int | None


@dataclass(frozen=True, slots=True)
class Failed:
    """A request ended in an error of this kind: the class's name for our own, empty for one that nobody foresaw."""

    kind: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Begun:
    """The engine begins with a request."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A request ended in order."""


@dataclass(frozen=True, slots=True)
class MayKeep:
    """The engine asks whether it may still write down what it computed for conversations."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for the log."""

    level: int
    name: str
    text: str


Answer = ReplyEvent | Opened | Progress | Heard | Begun | Failed | Finished | MayKeep | LogLine


def encoded(answer: Answer) -> bytes:
    """Return an answer as a frame, its length included. Raises :class:`ValueError` where JSON cannot say it."""
    value: list[Any]
    match answer:
        case Text():
            value = ["text", answer.text]
        case Thought():
            value = ["thought", answer.text]
        case Prefill():
            value = ["prefill", answer.done, answer.total]
        case ToolCall():
            value = ["call", answer.name, dict(answer.arguments), answer.call_id]
        case Done():
            value = ["done", answer.reason, dataclasses.asdict(answer.stats)]
        case Opened():
            value = ["opened", answer.name, answer.demo, sorted(answer.modalities), answer.context_length]
            value += [answer.provider, answer.provider_reason]
        case Progress():
            value = ["progress", answer.step, float(answer.share)]
        case Heard():
            value = ["heard", answer.samples]
        case Failed():
            value = ["failed", answer.kind, answer.sentence]
        case Begun():
            value = ["begun"]
        case Finished():
            value = ["finished"]
        case MayKeep():
            value = ["may keep"]
        case LogLine():
            value = ["log", answer.level, answer.name, answer.text]
    content = json.dumps(value, separators=(",", ":")).encode("ascii")
    if len(content) > ANSWER_BYTES:
        raise ValueError("the answer is too long")
    return LENGTH.pack(len(content)) + content


def decoded(content: bytes) -> Answer:
    """Return the answer in a frame, without its length. Raises :class:`MalformedError`."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise MalformedError("an answer is not JSON") from error
    if not isinstance(value, list) or not value or not isinstance(value[0], str):
        raise MalformedError("an answer is no list that begins with its kind")
    decode = _DECODERS.get(value[0])
    if decode is None:
        raise MalformedError("an answer of an unknown kind")
    try:
        return decode(*value[1:])
    except TypeError as error:  # too few fields, or too many
        raise MalformedError(f"an answer “{value[0]}” with other fields") from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise MalformedError("a text is none")
    return value


def _said(value: object) -> str:
    """Return what a model said; no tokens decode to half of a surrogate pair, which no database or file would take."""
    text = _text(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise MalformedError("a text cannot be written") from error
    return text


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise MalformedError("a flag is none")
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 63:
        raise MalformedError("a count is none")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise MalformedError("a number is none")
    return float(value)


def _opened(name: object, demo: object, modalities: object, length: object, provider: object, reason: object) -> Opened:
    if not isinstance(modalities, list):
        raise MalformedError("modalities are no list")
    kinds = frozenset(_text(each) for each in modalities)
    return Opened(_text(name), _flag(demo), kinds, _count(length), _text(provider), _text(reason))


def _call(name: object, arguments: object, call_id: object) -> ToolCall:
    if not isinstance(arguments, dict):
        raise MalformedError("the arguments of a call are no mapping")
    return ToolCall(_text(name), arguments, _text(call_id))


_REASONS: Final = frozenset(get_args(FinishReason))
_STATS: Final[Mapping[str, Callable[[object], float]]] = {
    field.name: _number if field.type == "float" else _count for field in dataclasses.fields(ReplyStats)
}


def _done(reason: object, stats: object) -> Done:
    if not isinstance(stats, dict) or stats.keys() != _STATS.keys() or reason not in _REASONS:
        raise MalformedError("the end of a reply with other fields")
    return Done(reason, ReplyStats(**{name: read(stats[name]) for name, read in _STATS.items()}))  # type: ignore[arg-type]


_DECODERS: Final[dict[str, Callable[..., Answer]]] = {
    "text": lambda text: Text(_said(text)),
    "thought": lambda text: Thought(_said(text)),
    "prefill": lambda done, total: Prefill(_count(done), _count(total)),
    "call": _call,
    "done": _done,
    "opened": _opened,
    "progress": lambda step, share: Progress(_text(step), _number(share)),
    "heard": lambda samples: Heard(None if samples is None else _count(samples)),
    "failed": lambda kind, sentence: Failed(_text(kind), _text(sentence)),
    "begun": Begun,
    "finished": Finished,
    "may keep": MayKeep,
    "log": lambda level, name, text: LogLine(_count(level), _text(name), _text(text)),
}


# --- requests ---


class _Shared:
    """Which media both sides know. Both do the same in the same order, so that they agree without asking."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[str, bytes | int] = OrderedDict()
        self._nbytes = 0

    def add(self, key: str, content: bytes | int, size: int) -> None:
        self._known[key] = content
        self._nbytes += size

    def use(self, key: str) -> bytes | int | None:
        if key in self._known:
            self._known.move_to_end(key)
        return self._known.get(key)

    def trim(self) -> None:
        """Forget what was not used for the longest time; after each request, which may be larger than the limit."""
        while self._nbytes > self._most:
            content = self._known.popitem(last=False)[1]
            self._nbytes -= content if isinstance(content, int) else len(content)


class RequestWriter:
    """Makes frames of requests that may hold media; for one thread."""

    def __init__(self, most: int = SHARED_BYTES) -> None:
        self._shared = _Shared(most)

    def frames(self, kind: str, *arguments: object) -> list[bytes]:
        """Return a request, after the media in it that the child does not know yet.

        Raises:
            TypeError, AttributeError, pickle.PicklingError: something in it cannot be sent.
        """
        frames: list[bytes] = []
        content = BytesIO()
        pickler = _Pickler(content, lambda medium: self._share(medium, frames))
        pickler.dump((kind, *arguments))
        self._shared.trim()
        return [*frames, _framed(content.getvalue())]

    def _share(self, medium: bytes, frames: list[bytes]) -> str:
        key = blake2b(medium, digest_size=20).hexdigest()
        if self._shared.use(key) is None:
            self._shared.add(key, len(medium), len(medium))
            frames.append(plain_request("medium", key, medium))
        return key


class RequestReader:
    """Reads the frames that a :class:`RequestWriter` made, in their order."""

    def __init__(self, most: int = SHARED_BYTES) -> None:
        self._shared = _Shared(most)

    def read(self, content: bytes) -> tuple[Any, ...] | None:
        """Return a request; ``None`` for a medium that later ones refer to."""
        request: tuple[Any, ...] = _Unpickler(BytesIO(content), self._shared.use).load()
        if request[0] == "medium":
            self._shared.add(request[1], request[2], len(request[2]))
            return None
        if request[0] in SHARING:
            self._shared.trim()
        return request


SHARING: Final = frozenset({"reply", "prepare"})
"""Kinds of requests that refer to media; :func:`plain_request` makes all others, on any thread."""


def plain_request(kind: str, *arguments: object) -> bytes:
    """Return a frame that shares nothing."""
    return _framed(pickle.dumps((kind, *arguments), pickle.HIGHEST_PROTOCOL))


def _framed(content: bytes) -> bytes:
    return LENGTH.pack(len(content)) + content


def _read_only(mapping: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(mapping)


class _Pickler(pickle.Pickler):
    def __init__(self, file: BytesIO, share: Callable[[bytes], str]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._share = share
        self.dispatch_table = copyreg.dispatch_table | {
            MappingProxyType: lambda mapping: (_read_only, (dict(mapping),))
        }

    def persistent_id(self, value: Any) -> str | None:
        """Let media be referred to."""
        return self._share(value) if type(value) is bytes and len(value) > _SMALL else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BytesIO, known: Callable[[str], bytes | int | None]) -> None:
        super().__init__(file)
        self._known = known

    def persistent_load(self, key: Any) -> Any:
        """Return a medium."""
        medium = self._known(key)
        if medium is None:
            raise pickle.UnpicklingError("a medium was forgotten")
        return medium
