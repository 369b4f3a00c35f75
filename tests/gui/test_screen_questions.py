"""Questions about the screen: picking, the small window, follow-ups, and what is left behind: nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.background import Background
from app.live_senses import LiveSenses, Sense
from app.pictures import qimage_of, rgb_of
from app.qt_application import APP_ID
from app.screen.ask_window import AskWindow, place_beside
from app.screen.capture import Shot, shots
from app.screen.questions import ScreenQuestions
from app.screen.region_picker import Cover, between
from app.session import Session
from app.theme import Theme
from inference.media.image_decoding import load_image
from inference.media.image_encoding import png_of
from inference.messages import Image, Turn

SEES = frozenset({"image"})
LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton


@pytest.fixture
def pixels() -> np.ndarray:
    """A screen on which every pixel is another one."""
    size = QGuiApplication.primaryScreen().size()
    return np.random.default_rng(1).integers(0, 256, (size.height(), size.width(), 3), dtype=np.uint8)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray) -> None:
    """Let the screen show ``pixels``; the windows of no other program are on it."""
    image = qimage_of(pixels).convertToFormat(QImage.Format.Format_RGB32)
    monkeypatch.setattr("app.screen.questions.shots", lambda: [Shot(QGuiApplication.primaryScreen(), image, 1.0)])
    monkeypatch.setattr("app.screen.questions.window_rectangles", lambda: [(50, 60, 200, 100), (0, 0, 400, 300)])


@dataclass
class Stage:
    """What belongs to questions about the screen, without the rest of the program."""

    screen: ScreenQuestions
    senses: LiveSenses
    engine: FakeEngine
    continued: list[tuple[Turn, ...]] = field(default_factory=list)


@pytest.fixture
def stage(make_session: Callable[..., Session], qapp: QApplication, screen: None, tmp_path: Path) -> Iterator[Stage]:
    engine = FakeEngine([words("A lot of **noise**."), words("Really.")], modalities=SEES)
    senses, background = LiveSenses(), Background()
    questions = ScreenQuestions(make_session(engine), Theme(qapp), background, senses, APP_ID)
    stage = Stage(questions, senses, engine)
    questions.continue_requested.connect(stage.continued.append)
    yield stage
    questions.close()
    background.close()


@pytest.fixture
def cover(stage: Stage, qtbot: QtBot) -> Iterator[Cover]:
    """The cover of the only screen, while the user picks."""
    stage.screen.ask()
    assert stage.screen.picker is not None
    (cover,) = stage.screen.picker.covers
    qtbot.waitUntil(lambda: bool(cover._windows))
    return cover


def window_of(questions: ScreenQuestions, qtbot: QtBot) -> AskWindow:
    """Wait until the window has its picture, and the model's too."""
    qtbot.waitUntil(lambda: questions.window is not None and questions.window._media is not None)
    assert questions.window is not None
    return questions.window


def sent(stage: Stage, number: int = 0) -> list[object]:
    return [part for turn in stage.engine.asked[number][0] for part in turn.parts]


def drag(qtbot: QtBot, cover: Cover, start: QPoint, end: QPoint) -> None:
    qtbot.mousePress(cover, LEFT, pos=start)
    qtbot.mouseMove(cover, (start + end) / 2)
    qtbot.mouseMove(cover, end)
    qtbot.mouseRelease(cover, LEFT, pos=end)


def test_the_picture_sent_is_exactly_the_region(stage: Stage, cover: Cover, pixels: np.ndarray, qtbot: QtBot) -> None:
    assert stage.senses.live == {Sense.SCREEN}
    drag(qtbot, cover, QPoint(120, 90), QPoint(319, 189))
    window = window_of(stage.screen, qtbot)
    assert stage.screen.picker is None
    assert not stage.senses.live
    qtbot.mouseClick(window.actions_row[0], LEFT)
    qtbot.waitUntil(lambda: bool(window.talk.turns) and not window.talk.busy)
    picture = sent(stage)[0]
    assert isinstance(picture, Image)
    assert isinstance(picture.source, bytes)
    assert np.array_equal(load_image(picture.source), pixels[90:190, 120:320])
    assert np.array_equal(rgb_of(window.picture.image), pixels[90:190, 120:320])
    assert window.answers.toPlainText() == "Describe what you see.\nA lot of noise."


def test_follow_ups_keep_the_picture_and_the_region_repeats(
    stage: Stage, cover: Cover, pixels: np.ndarray, qtbot: QtBot
) -> None:
    drag(qtbot, cover, QPoint(300, 200), QPoint(101, 51))  # backwards
    window = window_of(stage.screen, qtbot)
    window.ask("What is it?")
    qtbot.waitUntil(lambda: bool(window.talk.turns) and not window.talk.busy)
    window.question.edit.setPlainText("Really?")
    qtbot.keyClick(window.question.edit, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(window.talk.turns) == 4 and not window.talk.busy)
    asked = stage.engine.asked[1][0]
    assert [turn.text for turn in asked] == ["What is it?", "A lot of **noise**.", "Really?"]
    assert isinstance(asked[0].parts[0], Image)
    assert sum(isinstance(part, Image) for part in sent(stage, 1)) == 1

    stage.screen.ask_again()
    assert not window.isVisible(), "our own window is not in the picture"
    qtbot.waitUntil(lambda: window.isVisible() and window._media is not None)
    assert stage.screen.picker is None
    assert np.array_equal(rgb_of(window.picture.image), pixels[51:201, 101:301])
    assert window.talk.exchanges == ()


