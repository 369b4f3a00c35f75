"""The microphone's page: recording by mouse and key, files, and what becomes of the text."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from fakes.microphone import RATE, FakeMicrophone, VoiceIsLoud, speech
from PySide6.QtCore import QMimeData, QPoint, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication, QInputEvent
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.devices.audio_microphone import MicrophoneInfo
from app.devices.errors import DeviceError, DeviceLost
from app.hearing.listener import ListenerState, ListeningOptions
from app.microphone.pane import MicrophonePane
from app.microphone.record_button import HOLD_SECONDS
from app.microphone.transcript_model import Heading, Partial
from inference.transcription import Speech, Utterance

MakeApp = Callable[..., Larimar]
HEARS = frozenset({"audio"})


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self, event: QInputEvent) -> float:
        return self.now


@pytest.fixture
def pane(qtbot: QtBot, make_app: MakeApp) -> Callable[..., MicrophonePane]:
    def make(engine: FakeEngine, microphone: FakeMicrophone | None = None) -> MicrophonePane:
        engine.modalities = HEARS
        larimar = make_app(engine)
        pane = larimar.window.microphone
        pane.header.list_microphones = lambda: [MicrophoneInfo("default", True), MicrophoneInfo("USB Audio", False)]
        pane.listener._source = lambda _device: microphone or FakeMicrophone([])
        pane.listener._judge = VoiceIsLoud
        pane.transcriber._judge = VoiceIsLoud
        pane.record._clock = Clock()
        larimar.window.rail.choose(2)
        qtbot.waitUntil(lambda: pane.header.devices.count() == 2)
        return pane

    return make


def file(path: Path, *pieces: np.ndarray) -> Path:
    silence = np.zeros(RATE, np.float32)
    samples = np.concatenate([part for piece in pieces for part in (silence, piece)] + [silence])
    content = Speech(0, 0, samples).recording.source
    assert isinstance(content, bytes)
    path.write_bytes(content)
    return path


def said(pane: MicrophonePane) -> list[str]:
    return [row.text for row in pane.model.rows if isinstance(row, Utterance)]


def idle(qtbot: QtBot, pane: MicrophonePane) -> None:
    qtbot.waitUntil(lambda: pane.listener.state is ListenerState.IDLE and not pane.transcriber.jobs)


def test_a_click_begins_and_another_ends(qtbot: QtBot, pane: Callable[..., MicrophonePane]) -> None:
    engine = FakeEngine([words("good morning"), words("how are you")])
    here = pane(engine, FakeMicrophone([speech(1), speech(1)]))
    assert here.record.hasFocus()
    qtbot.mouseClick(here.record, Qt.MouseButton.LeftButton)
    assert here.listener.state is ListenerState.RECORDING
    assert here.record.accessibleName() == "Stop recording"
    qtbot.waitUntil(lambda: len(said(here)) == 2)
    assert here.state.text() == "Listening: Fake microphone"
    assert here.waveform._bars
    qtbot.mouseClick(here.record, Qt.MouseButton.LeftButton)
    idle(qtbot, here)
    assert said(here) == ["good morning", "how are you"]
    assert isinstance(here.model.rows[0], Heading)
    assert here.record.accessibleName() == "Record"


def test_holding_the_space_bar_is_push_to_talk(qtbot: QtBot, pane: Callable[..., MicrophonePane]) -> None:
    here = pane(FakeEngine([words("while it is held")]), FakeMicrophone([speech(1)]))
    clock = here.record._clock
    assert isinstance(clock, Clock)
    qtbot.keyPress(here.record, Qt.Key.Key_Space)
    assert here.listener.state is ListenerState.RECORDING
    qtbot.waitUntil(lambda: bool(said(here)))
    clock.now += 2 * HOLD_SECONDS
    qtbot.keyRelease(here.record, Qt.Key.Key_Space)
    assert here.listener.state is not ListenerState.RECORDING
    idle(qtbot, here)
    assert said(here) == ["while it is held"]


def test_what_is_being_said_is_shown_and_replaced(qtbot: QtBot, pane: Callable[..., MicrophonePane]) -> None:
    microphone = FakeMicrophone([speech(2)], hold_at=2.5)
    here = pane(FakeEngine([words("half of"), words("half of it all")]), microphone)
    here.start()
    qtbot.waitUntil(lambda: here.model.rows[-1] == Partial("half of"))
    microphone.go_on()
    qtbot.waitUntil(lambda: bool(said(here)))
    assert said(here) == ["half of it all"]
    assert not any(isinstance(row, Partial) for row in here.model.rows)
    qtbot.keyClick(here, Qt.Key.Key_Escape)
    idle(qtbot, here)


def test_a_lost_microphone_is_said_in_place_and_the_text_stays(
    qtbot: QtBot, pane: Callable[..., MicrophonePane]
) -> None:
    lost = DeviceLost("The microphone is gone.")
    here = pane(FakeEngine([words("said before")]), FakeMicrophone([speech(1)], error_at=(2.8, lost)))
    here.start()
    idle(qtbot, here)
    assert here.said.text() == "The microphone is gone."
    assert here.said.property("alarming") == "yes"
    assert said(here) == ["said before"]
    refusing = FakeMicrophone([], refuses=DeviceError("There is no microphone."))
    here.listener._source = lambda _device: refusing
    here.start()
    idle(qtbot, here)
    assert here.said.text() == "There is no microphone."


def test_files_are_written_down_one_after_the_other(
    qtbot: QtBot, pane: Callable[..., MicrophonePane], tmp_path: Path
) -> None:
    engine = FakeEngine([words("one"), words("two"), words("three")])
    here = pane(engine)
    files = [file(tmp_path / "a.wav", speech(1), speech(1)), tmp_path / "bad.wav", file(tmp_path / "c.wav", speech(1))]
    files[1].write_text("no sound")
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(each)) for each in files])
    dropped = QDropEvent(
        QPoint(50, 50), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    here.dropEvent(dropped)
    assert here.file_row.isVisible()
    idle(qtbot, here)
    assert here.model.text() == "# a.wav\none\ntwo\n\n# c.wav\nthree\n"
    assert "“bad.wav”" in here.said.text()
    assert not here.file_row.isVisible()
    starts = [row.start for row in here.model.rows if isinstance(row, Utterance)]
    assert starts == pytest.approx([1.0, 3.0, 1.0], abs=0.05)
    srt = tmp_path / "out.srt"
    here.keeping.choose_target = lambda _name: srt
    here.keeping.save.click()
    qtbot.waitUntil(lambda: here.said.text().startswith("Saved"))
    assert (tmp_path / "out 1.srt").read_text().count("-->") == 2
    assert (tmp_path / "out 2.srt").read_text().count("-->") == 1


def test_a_file_can_be_cancelled_and_the_next_one_comes(
    qtbot: QtBot, pane: Callable[..., MicrophonePane], tmp_path: Path
) -> None:
    engine = FakeEngine([words("one"), [threading.Event()], words("other file")])
    here = pane(engine)
    many = file(tmp_path / "many.wav", *([speech(1)] * 9))
    here.add_files([many, file(tmp_path / "other.wav", speech(1))])
    qtbot.waitUntil(lambda: len(engine.asked) == 2)
    assert here.file_row.progress.maximum() > 0
    here.file_row.cancel.click()
    idle(qtbot, here)
    assert said(here) == ["one", "other file"]
    assert engine.tokens[1].cancelled


def test_the_chat_goes_before_files(qtbot: QtBot, pane: Callable[..., MicrophonePane], tmp_path: Path) -> None:
    hold = threading.Event()
    engine = FakeEngine([[hold], words("chat"), words("two")])
    here = pane(engine)
    here.add_files([file(tmp_path / "a.wav", speech(1), speech(1))])
    qtbot.waitUntil(lambda: len(engine.asked) == 1)
    window = here.window()
    window.chat.ask("A question")  # type: ignore[attr-defined]
    hold.set()
    idle(qtbot, here)
    qtbot.waitUntil(lambda: len(engine.asked) == 3)
    assert engine.asked[1][0][-1].text == "A question"


def test_the_text_is_copied_and_sent_to_the_chat(qtbot: QtBot, pane: Callable[..., MicrophonePane]) -> None:
    here = pane(FakeEngine())
    here._begin_section("Microphone")
    for number, text in enumerate(("first", "second", "third")):
        here._utterance(Utterance(number, number + 1, text))
    here.keeping.copy.click()
    assert QGuiApplication.clipboard().text() == "first\nsecond\nthird"
    here.view.setFocus()
    here.view.setCurrentIndex(here.model.index(2))
    qtbot.keyClick(here.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "second"
    here.keeping.to_chat.click()
    window = here.window()
    assert window.panes.currentWidget() is window.chat  # type: ignore[attr-defined]
    assert window.chat.composer.text == "first\nsecond\nthird"  # type: ignore[attr-defined]
    here.keeping.forget.click()
    assert here.model.rowCount() == 0


def test_choices_are_used_and_kept(qtbot: QtBot, make_app: MakeApp, pane: Callable[..., MicrophonePane]) -> None:
    engine = FakeEngine([words("Guten Tag\nEnglish: Good day")])
    here = pane(engine, FakeMicrophone([speech(1)]))
    here.header.language.setCurrentIndex(here.header.language.findData("German"))
    here.header.language.activated.emit(here.header.language.currentIndex())
    here.header.target.setCurrentIndex(here.header.target.findData("English"))
    here.header.target.activated.emit(here.header.target.currentIndex())
    here.header.devices.setCurrentIndex(1)
    here.header.devices.activated.emit(1)
    here.header.phrases_button.click()
    here.header.phrases.setPlainText("Larimar\nONNX Runtime")
    assert here.header.phrases_button.text() == "Spelling (2)"
    expected = ListeningOptions("German", "English", ("Larimar", "ONNX Runtime"), "USB Audio")
    assert here.options == expected
    here.start()
    qtbot.waitUntil(lambda: bool(said(here)))
    here.listener.stop()
    idle(qtbot, here)
    row = here.model.rows[-1]
    assert isinstance(row, Utterance)
    assert (row.text, row.translation) == ("Guten Tag", "Good day")
    here.window().close()
    again = make_app(FakeEngine())
    settings = again.settings
    assert (settings.spoken_language, settings.translate_to, settings.microphone) == ("German", "English", "USB Audio")
    assert again.window.microphone.options == expected


def test_a_model_without_ears_is_said_before_anything_is_pressed(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    pane = larimar.window.microphone
    pane.header.list_microphones = list
    larimar.window.rail.choose(2)
    assert "Fake 1B does not understand sound" in pane.state.text()
    assert not pane.record.isEnabled()
    assert not pane.open_button.isEnabled()


def test_closing_the_window_while_recording_lets_the_device_go(
    qtbot: QtBot, pane: Callable[..., MicrophonePane]
) -> None:
    microphone = FakeMicrophone([speech(5)], hold_at=2.0)
    here = pane(FakeEngine([words("x")]), microphone)
    here.start()
    qtbot.waitUntil(lambda: microphone.holding)
    here.window().close()
    assert microphone.closed
