"""The session with an engine in a process of its own: whatever ends that process costs a reply, not the window."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.engine_opening import open_engine
from app.engine_process import launching, proxy
from app.engine_process.proxy import EngineProcess
from app.session import Frame, Session, SessionState
from gui.asking import MakeSession, ask, collect, ends
from inference.errors import EngineLostError
from inference.messages import Audio, ReplyOptions, Text, Turn

GUARD = 60_000
LONG = ReplyOptions(temperature=0, json_schema={"type": "array", "items": {"type": "integer"}, "minItems": 1500})
QUESTION = (Turn.of("user", "Who are you?"),)
SHORT = ReplyOptions(temperature=0, max_tokens=30)
SECOND = (np.sin(np.arange(16_000) / 20) / 2).astype(np.float32)

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals")
each_fault = pytest.mark.parametrize("fault", ["SIGKILL", "SIGSEGV", "SIGBUS"])


@pytest.fixture
def session(qtbot: QtBot, make_session: MakeSession) -> Session:
    session = make_session(open_engine, load=False)
    session.load(None)
    qtbot.waitUntil(lambda: session.state is SessionState.READY, timeout=GUARD)
    return session


def pid(session: Session) -> int:
    return cast(EngineProcess, session._worker._engine).pid


def strike(session: Session, fault: str) -> None:
    os.kill(pid(session), getattr(signal, fault))


def answered(qtbot: QtBot, session: Session, frames: list[Frame]) -> str:
    """Ask something; return the answer."""
    frames.clear()
    turn = session.submit(QUESTION, SHORT)
    qtbot.waitUntil(lambda: turn in ends(frames), timeout=GUARD)
    (end,) = [frame for frame in frames if frame.turn == turn and frame.last]
    assert not end.error
    return "".join(frame.text for frame in frames if frame.turn == turn)


@needs_signals
@each_fault
def test_a_fault_within_a_reply_is_a_sentence_and_the_next_question_is_answered(
    qtbot: QtBot, session: Session, fault: str
) -> None:
    frames = collect(session)
    states: list[SessionState] = []
    session.state_changed.connect(states.append)
    turn = session.submit(QUESTION, LONG)
    qtbot.waitUntil(lambda: any(frame.text for frame in frames), timeout=GUARD)
    strike(session, fault)
    qtbot.waitUntil(lambda: turn in ends(frames), timeout=GUARD)
    assert "loaded anew" in frames[-1].error
    qtbot.waitUntil(lambda: session.state is SessionState.UNLOADED, timeout=GUARD)
    assert session.takes_questions
    assert session.model is not None
    assert answered(qtbot, session, frames)
    assert SessionState.LOADING in states


@needs_signals
@each_fault
def test_a_fault_while_nothing_is_asked_costs_nothing(qtbot: QtBot, session: Session, fault: str) -> None:
    frames = collect(session)
    strike(session, fault)
    assert answered(qtbot, session, frames)


@needs_signals
@each_fault
def test_a_fault_while_somebody_speaks_loses_no_sound(qtbot: QtBot, session: Session, fault: str) -> None:
    frames = collect(session)
    heard: list[Audio] = []

    def write(recording: Audio) -> list[Turn]:
        heard.append(recording)
        return [Turn("user", (Text("Write it down."), recording))]

    stream = session.listen()
    stream.feed(SECOND)
    qtbot.waitUntil(lambda: stream._encoder is not None, timeout=GUARD)
    strike(session, fault)
    stream.feed(SECOND)
    turn = session.submit(stream.turns(write, whole=True), SHORT)
    qtbot.waitUntil(lambda: turn in ends(frames), timeout=GUARD)
    assert not frames[-1].error
    assert isinstance(heard[-1].source, bytes)
    assert (len(heard[-1].source) - 44) // 2 == 32_000
    stream.close()


@needs_signals
@each_fault
def test_a_fault_while_loading_is_a_failure_and_can_be_tried_again(
    qtbot: QtBot, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    def taken() -> launching.ChildProcess:
        process = launching.ChildProcess()
        os.kill(process.pid, signal.SIGSTOP)
        os.kill(process.pid, getattr(signal, fault))
        process._process.send_signal(signal.SIGCONT)
        return process

    session = make_session(open_engine, load=False)
    with monkeypatch.context() as patch:
        patch.setattr(launching.SPARE, "take", taken)
        session.load(None)
        qtbot.waitUntil(lambda: session.state is SessionState.FAILED, timeout=GUARD)
    assert "process that ran the model" in session.failure
    session.retry()
    qtbot.waitUntil(lambda: session.state is SessionState.READY, timeout=GUARD)


@needs_signals
def test_questions_that_wait_are_answered_by_the_model_that_comes_back(qtbot: QtBot, session: Session) -> None:
    frames = collect(session)
    first = session.submit(QUESTION, LONG)
    others = [session.submit(QUESTION, SHORT) for _ in range(2)]
    qtbot.waitUntil(lambda: any(frame.text for frame in frames), timeout=GUARD)
    strike(session, "SIGKILL")
    qtbot.waitUntil(lambda: set(ends(frames)) == {first, *others}, timeout=GUARD)
    errors = {frame.turn: frame.error for frame in frames if frame.last}
    assert errors[first]
    assert not any(errors[turn] for turn in others)


@needs_signals
def test_stop_works_where_the_engine_hangs(qtbot: QtBot, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "STOP_SECONDS", 0.3)
    frames = collect(session)
    turn = session.submit(QUESTION, LONG)
    qtbot.waitUntil(lambda: any(frame.text for frame in frames), timeout=GUARD)
    strike(session, "SIGSTOP")
    session.stop()
    qtbot.waitUntil(lambda: turn in ends(frames), timeout=GUARD)
    assert frames[-1].done is not None
    assert frames[-1].done.reason == "cancelled"
    assert answered(qtbot, session, frames)


@needs_signals
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "speaking"])
def test_the_window_closes_where_the_engine_hangs(
    qtbot: QtBot, make_app: Callable[..., Larimar], monkeypatch: pytest.MonkeyPatch, busy: bool
) -> None:
    monkeypatch.setattr(proxy, "STOP_SECONDS", 0.3)
    monkeypatch.setattr(proxy, "CLOSE_SECONDS", 0.3)
    larimar = make_app(open_engine, wait=False)
    session = larimar.session
    qtbot.waitUntil(lambda: session.state is SessionState.READY, timeout=GUARD)
    if busy:
        frames = collect(session)
        session.submit(QUESTION, LONG)
        qtbot.waitUntil(lambda: any(frame.text for frame in frames), timeout=GUARD)
    engine = pid(session)
    strike(session, "SIGSTOP")
    larimar.close()
    assert session.close(), "the thread has ended"
    assert not Path(f"/proc/{engine}").exists()


def test_the_window_closes_while_a_model_is_being_loaded(qtbot: QtBot, make_app: Callable[..., Larimar]) -> None:
    larimar = make_app(open_engine, wait=False)
    assert larimar.session.state is SessionState.LOADING
    larimar.close()
    assert larimar.session.close()


def test_a_closed_model_gives_all_of_its_memory_back(qtbot: QtBot, session: Session) -> None:
    engine = pid(session)
    session.unload()
    qtbot.waitUntil(lambda: session._jobs_under_way == 0, timeout=GUARD)
    assert not Path(f"/proc/{engine}").exists()
    assert answered(qtbot, session, collect(session))
    assert pid(session) != engine


def test_crashes_are_told_in_the_log_folder(qtbot: QtBot, make_app: Callable[..., Larimar], tmp_path: Path) -> None:
    larimar = make_app(open_engine, wait=False)
    session = larimar.session
    qtbot.waitUntil(lambda: session.state is SessionState.READY, timeout=GUARD)
    (tmp_path / "logs").mkdir(exist_ok=True)
    session.load(None)
    qtbot.waitUntil(lambda: session.state is SessionState.READY, timeout=GUARD)
    frames = collect(session)
    session.submit((Turn.of("user", "my secret diary"),), LONG)
    qtbot.waitUntil(lambda: any(frame.text for frame in frames), timeout=GUARD)
    strike(session, "SIGSEGV")
    qtbot.waitUntil(lambda: frames[-1].last, timeout=GUARD)
    told = (tmp_path / "logs" / "crash.log").read_text(encoding="utf-8")
    assert "Segmentation fault" in told
    assert "secret" not in told


def test_an_engine_that_is_lost_again_and_again_fails_each_time(qtbot: QtBot, make_session: MakeSession) -> None:
    """A question that ends the engine is not asked again by itself."""

    class Fragile(FakeEngine):
        lost = False

    opened: list[Path | None] = []

    def factory(path: Path | None) -> FakeEngine:
        opened.append(path)
        return Fragile([[Text("a"), EngineLostError("It has gone.")], words("fine")])

    session = make_session(factory)
    frames = collect(session)
    for _ in range(3):
        frames.clear()
        ask(session)
        qtbot.waitUntil(lambda: bool(frames) and frames[-1].last, timeout=GUARD)
        assert frames[-1].error == "It has gone."
        qtbot.waitUntil(lambda: session.state is SessionState.UNLOADED, timeout=GUARD)
    assert len(opened) == 3


def test_where_no_process_starts_the_engine_works_here(
    qtbot: QtBot, make_session: MakeSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(launching, "child_command", lambda: [str(tmp_path / "nothing")])
    session = make_session(open_engine, load=False)
    session.load(None)
    qtbot.waitUntil(lambda: session.state is SessionState.READY, timeout=GUARD)
    assert not isinstance(session._worker._engine, EngineProcess)
    frames = collect(session)
    ask(session)
    qtbot.waitUntil(lambda: bool(frames) and frames[-1].last, timeout=GUARD)
    assert not frames[-1].error