def test_a_click_takes_the_window_under_it(stage: Stage, cover: Cover, pixels: np.ndarray, qtbot: QtBot) -> None:
    qtbot.mouseMove(cover, QPoint(100, 100))
    qtbot.mouseClick(cover, LEFT, pos=QPoint(100, 100))
    window = window_of(stage.screen, qtbot)
    assert np.array_equal(rgb_of(window.picture.image), pixels[60:160, 50:250])


def test_a_click_beside_all_windows_takes_the_screen(
    stage: Stage, cover: Cover, pixels: np.ndarray, qtbot: QtBot
) -> None:
    qtbot.mouseMove(cover, QPoint(700, 500))
    qtbot.mouseClick(cover, LEFT, pos=QPoint(700, 500))
    assert np.array_equal(rgb_of(window_of(stage.screen, qtbot).picture.image), pixels)


def test_all_of_it_by_keyboard(stage: Stage, cover: Cover, pixels: np.ndarray, qtbot: QtBot) -> None:
    key = Qt.Key
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    qtbot.keyClick(cover, key.Key_Tab)
    assert cover._window == QRect(50, 60, 200, 100)
    qtbot.keyClick(cover, key.Key_Tab)
    assert cover._window == QRect(0, 0, 400, 300)
    qtbot.keyClick(cover, key.Key_Backtab, shift)
    qtbot.keyClick(cover, key.Key_Right)
    qtbot.keyClick(cover, key.Key_Down, control)
    qtbot.keyClick(cover, key.Key_Left, shift)
    qtbot.keyClick(cover, key.Key_Down, control | shift)
    assert cover.region == QRect(60, 61, 190, 101)
    assert "190 × 101" in cover.accessibleDescription()
    for _ in range(200):
        qtbot.keyClick(cover, key.Key_Left)
    assert cover.region is not None
    assert cover.region.left() == 0, "it stays on the screen"
    qtbot.keyClick(cover, key.Key_Return)
    assert np.array_equal(rgb_of(window_of(stage.screen, qtbot).picture.image), pixels[61:162, 0:190])


@pytest.mark.parametrize("way", ["esc", "right", "indicator", "again"])
def test_giving_up_leaves_everything_as_it_was(way: str, stage: Stage, cover: Cover, qtbot: QtBot) -> None:
    if way == "esc":
        qtbot.keyClick(cover, Qt.Key.Key_Escape)
    elif way == "right":
        qtbot.mousePress(cover, RIGHT)
    elif way == "indicator":
        stage.senses.stop_all()
    else:
        stage.screen.ask()  # the same key once more
    assert stage.screen.picker is None
    assert not stage.senses.live
    assert stage.screen.window is None
    assert stage.screen.last is None


def test_esc_closes_the_window_and_leaves_no_trace(stage: Stage, cover: Cover, qtbot: QtBot) -> None:
    stage.engine.scripts[0] = [*words("It is"), threading.Event()]
    qtbot.keyClick(cover, Qt.Key.Key_Return)
    window = window_of(stage.screen, qtbot)
    window.ask("What is it?")
    qtbot.waitUntil(lambda: bool(window.talk.exchanges[0].answer))
    qtbot.keyClick(window.question.edit, Qt.Key.Key_Escape)
    assert not window.isVisible()
    assert window.talk.exchanges == ()
    assert window.picture.image.isNull()
    assert window.answers.toPlainText() == ""
    assert stage.engine.tokens[0].cancelled
    assert stage.continued == []


def test_the_answer_can_be_stopped_copied_and_continued(stage: Stage, cover: Cover, qtbot: QtBot) -> None:
    stage.engine.scripts[0] = [*words("It is noise"), threading.Event()]
    qtbot.keyClick(cover, Qt.Key.Key_Return)
    window = window_of(stage.screen, qtbot)
    window.ask("What is it?")
    qtbot.waitUntil(lambda: window.talk.exchanges[0].answer == "It is noise")
    qtbot.mouseClick(window.question.button, LEFT)
    assert window.isVisible()
    assert window.answers.toPlainText().endswith("Stopped.")
    qtbot.mouseClick(window.copy, LEFT)
    assert QGuiApplication.clipboard().text() == "It is noise"
    qtbot.mouseClick(window.to_chat, LEFT)
    assert not window.isVisible()
    ((question, answer),) = stage.continued
    assert [question.text, answer.text] == ["What is it?", "It is noise"]
    assert isinstance(question.parts[0], Image)


