"""Larimar without a window: one answer (``ask``) or a conversation (``chat``) in the terminal.

Standard output carries the answers and nothing else; thoughts, progress and errors go to standard error. No Qt here.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from app.terminal_output import AnswerPrinter, ProgressLine, ThoughtPrinter
from inference.cancellation import CancelToken
from inference.errors import LarimarError, UnsupportedInputError
from inference.messages import (
    Audio,
    Done,
    FinishReason,
    Image,
    Part,
    Prefill,
    ReplyEvent,
    ReplyOptions,
    ReplyStats,
    Text,
    Thought,
    ToolCall,
    Turn,
    Video,
)

if TYPE_CHECKING:
    from inference.engine import Engine
    from inference.graphs.session import ProviderChoice

T = TypeVar("T")

HELP = """\
/new            start a new conversation
/think [on|off] let the model think before it answers, or not
/system TEXT    set the system prompt; without a text it is removed
/help           this list
/quit           leave (as does Ctrl+D)
Ctrl+C stops an answer."""

EXIT_INTERRUPTED = 130

WAIT_SECONDS = 0.2
"""How long one wait for the engine lasts: on Windows a wait without an end does not hear Ctrl+C."""


def ask(thread: EngineThread, parts: Sequence[Part], *, system: str | None, options: ReplyOptions) -> int:
    """Answer one question of text and media on standard output.

    Returns the exit code: 0, or 130 when Ctrl+C stopped the answer. Raises :class:`LarimarError`.
    """
    for part in parts:
        if isinstance(part, Image | Audio | Video) and isinstance(part.source, Path) and not part.source.is_file():
            raise UnsupportedInputError(f"There is no file {part.source}.")
    turns = [*_system_turn(system), Turn("user", tuple(parts))]
    with thread as engine:
        reply = Reply(engine, turns, options)
        reply.show()
    return EXIT_INTERRUPTED if reply.reason == "cancelled" else 0


def chat(thread: EngineThread, *, system: str | None, options: ReplyOptions) -> int:
    """Hold a conversation until the input ends or the user leaves.

    Returns the exit code: 0, or 1 when the input was no terminal and a question could not be answered.
    Raises :class:`LarimarError` when the model cannot be loaded.
    """
    interactive = sys.stdin.isatty()
    with thread as engine:
        conversation = Conversation(engine, system, options)
        if interactive:
            with contextlib.suppress(ImportError):  # not on every system; it gives line editing and a history
                import readline  # noqa: F401
            say(f"{engine.name}. /help lists the commands, Ctrl+D leaves.")
        while (line := _read_line(interactive)) is not None:
            if not conversation.take(line):
                break
    return 1 if conversation.failed and not interactive else 0


class Conversation:
    """The turns so far, and what the commands set."""

    def __init__(self, engine: EngineThread, system: str | None, options: ReplyOptions) -> None:
        self._engine = engine
        self._system = system
        self._options = options
        self._turns: list[Turn] = []
        self.failed = False

    def take(self, line: str) -> bool:
        """Do what a line of input asks for; False when it asks to leave."""
        line = line.strip()
        if not line:
            return True
        if not line.startswith("/"):
            self._answer(line)
            return True
        command, _, argument = line.partition(" ")
        argument = argument.strip()
        if command in ("/quit", "/exit"):
            return False
        if command == "/new":
            self._turns.clear()
            say("A new conversation.")
        elif command == "/think" and argument in ("", "on", "off"):
            thinking = argument == "on" if argument else not self._options.thinking
            self._options = replace(self._options, thinking=thinking)
            say("The model thinks first." if thinking else "The model answers at once.")
        elif command == "/system":
            self._system = argument or None
            say("The system prompt is set." if argument else "The system prompt is removed.")
        else:
            say(HELP)
        return True

    def _answer(self, question: str) -> None:
        asked = [*self._turns, Turn.of("user", question)]
        reply = Reply(self._engine, [*_system_turn(self._system), *asked], self._options)
        try:
            reply.show()
        except LarimarError as error:
            self.failed = True
            say(str(error))
            return
        # What was stopped before its first word leaves no trace; half an answer is kept as it stands.
        if reply.parts:
            self._turns = [*asked, Turn("assistant", reply.parts)]


class Reply:
    """Shows one reply while it streams, and keeps what came."""

    def __init__(self, engine: EngineThread, turns: Sequence[Turn], options: ReplyOptions) -> None:
        self._engine = engine
        self._turns = turns
        self._options = options
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[ToolCall] = []
        self.reason: FinishReason = "cancelled"
        self.stats = ReplyStats()

    @property
    def parts(self) -> tuple[Part, ...]:
        """What the assistant said, thoughts first; empty when nothing came."""
        thoughts, text = "".join(self._thoughts), "".join(self._texts)
        parts: list[Part] = [Thought(thoughts)] if thoughts else []
        if text:
            parts.append(Text(text))
        return (*parts, *self._calls)

    def show(self) -> None:
        """Stream the reply to the terminal; Ctrl+C ends it. Raises :class:`LarimarError`."""
        answer = AnswerPrinter(sys.stdout)
        thoughts = ThoughtPrinter(sys.stderr)
        cancel = CancelToken()
        events = contextlib.closing(self._engine.reply(self._turns, self._options, cancel))
        with ProgressLine() as progress, cancel_on_interrupt(cancel), events as stream:
            try:
                for event in stream:
                    if not isinstance(event, Prefill):
                        progress.clear()
                    if not isinstance(event, Thought | Prefill):
                        thoughts.end()
                    match event:
                        case Prefill(done, total):
                            progress.show("Reading", done / max(total, 1))
                        case Thought(text):
                            self._thoughts.append(text)
                            thoughts.write(text)
                        case Text(text):
                            self._texts.append(text)
                            answer.write(text)
                        case ToolCall():
                            self._calls.append(event)
                        case Done(reason, stats):
                            self.reason, self.stats = reason, stats
            finally:
                thoughts.end()
                answer.end()
        self._say_how_it_ended()

    def _say_how_it_ended(self) -> None:
        if self.reason == "cancelled":
            say("Stopped.")
        elif self.reason == "length":
            say("The answer was cut off at the limit of tokens.")
        elif self.reason == "context":
            say("The answer was cut off: the model's context is full.")
        elif not self._texts:
            say("The model gave no answer.")
        elif sys.stderr.isatty() and self.stats.tokens_per_second:
            say(f"{self.stats.generated_tokens} tokens, {self.stats.tokens_per_second:.1f} tokens/s")


class EngineThread:
    """The engine on a thread of its own, so that Ctrl+C is heard while a graph runs.

    Entering the ``with`` block loads ``model`` (``None``: the default one) on ``provider`` and raises
    :class:`LarimarError` when that fails.
    """

    def __init__(self, model: Path | None, provider: ProviderChoice = "auto") -> None:
        self._model = model
        self._provider = provider
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._engine: Engine | None = None

    def __enter__(self) -> EngineThread:
        try:
            with ProgressLine() as progress:
                progress.show("Loading the model")
                self._engine = _wait(self._executor.submit(self._open))
            if reason := getattr(self._engine, "provider_reason", ""):
                say(f"The processor computes, not the graphics card: {reason}.")
        except BaseException:
            self._executor.shutdown()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._engine is not None:
            self._executor.submit(self._engine.close)
        self._executor.shutdown()

    @property
    def name(self) -> str:
        """The model's display name."""
        return self._loaded().name

    @property
    def modalities(self) -> frozenset[str]:
        """What the model takes besides text."""
        return self._loaded().modalities

    def call(self, work: Callable[[Engine], T]) -> T:
        """Return what ``work`` makes of the engine, on its thread; raises what it raises."""
        return _wait(self._executor.submit(work, self._loaded()))

    def reply(
        self, turns: Sequence[Turn], options: ReplyOptions | None = None, cancel: CancelToken | None = None
    ) -> Generator[ReplyEvent]:
        """Yield the events of one reply; raises what the engine raises."""
        engine, options, cancel = self._loaded(), options or ReplyOptions(), cancel or CancelToken()
        events: queue.SimpleQueue[ReplyEvent | None] = queue.SimpleQueue()

        def work() -> None:
            try:
                for event in engine.reply(turns, options, cancel):
                    events.put(event)
            finally:
                events.put(None)

        working = self._executor.submit(work)
        try:
            while (event := next_of(events)) is not None:
                yield event
            _wait(working)
        except BaseException:
            cancel.cancel()
            raise

    def _open(self) -> Engine:
        from inference.engine import Engine

        return Engine.open(self._model, provider=self._provider)

    def _loaded(self) -> Engine:
        if self._engine is None:
            raise RuntimeError("the engine is open only inside the with block")
        return self._engine


