"""Colours follow the wish, icons are there and sharp."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QPalette
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.colours import DARK, LIGHT
from app.theme import ICONS, Theme

RECOLOURED = sorted(path.stem for path in ICONS.glob("*.svg") if path.stem != "larimar")


@pytest.fixture
def theme(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[Theme]:
    monkeypatch.delenv("LARIMAR_COLOR_SCHEME", raising=False)
    theme = Theme(qapp, "light")
    yield theme
    theme.wish("light")
    theme.deleteLater()


def test_a_wish_is_followed(qtbot: QtBot, theme: Theme, qapp: QApplication) -> None:
    assert theme.colours is LIGHT
    with qtbot.waitSignal(theme.changed):
        theme.wish("dark")
    assert theme.colours is DARK
    assert qapp.palette().color(QPalette.ColorRole.Window) == QColor(DARK.surface)
    assert DARK.rail in qapp.styleSheet()


def test_the_system_is_followed(theme: Theme, qapp: QApplication) -> None:
    theme.wish("system")
    dark = qapp.styleHints().colorScheme() is Qt.ColorScheme.Dark
    assert theme.colours is (DARK if dark else LIGHT)


def test_the_environment_beats_the_wish(theme: Theme, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARIMAR_COLOR_SCHEME", "dark")
    theme.wish("light")
    assert theme.colours is DARK


@pytest.mark.parametrize("path", sorted(ICONS.glob("*.svg")), ids=lambda path: path.stem)
def test_icons_are_valid(qtbot: QtBot, path: Path) -> None:
    assert QSvgRenderer(str(path)).isValid()


def test_there_are_icons() -> None:
    assert {"chat", "camera", "microphone", "send", "stop", "copy", "new"} <= set(RECOLOURED)


@pytest.mark.parametrize("name", RECOLOURED)
def test_icons_take_their_colour_and_are_sharp_at_any_scale(theme: Theme, name: str) -> None:
    for scale in (1.0, 1.5, 2.0, 3.0):
        image = theme.icon(name, "#ff0000", 20).pixmap(QSize(20, 20), scale).toImage()
        assert image.width() == round(20 * scale)
        painted = [
            image.pixelColor(x, y)
            for x in range(image.width())
            for y in range(image.height())
            if image.pixelColor(x, y).alpha() == 255
        ]
        assert painted
        assert {(colour.red(), colour.green(), colour.blue()) for colour in painted} == {(255, 0, 0)}
