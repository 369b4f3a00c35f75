"""The terminal's side of a conversation, with an engine that plays from a script."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from app import terminal, terminal_output
from inference.cancellation import CancelToken
from inference.errors import ContextFullError, ModelFolderError
from inference.messages import Done, Prefill, ReplyEvent, ReplyOptions, ReplyStats, Text, Thought, Turn

Script = Callable[[Sequence[Turn], ReplyOptions, CancelToken], Iterator[ReplyEvent]]


class ScriptedEngine:
    """Answers with what the script yields, and keeps what it was asked."""

    name = "Scripted"

    def __init__(self, script: Script) -> None:
        self._script = script
        self.asked: list[tuple[Turn, ...]] = []
        self.options: list[ReplyOptions] = []
        self.closed = False

    def reply(self, turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> Iterator[ReplyEvent]:
        self.asked.append(tuple(turns))
        self.options.append(options)
        yield from self._script(turns, options, cancel)

    def close(self) -> None:
        self.closed = True


def echo(turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> Iterator[ReplyEvent]:
    yield Prefill(1, 1)
    if options.thinking:
        yield Thought("hm\nyes")
    yield Text("You said: ")
    yield Text(turns[-1].text)
    yield Done("stop", ReplyStats())


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Script], ScriptedEngine]:
    def install(script: Script) -> ScriptedEngine:
        scripted = ScriptedEngine(script)
        monkeypatch.setattr("inference.engine.Engine.open", lambda path, provider: scripted)
        return scripted

    return install


def chat(monkeypatch: pytest.MonkeyPatch, lines: str, **changes: object) -> int:
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    options: dict[str, object] = {"system": None, "options": ReplyOptions(), **changes}
    return terminal.chat(terminal.EngineThread(None), **options)  # type: ignore[arg-type]


def ask(text: str = "hello", **changes: object) -> int:
    options: dict[str, object] = {"system": None, "options": ReplyOptions(), **changes}
    return terminal.ask(terminal.EngineThread(None), [Text(text)], **options)  # type: ignore[arg-type]


def test_answer_alone_is_on_standard_output(engine, capsys) -> None:
    scripted = engine(echo)
    assert ask(options=ReplyOptions(thinking=True), system="Be brief.") == 0
    output = capsys.readouterr()
    assert output.out == "You said: hello\n"
    assert output.err == "> hm\n> yes\n"
    assert scripted.asked == [(Turn.of("system", "Be brief."), Turn.of("user", "hello"))]
    assert scripted.closed


def test_a_card_that_cannot_be_used_is_told_of_beside_the_answer(engine, capsys) -> None:
    engine(echo).provider_reason = "no NVIDIA driver was found"
    assert ask() == 0
    output = capsys.readouterr()
    assert output.out == "You said: hello\n"
    assert "not the graphics card: no NVIDIA driver was found." in output.err


def test_conversation_is_remembered(engine, capsys, monkeypatch) -> None:
    scripted = engine(echo)
    assert chat(monkeypatch, "one\n\ntwo\n") == 0
    assert capsys.readouterr().out == "You said: one\nYou said: two\n"
    assert scripted.asked[1] == (
        Turn.of("user", "one"),
        Turn.of("assistant", "You said: one"),
        Turn.of("user", "two"),
    )


def test_commands(engine, capsys, monkeypatch) -> None:
    scripted = engine(echo)
    lines = "one\n/new\n/think\n/system Be kind.\ntwo\n/think off\n/system\n/nonsense\nthree\n/quit\nfour\n"
    assert chat(monkeypatch, lines) == 0
    assert scripted.asked[1] == (Turn.of("system", "Be kind."), Turn.of("user", "two"))
    assert [options.thinking for options in scripted.options] == [False, True, False]
    assert [turn.role for turn in scripted.asked[2]] == ["user", "assistant", "user"]
    assert len(scripted.asked) == 3
    assert "/system TEXT" in capsys.readouterr().err


def test_thoughts_stay_in_the_history(engine, monkeypatch) -> None:
    scripted = engine(echo)
    chat(monkeypatch, "one\ntwo\n", options=ReplyOptions(thinking=True))
    assert scripted.asked[1][1] == Turn("assistant", (Thought("hm\nyes"), Text("You said: one")))


def test_error_ends_the_reply_and_not_the_chat(engine, capsys, monkeypatch) -> None:
    def full(turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> Iterator[ReplyEvent]:
        if turns[-1].text == "long":
            raise ContextFullError("It is too long.")
        yield from echo(turns, options, cancel)

    scripted = engine(full)
    assert chat(monkeypatch, "long\nshort\n") == 1
    output = capsys.readouterr()
    assert output.out == "You said: short\n"
    assert output.err == "It is too long.\n"
    assert scripted.asked[1] == (Turn.of("user", "short"),)


@pytest.mark.skipif(os.name == "nt", reason="a process cannot interrupt itself there")
def test_ctrl_c_stops_the_reply_and_keeps_what_was_said(engine, capsys, monkeypatch) -> None:
    def endless(turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> Iterator[ReplyEvent]:
        if len(turns) > 1:
            yield from echo(turns, options, cancel)
            return
        yield Text("and on")
        os.kill(os.getpid(), signal.SIGINT)
        while not cancel.cancelled:
            yield Text(" and on")
        yield Done("cancelled", ReplyStats())

    scripted = engine(endless)
    before = signal.getsignal(signal.SIGINT)
    assert chat(monkeypatch, "go\nmore\n") == 0
    output = capsys.readouterr()
    assert output.out.startswith("and on")
    assert output.out.endswith("\nYou said: more\n")
    assert "Stopped.\n" in output.err
    assert scripted.asked[1][1].text.startswith("and on")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(os.name == "nt", reason="a process cannot interrupt itself there")
def test_interrupted_question_has_its_own_exit_code(engine) -> None:
    def interrupted(turns: Sequence[Turn], options: ReplyOptions, cancel: CancelToken) -> Iterator[ReplyEvent]:
        os.kill(os.getpid(), signal.SIGINT)
        while not cancel.cancelled:
            yield Prefill(0, 1)
        yield Done("cancelled", ReplyStats())

    engine(interrupted)
    assert ask() == 130


def test_model_that_cannot_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path | None, provider: str) -> None:
        raise ModelFolderError("There is no model.")

    monkeypatch.setattr("inference.engine.Engine.open", fail)
    with pytest.raises(ModelFolderError, match="There is no model"):
        ask()


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_answer_cannot_steer_the_terminal() -> None:
    stream = Terminal()
    printer = terminal_output.AnswerPrinter(stream)
    printer.write("a\x1b]0;title\x07b\x9b2J\tc\nd\r")
    printer.end()
    assert stream.getvalue() == "a]0;titleb2J\tc\nd\n"


def test_answer_in_a_pipe_is_unchanged() -> None:
    stream = io.StringIO()
    printer = terminal_output.AnswerPrinter(stream)
    printer.write("a\x1bb\n")
    printer.end()
    assert stream.getvalue() == "a\x1bb\n"


def test_thoughts_are_dimmed_on_a_terminal() -> None:
    stream = Terminal()
    printer = terminal_output.ThoughtPrinter(stream)
    printer.write("so ")
    printer.write("so")
    printer.end()
    assert stream.getvalue() == "\x1b[2mso so\n\x1b[0m"


def test_progress_line_is_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with terminal_output.ProgressLine() as progress:
        progress.show("Reading", 0.5)
    assert "Reading 50% …" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_stages_are_logged_where_there_is_no_terminal(capsys) -> None:
    with terminal_output.ProgressLine(log_stages=True) as progress:
        for stage, fraction in (("Tracing", 0.1), ("Tracing", 0.9), ("Writing", 0.0)):
            progress.show(stage, fraction)
    assert capsys.readouterr().err == "Tracing …\nWriting …\n"
