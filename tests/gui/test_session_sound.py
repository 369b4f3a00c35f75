"""Sound on its way to the engine: encoded while it comes in, and asked about."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from fakes.engine import FakeEngine, words
from pytestqt.qtbot import QtBot

from app.engine_worker import THREAD_NAME
from gui.asking import MakeSession, ask, collect, ends, finish
from inference.media.audio import load_audio
from inference.messages import Audio, ReplyOptions, Text, Turn


def about(recording: Audio) -> tuple[Turn, ...]:
    return (Turn("user", (Text("Write it down."), recording)),)


SECOND = np.ones(16_000, np.float32) / 4


def test_sound_is_encoded_while_it_comes_in_and_asked_about(qtbot: QtBot, make_session: MakeSession) -> None:
    engine = FakeEngine([words("so far"), words("all of it")])
    session = make_session(engine)
    frames = collect(session)
    stream = session.listen()
    stream.feed(SECOND)
    qtbot.waitUntil(lambda: len(engine.heard) == 1 and len(engine.heard[0].samples) == 16_000)
    early = session.submit(stream.turns(about, whole=False), ReplyOptions())
    qtbot.waitUntil(lambda: ends(frames) == [early])
    assert not engine.heard[0].finished
    stream.feed(SECOND)
    late = session.submit(stream.turns(about, whole=True), ReplyOptions())
    qtbot.waitUntil(lambda: ends(frames) == [early, late])
    assert "".join(frame.text for frame in frames if frame.turn == late) == "all of it"
    assert engine.heard[0].finished
    recordings = [asked[0][0].parts[1] for asked in engine.asked]
    assert [len(load_audio(part.source)) for part in recordings if isinstance(part, Audio)] == [16_000, 32_000]
    assert engine.threads == {THREAD_NAME}


def test_sound_is_encoded_between_the_words_of_a_reply(qtbot: QtBot, make_session: MakeSession) -> None:
    hold = threading.Event()
    engine = FakeEngine([[Text("a"), hold, Text("b"), threading.Event()]])
    session = make_session(engine)
    frames = collect(session)
    turn = ask(session)
    qtbot.waitUntil(lambda: bool(frames))
    stream = session.listen()
    stream.feed(SECOND)
    hold.set()
    qtbot.waitUntil(lambda: bool(engine.heard))
    assert ends(frames) == []
    session.withdraw(turn)
    finish(qtbot, session, frames)


def test_a_new_model_hears_again_what_was_said(qtbot: QtBot, make_session: MakeSession) -> None:
    engines = [FakeEngine(), FakeEngine([words("yes")])]
    waiting = list(engines)
    session = make_session(lambda path: waiting.pop(0))
    frames = collect(session)
    stream = session.listen()
    stream.feed(SECOND)
    qtbot.waitUntil(lambda: bool(engines[0].heard))
    session.load(Path("other"))
    stream.feed(SECOND)
    turn = session.submit(stream.turns(about, whole=True), ReplyOptions())
    qtbot.waitUntil(lambda: ends(frames) == [turn])
    assert len(engines[1].heard[0].samples) == 32_000


def test_an_engine_without_ears_says_so(qtbot: QtBot, make_session: MakeSession) -> None:
    class Deaf(FakeEngine):
        listen = None  # type: ignore[assignment]

    session = make_session(Deaf())
    frames = collect(session)
    stream = session.listen()
    stream.feed(SECOND)
    turn = session.submit(stream.turns(about, whole=True), ReplyOptions())
    qtbot.waitUntil(lambda: ends(frames) == [turn])
    assert "does not understand sound" in frames[-1].error


def test_nothing_heard_is_an_empty_answer_and_a_closed_stream_takes_nothing(
    qtbot: QtBot, make_session: MakeSession
) -> None:
    engine = FakeEngine([words("never")])
    session = make_session(engine)
    frames = collect(session)
    stream = session.listen()
    turn = session.submit(stream.turns(about, whole=False), ReplyOptions())
    qtbot.waitUntil(lambda: ends(frames) == [turn])
    assert frames[-1].done is not None
    assert not frames[-1].text
    stream.close()
    stream.feed(SECOND)
    assert not engine.asked
