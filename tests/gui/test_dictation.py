"""Dictation in the window: the card over other programs, the settings, menus, and what other starts ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from dictation.test_global_keys import FakeHotkeys
from fakes.engine import FakeEngine
from fakes.listener import FakeListener
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QFontMetrics, QGuiApplication
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.devices.text_inserter import Insertion, TextInserter
from app.dictation.machine import State
from app.dictation.overlay import Overlay, last_lines
from app.dictation_actions import DictationActions
from app.global_keys import GlobalKeys
from app.settings import Settings
from app.single_instance import Wishes
from app.theme import Theme

MakeApp = Callable[..., Larimar]


class InstantInserter(TextInserter):
    """Inserts at once."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def insert(self, text: str) -> Insertion:
        insertion = self._next(text)
        self.texts.append(text)
        self.inserted.emit(insertion)
        return insertion


class Bench:
    """Dictation with everything around it played by the test."""

    def __init__(self, app: QApplication, *taken: str, settings: Settings | None = None) -> None:
        self.listener = FakeListener()
        self.inserter = InstantInserter()
        self.hotkeys = FakeHotkeys(*taken)
        self.keys = GlobalKeys(self.hotkeys, {})
        self.actions = DictationActions(self.listener, self.inserter, self.keys, Theme(app), settings or Settings())

    @property
    def overlay(self) -> Overlay:
        assert self.actions.overlay is not None
        return self.actions.overlay


@pytest.fixture
def make(qapp: QApplication) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def new(*taken: str, **options: Settings) -> Bench:
        made.append(Bench(qapp, *taken, **options))
        return made[-1]

    yield new
    for bench in made:  # or its timers outlive its overlay
        bench.actions.close()


@pytest.fixture
def bench(make: Callable[..., Bench], qtbot: QtBot) -> Bench:
    made = make()
    qtbot.addWidget(made.overlay)
    return made


def test_the_card_follows_a_dictation(bench: Bench) -> None:
    overlay = bench.overlay
    assert not overlay.isVisible()
    bench.hotkeys.pressed.emit("dictate")
    assert overlay.isVisible()
    assert overlay.heading.text() == "One moment …"
    bench.listener.opened.emit("Microphone")
    assert overlay.heading.text() == "Listening"
    assert "Release Ctrl+Alt+D to insert" in overlay.hint.text()
    assert bench.hotkeys.bound["cancel"] == "Esc"
    bench.listener.level.emit(0.7)
    assert overlay.meter.levels[-1] == pytest.approx(0.7)
    bench.listener.say("The first words.")
    assert overlay.words.text() == "The first words."
    bench.actions.do("dictate-stop")
    assert overlay.heading.text() == "Writing …"
    bench.listener.finish("The first words.")
    assert bench.inserter.texts == ["The first words. "]
    assert overlay.heading.text() == "Inserted"
    assert "cancel" not in bench.hotkeys.bound
    overlay._leave.timeout.emit()
    assert not overlay.isVisible()


def test_a_problem_is_said_on_the_card_and_goes_away(bench: Bench) -> None:
    bench.actions.do("dictate")
    bench.listener.fail("The microphone is in use by another program.")
    bench.listener.finish("")
    assert bench.overlay.isVisible()
    assert bench.overlay.words.text() == "The microphone is in use by another program."
    assert bench.overlay.accessibleDescription() == "The microphone is in use by another program."
    assert bench.overlay._leave.isActive()
    bench.overlay._leave.timeout.emit()
    assert not bench.overlay.isVisible()


def test_the_cross_and_esc_forget_what_was_said(bench: Bench, qtbot: QtBot) -> None:
    for cancel in (
        lambda: qtbot.mouseClick(bench.overlay.cross, Qt.MouseButton.LeftButton),
        lambda: bench.hotkeys.pressed.emit("cancel"),
    ):
        bench.actions.do("dictate-start")
        bench.listener.say("secret")
        cancel()
        assert bench.actions.coordinator.state is State.IDLE
        assert not bench.overlay.isVisible()
    assert bench.inserter.texts == []


def test_the_card_never_takes_the_keyboard(bench: Bench) -> None:
    bench.actions.do("dictate")
    overlay = bench.overlay
    assert overlay.windowFlags() & Qt.WindowType.WindowDoesNotAcceptFocus
    assert overlay.testAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
    children = [overlay, *overlay.findChildren(QWidget)]
    assert all(child.focusPolicy() is Qt.FocusPolicy.NoFocus for child in children)
    room = QGuiApplication.primaryScreen().availableGeometry()
    assert room.contains(overlay.geometry())
    assert abs(overlay.geometry().center().x() - room.center().x()) <= 1


def test_the_card_has_names_for_screen_readers(bench: Bench) -> None:
    QAccessible.setActive(True)
    bench.actions.do("dictate")
    bench.listener.opened.emit("Microphone")
    assert bench.overlay.accessibleName() == "Dictation: Listening"
    assert bench.overlay.cross.accessibleName() == "Cancel dictation"


