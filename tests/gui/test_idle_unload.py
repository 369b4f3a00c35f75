"""A model that nobody asks anything is unloaded, and comes back by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, words
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.conversation import MessageStatus
from app.idle_unload import IdleUnload
from app.live_senses import LiveSenses, Sense
from app.session import Frame, Session, SessionState
from inference.errors import ModelFolderError
from inference.messages import ReplyOptions, Text, Turn

MakeApp = Callable[..., Larimar]
MakeSession = Callable[..., Session]
QUESTION = (Turn.of("user", "question"),)


class Opener:
    """Opens another engine each time, and can be told to fail."""

    def __init__(self) -> None:
        self.engines: list[FakeEngine] = []
        self.paths: list[Path | None] = []
        self.gone = False

    def __call__(self, path: Path | None) -> FakeEngine:
        if self.gone:
            raise ModelFolderError("The model folder is gone. Choose another one.")
        self.paths.append(path)
        self.engines.append(FakeEngine([words("an answer")]))
        return self.engines[-1]


def unloaded(qtbot: QtBot, session: Session, opener: Opener) -> None:
    session.unload()
    assert session.state is SessionState.UNLOADED
    qtbot.waitUntil(lambda: opener.engines[-1].closed)


def test_the_next_question_loads_it_again_and_is_answered(qtbot: QtBot, make_session: MakeSession) -> None:
    opener = Opener()
    session = make_session(opener)
    states: list[SessionState] = []
    session.state_changed.connect(states.append)
    frames: list[Frame] = []
    session.frame.connect(frames.append)
    unloaded(qtbot, session, opener)
    assert session.model is not None, "what it takes is still known"
    assert session.takes_questions
    turn = session.submit(QUESTION, ReplyOptions())
    qtbot.waitUntil(lambda: bool(frames) and frames[-1].last)
    assert frames[-1].turn == turn
    assert "".join(frame.text for frame in frames) == "an answer"
    assert len(opener.engines) == 2
    assert [state.value for state in states] == ["unloaded", "loading", "ready", "generating", "ready"]


def test_a_model_that_is_gone_meanwhile_is_said(qtbot: QtBot, make_session: MakeSession) -> None:
    opener = Opener()
    session = make_session(opener)
    frames: list[Frame] = []
    session.frame.connect(frames.append)
    unloaded(qtbot, session, opener)
    opener.gone = True
    session.submit(QUESTION, ReplyOptions())
    qtbot.waitUntil(lambda: bool(frames))
    assert "The model folder is gone" in frames[0].error
    assert session.state is SessionState.FAILED
    assert session.model is None


def test_a_model_that_answers_stays(qtbot: QtBot, make_session: MakeSession) -> None:
    held = threading.Event()
    session = make_session(FakeEngine([[Text("a"), held]]))
    session.submit(QUESTION, ReplyOptions())
    session.unload()
    assert session.state is SessionState.GENERATING
    held.set()
    qtbot.waitUntil(lambda: session.state is SessionState.READY)


@pytest.mark.parametrize("minutes", [-1, 0, 2, 60])
def test_it_waits_as_long_as_the_user_says(qtbot: QtBot, make_session: MakeSession, minutes: int) -> None:
    session = make_session(FakeEngine([words("ok")]))
    idle = IdleUnload(session, minutes, session)
    idle.set_minutes(minutes)
    assert idle.timer.isActive() == (minutes >= 0)
    assert minutes < 0 or idle.timer.interval() == (60_000 * minutes or 60_000)
    session.submit(QUESTION, ReplyOptions())
    assert not idle.timer.isActive()
    wanted = SessionState.UNLOADED if minutes == 0 else SessionState.READY
    qtbot.waitUntil(lambda: session.state is wanted)
    if minutes > 0:
        assert idle.timer.interval() == 60_000 * minutes
        idle.timer.setInterval(0)
        qtbot.waitUntil(lambda: session.state is SessionState.UNLOADED)


def test_reading_ahead_counts_as_use(qtbot: QtBot, make_session: MakeSession) -> None:
    session = make_session(FakeEngine())
    idle = IdleUnload(session, 5, session)
    idle.timer.stop()
    session.prepare(QUESTION, ReplyOptions())
    assert idle.timer.isActive()


def test_a_model_stays_while_a_sense_is_live(qtbot: QtBot, make_session: MakeSession) -> None:
    session = make_session(FakeEngine([words("ok")]))
    senses = LiveSenses(session)
    idle = IdleUnload(session, 0, session, senses=senses)
    live = senses.begin(Sense.MICROPHONE, lambda: None)
    session.submit(QUESTION, ReplyOptions())
    qtbot.waitUntil(lambda: session.state is SessionState.READY)
    assert not idle.timer.isActive()
    senses.end(live)
    assert idle.timer.isActive()


def test_listening_brings_it_back(qtbot: QtBot, make_session: MakeSession) -> None:
    opener = Opener()
    session = make_session(opener)
    unloaded(qtbot, session, opener)
    session.listen().close()
    assert session.state is SessionState.LOADING
    qtbot.waitUntil(lambda: session.state is SessionState.READY)


def test_the_window_says_so_and_typing_brings_it_back(qtbot: QtBot, make_app: MakeApp) -> None:
    opener = Opener()
    larimar = make_app(opener)
    window, chat = larimar.window, larimar.window.chat
    window.show_models()
    qtbot.waitUntil(lambda: bool(window.models.installed_cards))
    unloaded(qtbot, larimar.session, opener)
    assert window.status.state_label.text() == "Unloaded to save memory"
    marks = [label.text() for label in window.models.installed_cards[0].findChildren(type(window.status.state_label))]
    assert "Unloaded to save memory" in marks
    window.rail.choose(0)
    qtbot.keyClicks(chat.composer.edit, "x")
    assert larimar.session.state is SessionState.LOADING
    assert chat.composer.button.isEnabled(), "a question may be sent at once"
    chat.ask("question")
    qtbot.waitUntil(lambda: chat.model.messages[-1].status is MessageStatus.COMPLETE)
    assert chat.model.messages[-1].text == "an answer"
    assert len(opener.engines) == 2
