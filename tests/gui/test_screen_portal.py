"""Pictures of the screen on Wayland: the desktop is asked, over a bus of the test's own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fakes.engine import FakeEngine, words
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.background import Background
from app.live_senses import LiveSenses
from app.pictures import rgb_of
from app.qt_application import APP_ID
from app.screen.portal_picture import PortalPicture
from app.screen.questions import ScreenQuestions
from app.session import Session
from app.theme import Theme
from inference.media.image_encoding import png_of

if not sys.platform.startswith("linux") or shutil.which("dbus-daemon") is None:
    pytest.skip("needs Linux with dbus-daemon", allow_module_level=True)
from fakes.portal import Answer, FakePortal, fake_portal, session_bus

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with session_bus() as address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address


@pytest.fixture
def portal(bus: str) -> Iterator[FakePortal]:
    with fake_portal(bus) as portal:
        yield portal


@dataclass
class Stage:
    """What belongs to questions about the screen, without the rest of the program."""

    screen: ScreenQuestions
    senses: LiveSenses


@pytest.fixture
def stage(
    portal: FakePortal,
    make_session: Callable[..., Session],
    qapp: QApplication,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Stage]:
    monkeypatch.setattr("app.screen.questions.wayland", lambda: True)
    picture = tmp_path / "Bildschirmfoto äöü 1.png"
    picture.write_bytes(png_of(PIXELS))
    portal.answer = Answer(uri=picture.as_uri())
    session = make_session(FakeEngine([words("Noise.")], modalities=frozenset({"image"})))
    senses, background = LiveSenses(), Background()
    questions = ScreenQuestions(session, Theme(qapp), background, senses, APP_ID)
    yield Stage(questions, senses)
    questions.close()
    background.close()


def test_the_desktops_picture_is_asked_about_and_not_left_behind(
    stage: Stage, portal: FakePortal, qtbot: QtBot, tmp_path: Path
) -> None:
    stage.screen.ask()
    assert stage.screen.picking
    assert stage.senses.live
    qtbot.waitUntil(lambda: stage.screen.window is not None and stage.screen.window._media is not None)
    assert stage.screen.window is not None
    assert np.array_equal(rgb_of(stage.screen.window.picture.image), PIXELS)
    assert portal.registered == [APP_ID]
    assert portal.asked[0]["interactive"] is True, "the user picks in the desktop's own way"
    assert not list(tmp_path.glob("*.png"))
    assert not stage.senses.live


def test_the_whole_screen_needs_no_picking(stage: Stage, portal: FakePortal, qtbot: QtBot) -> None:
    stage.screen.ask_whole_screen()
    qtbot.waitUntil(lambda: stage.screen.window is not None)
    assert portal.asked[0]["interactive"] is False


def test_the_user_may_say_no(stage: Stage, portal: FakePortal, qtbot: QtBot) -> None:
    portal.answer = Answer(code=1)
    with qtbot.waitSignal(stage.screen.picking_ended):
        stage.screen.ask()
    assert stage.screen.window is None
    assert not stage.senses.live


def test_giving_up_while_the_desktop_waits(stage: Stage, portal: FakePortal, qtbot: QtBot) -> None:
    portal.answer = Answer(silent=True)
    stage.screen.ask()
    qtbot.waitUntil(lambda: bool(portal.asked))
    stage.senses.stop_all()
    assert not stage.screen.picking
    assert not stage.senses.live


def test_a_file_that_is_no_picture(stage: Stage, portal: FakePortal, qtbot: QtBot, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"nothing")
    portal.answer = Answer(uri=(tmp_path / "a.png").as_uri())
    stage.screen.ask()
    qtbot.waitUntil(lambda: stage.screen.window is not None)
    assert stage.screen.window is not None
    assert "cannot be read" in stage.screen.window.trouble.text()


def test_a_desktop_without_the_portal_says_so(stage: Stage, portal: FakePortal, qtbot: QtBot) -> None:
    portal.missing = True
    stage.screen.ask()
    qtbot.waitUntil(lambda: stage.screen.window is not None)
    window = stage.screen.window
    assert window is not None
    assert "its Screenshot portal is missing" in window.trouble.text()
    assert window.trouble.isVisible()
    assert not window.question.isVisible()
    assert not stage.senses.live


def test_no_bus_at_all(monkeypatch: pytest.MonkeyPatch, qtbot: QtBot, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    asked = PortalPicture(APP_ID)
    with qtbot.waitSignal(asked.failed) as failed:
        asked.ask(interactive=True)
    assert "portal is missing" in failed.args[0]
    assert not asked.waiting
