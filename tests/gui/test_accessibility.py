"""What a screen reader, a keyboard and tired eyes find."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, missing, words
from fakes.speaker import FakeSpeaker
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QAccessibleInterface, QImage
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.chat.pages_dialog import PagesDialog
from app.chat.picture_dialog import PictureDialog
from app.chat.system_prompt_dialog import SystemPromptDialog
from app.colours import DARK, LIGHT, Colours
from app.models.checkpoints import CheckpointLook
from app.session import SessionState
from app.voice.hands_free import Phase
from gui import sample_media
from inference.messages import Text, Thought

MakeApp = Callable[..., Larimar]


def walk(interface: QAccessibleInterface) -> Iterator[QAccessibleInterface]:
    yield interface
    for number in range(interface.childCount()):
        child = interface.child(number)
        if child is not None:
            yield from walk(child)


def nameless(window: QWidget) -> list[str]:
    root = QAccessible.queryAccessibleInterface(window)
    assert root is not None
    found = []
    for interface in walk(root):
        state = interface.state()
        if not state.focusable or state.invisible:
            continue
        if not interface.text(QAccessible.Text.Name).strip():
            thing = interface.object()
            found.append(f"{interface.role()} {thing.metaObject().className() if thing else ''}")
    return found


@pytest.fixture(autouse=True)
def accessibility() -> Iterator[None]:
    QAccessible.setActive(True)
    yield
    QAccessible.setActive(False)


def test_every_control_has_a_name_in_every_pane(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([[Thought("hm"), Text("answer")]]))
    assert nameless(larimar.window) == []
    larimar.window.chat.ask("question")
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    for pane in range(4):
        larimar.window.rail.choose(pane)
        assert nameless(larimar.window) == []
    qtbot.waitUntil(lambda: bool(larimar.window.models.catalogue_cards))
    assert nameless(larimar.window) == []


def test_every_control_has_a_name_with_attachments_banners_and_dialogs(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path
) -> None:
    larimar = make_app(FakeEngine([words("ok")], modalities=frozenset({"image", "audio", "video"})))
    chat = larimar.window.chat
    chat.composer.add_files(
        [sample_media.photograph(tmp_path / "a.jpg"), sample_media.recording(tmp_path / "b.wav", 1)]
    )
    qtbot.waitUntil(lambda: len(chat.attachments.items) == 2 and not chat.attachments.pending)
    chat.composer.refuse("No.")
    chat.composer.edit_banner.show_text("Editing.")
    assert chat.composer.detail.isVisible()
    assert nameless(larimar.window) == []
    image = QImage(20, 20, QImage.Format.Format_RGB32)
    image.fill(0)
    dialogs = (
        SystemPromptDialog("", larimar.theme, larimar.window),
        PagesDialog(tmp_path / "c.pdf", 20, larimar.window),
        PictureDialog(image, "a.jpg", larimar.window),
    )
    for dialog in dialogs:
        dialog.show()
        assert nameless(dialog) == []
        dialog.close()
        dialog.deleteLater()


def test_every_control_has_a_name_in_settings_log_and_about(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    settings = larimar.actions.open_settings()
    settings.wipe_button.click()
    for dialog in (settings, larimar.actions.open_log(), larimar.actions.open_about()):
        assert nameless(dialog) == []
        dialog.close()


def test_every_control_has_a_name_in_voice_conversion_and_export(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path
) -> None:
    larimar = make_app(FakeEngine(), speaker=FakeSpeaker())
    window = larimar.window
    for phase in (Phase.LISTENING, Phase.HEARING, Phase.THINKING, Phase.SPEAKING):
        larimar.voice._phase_changed(phase)
        assert nameless(window) == []
    window.voice_bar.show_problem("The microphone was unplugged.")
    window.history.progress.show_share("Exporting …", 0.5)
    assert nameless(window) == []
    window.resize(520, 700)  # where the buttons of the header have no words
    assert nameless(window) == []
    window.show_models()
    card = window.models.conversion
    (tmp_path / "tiny").mkdir()
    for look in (
        CheckpointLook(tmp_path / "tiny", "tiny", 1000),
        CheckpointLook(tmp_path / "tiny", "tiny", problem="There is nothing."),
    ):
        card._offer(look)
        assert nameless(window) == []
    card._show_running()
    assert nameless(window) == []
    card._ask("Converting needs PyTorch.")
    assert nameless(window) == []


def test_settings_by_keyboard_alone(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    larimar.window.activateWindow()
    larimar.window.chat.composer.edit.setFocus()
    qtbot.waitUntil(larimar.window.chat.composer.edit.hasFocus)
    qtbot.keyClick(larimar.window, Qt.Key.Key_Comma, Qt.KeyboardModifier.ControlModifier)
    dialog = larimar.actions.open_settings()
    qtbot.waitUntil(dialog.search.hasFocus)
    reached: list[QWidget] = []
    while (widget := QApplication.focusWidget()) not in reached:
        assert widget is not None
        reached.append(widget)
        qtbot.keyClick(widget, Qt.Key.Key_Tab)
    controls = {dialog.scheme, dialog.zoom, dialog.language, dialog.thinking, dialog.offline, dialog.wipe_button}
    assert controls | set(dialog.shortcut_rows.fields.values()) <= set(reached)
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_every_control_has_a_name_when_there_is_no_model(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(missing, wait=False)
    qtbot.waitUntil(larimar.window.chat.failure.isVisible)
    assert nameless(larimar.window) == []


def test_the_walk_finds_a_control_without_a_name(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    larimar.window.chat.composer.edit.setAccessibleName("")
    assert len(nameless(larimar.window)) == 1


def test_messages_are_read_with_who_said_them(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("An answer.")]))
    larimar.window.chat.ask("A question?")
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    root = QAccessible.queryAccessibleInterface(larimar.window.chat.view)
    assert root is not None
    names = [interface.text(QAccessible.Text.Name) for interface in walk(root)]
    assert "You: A question?" in names
    assert "Larimar: An answer." in names


def test_a_complete_reply_is_announced_once(qtbot: QtBot, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("app.chat.pane.QAccessible.updateAccessibility", lambda event: said.append(event.message()))
    hold = threading.Event()
    larimar = make_app(FakeEngine([[Text("half "), hold, Text("whole")]]))
    larimar.window.chat.ask("question")
    qtbot.waitUntil(lambda: larimar.window.chat.model.messages[-1].text == "half ")
    assert said == []
    hold.set()
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    assert said == ["half whole"]


def test_f6_goes_round(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("ok")]))
    window = larimar.window
    window.chat.ask("question")
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    window.activateWindow()
    window.chat.composer.edit.setFocus()
    qtbot.waitUntil(window.chat.composer.edit.hasFocus)
    chat = window.chat
    order = [
        window.status.model_button,
        window.rail.buttons[0],
        window.history.search,
        chat.view,
        chat.composer.edit,
    ]
    for stop in order:
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_F6)
        assert QApplication.focusWidget() is stop
    for stop in [*order[-2::-1], order[-1]]:
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_F6, Qt.KeyboardModifier.ShiftModifier)
        assert QApplication.focusWidget() is stop


def test_tab_reaches_every_control_and_comes_back(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    window = larimar.window
    window.activateWindow()
    window.chat.composer.edit.setFocus()
    qtbot.waitUntil(window.chat.composer.edit.hasFocus)
    qtbot.keyClicks(window.chat.composer.edit, "text")  # so that Send can be reached
    reached: list[QWidget] = []
    while (widget := QApplication.focusWidget()) not in reached:
        assert widget is not None
        reached.append(widget)
        qtbot.keyClick(widget, Qt.Key.Key_Tab)
    composer = window.chat.composer
    expected = [composer.edit, composer.think, composer.button, window.status.model_button, window.rail.buttons[0]]
    expected += [window.rail.menu_button, composer.attach, window.chat.header.prompt_button]
    expected += [window.history.search, window.history.more, window.history.list, window.chat.header.history_button]
    expected += [window.offer.models, window.offer.dismiss, window.chat.header.hands_free_button]
    assert {*expected, *window.chat.greeting.buttons} == set(reached)


def test_the_rail_by_keyboard(qtbot: QtBot, make_app: MakeApp) -> None:
    window = make_app(FakeEngine()).window
    window.activateWindow()
    window.rail.buttons[0].setFocus()
    qtbot.waitUntil(window.rail.buttons[0].hasFocus)
    for pane in (1, 2, 3, 0):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Down)
        assert window.panes.currentIndex() == pane
        assert QApplication.focusWidget() is window.rail.buttons[pane]
    qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.panes.currentWidget() is window.webcam)


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


TEXT_ON = {
    "text": ("surface", "rail", "raised", "hover", "bubble", "code", "selection", "danger_soft"),
    "muted": ("surface", "rail", "raised", "code", "hover"),
    "accent": ("surface", "accent_soft", "rail"),
    "on_accent": ("accent", "accent_hover"),
    "link": ("surface", "code"),
    "danger": ("surface", "danger_soft", "code"),
    "on_badge": ("badge", "raised"),
    "danger_soft": ("danger",),
    "good": ("code",),
    **{f"code_{kind}": ("code",) for kind in ("keyword", "name", "string", "number", "comment")},
}
SHAPE_ON = {"border_strong": ("surface", "raised", "rail"), "accent": ("surface", "raised"), "good": ("rail",)}


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast_passes_wcag_aa(colours: Colours) -> None:
    values = dataclasses.asdict(colours)
    for wanted, pairs in ((4.5, TEXT_ON), (3.0, SHAPE_ON)):
        for front, backs in pairs.items():
            for back in backs:
                ratio = contrast(values[front], values[back])
                assert ratio >= wanted, f"{front} on {back}: {ratio:.2f}"
