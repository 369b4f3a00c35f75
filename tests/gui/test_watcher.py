"""Watching: the model is asked when the scene changes, and only then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from numpy.typing import NDArray
from pytestqt.qtbot import QtBot

from app.background import Background
from app.devices.frame_source import Frame
from app.session import Session
from app.webcam.scene import differs, signature
from app.webcam.watcher import Watcher
from gui.scenes import scene
from inference.messages import Image, ReplyOptions, Turn

SIZE = (160, 120)
RED, BLUE = scene("circle", "red", SIZE), scene("square", "blue", SIZE)


def noisy(picture: NDArray[np.uint8], seed: int) -> NDArray[np.uint8]:
    return np.clip(picture + np.random.default_rng(seed).normal(0, 8, picture.shape), 0, 255).astype(np.uint8)


def changed(now: NDArray[np.uint8], before: NDArray[np.uint8]) -> bool:
    return differs(signature(now), signature(before))


def test_what_is_another_scene() -> None:
    assert changed(RED, BLUE)
    assert changed(RED, scene("square", "red", SIZE))
    small = RED.copy()
    small[95:117, 5:30] = (20, 90, 20)  # something is put on the table
    assert changed(small, RED)
    assert changed(np.zeros_like(RED), RED), "the light goes out"


def test_what_is_the_same_scene() -> None:
    assert not changed(noisy(RED, 1), noisy(RED, 2)), "the noise of the camera"
    assert not changed((RED * 0.85).astype(np.uint8), RED), "its exposure"
    large = scene("circle", "red")
    assert not changed(np.roll(large, 2, axis=1), large), "a hand that trembles"


@pytest.mark.parametrize("size", [(1, 1), (16, 12), (37, 21), (320, 240), (1920, 1080), (480, 640)])
def test_any_size_has_a_signature(size: tuple[int, int]) -> None:
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    assert signature(picture).shape == (12, 16, 3)
    assert not changed(picture, picture)


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


class Rehearsal:
    """A watcher before whose camera time passes as the test says."""

    def __init__(self, session: Session, background: Background, qtbot: QtBot) -> None:
        self.watcher = Watcher(session, background)
        self.session, self.qtbot = session, qtbot
        self.captions: list[str] = []
        self.failures: list[str] = []
        self.watcher.captioned.connect(self.captions.append)
        self.watcher.failed.connect(self.failures.append)
        self.time = 0.0

    def see(self, picture: NDArray[np.uint8], seconds: float = 1.5, settle: bool = True) -> None:
        """Let the camera show ``picture`` for so long, and the model answer."""
        for _ in range(round(seconds * 10)):
            self.time += 0.1001
            self.watcher.look(Frame(noisy(picture, round(self.time * 10)), self.time))
            if settle:
                self.qtbot.waitUntil(lambda: not self.watcher._asking)


@pytest.fixture
def rehearse(make_session: Callable[..., Session], background: Background, qtbot: QtBot) -> Callable[..., Rehearsal]:
    return lambda engine: Rehearsal(make_session(engine), background, qtbot)


def test_a_scene_is_described_once(rehearse: Callable[..., Rehearsal]) -> None:
    engine = FakeEngine([words("A red circle."), words("A blue square.")])
    rehearsal = rehearse(engine)
    rehearsal.watcher.start()
    rehearsal.see(RED, 4)
    assert rehearsal.captions == ["A red circle."]
    rehearsal.see(BLUE, 4)
    assert rehearsal.captions == ["A red circle.", "A blue square."]
    assert rehearsal.watcher.asked == 2, "nothing is asked while nothing changes"
    ((first,), options) = engine.asked[0]
    assert isinstance(first, Turn)
    assert isinstance(first.parts[0], Image)
    assert isinstance(options, ReplyOptions)
    assert options.max_tokens, "a caption is short"


def test_equal_captions_are_not_repeated(rehearse: Callable[..., Rehearsal]) -> None:
    rehearsal = rehearse(FakeEngine([words("A  desk."), words("a desk"), words("A cat.")]))
    rehearsal.watcher.start()
    rehearsal.see(RED)
    rehearsal.see(BLUE)
    assert rehearsal.watcher.asked == 2
    assert rehearsal.captions == ["A desk."]


def test_it_asks_at_most_once_a_second(rehearse: Callable[..., Rehearsal]) -> None:
    rehearsal = rehearse(FakeEngine([words("Something.")]))
    rehearsal.watcher.start()
    for number in range(30):
        rehearsal.see(np.roll(RED, 15 * number, axis=1), 0.1)
    assert 2 <= rehearsal.watcher.asked <= 4


def test_what_changed_while_the_model_spoke_is_described_next(rehearse: Callable[..., Rehearsal], qtbot: QtBot) -> None:
    gate = threading.Event()
    rehearsal = rehearse(FakeEngine([[gate, *words("A red circle.")], words("A blue square.")]))
    rehearsal.watcher.start()
    rehearsal.see(RED, 0.5, settle=False)
    rehearsal.see(BLUE, 2, settle=False)
    gate.set()
    qtbot.waitUntil(lambda: rehearsal.captions == ["A red circle."])
    rehearsal.see(BLUE, 1.5)
    assert rehearsal.captions == ["A red circle.", "A blue square."]


def test_after_stopping_nothing_arrives(rehearse: Callable[..., Rehearsal], qtbot: QtBot) -> None:
    gate = threading.Event()
    engine = FakeEngine([[gate, *words("A red circle.")], words("A blue square.")])
    rehearsal = rehearse(engine)
    rehearsal.watcher.start()
    rehearsal.see(RED, 0.3, settle=False)
    qtbot.waitUntil(lambda: bool(engine.tokens))
    rehearsal.watcher.stop()
    assert engine.tokens[0].cancelled
    qtbot.waitUntil(lambda: rehearsal.session.idle)
    rehearsal.see(BLUE, 2)
    assert rehearsal.captions == []
    assert len(engine.asked) == 1
    rehearsal.watcher.start()
    rehearsal.see(BLUE, 1)
    assert rehearsal.captions == ["A blue square."]


def test_somebody_elses_question_goes_first(rehearse: Callable[..., Rehearsal], qtbot: QtBot) -> None:
    gate = threading.Event()
    engine = FakeEngine([[gate, *words("Hello.")], words("Again."), words("A red circle.")])
    rehearsal = rehearse(engine)
    rehearsal.session.submit((Turn.of("user", "Hello?"),), ReplyOptions())
    rehearsal.watcher.start()
    rehearsal.see(RED, 0.3, settle=False)
    qtbot.waitUntil(lambda: rehearsal.watcher.asked == 1)
    rehearsal.session.submit((Turn.of("user", "And again?"),), ReplyOptions())
    gate.set()
    qtbot.waitUntil(lambda: bool(rehearsal.captions))
    assert [turns[0].text for turns, _ in engine.asked[:2]] == ["Hello?", "And again?"]
    assert rehearsal.captions == ["A red circle."]


def test_an_error_ends_it_with_its_sentence(rehearse: Callable[..., Rehearsal], qtbot: QtBot) -> None:
    from inference.errors import UnsupportedInputError

    rehearsal = rehearse(FakeEngine([[UnsupportedInputError("Fake 1B cannot see. Choose a model that can.")]]))
    rehearsal.watcher.start()
    rehearsal.see(RED, 0.3, settle=False)
    qtbot.waitUntil(lambda: bool(rehearsal.failures))
    assert rehearsal.failures == ["Fake 1B cannot see. Choose a model that can."]
    assert not rehearsal.watcher.active
