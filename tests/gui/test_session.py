"""The border between the window and the engine thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, hold, missing, opens, words
from pytestqt.qtbot import QtBot

from app.engine_worker import THREAD_NAME
from app.session import SessionState
from gui.asking import MakeSession, ask, collect, finish
from inference.cancellation import CancelToken
from inference.errors import ContextFullError, LoadCancelledError, ModelFolderError
from inference.messages import Prefill, Text, Thought, ToolCall


def test_a_reply_arrives_whole_and_in_order(qtbot: QtBot, make_session: MakeSession) -> None:
    text = " ".join(f"word{number}" for number in range(500))
    engine = FakeEngine([[Thought("hm "), Thought("yes"), *words(text), ToolCall("clock")]])
    session = make_session(engine)
    frames = collect(session)
    ask(session)
    finish(qtbot, session, frames)
    assert "".join(frame.text for frame in frames) == text
    assert "".join(frame.thought for frame in frames) == "hm yes"
    assert [call for frame in frames for call in frame.tool_calls] == [ToolCall("clock")]
    assert [frame.last for frame in frames].count(True) == 1
    done = frames[-1].done
    assert done is not None
    assert done.reason == "stop"
    assert done.stats.generated_tokens == 502


def test_pieces_are_joined_into_frames(qtbot: QtBot, make_session: MakeSession) -> None:
    hold = threading.Event()
    session = make_session(FakeEngine([[*(Text("a") for _ in range(50)), hold, Text("b")]]))
    frames = collect(session)
    ask(session)
    qtbot.waitUntil(lambda: sum(len(frame.text) for frame in frames) == 50)
    assert len(frames) < 25
    hold.set()
    finish(qtbot, session, frames)


def test_the_latest_prefill_of_a_frame_counts(qtbot: QtBot, make_session: MakeSession) -> None:
    hold = threading.Event()
    session = make_session(FakeEngine([[Prefill(0, 90), Prefill(30, 90), Prefill(60, 90), hold, Text("x")]]))
    frames = collect(session)
    ask(session)
    qtbot.waitUntil(lambda: any(frame.prefill == Prefill(60, 90) for frame in frames))
    hold.set()
    finish(qtbot, session, frames)


def test_the_engine_lives_on_one_thread(qtbot: QtBot, make_session: MakeSession) -> None:
    engine = FakeEngine([words("one"), words("two")])
    opened_on: list[str] = []

    def factory(path: Path | None) -> FakeEngine:
        opened_on.append(threading.current_thread().name)
        return engine

    session = make_session(factory)
    for _ in range(2):
        frames = collect(session)
        ask(session)
        finish(qtbot, session, frames)
    assert session.close()
    assert engine.closed
    assert {*engine.threads, *opened_on} == {THREAD_NAME}


def test_stop_reaches_the_engine_and_keeps_what_was_said(qtbot: QtBot, make_session: MakeSession) -> None:
    hold = threading.Event()
    engine = FakeEngine([[*words("half an"), hold, Text(" answer")]])
    session = make_session(engine)
    frames = collect(session)
    ask(session)
    qtbot.waitUntil(lambda: "".join(frame.text for frame in frames) == "half an")
    session.stop()
    finish(qtbot, session, frames)
    assert engine.tokens[0].cancelled
    assert frames[-1].done is not None
    assert frames[-1].done.reason == "cancelled"
    assert "".join(frame.text for frame in frames) == "half an"


def test_pieces_of_a_withdrawn_reply_keep_its_number(qtbot: QtBot, make_session: MakeSession) -> None:
    engine = FakeEngine([[Text("old"), Text("old"), threading.Event()], words("new answer")])
    session = make_session(engine)
    frames = collect(session)
    first = ask(session)
    session._timer.stop()  # the window is busy while the pieces come in
    qtbot.waitUntil(lambda: session._worker.events.qsize() == 2)
    session.withdraw(first)
    second = ask(session)
    assert second > first
    finish(qtbot, session, frames)
    of_first = [frame for frame in frames if frame.turn == first]
    assert "".join(frame.text for frame in of_first) == "oldold"
    assert [frame.last for frame in of_first].count(True) == 1
    assert "".join(frame.text for frame in frames if frame.turn == second) == "new answer"
    assert frames.index(of_first[-1]) < len(frames) - 1, "the second ends after the first"


def test_the_late_end_of_a_withdrawn_reply_does_not_end_the_next(qtbot: QtBot, make_session: MakeSession) -> None:
    hold = threading.Event()
    session = make_session(FakeEngine([[Text("old"), threading.Event()], [Text("new"), hold, Text(" answer")]]))
    frames = collect(session)
    first = ask(session)
    qtbot.waitUntil(lambda: bool(frames))
    frames.clear()
    session.withdraw(first)
    second = ask(session)
    qtbot.waitUntil(lambda: any(frame.text for frame in frames))
    assert session.state is SessionState.GENERATING
    assert [frame.turn for frame in frames if frame.last] == [first]
    hold.set()
    finish(qtbot, session, frames)
    assert "".join(frame.text for frame in frames if frame.turn == second) == "new answer"


def test_a_stopped_engine_rests_even_when_nobody_reads_what_it_said(qtbot: QtBot, make_session: MakeSession) -> None:
    engine = FakeEngine([[Text("x") for _ in range(10_000)]])
    session = make_session(engine, events_at_most=16)
    ask(session)
    session._timer.stop()
    qtbot.waitUntil(lambda: session._worker.events.full())
    engine.tokens[0].cancel()
    qtbot.waitUntil(lambda: engine.ended == 1)
    assert session._worker.events.full()


def test_a_full_queue_holds_the_engine_back_and_stop_still_works(qtbot: QtBot, make_session: MakeSession) -> None:
    engine = FakeEngine([[Text("x") for _ in range(10_000)]])
    session = make_session(engine, events_at_most=64)
    session._timer.stop()  # the window does not draw
    frames = collect(session)
    ask(session)
    session._timer.stop()
    qtbot.waitUntil(lambda: session._worker.events.full())
    assert engine.gone <= 64 + 2
    session.stop()
    session._timer.start()
    finish(qtbot, session, frames)
    assert engine.gone <= 2 * 64 + 4


def test_ten_thousand_pieces_pass_a_small_queue(qtbot: QtBot, make_session: MakeSession) -> None:
    session = make_session(FakeEngine([[Text("x") for _ in range(10_000)]]), events_at_most=512)
    frames = collect(session)
    ask(session)
    finish(qtbot, session, frames)
    assert sum(len(frame.text) for frame in frames) == 10_000


def test_closing_with_a_full_queue_ends_the_thread(qtbot: QtBot, make_session: MakeSession) -> None:
    engine = FakeEngine([[Text("x") for _ in range(10_000)]])
    session = make_session(engine, events_at_most=8)
    session._timer.stop()
    ask(session)
    session._timer.stop()
    qtbot.waitUntil(lambda: session._worker.events.full())
    assert session.close()
    assert engine.closed
    assert session.state is SessionState.CLOSED


def test_closing_while_generating_ends_the_thread(qtbot: QtBot, make_session: MakeSession) -> None:
    engine = FakeEngine([[Text("a"), threading.Event(), Text("b")]])
    session = make_session(engine)
    frames = collect(session)
    ask(session)
    qtbot.waitUntil(lambda: bool(frames))
    assert session.close()
    assert engine.tokens[0].cancelled
    assert engine.closed


def test_the_timer_rests_while_nothing_is_under_way(qtbot: QtBot, make_session: MakeSession) -> None:
    session = make_session(FakeEngine([words("hi")]))
    assert not session._timer.isActive()
    frames = collect(session)
    ask(session)
    assert session._timer.isActive()
    finish(qtbot, session, frames)
    assert not session._timer.isActive()


def test_our_errors_arrive_as_their_sentence(qtbot: QtBot, make_session: MakeSession) -> None:
    sentence = "The conversation is full; begin a new chat."
    session = make_session(FakeEngine([[Text("well"), ContextFullError(sentence)], words("again")]))
    frames = collect(session)
    ask(session)
    finish(qtbot, session, frames)
    assert frames[-1].error == sentence
    frames.clear()
    ask(session)
    finish(qtbot, session, frames)
    assert "".join(frame.text for frame in frames) == "again"


def test_unforeseen_errors_become_a_general_sentence_and_the_log_keeps_the_prompt_out(
    qtbot: QtBot, make_session: MakeSession, caplog: pytest.LogCaptureFixture
) -> None:
    session = make_session(FakeEngine([[RuntimeError("cannot tokenize 'my secret diary'")]]))
    frames = collect(session)
    with caplog.at_level(logging.DEBUG):
        ask(session)
        finish(qtbot, session, frames)
    assert "Something went wrong" in frames[-1].error
    assert "RuntimeError" in caplog.text
    assert "fakes" in caplog.text  # the place is there
    assert "secret" not in caplog.text


def test_an_engine_that_never_says_done_counts_as_failed(qtbot: QtBot, make_session: MakeSession) -> None:
    class Silent(FakeEngine):
        def reply(self, turns, options=None, cancel=None):  # type: ignore[no-untyped-def]
            yield Text("…")

    session = make_session(Silent())
    frames = collect(session)
    ask(session)
    finish(qtbot, session, frames)
    assert frames[-1].error


def test_a_model_that_cannot_be_loaded_says_why_and_retry_loads_it(qtbot: QtBot, make_session: MakeSession) -> None:
    broken = True

    def factory(path: Path | None) -> FakeEngine:
        return missing(path) if broken else FakeEngine([words("hi")])

    session = make_session(factory, load=False)
    session.load(Path("nowhere"))
    qtbot.waitUntil(lambda: session.state is SessionState.FAILED)
    assert "nowhere" in session.failure
    broken = False
    session.retry()
    qtbot.waitUntil(lambda: session.state is SessionState.READY)
    assert session.failure == ""
    assert session.model is not None
    assert session.model.name == "Fake 1B"


def test_an_unforeseen_error_while_loading_has_a_sentence_too(qtbot: QtBot, make_session: MakeSession) -> None:
    def factory(path: Path | None) -> FakeEngine:
        raise OSError("boom")

    session = make_session(factory, load=False)
    session.load(None)
    qtbot.waitUntil(lambda: session.state is SessionState.FAILED)
    assert "Something went wrong" in session.failure


def test_loading_another_model_closes_the_first(qtbot: QtBot, make_session: MakeSession) -> None:
    engines = [FakeEngine(name="First"), FakeEngine(name="Second")]
    waiting = list(engines)
    session = make_session(lambda path: waiting.pop(0))
    session.load(Path("other"))
    qtbot.waitUntil(lambda: session.state is SessionState.READY)
    assert session.model is not None
    assert session.model.name == "Second"
    assert [engine.closed for engine in engines] == [True, False]


def test_of_two_loads_in_a_row_the_last_one_counts(qtbot: QtBot, make_session: MakeSession) -> None:
    hold = threading.Event()

    def factory(path: Path | None) -> FakeEngine:
        hold.wait(10)
        if path == Path("bad"):
            raise ModelFolderError("bad folder")
        return FakeEngine(name=str(path))

    session = make_session(factory, load=False)
    states: list[SessionState] = []
    session.state_changed.connect(states.append)
    session.load(Path("bad"))
    session.load(Path("good"))
    hold.set()
    qtbot.waitUntil(lambda: session.state is SessionState.READY)
    assert session.model is not None
    assert session.model.name == "good"
    assert SessionState.FAILED not in states


def test_closing_while_loading_ends_the_thread(make_session: MakeSession) -> None:
    hold = threading.Event()
    engine = FakeEngine()

    def factory(path: Path | None) -> FakeEngine:
        hold.wait(10)
        return engine

    session = make_session(factory, load=False)
    session.load(None)
    hold.set()
    assert session.close()


def test_closing_a_session_that_never_loaded_anything(make_session: MakeSession) -> None:
    session = make_session(opens(FakeEngine()), load=False)
    assert session.close()
    session.load(None)
    assert session.state is SessionState.CLOSED


def test_loading_says_how_far_it_is_and_is_stopped_for_another_model(qtbot: QtBot, make_session: MakeSession) -> None:
    tokens: list[CancelToken] = []

    def factory(path: Path | None, progress: Callable[[str, float], None], cancel: CancelToken) -> FakeEngine:
        tokens.append(cancel)
        progress("Reading the model", 0.25)
        if path == Path("slow"):
            hold(threading.Event(), cancel)
            raise LoadCancelledError("Stopped.")
        return FakeEngine([words("ok")], name=str(path))

    session = make_session(factory, load=False)
    with qtbot.waitSignal(session.loading) as loading:
        session.load(Path("slow"))
    assert loading.args == ["Reading the model", 0.25]
    session.load(Path("quick"))
    qtbot.waitUntil(lambda: session.state is SessionState.READY)
    assert session.model is not None
    assert session.model.name == "quick"
    assert [token.cancelled for token in tokens] == [True, False]
    assert session.failure == ""
    session.load(Path("slow"))
    qtbot.waitUntil(lambda: len(tokens) == 3)
    assert session.close()
    assert tokens[2].cancelled