def _system_turn(system: str | None) -> list[Turn]:
    return [Turn.of("system", system)] if system else []


def say(sentence: str) -> None:
    """Write a remark to standard error."""
    dim, plain = ("\x1b[2m", "\x1b[0m") if sys.stderr.isatty() else ("", "")
    print(f"{dim}{sentence}{plain}", file=sys.stderr, flush=True)


def _read_line(interactive: bool) -> str | None:
    """Return the next line, or None at the end of the input; Ctrl+C while typing drops the line."""
    while True:
        try:
            if interactive and not sys.stdout.isatty():
                print("> ", end="", file=sys.stderr, flush=True)
            return input("> " if interactive and sys.stdout.isatty() else "")
        except EOFError:
            if interactive:
                print(file=sys.stderr)
            return None
        except KeyboardInterrupt:
            if not interactive:
                raise
            print(file=sys.stderr)


@contextlib.contextmanager
def cancel_on_interrupt(cancel: CancelToken) -> Iterator[None]:
    """Let the first Ctrl+C ask for a stop, and the second raise KeyboardInterrupt as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        cancel.cancel()

    if before != signal.SIG_IGN:  # a shell's background job leaves Ctrl+C to the foreground
        signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _wait(future: Future[T]) -> T:
    while not future.done():
        wait([future], timeout=WAIT_SECONDS)
    return future.result()


def next_of(events: queue.SimpleQueue[T]) -> T:
    """Return the next of ``events`` when it comes; Ctrl+C is heard meanwhile."""
    while True:
        with contextlib.suppress(queue.Empty):
            return events.get(timeout=WAIT_SECONDS)
