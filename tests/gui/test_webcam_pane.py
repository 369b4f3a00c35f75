"""The webcam pane: the camera comes and goes with it, questions, watching, and what is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QAbstractButton, QComboBox, QWidget
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.devices.frame_camera import busy
from app.devices.frame_devices import SOURCE_VARIABLE
from app.devices.frame_source import Frame
from app.live_senses import Sense
from app.webcam.camera import CameraState
from app.webcam.pane import WebcamPane
from gui.scenes import film, scene
from inference.media.image_decoding import load_image
from inference.media.video import sampled_frames
from inference.messages import Image, Text, Video

SEES = frozenset({"image", "video"})


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "Desk camera.mp4", [(scene("circle", "red"), 1.0)])


@pytest.fixture
def camera(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SOURCE_VARIABLE, f"loop:{clip}")


@pytest.fixture
def make_pane(make_app: Callable[..., Larimar], qtbot: QtBot) -> Callable[..., tuple[Larimar, WebcamPane]]:
    """Return a function that shows the pane, with the camera on unless told otherwise."""

    def make(engine: FakeEngine | None = None, *, start: bool = True) -> tuple[Larimar, WebcamPane]:
        larimar = make_app(engine or FakeEngine([words("A red circle.")], modalities=SEES))
        pane = larimar.window.webcam
        larimar.window.rail.choose(1)
        qtbot.waitUntil(lambda: pane.camera.known)
        if start:
            pane.start()
            qtbot.waitUntil(lambda: pane.preview.painted > 0)
        return larimar, pane

    return make


MakePane = Callable[..., tuple[Larimar, WebcamPane]]


@pytest.mark.usefixtures("camera")
def test_nothing_is_switched_on_by_itself(make_pane: MakePane, qtbot: QtBot) -> None:
    larimar, pane = make_pane(start=False)
    assert pane.camera.state is CameraState.OFF
    assert not larimar.senses.live
    assert pane.devices.currentText() == "Desk camera.mp4"
    assert pane.start_button.isEnabled()
    assert not pane.see.isEnabled()
    qtbot.mouseClick(pane.start_button, Qt.MouseButton.LeftButton)
    assert larimar.senses.live == {Sense.CAMERA}, "shown before the camera is on"
    qtbot.waitUntil(lambda: pane.camera.state is CameraState.LIVE)
    assert pane.see.isEnabled()


@pytest.mark.usefixtures("camera")
def test_the_camera_is_given_back_when_the_pane_is_left(make_pane: MakePane, qtbot: QtBot) -> None:
    larimar, pane = make_pane()
    larimar.window.rail.choose(0)
    qtbot.waitUntil(lambda: not larimar.senses.live)
    assert not pane.camera.feed.live
    larimar.window.rail.choose(1)
    qtbot.waitUntil(lambda: pane.camera.state is CameraState.LIVE)


@pytest.mark.usefixtures("camera")
def test_the_indicator_switches_off_for_good(make_pane: MakePane, qtbot: QtBot) -> None:
    larimar, pane = make_pane()
    qtbot.mouseClick(larimar.window.live, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not larimar.senses.live)
    assert pane.camera.state is CameraState.OFF
    assert pane.invitation.isVisible()
    larimar.window.rail.choose(0)
    larimar.window.rail.choose(1)
    assert pane.camera.state is CameraState.OFF, "only the user switches it on again"


@pytest.mark.usefixtures("camera")
def test_a_question_takes_the_picture_of_this_moment(make_pane: MakePane, qtbot: QtBot) -> None:
    engine = FakeEngine([words("I see a **red** circle."), words("It is red.")], modalities=SEES)
    _, pane = make_pane(engine)
    qtbot.mouseClick(pane.see, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: bool(pane.talk.exchanges) and not pane.talk.busy)
    ((turn,), _) = engine.asked[0]
    picture, question = turn.parts
    assert question == Text("What do you see?")
    assert isinstance(picture, Image)
    assert isinstance(picture.source, bytes)
    pixels = load_image(picture.source)
    assert pixels.shape == (480, 640, 3)
    assert pixels[240, 320].tolist() == pytest.approx([255, 0, 0], abs=12)
    assert "What do you see?\nI see a red circle." in pane.answers.toPlainText()

    pane.question.edit.setPlainText("Which colour is it?")
    qtbot.keyClick(pane.question.edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(pane.talk.exchanges) == 2 and not pane.talk.busy)
    ((turn,), _) = engine.asked[1]
    assert turn.text == "Which colour is it?", "each question has a picture of its own"
    assert pane.answers.toPlainText().endswith("It is red.")


@pytest.mark.usefixtures("camera")
def test_a_question_about_the_last_seconds_takes_a_video(make_pane: MakePane, qtbot: QtBot) -> None:
    engine = FakeEngine([words("Nothing happened.")], modalities=SEES)
    _, pane = make_pane(engine)
    pane.scope.setCurrentIndex(1)
    qtbot.waitUntil(lambda: len(pane.camera.last_seconds) == 3)
    pane.ask("What happened?")
    qtbot.waitUntil(lambda: bool(pane.talk.exchanges) and not pane.talk.busy)
    film_part = engine.asked[0][0][0].parts[0]
    assert isinstance(film_part, Video)
    frames = list(sampled_frames(film_part.source))
    assert [frame.time for frame in frames] == list(range(len(frames)))
    assert len(frames) >= 3


@pytest.mark.usefixtures("camera")
def test_watching_goes_on_in_another_pane_until_it_is_stopped(make_pane: MakePane, qtbot: QtBot) -> None:
    larimar, pane = make_pane()
    qtbot.mouseClick(pane.watch, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.preview.caption == "A red circle.")
    assert pane.preview.accessibleDescription() == "A red circle."
    larimar.window.rail.choose(0)
    painted = pane.preview.painted
    seen = pane.camera.newest
    qtbot.waitUntil(lambda: pane.camera.newest is not seen)
    assert larimar.senses.live == {Sense.CAMERA}
    assert pane.preview.painted == painted, "what nobody sees is not painted"
    pane.watch.setChecked(False)
    qtbot.waitUntil(lambda: not larimar.senses.live)
    assert pane.preview.caption == ""


@pytest.mark.usefixtures("camera")
def test_esc_stops_the_answer_and_then_the_watching(make_pane: MakePane, qtbot: QtBot) -> None:
    engine = FakeEngine([[*words("I see"), threading.Event()]], modalities=SEES)
    _, pane = make_pane(engine)
    pane.ask("What do you see?")
    qtbot.waitUntil(lambda: bool(pane.talk.exchanges) and bool(pane.talk.exchanges[0].answer))
    pane.question.setFocus()
    qtbot.keyClick(pane.question.edit, Qt.Key.Key_Escape)
    assert not pane.talk.busy
    assert pane.answers.toPlainText().endswith("I see\nStopped.")
    pane.watch.setChecked(True)
    qtbot.keyClick(pane, Qt.Key.Key_Escape)
    assert not pane.watcher.active
    assert not pane.watch.isChecked()


@pytest.mark.usefixtures("camera")
def test_what_is_sent_to_the_chat_is_kept(make_pane: MakePane, qtbot: QtBot) -> None:
    larimar, pane = make_pane()
    pane.ask("What do you see?")
    qtbot.waitUntil(lambda: bool(pane.talk.turns) and not pane.talk.busy)
    assert larimar.window.chat.model.rowCount() == 0, "nothing is kept by itself"
    qtbot.mouseClick(pane.to_chat, Qt.MouseButton.LeftButton)
    chat = larimar.window.chat
    assert larimar.window.panes.currentWidget() is chat
    question, answer = chat.model.messages
    assert question.text == "What do you see?"
    assert isinstance(question.media[0], Image)
    assert answer.text == "A red circle."
    kept = larimar.conversations.path(chat.controller.conversation.id).result(10)
    assert [message.text for message in kept] == ["What do you see?", "A red circle."]
    assert isinstance(kept[0].media[0], Image)
    qtbot.waitUntil(lambda: not larimar.senses.live)


@pytest.mark.usefixtures("camera")
def test_the_picture_can_be_saved(make_pane: MakePane, qtbot: QtBot, tmp_path: Path) -> None:
    _, pane = make_pane()
    pane.ask("What do you see?")
    qtbot.waitUntil(lambda: bool(pane.talk.turns) and not pane.talk.busy)
    names: list[str] = []
    pane.choose_file = lambda name: names.append(name) or tmp_path / "kept.jpg"  # type: ignore[func-returns-value]
    qtbot.mouseClick(pane.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.said.text() == "Saved as kept.jpg.")
    assert np.abs(load_image(tmp_path / "kept.jpg")[240, 320].astype(int) - (255, 0, 0)).max() < 12
    assert names[0].startswith("Webcam 2")
    pane.choose_file = lambda _: tmp_path / "no such folder" / "kept.jpg"
    qtbot.mouseClick(pane.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "could not be written" in pane.said.text())
    pane.forget.click()
    assert pane.answers.toPlainText() == ""
    assert not pane.answers.isVisible()


def test_a_camera_that_ends_says_so_in_place(
    make_pane: MakePane, qtbot: QtBot, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SOURCE_VARIABLE, f"file:{clip}")
    larimar, pane = make_pane()
    pane.watch.setChecked(True)
    qtbot.waitUntil(lambda: pane.camera.state is CameraState.FAILED)
    assert pane.trouble.isVisible()
    assert "has ended" in pane.trouble.text
    assert not pane.watcher.active
    qtbot.waitUntil(lambda: not larimar.senses.live)
    qtbot.mouseClick(pane.retry_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.camera.state is CameraState.LIVE)
    assert pane.preview.isVisible()


class BusyCamera:
    """Somebody else has it open."""

    name = "Desk camera"

    def open(self) -> None:
        raise busy(self.name)

    def read(self, timeout: float) -> Frame | None:
        return None

    def interrupt(self) -> None:
        pass

    close = interrupt


@pytest.mark.usefixtures("camera")
def test_a_busy_camera_says_so_and_is_tried_again(make_pane: MakePane, qtbot: QtBot) -> None:
    larimar, pane = make_pane(start=False)
    device = pane.camera.device
    assert device is not None
    pane.question.edit.setPlainText("Which colour is it?")
    pane.camera.device = replace(device, make=BusyCamera)
    qtbot.mouseClick(pane.start_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(pane.trouble.isVisible)
    assert "in use by another program" in pane.trouble.text
    qtbot.waitUntil(lambda: not larimar.senses.live)
    assert not pane.see.isEnabled()
    pane.camera.device = device
    qtbot.mouseClick(pane.retry_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: pane.camera.state is CameraState.LIVE)
    assert pane.question.edit.toPlainText() == "Which colour is it?"


def test_cameras_come_and_go(make_pane: MakePane, qtbot: QtBot, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.webcam.camera.wayland", lambda: True)  # no screen to choose either
    monkeypatch.setattr("app.webcam.camera.list_cameras", lambda: ())
    _, pane = make_pane(start=False)
    assert "No camera was found" in pane.invitation.text
    assert not pane.start_button.isEnabled()
    monkeypatch.undo()
    monkeypatch.setenv(SOURCE_VARIABLE, f"loop:{clip}")
    pane.camera.look_around()
    qtbot.waitUntil(pane.start_button.isEnabled)
    assert "No camera" not in pane.invitation.text


@pytest.mark.usefixtures("camera")
def test_a_model_that_cannot_see_is_not_asked(make_pane: MakePane) -> None:
    _, pane = make_pane(FakeEngine([words("No.")]))
    assert not pane.see.isEnabled()
    assert not pane.watch.isEnabled()
    assert "Fake 1B cannot see pictures" in pane.question.edit.placeholderText()


@pytest.mark.usefixtures("camera")
def test_a_screen_can_be_watched_too(make_pane: MakePane, qtbot: QtBot) -> None:
    larimar, pane = make_pane(start=False)
    row = next(n for n in range(pane.devices.count()) if pane.devices.itemText(n).startswith("Screen"))
    pane.devices.setCurrentIndex(row)
    pane.devices.activated.emit(row)
    pane.start()
    assert larimar.senses.live == {Sense.SCREEN}
    qtbot.waitUntil(lambda: pane.camera.state is CameraState.LIVE)
    pane.stop()
    qtbot.waitUntil(lambda: not larimar.senses.live)


@pytest.mark.usefixtures("camera")
def test_every_control_has_a_name_and_f6_reaches_the_pane(make_pane: MakePane) -> None:
    larimar, pane = make_pane()
    pane.ask("What do you see?")
    for widget in pane.findChildren(QWidget):
        if isinstance(widget, QAbstractButton | QComboBox) or widget is pane.question.edit:
            interface = QAccessible.queryAccessibleInterface(widget)
            assert interface.text(QAccessible.Text.Name), widget
    larimar.window.rail.setFocus()
    for _ in range(6):
        larimar.window._next_stop(1)
        if pane.question.edit.hasFocus():
            break
    assert pane.question.edit.hasFocus()