def test_a_question_may_come_before_the_picture_is_ready(stage: Stage, cover: Cover, qtbot: QtBot) -> None:
    qtbot.keyClick(cover, Qt.Key.Key_Return)
    window = stage.screen.window
    assert window is not None
    window.ask("What is it?")
    qtbot.waitUntil(lambda: bool(window.talk.turns) and not window.talk.busy)
    assert isinstance(sent(stage)[0], Image)


def test_small_print_is_looked_at_closely(
    stage: Stage, cover: Cover, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gui.sample_media import screenshot

    size = QGuiApplication.primaryScreen().size()
    image = QImage(str(screenshot(tmp_path / "s.png", size.toTuple())))  # type: ignore[arg-type]
    qtbot.keyClick(cover, Qt.Key.Key_Escape)
    monkeypatch.setattr("app.screen.questions.shots", lambda: [Shot(QGuiApplication.primaryScreen(), image, 1.0)])
    stage.screen.ask_whole_screen()
    media = window_of(stage.screen, qtbot)._media
    assert media is not None
    assert media.soft_tokens == 1120


def test_the_keys_the_menu_and_another_start_lead_there_and_into_the_chat(
    make_app: Callable[..., Larimar], screen: None, qtbot: QtBot
) -> None:
    from app.single_instance import Wishes

    larimar = make_app(FakeEngine([words("Noise.")], modalities=SEES))
    assert [larimar.global_keys.keys(action) for action in ("screen", "screen-again")] == [
        "Ctrl+Alt+S",
        "Ctrl+Alt+Shift+S",
    ]
    larimar.fulfil(Wishes(do="ask-screen"))
    assert larimar.screen.picker is not None
    larimar.screen.picker.cancel()
    larimar.window.menu.screen_requested.emit()
    assert larimar.window.isMinimized(), "it makes room"
    qtbot.waitUntil(lambda: larimar.screen.picker is not None)
    larimar.screen.picker.cancel()
    assert not larimar.window.isMinimized()
    larimar.hotkeys.pressed.emit("screen-again")  # nothing to repeat yet
    assert larimar.screen.picker is not None
    qtbot.keyClick(larimar.screen.picker.covers[0], Qt.Key.Key_Return)
    window = window_of(larimar.screen, qtbot)
    window.ask("What is it?")
    qtbot.waitUntil(lambda: window.to_chat.isEnabled())
    qtbot.mouseClick(window.to_chat, LEFT)
    assert larimar.window.panes.currentWidget() is larimar.window.chat
    assert [message.text for message in larimar.window.chat.model.messages] == ["What is it?", "Noise."]


def test_screens_are_taken_pixel_for_pixel() -> None:
    (shot, *_) = shots()
    ratio = shot.screen.devicePixelRatio()
    assert shot.image.size() == shot.screen.size() * ratio
    assert shot.scale == ratio


@pytest.mark.parametrize("scale", [1.25, 1.5, 2.0])
def test_a_dense_screen_loses_no_pixel(
    scale: float, stage: Stage, monkeypatch: pytest.MonkeyPatch, qtbot: QtBot
) -> None:
    screen = QGuiApplication.primaryScreen()
    width, height = round(screen.size().width() * scale), round(screen.size().height() * scale)
    dense = np.random.default_rng(2).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = qimage_of(dense).convertToFormat(QImage.Format.Format_RGB32)
    monkeypatch.setattr("app.screen.questions.shots", lambda: [Shot(screen, image, scale)])
    stage.screen.ask()
    assert stage.screen.picker is not None
    (cover,) = stage.screen.picker.covers
    drag(qtbot, cover, QPoint(10, 20), QPoint(210, 120))
    taken = rgb_of(window_of(stage.screen, qtbot).picture.image)
    left, top = int(10 * scale), int(20 * scale)
    right, bottom = int(210 * scale), int(120 * scale)  # the pixels under the pointer belong to it
    assert np.array_equal(taken, dense[top : bottom + 1, left : right + 1])


def test_a_region_holds_both_of_its_corners() -> None:
    assert between(QPoint(5, 9), QPoint(2, 3)) == QRect(2, 3, 4, 7)


def test_the_window_keeps_out_of_the_way() -> None:
    room, window = QRect(0, 0, 1280, 800), QSize(420, 500)
    for beside in (QRect(100, 100, 300, 300), QRect(800, 100, 400, 300), QRect(500, 700, 100, 90)):
        place = QRect(place_beside(window, beside, room), window)
        assert room.contains(place)
        assert not place.intersects(beside)
    assert room.contains(QRect(place_beside(window, room, room), window)), "the corner, where there is no room"


def test_an_encoded_region_is_the_region() -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    assert np.array_equal(load_image(png_of(pixels)), pixels)


def test_tab_may_come_before_the_windows_are_known(stage: Stage) -> None:
    (shot, *_) = shots()
    cover = Cover(shot, stage.screen._theme)
    cover._next_window(1)
    cover.set_windows([(10, 20, 30, 40), (0, 0, 50, 60)])
    assert cover._window == QRect(10, 20, 30, 40)
    cover.set_windows([(1, 2, 30, 40)])
    assert cover._window == QRect(10, 20, 30, 40), "only once"
    cover.deleteLater()