def test_long_text_shows_its_end(qapp: QApplication) -> None:
    font = qapp.font()
    text = " ".join(f"word{number}" for number in range(500))
    shown = last_lines(text, font, 300, 3)
    assert shown.startswith("… ")
    assert shown.endswith("word499")
    lines = QFontMetrics(font).boundingRect(0, 0, 300, 10_000, Qt.TextFlag.TextWordWrap, shown).height()
    assert lines <= 3 * QFontMetrics(font).lineSpacing()
    assert last_lines("short", font, 300, 3) == "short"
    assert last_lines("x" * 5000, font, 300, 3)


def test_the_tip_says_how_to_begin(make: Callable[..., Bench]) -> None:
    assert make().actions.tip.startswith("Hold Ctrl+Alt+D in any program")
    assert make(settings=Settings(dictation_mode="toggle")).actions.tip.startswith("Press Ctrl+Alt+D")
    assert make(settings=Settings(dictation=False)).actions.tip == ""
    assert make("Ctrl+Alt+D").actions.tip == "", "its keys are another program's"
    deaf = make()
    tips: list[str] = []
    deaf.actions.tip_changed.connect(tips.append)
    deaf.actions.set_hears(False)
    deaf.actions.set_hears(True)
    assert tips[0] == ""
    assert tips[1]


def test_what_other_starts_ask_for_is_done_without_the_window(qtbot: QtBot, make_app: MakeApp) -> None:
    listener, inserter = FakeListener(), InstantInserter()
    larimar = make_app(FakeEngine(), listener=listener, inserter=inserter)
    larimar.window.hide()
    larimar.fulfil(Wishes(do="dictate-start"))
    larimar.fulfil(Wishes(do="dictate-start"))  # once is enough
    assert listener.state == "recording"
    assert larimar.actions.tray.dictate.text() == "Insert what was said"
    larimar.fulfil(Wishes(do="dictate-stop"))
    listener.finish("from a key of the desktop")
    larimar.fulfil(Wishes(do="dictate"))
    larimar.fulfil(Wishes(do="cancel"))
    larimar.fulfil(Wishes(do="paste-last"))
    assert inserter.texts == ["from a key of the desktop "] * 2
    assert not larimar.window.isVisible()
    assert Wishes.of(Wishes(do="dictate").line) == Wishes(do="dictate")
    with pytest.raises(ValueError, match="nothing"):
        Wishes.of(b'{"do": "erase everything"}')


def test_the_menus_offer_it(qtbot: QtBot, make_app: MakeApp) -> None:
    listener, inserter = FakeListener(), InstantInserter()
    larimar = make_app(FakeEngine(), listener=listener, inserter=inserter)
    for menu in (larimar.window.menu, larimar.actions.tray.menu):
        actions = {action.text(): action for action in menu.actions()}
        actions["Dictate"].trigger()
        assert listener.state == "recording"
        larimar.dictation.coordinator.end()
        listener.finish("text")
        actions["Paste last dictation"].trigger()
    assert inserter.texts == ["text "] * 4


def test_the_settings_of_dictation(qtbot: QtBot, make_app: MakeApp) -> None:
    hotkeys = FakeHotkeys("Ctrl+Alt+X")
    listener, inserter = FakeListener(), InstantInserter()
    larimar = make_app(FakeEngine(), listener=listener, inserter=inserter, hotkeys=hotkeys)
    dialog = larimar.actions.open_settings()
    dialog.dictation.space.click()
    dialog.dictation.mode.setCurrentIndex(1)
    dialog.dictation.mode.activated.emit(1)
    dialog.dictation.phrases.setPlainText("Larimar\n\n  Gemma \nLarimar")
    assert larimar.settings.phrases == ("Larimar", "Gemma")
    field, row = dialog.global_keys.fields["dictate"], dialog.global_keys.rows["dictate"]
    field.chosen.emit("Ctrl+Alt+X")
    assert "another program" in row.said.text()
    field.chosen.emit("Ctrl+Alt+G")
    assert "“Show Larimar”" in row.said.text()
    field.chosen.emit("Ctrl+Alt+J")
    assert row.said.text() == ""
    assert hotkeys.bound["dictate"] == "Ctrl+Alt+J"
    assert dict(larimar.settings.global_keys) == {"dictate": "Ctrl+Alt+J"}
    hotkeys.pressed.emit("dictate")
    hotkeys.released.emit("dictate")
    assert listener.state == "recording", "pressed once"
    assert listener.options[-1].phrases == ("Larimar", "Gemma")
    larimar.dictation.coordinator.end()
    listener.finish("text")
    assert inserter.texts == ["text"]
    dialog.dictation.on.click()
    assert "dictate" not in hotkeys.bound
    dialog.global_keys.reset.click()
    assert dict(larimar.settings.global_keys) == {}
    dialog.close()
