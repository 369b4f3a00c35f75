"""What is live is always to be seen, and one click ends all of it."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from fakes.engine import FakeEngine, words
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.live_senses import LiveSenses, Sense


def test_a_sense_is_live_while_anybody_has_it_open() -> None:
    senses = LiveSenses()
    told: list[frozenset[Sense]] = []
    senses.changed.connect(lambda: told.append(senses.live))
    first, second = (senses.begin(Sense.CAMERA, lambda: None) for _ in range(2))
    senses.end(first)
    senses.end(first)
    assert senses.live == {Sense.CAMERA}
    senses.end(second)
    assert told == [{Sense.CAMERA}, frozenset()]


def test_stopping_closes_all_even_where_one_fails(caplog: pytest.LogCaptureFixture) -> None:
    senses = LiveSenses()
    stopped: list[Sense] = []

    def fail() -> None:
        raise OSError("the driver is gone")

    def stop(sense: Sense) -> None:
        stopped.append(sense)
        senses.end(numbers[sense])

    numbers = {
        Sense.MICROPHONE: senses.begin(Sense.MICROPHONE, lambda: stop(Sense.MICROPHONE)),
        Sense.SCREEN: senses.begin(Sense.SCREEN, fail),
        Sense.CAMERA: senses.begin(Sense.CAMERA, lambda: stop(Sense.CAMERA)),
    }
    with caplog.at_level(logging.ERROR):
        senses.stop_all()
    assert stopped == [Sense.CAMERA, Sense.MICROPHONE]
    assert "screen" in caplog.text
    assert senses.live == {Sense.SCREEN}, "what did not close is still shown"


def test_the_window_and_the_tray_show_what_is_live(make_app: Callable[..., Larimar], qtbot: QtBot) -> None:
    larimar = make_app(FakeEngine([words("Hello.")]))
    window, senses, tray = larimar.window, larimar.senses, larimar.actions.tray
    assert not window.live.isVisible()
    quiet = tray._icon.icon().cacheKey()
    number = senses.begin(Sense.CAMERA, lambda: senses.end(number))
    other = senses.begin(Sense.MICROPHONE, lambda: senses.end(other))
    assert window.live.isVisible()
    assert "camera, microphone" in window.live.accessibleName()
    assert "camera, microphone" in tray._icon.toolTip()
    assert tray.stop_senses.isVisible()
    assert tray._icon.icon().cacheKey() != quiet
    qtbot.mouseClick(window.live, Qt.MouseButton.LeftButton)
    assert not senses.live
    assert not window.live.isVisible()
    assert tray._icon.toolTip() == "Larimar"
    assert not tray.stop_senses.isVisible()


def test_closing_the_program_stops_what_is_live(make_app: Callable[..., Larimar]) -> None:
    larimar = make_app(FakeEngine([words("Hello.")]))
    number = larimar.senses.begin(Sense.CAMERA, lambda: larimar.senses.end(number))
    larimar.window.close()
    assert not larimar.senses.live
