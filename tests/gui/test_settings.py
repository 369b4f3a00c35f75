"""The settings: what is kept, what the dialog changes, keys, and wiping."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, words
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.colours import DARK
from app.paths import Paths
from app.session import SessionState
from app.settings import VERSION, VERSION_KEY, Settings, SettingsStore, migrated, settings_of, texts_of, web_address
from app.settings_dialog import SettingsDialog
from app.update_check import Release, UpdateCheckError
from app.wipe import files_of, wipe
from inference.network import NETWORK

MakeApp = Callable[..., Larimar]

EVERYTHING = Settings(
    model_folder=Path("/models/one, two; ü"),
    thinking=True,
    colour_scheme="dark",
    window_geometry=bytes(range(256)),
    conversation="abc",
    text_zoom=150,
    language="de",
    models_folder=Path("/disk/models"),
    added_models=(Path("/a b"), Path("/c")),
    provider="cpu",
    unload_after=-1,
    hub_mirror="https://mirror.example/hub",
    hub_token_mirror="https://trusted.example",
    spoken_replies=True,
    offline=True,
    remember_state=True,
    check_updates=True,
    tray_icon=False,
    close_to_tray=True,
    tray_told=True,
    sidebar=False,
    demo_offer=False,
    dictation=False,
    dictation_mode="toggle",
    dictation_space=False,
    spoken_language="German",
    translate_to="French",
    microphone="USB",
    phrases=("Larimar", 'naïve [x], "y"'),
    global_keys={"dictate": "Ctrl+Alt+J", "show": ""},
    shortcuts={"new_chat": "Ctrl+Shift+N", "quit": ""},
)

FREE = ("conversation", "microphone", "model_folder", "models_folder")
"""Settings for which every text makes sense."""


@pytest.fixture(autouse=True)
def online_again(qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NETWORK, "offline", False)


def test_every_setting_survives_a_round_trip(tmp_path: Path) -> None:
    changed = [each.name for each in dataclasses.fields(Settings)]
    assert all(getattr(EVERYTHING, name) != getattr(Settings(), name) for name in changed)
    store = SettingsStore(tmp_path / "settings.ini")
    store.save(EVERYTHING)
    store.close()
    other = SettingsStore(tmp_path / "settings.ini")
    assert other.load() == EVERYTHING
    other.close()


@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Settings) if each.name not in FREE])
def test_one_senseless_value_costs_only_itself(name: str) -> None:
    texts = texts_of(EVERYTHING)
    key = next(key for key, text in texts.items() if texts_of(Settings()).get(key) != text and _changes(key, name))
    found = settings_of(texts | {key: "\x00 no sense"})
    assert getattr(found, name) == getattr(Settings(), name)
    assert dataclasses.replace(found, **{name: getattr(EVERYTHING, name)}) == EVERYTHING


def _changes(key: str, name: str) -> bool:
    return (
        texts_of(dataclasses.replace(Settings(), **{name: getattr(EVERYTHING, name)}))[key] != texts_of(Settings())[key]
    )


def test_settings_of_the_first_version_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "settings.ini"
    file.write_text("[window]\ncolour_scheme=dark\n[chat]\nthinking=true\n", encoding="utf-8")
    store = SettingsStore(file)
    settings = store.load()
    assert (settings.colour_scheme, settings.thinking) == ("dark", True)
    store.save(dataclasses.replace(settings, thinking=False))
    store.close()
    text = file.read_text(encoding="utf-8")
    assert f"version={VERSION}" in text
    assert "[window]\ncolour_scheme" not in text


def test_a_newer_version_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "settings.ini"
    file.write_text("[settings]\nversion=99\n[future]\nthing=kept\n[appearance]\ntext_zoom=150\n", encoding="utf-8")
    store = SettingsStore(file)
    settings = store.load()
    assert settings.text_zoom == 150
    store.save(dataclasses.replace(settings, offline=True))
    store.close()
    text = file.read_text(encoding="utf-8")
    assert "version=99" in text
    assert "thing=kept" in text
    assert migrated({VERSION_KEY: "99", "window/colour_scheme": "dark"})["window/colour_scheme"] == "dark"


def opened(larimar: Larimar) -> SettingsDialog:
    dialog = larimar.actions.open_settings()
    assert larimar.actions.open_settings() is dialog
    return dialog


def test_a_change_is_in_force_at_once_and_kept(
    qtbot: QtBot, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LARIMAR_COLOR_SCHEME", raising=False)
    larimar = make_app(FakeEngine())
    points = QApplication.font().pointSizeF()
    dialog = opened(larimar)
    for box, value in ((dialog.scheme, "dark"), (dialog.zoom, 150)):
        box.setCurrentIndex(box.findData(value))
        box.activated.emit(box.currentIndex())
    assert larimar.theme.colours is DARK
    assert QApplication.font().pointSizeF() == pytest.approx(1.5 * points)
    dialog.thinking.click()
    assert larimar.window.chat.composer.think.isChecked()
    dialog.offline.click()
    assert NETWORK.offline
    assert larimar.window.status.offline_label.isVisible()
    assert not dialog.update_button.isEnabled()
    larimar.window.close()
    again = make_app(FakeEngine())
    assert again.settings.text_zoom == 150
    assert again.theme.colours is DARK
    assert NETWORK.offline
    dialog = opened(again)
    assert dialog.offline.isChecked()
    dialog.offline.click()
    assert not NETWORK.offline
    dialog.zoom.setCurrentIndex(dialog.zoom.findData(100))
    dialog.zoom.activated.emit(dialog.zoom.currentIndex())
    assert QApplication.font().pointSizeF() == pytest.approx(points)


def test_search_finds_settings_and_says_when_there_are_none(qtbot: QtBot, make_app: MakeApp) -> None:
    dialog = opened(make_app(FakeEngine()))
    shown = lambda: [row._title.text() for section in dialog.sections for row in section.rows if row.isVisible()]  # noqa: E731
    everything = shown()
    dialog.search.setText("connection LEAVES")
    assert shown() == ["Offline"]
    assert [section.title for section in dialog.sections if section.isVisible()] == ["Privacy"]
    assert [dialog.list.item(n).text() for n in range(dialog.list.count()) if not dialog.list.item(n).isHidden()] == [
        "Privacy"
    ]
    dialog.search.setText("keyboard")
    assert "Default keys" in shown()
    dialog.search.setText("xyzzy")
    assert shown() == []
    assert dialog._nothing.isVisible()
    dialog.search.clear()
    assert shown() == everything


def test_keys_can_be_changed_and_conflicts_are_said(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("ok")]))
    larimar.window.chat.ask("question")
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    dialog = opened(larimar)
    field = dialog.shortcut_rows.fields["new_chat"]
    qtbot.mouseClick(field, Qt.MouseButton.LeftButton)
    qtbot.keyClick(field, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    assert "belongs to “Show or hide conversations” already" in dialog.shortcut_rows.rows["new_chat"].said.text()
    assert field.text() == "Ctrl+N"
    qtbot.mouseClick(field, Qt.MouseButton.LeftButton)
    qtbot.keyClick(field, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    assert dialog.shortcut_rows.rows["new_chat"].said.text() == ""
    assert larimar.settings.shortcuts == {"new_chat": "Ctrl+K"}
    assert larimar.window.chat.header.new_button.toolTip() == "New chat (Ctrl+K)"
    qtbot.mouseClick(field, Qt.MouseButton.LeftButton)
    qtbot.keyClick(field, Qt.Key.Key_Escape)
    assert field.text() == "Ctrl+K"
    assert dialog.isVisible()
    dialog.close()
    larimar.window.activateWindow()
    larimar.window.chat.composer.edit.setFocus()
    qtbot.waitUntil(larimar.window.chat.composer.edit.hasFocus)
    qtbot.keyClick(larimar.window, Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: larimar.window.chat.model.rowCount() == 0)
    dialog = opened(larimar)
    qtbot.mouseClick(dialog.shortcut_rows.reset, Qt.MouseButton.LeftButton)
    assert larimar.settings.shortcuts == {}


def test_the_look_for_a_newer_version(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    answers: list[Release | Exception] = [
        UpdateCheckError("The server cannot be reached."),
        Release("9.0", "https://example.org/9.0", newer=True),
    ]

    def newest() -> Release:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    larimar.actions.newest_release = newest
    dialog = opened(larimar)
    assert (
        "https://api.github.com"
        in dialog._update_row.parentWidget().findChildren(type(dialog._update_row))[2].about.text()
    )
    for words_ in ("cannot be reached", "https://example.org/9.0"):
        qtbot.mouseClick(dialog.update_button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda words_=words_: words_ in dialog._update_row.said.text())
    assert larimar.window.update_notice.isVisible()


def test_a_build_of_a_store_does_not_offer_to_look(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    larimar.actions.update_allowed = lambda: False
    dialog = opened(larimar)
    assert not dialog.update_button.isVisible()
    assert not hasattr(dialog, "updates")


def test_nothing_is_asked_at_the_start_unless_the_user_wants_it(
    qtbot: QtBot, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    def newest() -> Release:
        asked.append(True)
        return Release("9.0", "https://example.org", newer=True)

    monkeypatch.setattr("app.update_check.newest_release", newest)
    larimar = make_app(FakeEngine())
    assert asked == []
    opened(larimar).updates.click()
    larimar.window.close()
    again = make_app(FakeEngine())
    qtbot.waitUntil(again.window.update_notice.isVisible)
    assert asked == [True]


def test_the_sidebar_is_remembered_where_there_is_room(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    window = larimar.window
    assert window.history.isVisible()
    window.chat.header.history_button.click()
    assert not larimar.settings.sidebar
    window.search_history()  # brings it back for now
    assert window.history.isVisible()
    assert not larimar.settings.sidebar
    window.resize(700, 600)
    qtbot.waitUntil(lambda: not window.history.isVisible())
    window.chat.header.history_button.click()  # a narrow window says nothing about wide ones
    assert window.history.isVisible()
    assert not larimar.settings.sidebar
    window.resize(1080, 760)
    qtbot.waitUntil(lambda: not window.history.isVisible())
    window.close()
    assert not make_app(FakeEngine()).window.history.isVisible()


def test_the_program_goes_on_in_the_tray_and_says_so_once(
    qtbot: QtBot, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    larimar = make_app(FakeEngine([words("ok")]))
    tray, window = larimar.actions.tray, larimar.window
    said: list[str] = []
    monkeypatch.setattr(type(tray), "shown", True)
    monkeypatch.setattr(tray, "say", said.append)
    larimar.actions._change(dataclasses.replace(larimar.settings, close_to_tray=True))
    for _ in range(2):
        window.close()
        assert not window.isVisible()
        assert larimar.session.state is SessionState.READY
        tray.show_requested.emit()
        assert window.isVisible()
    assert len(said) == 1
    assert "tray" in said[0]
    assert larimar.settings.tray_told
    tray.quit_requested.emit()
    assert larimar.session.state is SessionState.CLOSED


def test_without_an_icon_closing_ends_the_program(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    larimar.actions._change(dataclasses.replace(larimar.settings, close_to_tray=True))
    larimar.window.close()
    assert larimar.session.state is SessionState.CLOSED


@pytest.mark.parametrize("text", ["ftp://mirror.example", "mirror.example", "https://", "https://a b", "javascript:1"])
def test_only_web_addresses_are_mirrors(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        web_address(text)


def test_engines_are_opened_as_the_settings_say(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    how: list[tuple[str, Path | None]] = []
    allowed: list[Callable[[], bool]] = []

    def factory(
        path: Path | None,
        progress: object = None,
        cancel: object = None,
        provider: str = "",
        prefix_cache: Path | None = None,
        prefix_cache_allowed: Callable[[], bool] = bool,
    ) -> FakeEngine:
        how.append((provider, prefix_cache))
        allowed.append(prefix_cache_allowed)
        return FakeEngine()

    larimar = make_app(factory)
    assert how == [("auto", None)]
    dialog = opened(larimar)
    dialog.remember.click()
    dialog.provider.setCurrentIndex(dialog.provider.findData("cpu"))
    dialog.provider.activated.emit(dialog.provider.currentIndex())
    larimar.session.retry()
    qtbot.waitUntil(lambda: len(how) == 2 and larimar.session.state is SessionState.READY)
    prefixes = tmp_path / "cache" / "prefixes"
    assert how[1] == ("cpu", prefixes)
    prefixes.mkdir(parents=True)
    (prefixes / "kept.npz").write_bytes(b"x")
    assert allowed[-1]()
    dialog.remember.click()
    assert not allowed[-1](), "the engine that is open must not write any more"
    qtbot.waitUntil(lambda: not prefixes.exists())


def test_wiping_asks_first_and_then_leaves_nothing(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    larimar = make_app(FakeEngine([words("ok")]))
    larimar.window.chat.ask("question")
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    dialog = opened(larimar)
    wished: list[bool] = []
    larimar.wipe_requested.connect(lambda: wished.append(True))
    qtbot.mouseClick(dialog.wipe_button, Qt.MouseButton.LeftButton)
    assert dialog.wipe_confirm.isVisible()
    qtbot.mouseClick(dialog.wipe_confirm.no, Qt.MouseButton.LeftButton)
    assert not dialog.wipe_confirm.isVisible()
    assert wished == []
    qtbot.mouseClick(dialog.wipe_button, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(dialog.wipe_confirm.yes, Qt.MouseButton.LeftButton)
    assert wished == [True]
    larimar.window.close()
    paths = Paths.under(tmp_path)
    (tmp_path / "mine").write_text("stays")
    assert files_of(paths)
    assert wipe(paths) == []
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_after_wiping_the_program_begins_anew(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from PySide6.QtCore import QTimer\n"
        "import app.running as running\n"
        "from fakes.engine import FakeEngine\n"
        "running.open_engine = lambda path: FakeEngine()\n"
        "start = running.Larimar.start\n"
        "def started(self, **options):\n"
        "    start(self, **options)\n"
        "    print(self.settings.thinking, flush=True)\n"
        "    if self.settings.thinking:\n"
        "        QTimer.singleShot(0, self.wipe_requested.emit)\n"
        "    else:\n"
        "        QTimer.singleShot(0, self.window.close)\n"
        "running.Larimar.start = started\n"
        "print(running.run(data_dir=Path(sys.argv[1])))\n"
    )
    store = SettingsStore(tmp_path / "config" / "settings.ini")
    store.save(Settings(thinking=True))
    store.close()
    media = tmp_path / "data" / "media" / "kept.png"
    media.parent.mkdir(parents=True)
    media.write_bytes(b"x")
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        check=False,
        timeout=60,
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": f"{root}:{root / 'tests'}", "QT_QPA_PLATFORM": "offscreen"},
    )
    assert done.stdout.split() == ["True", "False", "0"], done.stderr
    assert not media.exists()
