"""The conversation without hands, from the sound to the voice: the microphone, the model and the speaker are played."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from fakes.microphone import FakeMicrophone, VoiceIsLoud, speech
from fakes.speaker import FakeSpeaker
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.live_senses import Sense
from app.voice import hands_free
from inference.cancellation import CancelToken
from inference.media.audio import load_audio
from inference.messages import Audio, ReplyEvent, ReplyOptions, Turn

ANSWERS = {"What is two plus two?": "It is four. Ask me more.", "And three plus three?": "It is six."}
FIRST, SECOND = ANSWERS


class HearingEngine(FakeEngine):
    """Writes down the first question where it hears a voice, the second where the voice is louder, and answers both."""

    def reply(
        self,
        turns: Sequence[Turn],
        options: ReplyOptions = ReplyOptions(),  # noqa: B008
        cancel: CancelToken | None = None,
    ) -> Generator[ReplyEvent]:
        sound = next((part for part in turns[-1].parts if isinstance(part, Audio)), None)
        if sound is None:
            text = ANSWERS[turns[-1].text]
        else:
            text = SECOND if np.abs(load_audio(sound.source)).max() > 0.3 else FIRST
        self.scripts = [words(text)]
        return super().reply(turns, options, cancel)


def test_a_spoken_question_is_answered_aloud_and_another_one_interrupts_the_answer(
    qtbot: QtBot, make_app: Callable[..., Larimar], monkeypatch: pytest.MonkeyPatch
) -> None:
    # silence after the first question, and a second of it while the answer is read: so loud is the echo
    microphone = FakeMicrophone([speech(1.0), 1.6 * speech(1.5)], gap=2.0, hold_at=4.0)
    monkeypatch.setattr("app.application.voice_source", lambda _device: microphone)
    monkeypatch.setattr("app.hearing.listener._silero", VoiceIsLoud)
    monkeypatch.setattr(hands_free, "PATIENCE_MS", 0)
    speaker = FakeSpeaker()
    larimar = make_app(HearingEngine(modalities=frozenset({"audio"})), speaker=speaker)
    larimar.voice._find_device = str  # no echo canceller
    window, bar = larimar.window, larimar.window.voice_bar
    qtbot.mouseClick(window.chat.header.hands_free_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: speaker.saying == "It is four.")
    qtbot.waitUntil(lambda: microphone.holding)
    assert bar.title.text() == "Larimar is speaking"
    assert larimar.senses.live == {Sense.MICROPHONE}

    microphone.go_on()
    qtbot.waitUntil(lambda: speaker.saying == "It is six.")
    assert speaker.said == ["It is four.", "It is six."], "what was interrupted is not read to its end"
    assert [message.text for message in window.chat.model.messages] == [FIRST, ANSWERS[FIRST], SECOND, ANSWERS[SECOND]]
    speaker.end()
    qtbot.waitUntil(lambda: bar.title.text() == "Listening")

    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert not bar.isVisible()
    qtbot.waitUntil(lambda: not larimar.senses.live)
    assert microphone.closed
