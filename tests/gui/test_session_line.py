"""Questions wait in line for the engine, and each of them is told its end."""

from __future__ import annotations

import threading
from pathlib import Path

from fakes.engine import FakeEngine, missing, words
from pytestqt.qtbot import QtBot

from app.session import SessionState
from gui.asking import MakeSession, ask, collect, ends, finish
from inference.messages import ReplyOptions, Text, Turn


def test_questions_wait_in_line_and_background_ones_behind_all(qtbot: QtBot, make_session: MakeSession) -> None:
    hold = threading.Event()
    engine = FakeEngine([[hold, Text("first")], *(words(f"answer {number}") for number in range(4))])
    session = make_session(engine)
    frames = collect(session)
    first = ask(session)
    caption = session.submit((Turn.of("user", "caption"),), ReplyOptions(), background=True)
    another_caption = session.submit((Turn.of("user", "caption 2"),), ReplyOptions(), background=True)
    second, third = (session.submit((Turn.of("user", name),), ReplyOptions()) for name in ("second", "third"))
    assert session.state is SessionState.GENERATING
    assert not session.idle
    hold.set()
    qtbot.waitUntil(lambda: session.idle)
    assert ends(frames) == [first, second, third, caption, another_caption]
    assert [asked[0][0].text for asked in engine.asked][1:] == ["second", "third", "caption", "caption 2"]
    assert "".join(frame.text for frame in frames if frame.turn == third) == "answer 1"


def test_what_is_withdrawn_from_the_line_ends_without_the_engine(qtbot: QtBot, make_session: MakeSession) -> None:
    hold = threading.Event()
    engine = FakeEngine([[Text("a"), hold, Text("b")]])
    session = make_session(engine)
    frames = collect(session)
    first, second = ask(session), ask(session)
    session.withdraw(second)
    session.withdraw(second)
    session.withdraw(99)
    assert ends(frames) == [], "nobody can know the number before submit has returned"
    qtbot.waitUntil(lambda: ends(frames) == [second])
    done = frames[-1].done
    assert done is not None
    assert done.reason == "cancelled"
    hold.set()
    finish(qtbot, session, frames)
    assert ends(frames) == [second, first]
    assert len(engine.asked) == 1


def test_stop_ends_all_that_was_submitted(qtbot: QtBot, make_session: MakeSession) -> None:
    engine = FakeEngine([[Text("a"), threading.Event()]])
    session = make_session(engine)
    frames = collect(session)
    turns = {ask(session) for _ in range(3)}
    session.stop()
    qtbot.waitUntil(lambda: session.idle and set(ends(frames)) == turns)
    assert len(engine.asked) == 1


def test_a_question_waits_for_the_model_to_load(qtbot: QtBot, make_session: MakeSession) -> None:
    session = make_session(FakeEngine([words("hi")]), load=False)
    frames = collect(session)
    early = ask(session)
    session.load(None)
    assert session.state is SessionState.LOADING
    qtbot.waitUntil(lambda: ends(frames) == [early])
    assert "".join(frame.text for frame in frames) == "hi"


def test_questions_in_line_are_for_the_model_that_is_loaded_next(qtbot: QtBot, make_session: MakeSession) -> None:
    engines = [FakeEngine([[Text("half"), threading.Event()]]), FakeEngine([words("of the other")])]
    waiting = list(engines)
    session = make_session(lambda path: waiting.pop(0))
    frames = collect(session)
    first, second = ask(session), ask(session)
    qtbot.waitUntil(lambda: bool(frames))
    session.load(Path("other"))
    qtbot.waitUntil(lambda: ends(frames) == [first, second])
    assert [len(engine.asked) for engine in engines] == [1, 1]
    assert "".join(frame.text for frame in frames if frame.turn == second) == "of the other"


def test_all_in_line_are_told_when_no_model_can_be_loaded(qtbot: QtBot, make_session: MakeSession) -> None:
    session = make_session(missing, load=False)
    frames = collect(session)
    turns = [ask(session), ask(session)]
    session.load(Path("nowhere"))
    qtbot.waitUntil(lambda: ends(frames) == turns)
    late = ask(session)
    assert ends(frames) == turns
    qtbot.waitUntil(lambda: ends(frames) == [*turns, late])
    assert all("nowhere" in frame.error for frame in frames)


def test_closing_ends_all_that_was_submitted(qtbot: QtBot, make_session: MakeSession) -> None:
    session = make_session(FakeEngine([[Text("a"), threading.Event()]]))
    frames = collect(session)
    turns = [ask(session), ask(session)]
    assert session.close()
    assert ends(frames) == turns
    late = ask(session)
    qtbot.waitUntil(lambda: ends(frames) == [*turns, late])
    assert frames[-1].error
