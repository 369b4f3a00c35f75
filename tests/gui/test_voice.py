"""Replies aloud, and the conversation without hands: who speaks, who is heard, and who is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from fakes.speaker import FakeSpeaker
from PySide6.QtCore import QObject, Qt, Signal
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.hearing.listener import ListenerState, ListeningOptions, Utterance
from app.voice import hands_free as hands_free_module
from app.voice.echo import EchoGate
from app.voice.echo_canceller import PREFIX, find_source
from app.voice.hands_free import HandsFree, Phase
from app.voice.spoken import SentenceStream, sentences
from app.voice.spoken_reply import SpokenReply

MakeApp = Callable[..., Larimar]
REPLY = """## A title

A first sentence. A second one, e.g. with Dr. Who and 3.5 apples! And a third

- one **point**
- another. With two sentences.

```python
print("a. b. c.")
```

| a | b |
|---|---|
| 1 | 2 |

The end"""
SAID = [
    "A title",
    "A first sentence.",
    "A second one, e.g. with Dr. Who and 3.5 apples!",
    "And a third",
    "one point",
    "another.",
    "With two sentences.",
    "(code)",
    "(table)",
    "The end",
]


@pytest.mark.parametrize("step", [1, 3, 7, 1000])
def test_each_sentence_is_said_once_however_the_reply_comes(qapp: object, step: int) -> None:
    stream = SentenceStream()
    said: list[str] = []
    for end in range(step, len(REPLY) + step, step):
        said += stream.update(REPLY[:end])
    said += stream.update(REPLY, complete=True)
    assert said == SAID


def test_a_sentence_is_said_as_soon_as_it_is_whole(qapp: object) -> None:
    stream = SentenceStream()
    assert stream.update("Hello") == []
    assert stream.update("Hello there.") == []  # perhaps 3.5, or a web address
    assert stream.update("Hello there. I") == ["Hello there."]
    assert stream.update("Hello there. I am here.", complete=True) == ["I am here."]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Das ist z. B. gut. Und nun?", ["Das ist z. B. gut.", "Und nun?"]),
        ("“Stop!” he said. Nobody did…", ["“Stop!”", "he said.", "Nobody did…"]),
        ("一つ。二つ！", ["一つ。", "二つ！"]),
        ("Chapter 3. It begins", ["Chapter 3. It begins"]),
        ("...", []),
        ("", []),
    ],
)
def test_sentences(text: str, found: list[str]) -> None:
    assert sentences(text)[0] == found


def test_a_long_reply_is_read_on_as_it_is_said(qapp: object) -> None:
    text = "".join(f"This is sentence number {number}.\n\n" for number in range(2000)) + "```\nx\n```\n\nThe end."
    stream = SentenceStream()
    found = stream.update(text, complete=True)
    assert 0 < len(found) < 1000
    assert stream.left
    while stream.left:
        found += stream.update(text, complete=True)
    assert found == [*SentenceStream().update(text), "The end."]
    assert len(found) == 2002


def test_a_sentence_without_end_is_cut(qapp: object) -> None:
    text = "word, " * 400
    found = SentenceStream().update(text)
    assert len(found) > 3
    assert all(len(each) <= 400 for each in found)


def test_a_reply_is_said_sentence_by_sentence_and_taken_up_again(qtbot: QtBot) -> None:
    speaker = FakeSpeaker()
    reply = SpokenReply(speaker)
    ended: list[bool] = []
    reply.ended.connect(lambda: ended.append(True))
    reply.update("1", "One. Two. Thr")
    assert speaker.said == ["One."]
    assert reply.speaking
    speaker.end()
    assert speaker.said == ["One.", "Two."]
    reply.stop()
    assert not reply.speaking
    reply.update("1", "One. Two. Three. Four.", complete=True)
    assert speaker.said == ["One.", "Two."]
    assert reply.resume()
    for _ in range(3):
        speaker.end()
    assert speaker.said == ["One.", "Two.", "Two.", "Three.", "Four."]
    assert ended == [True]
    assert not reply.resume()
    reply.update("2", "Another.", complete=True)
    assert speaker.saying == "Another."


def peaks(loudness: float, count: int = 10, seed: int = 0) -> np.ndarray[Any, np.dtype[np.float32]]:
    """As speech is: peaks up to ``loudness``, with quieter ones between."""
    draw = np.random.default_rng(seed)
    return (loudness * draw.uniform(0.2, 1.0, count)).astype(np.float32)


def test_our_own_voice_never_counts_as_somebody_else() -> None:
    gate = EchoGate()
    assert not any(gate.heard(peaks(0.1, seed=seed)) for seed in range(300))
    assert gate.reference == pytest.approx(0.1, rel=0.1)


def test_a_clearly_louder_voice_counts_within_a_fifth_of_a_second() -> None:
    gate = EchoGate()
    assert not any(gate.heard(peaks(0.1, seed=seed)) for seed in range(100))
    heard = [gate.heard(peaks(0.4, 5, seed)) for seed in range(8)]
    assert True in heard
    assert heard.index(True) <= 4


def test_with_headphones_any_voice_is_louder() -> None:
    gate = EchoGate()
    assert not any(gate.heard(peaks(0.001, seed=seed)) for seed in range(20))
    assert any(gate.heard(peaks(0.05, 5, seed)) for seed in range(6))


def test_what_an_echo_canceller_lets_through_is_not_as_loud_as_the_user_was() -> None:
    gate = EchoGate()
    gate.learn(peaks(0.4, 300))
    assert not any(gate.heard(peaks(0.005, seed=seed)) for seed in range(20))
    assert not any(gate.heard(peaks(0.15, seed=seed)) for seed in range(6)), "a burst of echo"
    assert any(gate.heard(peaks(0.5, 5, seed)) for seed in range(6))


def test_nothing_counts_before_the_echo_is_known() -> None:
    assert not any(EchoGate().heard(peaks(0.9, 5, seed)) for seed in range(8))


def test_the_echo_canceller_is_used_where_our_voice_goes_through_it() -> None:
    source = {"name": "ec_src", "driver": "module-echo-cancel.c", "owner_module": 9, "monitor_source": ""}
    monitor = {"name": "ec_sink.monitor", "driver": "module-echo-cancel.c", "owner_module": 9, "monitor_source": "x"}
    microphone = {"name": "alsa_input", "driver": "module-alsa-card.c", "owner_module": 3, "monitor_source": ""}
    sinks = [
        {"name": "ec_sink", "driver": "module-echo-cancel.c", "owner_module": 9},
        {"name": "alsa_output", "driver": "module-alsa-card.c", "owner_module": 3},
    ]
    sources = [microphone, monitor, source]
    assert find_source(sources, sinks, "ec_sink") == f"{PREFIX}ec_src"
    assert find_source(sources, sinks, "alsa_output") == ""
    assert find_source([microphone], sinks[1:], "alsa_output") == ""
    assert find_source([], [], "") == ""
    assert find_source({"no": 1}, None, "ec_sink") == ""


class FakeListener(QObject):
    """A listener that a test speaks to."""

    state_changed = Signal(object)
    opened = Signal(str)
    level = Signal(float)
    waveform = Signal(object)
    speech_started = Signal()
    speech_ended = Signal()
    partial = Signal(str)
    utterance = Signal(object)
    nothing_said = Signal()
    finished = Signal(str)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.accepts: Callable[[], bool] = lambda: True
        self.state = ListenerState.IDLE
        self.options: list[ListeningOptions | None] = []
        self.cancels = 0
        self.anew = 0

    def start(self, options: ListeningOptions | None = None) -> bool:
        self.options.append(options)
        self.state = ListenerState.RECORDING
        return True

    def cancel(self) -> None:
        self.cancels += 1
        self.state = ListenerState.IDLE

    def begin_anew(self) -> None:
        self.anew += 1

    def close(self) -> None:
        self.cancel()

    def say(self, text: str) -> bool:
        """Speak and fall silent; return whether it was wanted."""
        self.speech_started.emit()
        return self.fall_silent(text)

    def fall_silent(self, text: str) -> bool:
        wanted = self.accepts()
        self.speech_ended.emit()
        if wanted and text:
            self.utterance.emit(Utterance(0.0, 1.0, text))
        else:
            self.nothing_said.emit()
        return wanted


class Talk:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.busy = False
        self.stops = 0

    def ask(self, text: str) -> bool:
        self.asked.append(text)
        self.busy = True
        return True

    def stop(self) -> None:
        self.stops += 1
        self.busy = False


class Scene:
    """A conversation without hands, with everybody played by the test."""

    def __init__(self, cancels_echo: bool) -> None:
        self.speaker = FakeSpeaker()
        self.listener = FakeListener()
        self.talk = Talk()
        self.reply = SpokenReply(self.speaker)
        self.hands_free = HandsFree(self.listener, self.reply, self.talk)  # type: ignore[arg-type]
        self.phases: list[Phase] = []
        self.advice: list[str] = []
        self.hands_free.phase_changed.connect(self.phases.append)
        self.hands_free.advised.connect(self.advice.append)
        assert self.hands_free.start(ListeningOptions(), cancels_echo=cancels_echo)

    def interrupt(self) -> None:
        """Speak while it speaks, clearly louder than what comes back of its own voice."""
        for seed in range(20):
            self.listener.waveform.emit(peaks(0.02, seed=seed))
        for seed in range(3):
            self.listener.waveform.emit(peaks(0.5, seed=seed))
        self.listener.speech_started.emit()

    def answer(self, text: str, number: str = "1", *, complete: bool = True) -> None:
        self.talk.busy = not complete
        self.reply.update(number, text, complete=complete)


@pytest.fixture
def scene(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], Scene]:
    monkeypatch.setattr(hands_free_module, "PATIENCE_MS", 0)
    monkeypatch.setattr(hands_free_module, "_ECHO_TAIL_MS", 0)
    return Scene


def test_listen_answer_listen_again(qtbot: QtBot, scene: Callable[[bool], Scene]) -> None:
    played = scene(True)
    for number in ("1", "2"):
        played.listener.say("Who are you?")
        qtbot.waitUntil(lambda number=number: len(played.talk.asked) == int(number))
        played.answer("I am Larimar. And", number, complete=False)
        assert played.hands_free.phase is Phase.SPEAKING
        played.answer("I am Larimar. And you?", number)
        played.speaker.end()
        assert played.speaker.saying == "And you?"
        played.speaker.end()
        assert played.hands_free.phase is Phase.LISTENING
    cycle = [Phase.HEARING, Phase.THINKING, Phase.SPEAKING, Phase.LISTENING]
    assert played.phases == [Phase.LISTENING, *cycle, *cycle]
    assert played.talk.asked == ["Who are you?"] * 2


def test_what_is_said_with_pauses_is_one_question(
    qtbot: QtBot, scene: Callable[[bool], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    played = scene(True)
    played.hands_free._patience.setInterval(60_000)
    played.listener.say("What is")
    played.listener.say("two plus two?")
    assert played.talk.asked == []
    played.hands_free._patience.setInterval(0)
    played.listener.say("Please.")
    qtbot.waitUntil(lambda: played.talk.asked == ["What is two plus two? Please."])


def test_speaking_interrupts_at_once_and_becomes_the_next_question(
    qtbot: QtBot, scene: Callable[[bool], Scene]
) -> None:
    played = scene(True)
    played.listener.say("Tell me a story.")
    qtbot.waitUntil(lambda: bool(played.talk.asked))
    played.answer("Once upon a time. There was", complete=False)
    assert played.speaker.saying
    assert played.talk.busy
    played.interrupt()
    assert not played.speaker.saying, "the voice is silent before anything else happens"
    assert not played.talk.busy
    assert played.hands_free.phase is Phase.HEARING
    played.reply.update("1", "Once upon a time. There was", complete=True)
    played.listener.fall_silent("A shorter one.")
    qtbot.waitUntil(lambda: played.talk.asked == ["Tell me a story.", "A shorter one."])
    assert played.speaker.said == ["Once upon a time."]


def test_a_question_waits_for_the_end_of_the_reply_that_it_interrupted(
    qtbot: QtBot, scene: Callable[[bool], Scene]
) -> None:
    played = scene(True)
    played.talk.busy = True
    played.hands_free._question = "And now?"
    played.hands_free.ask_soon()
    assert played.talk.asked == []
    played.talk.busy = False
    played.hands_free.ask_soon()
    assert played.talk.asked == ["And now?"]


def test_a_cough_takes_the_voice_up_again(qtbot: QtBot, scene: Callable[[bool], Scene]) -> None:
    played = scene(True)
    played.listener.say("Tell me.")
    qtbot.waitUntil(lambda: bool(played.talk.asked))
    played.answer("First. Second.")
    played.interrupt()
    assert not played.speaker.saying
    played.listener.fall_silent("")
    assert played.speaker.saying == "First."
    assert played.hands_free.phase is Phase.SPEAKING
    played.speaker.end()
    played.speaker.end()
    assert played.hands_free.phase is Phase.LISTENING


def test_our_own_voice_is_not_taken_for_a_question_where_it_comes_back(
    qtbot: QtBot, scene: Callable[[bool], Scene]
) -> None:
    played = scene(False)
    played.listener.say("Tell me.")
    qtbot.waitUntil(lambda: bool(played.talk.asked))
    played.answer("Now hear my own voice.")
    for seed in range(40):
        played.listener.waveform.emit(peaks(0.1, seed=seed))
    assert not played.listener.say("Now hear my own voice.")
    assert played.speaker.saying, "it goes on"
    assert len(played.advice) == 1
    assert "headphones" in played.advice[0]
    assert played.talk.asked == ["Tell me."]


def test_a_louder_voice_interrupts_without_an_echo_canceller(qtbot: QtBot, scene: Callable[[bool], Scene]) -> None:
    played = scene(False)
    played.listener.say("Tell me.")
    qtbot.waitUntil(lambda: bool(played.talk.asked))
    played.answer("Now hear my own voice.")
    played.listener.speech_started.emit()
    for seed in range(40):
        played.listener.waveform.emit(peaks(0.1, seed=seed))
    assert played.speaker.saying
    for seed in range(4):
        played.listener.waveform.emit(peaks(0.5, seed=seed))
    assert not played.speaker.saying
    assert played.listener.anew == 1, "our words before it are not part of the question"
    assert played.listener.fall_silent("Stop that.")
    qtbot.waitUntil(lambda: played.talk.asked == ["Tell me.", "Stop that."])


def test_it_ends_with_everything_silent(qtbot: QtBot, scene: Callable[[bool], Scene]) -> None:
    played = scene(True)
    played.listener.say("Tell me.")
    qtbot.waitUntil(lambda: bool(played.talk.asked))
    played.answer("One. Two.", complete=False)
    played.hands_free.end()
    assert played.listener.cancels == 1
    assert not played.speaker.saying
    assert not played.talk.busy
    assert played.phases[-1] is Phase.OFF
    played.listener.utterance.emit(Utterance(0, 1, "too late"))
    assert played.talk.asked == ["Tell me."]


def test_a_lost_microphone_ends_it_with_a_sentence(qtbot: QtBot, scene: Callable[[bool], Scene]) -> None:
    played = scene(True)
    said: list[str] = []
    played.hands_free.failed.connect(said.append)
    played.listener.failed.emit("The microphone was unplugged.")
    assert said == ["The microphone was unplugged."]
    assert not played.hands_free.active


def test_the_header_reads_replies_aloud(qtbot: QtBot, make_app: MakeApp) -> None:
    speaker = FakeSpeaker()
    larimar = make_app(FakeEngine([words("One. Two. Three.")]), speaker=speaker)
    chat = larimar.window.chat
    chat.ask("silently")
    qtbot.waitUntil(lambda: chat.model.rowCount() == 2 and not chat.controller.busy)
    assert speaker.said == []
    qtbot.mouseClick(chat.header.aloud_button, Qt.MouseButton.LeftButton)
    assert larimar.settings.spoken_replies
    chat.ask("aloud")
    qtbot.waitUntil(lambda: not chat.controller.busy)
    while speaker.saying:
        speaker.end()
    assert speaker.said == ["One.", "Two.", "Three."]
    chat.ask("again")
    qtbot.waitUntil(lambda: bool(speaker.saying))
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Escape)
    assert speaker.saying == ""


def test_the_window_talks_without_hands_until_escape(
    qtbot: QtBot, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hands_free_module, "PATIENCE_MS", 0)
    speaker, listener = FakeSpeaker(), FakeListener()
    larimar = make_app(FakeEngine([words("I hear you.")]), speaker=speaker, voice_listener=listener)
    chat, bar = larimar.window.chat, larimar.window.voice_bar
    larimar.voice._find_device = lambda: f"{PREFIX}ec_src"
    qtbot.mouseClick(chat.header.hands_free_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(bar.isVisible)
    assert bar.title.text() == "Listening"
    assert listener.options[-1] is not None
    assert listener.options[-1].device == f"{PREFIX}ec_src"
    listener.say("Hello?")
    qtbot.waitUntil(lambda: speaker.saying == "I hear you.")
    assert bar.title.text() == "Larimar is speaking"
    assert [message.text for message in chat.model.messages] == ["Hello?", "I hear you."]
    qtbot.waitUntil(lambda: not chat.controller.busy)
    qtbot.keyClick(larimar.window, Qt.Key.Key_Escape)
    assert not bar.isVisible()
    assert speaker.saying == ""
    assert listener.state is ListenerState.IDLE
    chat.header.hands_free_button.click()
    qtbot.waitUntil(bar.isVisible)
    listener.failed.emit("The microphone was unplugged.")
    assert bar.hint.text() == "The microphone was unplugged."
    qtbot.mouseClick(bar.end, Qt.MouseButton.LeftButton)
    assert not bar.isVisible()


def test_without_a_voice_it_says_what_to_install(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    assert not larimar.window.chat.header.aloud_button.isVisible()
    larimar.voice.toggle()
    assert "no voice" in larimar.window.voice_bar.hint.text()
    assert not larimar.voice.hands_free.active


def test_dictation_takes_the_microphone(qtbot: QtBot, make_app: MakeApp) -> None:
    listener = FakeListener()
    larimar = make_app(FakeEngine(), speaker=FakeSpeaker(), voice_listener=listener)
    larimar.voice._find_device = str
    larimar.voice.toggle()
    qtbot.waitUntil(lambda: larimar.voice.hands_free.active)
    larimar.listener.state_changed.emit(ListenerState.RECORDING)
    assert not larimar.voice.hands_free.active
