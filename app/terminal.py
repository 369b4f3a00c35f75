"""Larimar without a window: one answer (``ask``) or a conversation (``chat``) in the terminal.

Standard output carries the answers and nothing else; thoughts, progress and errors go to standard error. No Qt here.
"""

from __future__ import annotations

import contextlib
import json
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

from app.commands.streams import is_terminal, one_line, tell
from app.terminal_output import AnswerPrinter, ProgressLine, ThoughtPrinter, say
from inference.cancellation import CancelToken
from inference.errors import ForeignFileError, LarimarError, UnsupportedInputError
from inference.foreign_files import check_file
from inference.foreign_names import display_name, printable
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

_CUT_OFF = {
    "length": "it was cut off at the limit of tokens, which --max-tokens sets",
    "context": "the model's context is full",
    "cancelled": "it was stopped",
    "stop": "it was cut off at a text that --stop names",
}
_LONGEST_LINE = 1 << 22

WAIT_SECONDS = 0.2
"""How long one wait for the engine lasts: on Windows a wait without an end does not hear Ctrl+C."""


def ask(thread: EngineThread, parts: Sequence[Part], *, system: str | None, options: ReplyOptions) -> int:
    """Answer one question of text and media on standard output.

    Returns the exit code: 0, 1 when JSON was asked for and cut off, or 130 when Ctrl+C stopped the answer. Raises
    :class:`LarimarError`.
    """
    files = [part.source for part in parts if isinstance(part, Image | Audio | Video) and isinstance(part.source, Path)]
    for file in files:
        require_file(file)
    if files:
        prepare_decoding()
    turns = [*_system_turn(system), Turn("user", tuple(parts))]
    with thread as engine:
        say_what_is_not_held_to(engine, options)
        reply = Reply(engine, turns, options)
        reply.show()
    return EXIT_INTERRUPTED if reply.reason == "cancelled" else int(reply.json_cut_off)


def prepare_decoding() -> None:
    """Start the process that decodes files, beside the loading of the model instead of after it."""

    def warm() -> None:
        from inference.media import isolated

        isolated.warm()

    threading.Thread(target=warm, name="decoding", daemon=True).start()


def chat(thread: EngineThread, *, system: str | None, options: ReplyOptions) -> int:
    """Hold a conversation until the input ends or the user leaves.

    Returns the exit code: 0, or 1 when the input was no terminal and a question could not be answered.
    Raises :class:`LarimarError` when the model cannot be loaded.
    """
    interactive = is_terminal(sys.stdin)
    with thread as engine:
        say_what_is_not_held_to(engine, options)
        conversation = Conversation(engine, system, options)
        if interactive:
            with contextlib.suppress(ImportError):  # not on every system; it gives line editing and a history
                import readline  # noqa: F401
            say(f"{display_name(engine.name)}. /help lists the commands, Ctrl+D leaves.")
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
            say(one_line(str(error)))
            return
        self.failed = self.failed or reply.json_cut_off
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

    @property
    def json_cut_off(self) -> bool:
        """Whether JSON was asked for and its end is missing."""
        if self._options.json_schema is None:
            return False
        if self.reason != "stop":  # a number that is cut off is a number, too
            return self.reason != "tool_calls"
        try:
            json.loads("".join(self._texts))
        except (ValueError, RecursionError):  # cut off by --stop
            return True
        return False

    def _say_how_it_ended(self) -> None:
        if self.json_cut_off:
            say(f"The JSON is not complete: {_CUT_OFF.get(self.reason, _CUT_OFF['stop'])}.")
        elif self.reason == "cancelled":
            say("Stopped.")
        elif self.reason == "length":
            say("The answer was cut off at the limit of tokens.")
        elif self.reason == "context":
            say("The answer was cut off: the model's context is full.")
        elif not self._texts:
            say("The model gave no answer.")
        elif is_terminal(sys.stderr) and self.stats.tokens_per_second:
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


def require_file(path: Path) -> None:
    """Raise :class:`LarimarError` where there is no file that can be read."""
    try:
        check_file(path)
    except ForeignFileError as error:
        if error.missing:
            raise UnsupportedInputError(f"There is no file {printable(str(path))}.") from error
        raise


def say_what_is_not_held_to(engine: EngineThread, options: ReplyOptions) -> None:
    """Say which parts of a JSON schema answers are not held to."""
    if options.json_schema is not None:
        for note in engine.call(lambda loaded: loaded.schema_notes(options)):
            say(note)


def _read_line(interactive: bool) -> str | None:
    """Return the next line, or None at the end of the input; Ctrl+C while typing drops the line."""
    if sys.stdin is None:
        return None
    if not interactive:
        return _read_piped_line()
    while True:
        try:
            if not is_terminal(sys.stdout):
                tell(sys.stderr, "> ")
            return input("> " if is_terminal(sys.stdout) else "")
        except (EOFError, OSError):  # a terminal that went away
            tell(sys.stderr, "\n")
            return None
        except KeyboardInterrupt:
            tell(sys.stderr, "\n")


def _read_piped_line() -> str | None:
    try:
        line = sys.stdin.readline(_LONGEST_LINE + 1)
    except (OSError, ValueError) as error:
        raise UnsupportedInputError(f"Standard input cannot be read: {error}.") from error
    if len(line) > _LONGEST_LINE:
        raise UnsupportedInputError("A line of standard input is too long for a question. Make it shorter.")
    return line.removesuffix("\n") if line else None


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
