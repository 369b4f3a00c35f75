"""Engines that say what a test tells them to, and that a test can hold still."""

from __future__ import annotations

import io
import threading
import wave
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import ModelFolderError
from inference.messages import (
    Audio,
    Done,
    FinishReason,
    Prefill,
    ReplyEvent,
    ReplyOptions,
    ReplyStats,
    Text,
    Thought,
    Turn,
)

Script = Sequence[ReplyEvent | Exception | threading.Event]
WAIT = 10.0  # seconds after which a held engine gives up, so that a broken test ends


@dataclass
class FakeSoundEncoder:
    """Remembers what it was fed; its recordings are WAV files of just that."""

    blocks: list[NDArray[np.float32]] = field(default_factory=list)
    finished: bool = False

    @property
    def samples(self) -> NDArray[np.float32]:
        return np.concatenate([np.zeros(0, np.float32), *self.blocks])

    @property
    def recording(self) -> Audio:
        content = io.BytesIO()
        with wave.open(content, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((np.clip(self.samples, -1, 1) * 32767).astype("<i2").tobytes())
        return Audio(content.getvalue())

    def feed(self, samples: NDArray[np.float32], cancel: CancelToken | None = None) -> None:
        self.blocks.append(samples)

    def so_far(self) -> Audio | None:
        return self.recording if self.blocks else None

    def finish(self, cancel: CancelToken | None = None) -> None:
        self.finished = True


@dataclass
class FakeEngine:
    """Plays one script for each reply: events are yielded, errors raised, and a ``threading.Event`` holds the engine
    until the test sets it or the reply is cancelled. Ends with ``Done`` like the real one."""

    scripts: list[Script] = field(default_factory=list)
    name: str = "Fake 1B"
    demo: bool = True
    modalities: frozenset[str] = frozenset()
    context_length: int = 4096
    provider: str = "CPU"
    provider_reason: str = ""
    asked: list[tuple[tuple[Turn, ...], ReplyOptions]] = field(default_factory=list)
    tokens: list[CancelToken] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    prepared: list[tuple[tuple[Turn, ...], CancelToken]] = field(default_factory=list)
    prepared_to_the_end: int = 0
    slow_prepare: bool = False
    """Whether reading ahead goes on until it is cancelled."""
    heard: list[FakeSoundEncoder] = field(default_factory=list)
    closed: bool = False
    gone: int = 0
    """How many events were yielded."""
    ended: int = 0
    """How many replies came to their end."""

    def reply(
        self,
        turns: Sequence[Turn],
        options: ReplyOptions = ReplyOptions(),  # noqa: B008
        cancel: CancelToken | None = None,
    ) -> Generator[ReplyEvent]:
        cancel = cancel or CancelToken()
        self.asked.append((tuple(turns), options))
        self.tokens.append(cancel)
        self.threads.add(threading.current_thread().name)
        script = self.scripts[min(len(self.asked), len(self.scripts)) - 1]
        said = 0
        reason: FinishReason = "stop"
        for step in script:
            if isinstance(step, threading.Event):
                hold(step, cancel)
            if cancel.cancelled:
                reason = "cancelled"
                break
            if isinstance(step, Exception):
                raise step
            if isinstance(step, Done):
                yield step
                return
            if not isinstance(step, threading.Event):
                said += isinstance(step, Text | Thought)
                self.gone += 1
                yield step
        self.ended += 1
        yield Done(reason, ReplyStats(12, 0, said, 0.25, said / 40, context_length=self.context_length))

    def schema_notes(self, options: ReplyOptions) -> tuple[str, ...]:
        return ()

    def prepare(
        self,
        turns: Sequence[Turn],
        options: ReplyOptions | None = None,
        cancel: CancelToken | None = None,
    ) -> Iterator[Prefill]:
        cancel = cancel or CancelToken()
        self.prepared.append((tuple(turns), cancel))
        yield Prefill(0, 8)
        if self.slow_prepare:
            hold(threading.Event(), cancel)
        if not cancel.cancelled:
            self.prepared_to_the_end += 1
            yield Prefill(8, 8)

    def listen(self) -> FakeSoundEncoder:
        encoder = FakeSoundEncoder()
        self.heard.append(encoder)
        self.threads.add(threading.current_thread().name)
        return encoder

    def close(self) -> None:
        self.closed = True
        self.threads.add(threading.current_thread().name)


def hold(event: threading.Event, cancel: CancelToken) -> None:
    """Wait for ``event`` or for a stop, as a run of ONNX Runtime can be ended from outside."""
    with cancel.terminating(event.set):
        if not event.wait(WAIT):
            raise TimeoutError("nobody released the fake engine")


def words(text: str) -> list[ReplyEvent]:
    """Return ``text`` as an engine would stream it: read the prompt, then a piece for each word."""
    pieces = text.split(" ")
    events: list[ReplyEvent] = [Prefill(0, 12), Prefill(12, 12)]
    return events + [Text(piece if number == 0 else f" {piece}") for number, piece in enumerate(pieces)]


def opens(engine: FakeEngine) -> Callable[[Path | None], FakeEngine]:
    """Return a factory that always opens ``engine``."""
    return lambda _path: engine


def missing(path: Path | None) -> FakeEngine:
    """Fail as the real engine does when there is no folder."""
    raise ModelFolderError(f"There is no model folder at {path}; choose another folder.")
