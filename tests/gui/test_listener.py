"""Listening: what is said becomes texts, in order, and nothing of it is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from fakes.microphone import FakeMicrophone, VoiceIsLoud, speech
from pytestqt.qtbot import QtBot

from app.devices.errors import DeviceError, DeviceLost
from app.hearing.listener import Listener, ListenerState, ListeningOptions, Utterance
from app.live_senses import LiveSenses, Sense
from app.session import Session
from inference.errors import OutOfMemoryError
from inference.media.audio import load_audio
from inference.messages import Audio, Text

MakeSession = Callable[..., Session]
HEARS = frozenset({"audio"})


@dataclass
class Place:
    """A listener with everything around it, and what it told."""

    listener: Listener
    session: Session
    senses: LiveSenses
    microphone: FakeMicrophone
    told: list[object] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    partials: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)


@pytest.fixture
def place(make_session: MakeSession) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def make(engine: FakeEngine, microphone: FakeMicrophone) -> Place:
        engine.modalities = HEARS
        session = make_session(engine)
        senses = LiveSenses()
        listener = Listener(session, senses, source=lambda _device: microphone, judge=VoiceIsLoud)
        here = Place(listener, session, senses, microphone)
        listener.utterance.connect(lambda utterance: here.texts.append(utterance.text))
        listener.partial.connect(here.partials.append)
        listener.failed.connect(here.sentences.append)
        listener.finished.connect(here.finished.append)
        made.append(here)
        return here

    yield make
    for here in made:
        here.listener.close()
        assert here.senses.live == frozenset()


def samples_of(engine: FakeEngine, number: int) -> np.ndarray:
    part = engine.asked[number][0][0].parts[1]
    assert isinstance(part, Audio)
    return load_audio(part.source)


def test_utterances_become_texts_in_order(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("first things"), words("second"), words("third")])
    here = place(engine, FakeMicrophone([speech(1.0), speech(0.4), speech(2.0)], gap=1.0))
    assert here.listener.start(ListeningOptions(language="English", partial=False))
    assert here.senses.live == {Sense.MICROPHONE}
    assert not here.listener.start()
    qtbot.waitUntil(lambda: len(here.texts) == 3)
    here.listener.stop()
    qtbot.waitUntil(lambda: bool(here.finished))
    assert here.texts == ["first things", "second", "third"]
    assert here.finished == ["first things second third"]
    assert here.listener.state is ListenerState.IDLE
    assert here.senses.live == frozenset()
    assert here.microphone.closed
    starts = [(utterance.start, utterance.end) for utterance in here.listener.utterances]
    assert starts == pytest.approx(np.array([(1.0, 2.0), (3.0, 3.4), (4.4, 6.4)]), abs=0.07)
    assert "in English into English text" in engine.asked[0][0][0].text
    lengths = [len(samples_of(engine, number)) / 16_000 for number in range(3)]
    assert lengths == pytest.approx([1.8, 1.2, 2.8], abs=0.1), "300 ms before and 500 ms after"


def test_silence_never_reaches_the_model(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("never")])
    here = place(engine, FakeMicrophone([], gap=5.0))
    here.listener.start()
    qtbot.waitUntil(lambda: here.microphone.played)
    here.listener.stop()
    qtbot.waitUntil(lambda: bool(here.finished))
    assert here.finished == [""]
    assert not engine.heard
    assert not engine.asked


def test_what_is_being_said_is_told_before_it_ends(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("half a sen"), words("half a sentence")])
    microphone = FakeMicrophone([speech(2.0)], gap=0.7, hold_at=1.5)
    here = place(engine, microphone)
    here.listener.start()
    qtbot.waitUntil(lambda: here.partials[-1:] == ["half a sen"])
    assert not here.texts
    microphone.go_on()
    qtbot.waitUntil(lambda: bool(here.texts))
    assert here.texts == ["half a sentence"]
    assert len(samples_of(engine, 0)) < len(samples_of(engine, len(engine.asked) - 1))
    here.listener.stop()
    qtbot.waitUntil(lambda: bool(here.finished))


def test_what_is_said_during_a_reply_waits_and_is_not_lost(qtbot: QtBot, place: Callable[..., Place]) -> None:
    hold = threading.Event()
    engine = FakeEngine([[Text("chat"), hold, Text(" reply")], words("one"), words("two")])
    here = place(engine, FakeMicrophone([speech(1.0), speech(1.0)], gap=1.0))
    chat = here.session.submit((), None)  # type: ignore[arg-type]
    ends: list[int] = []
    here.session.frame.connect(lambda frame: ends.append(frame.turn) if frame.last else None)
    qtbot.waitUntil(lambda: bool(engine.asked))
    here.listener.start()
    qtbot.waitUntil(lambda: here.microphone.played)
    here.listener.stop()
    qtbot.waitUntil(lambda: here.microphone.closed)
    assert here.listener.state is ListenerState.PROCESSING
    assert not here.texts
    hold.set()
    qtbot.waitUntil(lambda: bool(here.finished))
    assert ends[0] == chat
    assert here.finished == ["one two"]


def test_the_release_of_the_key_keeps_the_last_word(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("all of it")])
    microphone = FakeMicrophone([speech(1.0)], gap=0.7, hold_at=1.2)
    here = place(engine, microphone)
    here.listener.start(ListeningOptions(partial=False))
    qtbot.waitUntil(lambda: microphone.holding)
    here.listener.stop()
    microphone.go_on()
    qtbot.waitUntil(lambda: bool(here.finished))
    assert here.finished == ["all of it"]
    assert len(samples_of(engine, 0)) / 16_000 >= 1.3, "what was said within the half second after the release"


def test_a_microphone_that_is_pulled_out_keeps_what_was_said(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("one"), words("half of two")])
    lost = DeviceLost("The microphone is gone.")
    here = place(engine, FakeMicrophone([speech(1.0), speech(3.0)], gap=1.0, error_at=(4.5, lost)))
    here.listener.start(ListeningOptions(partial=False))
    qtbot.waitUntil(lambda: bool(here.finished))
    assert here.sentences == ["The microphone is gone."]
    assert here.finished == ["one half of two"]
    assert len(samples_of(engine, 1)) / 16_000 == pytest.approx(1.8, abs=0.1)
    assert here.senses.live == frozenset()
    assert here.listener.start(), "and it can begin again"


def test_a_microphone_that_cannot_be_opened_says_why(qtbot: QtBot, place: Callable[..., Place]) -> None:
    here = place(FakeEngine(), FakeMicrophone([], refuses=DeviceError("The microphone is in use.")))
    here.listener.start()
    qtbot.waitUntil(lambda: bool(here.finished))
    assert here.sentences == ["The microphone is in use."]
    assert here.finished == [""]
    assert here.senses.live == frozenset()


def test_a_model_without_ears_is_named_and_the_microphone_stays_closed(
    qtbot: QtBot, place: Callable[..., Place]
) -> None:
    engine = FakeEngine()
    here = place(engine, FakeMicrophone([]))
    engine.modalities = frozenset()
    here.session.retry()
    qtbot.waitUntil(lambda: here.session.idle)
    here.listener.start()
    assert here.senses.live == frozenset()
    qtbot.waitUntil(lambda: bool(here.finished))
    assert "Fake 1B does not understand sound" in here.sentences[0]
    assert not here.microphone.opened


def test_cancel_forgets_at_once(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([[Text("x"), threading.Event()]])
    here = place(engine, FakeMicrophone([speech(1.0), speech(9.0)], gap=0.8))
    here.listener.start(ListeningOptions(partial=False))
    qtbot.waitUntil(lambda: bool(engine.asked))
    here.listener.cancel()
    assert here.listener.state is ListenerState.IDLE
    qtbot.waitUntil(lambda: here.microphone.closed and here.session.idle and not here.senses.live)
    assert not here.finished
    assert not here.texts
    assert engine.tokens[0].cancelled


def test_one_click_on_the_indicator_closes_the_microphone(qtbot: QtBot, place: Callable[..., Place]) -> None:
    here = place(FakeEngine([words("said before")]), FakeMicrophone([speech(1.0)], gap=0.7))
    here.listener.start(ListeningOptions(partial=False))
    qtbot.waitUntil(lambda: bool(here.texts))
    here.senses.stop_all()
    qtbot.waitUntil(lambda: bool(here.finished))
    assert here.finished == ["said before"]


def test_an_error_of_the_model_is_said_once_and_ends_listening(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("one"), [OutOfMemoryError("There is not enough memory.")]])
    here = place(engine, FakeMicrophone([speech(1.0)] * 4, gap=1.0))
    here.listener.start(ListeningOptions(partial=False))
    qtbot.waitUntil(lambda: bool(here.finished))
    assert here.sentences == ["There is not enough memory."]
    assert here.texts[0] == "one"


def test_translations_are_read_apart(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("Guten Tag.\nEnglish: Good day.")])
    here = place(engine, FakeMicrophone([speech(1.0)], gap=0.7))
    told: list[Utterance] = []
    here.listener.utterance.connect(told.append)
    here.listener.start(ListeningOptions("German", "English", ("Larimar",), partial=False))
    qtbot.waitUntil(lambda: bool(told))
    here.listener.stop()
    qtbot.waitUntil(lambda: bool(here.finished))
    assert (told[0].text, told[0].translation) == ("Guten Tag.", "Good day.")
    assert here.finished == ["Good day."]
    prompt = engine.asked[0][0][0].text
    assert "in German, then translate it into English" in prompt
    assert "Larimar" in prompt


def test_speech_without_a_pause_is_cut_below_thirty_seconds_and_nothing_is_lost(
    qtbot: QtBot, place: Callable[..., Place]
) -> None:
    engine = FakeEngine([words(str(number)) for number in range(9)])
    here = place(engine, FakeMicrophone([speech(70.0)], gap=0.7))
    here.listener.start(ListeningOptions(partial=False))
    qtbot.waitUntil(lambda: len(here.texts) == 3, timeout=10_000)
    here.listener.stop()
    qtbot.waitUntil(lambda: bool(here.finished))
    lengths = [len(samples_of(engine, number)) / 16_000 for number in range(len(engine.asked))]
    assert max(lengths) < 30
    assert sum(lengths) == pytest.approx(70.8, abs=0.1)


def test_a_slow_model_reads_more_than_it_writes_while_somebody_speaks(
    qtbot: QtBot, place: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.hearing.listener._SLOW_PARTIAL", 0.0)
    monkeypatch.setattr("app.hearing.listener._SLOWER", 1e6)
    engine = FakeEngine([words("half a sen"), [Text("never")], words("half a sentence")])
    microphone = FakeMicrophone([speech(2.0)], gap=0.7, hold_at=1.7)
    here = place(engine, microphone)
    here.listener.start()
    qtbot.waitUntil(lambda: bool(engine.prepared))
    assert "Transcribe the following speech" in engine.prepared[0][0][0].text, "before a word is said"
    qtbot.waitUntil(lambda: len(engine.asked) == 2)
    qtbot.waitUntil(lambda: here.session.idle)
    assert [options.max_tokens for _, options in engine.asked][1] == 1
    microphone.go_on()
    qtbot.waitUntil(lambda: bool(here.texts))
    assert here.texts == ["half a sentence"]
    assert "never" not in here.partials
    here.listener.stop()
    qtbot.waitUntil(lambda: bool(here.finished))
