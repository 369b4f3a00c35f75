"""The program as a whole: starting, failing to start, closing, and what it remembers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, missing, words
from PySide6.QtCore import QObject, Qt
from pytestqt.qtbot import QtBot

from app.application import Larimar, Options
from app.colours import DARK, LIGHT
from app.conversation import MessageStatus
from app.engine_opening import open_engine
from app.engine_worker import THREAD_NAME
from app.qt_application import APP_ID, QuitOnInterrupt
from app.session import SessionState
from app.settings import Settings, SettingsStore
from inference.errors import ModelFolderError
from inference.messages import Text

MakeApp = Callable[..., Larimar]


def engine_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def test_the_window_is_there_before_the_model(qtbot: QtBot, make_app: MakeApp) -> None:
    hold = threading.Event()
    begun = threading.Event()

    def factory(path: Path | None) -> FakeEngine:
        begun.set()
        hold.wait(10)
        return FakeEngine([words("ok")])

    larimar = make_app(factory, wait=False)
    assert larimar.window.isVisible()
    qtbot.waitUntil(begun.is_set)
    assert larimar.session.state is SessionState.LOADING
    assert larimar.window.status.state_label.text() == "Loading …"
    chat = larimar.window.chat
    assert not any(button.isEnabled() for button in chat.greeting.buttons)
    qtbot.keyClicks(chat.composer.edit, "already writing")
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Return)
    assert chat.composer.text == "already writing"
    hold.set()
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    assert chat.composer.button.isEnabled()
    assert all(button.isEnabled() for button in chat.greeting.buttons)


def test_closing_while_generating_leaves_no_thread(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([[Text("a"), threading.Event(), Text("b")]])
    larimar = make_app(engine)
    larimar.window.chat.ask("question")
    qtbot.waitUntil(lambda: larimar.window.chat.model.messages[-1].text == "a")
    assert engine_threads()
    larimar.window.close()
    assert not larimar.window.isVisible()
    assert engine.tokens[0].cancelled
    assert engine.closed
    assert not engine_threads()
    assert larimar.window.chat.model.messages[-1].status is MessageStatus.STOPPED


def test_closing_while_loading_leaves_no_thread(qtbot: QtBot, make_app: MakeApp) -> None:
    hold = threading.Event()

    def factory(path: Path | None) -> FakeEngine:
        hold.wait(10)
        return FakeEngine()

    larimar = make_app(factory, wait=False)
    hold.set()
    larimar.window.close()
    assert not engine_threads()


def test_a_missing_folder_is_said_in_the_window_and_retry_works(qtbot: QtBot, make_app: MakeApp) -> None:
    there = False

    def factory(path: Path | None) -> FakeEngine:
        return FakeEngine([words("hello")]) if there else missing(path)

    larimar = make_app(factory, model=Path("/no/such/folder"), wait=False)
    chat = larimar.window.chat
    qtbot.waitUntil(chat.failure.isVisible)
    assert "/no/such/folder" in chat.failure.text
    assert larimar.window.status.state_label.text() == "No model"
    assert not chat.composer.button.isEnabled()
    there = True
    qtbot.mouseClick(chat.retry_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    assert not chat.failure.isVisible()
    assert chat.greeting.isVisible()
    chat.ask("hi")
    qtbot.waitUntil(lambda: chat.model.messages[-1].status is MessageStatus.COMPLETE)
    assert chat.model.messages[-1].text == "hello"


def test_a_damaged_folder_is_said_and_another_one_can_be_chosen(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path
) -> None:
    good = tmp_path / "good"
    asked: list[Path | None] = []
    answers = [None, good]

    def factory(path: Path | None) -> FakeEngine:
        if path == good:
            return FakeEngine(name="Good")
        raise ModelFolderError("The model folder is damaged: config.json is cut off. Download it again.")

    def choose(start: Path | None) -> Path | None:
        asked.append(start)
        return answers[len(asked) - 1]

    larimar = make_app(factory, model=tmp_path / "bad", choose_folder=choose, wait=False)
    chat = larimar.window.chat
    qtbot.waitUntil(chat.failure.isVisible)
    assert "config.json" in chat.failure.text
    qtbot.mouseClick(chat.choose_button, Qt.MouseButton.LeftButton)
    assert chat.failure.isVisible()  # the dialog was cancelled
    qtbot.mouseClick(chat.choose_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    assert asked[0] == tmp_path / "bad"
    assert larimar.window.status.model_button.text() == "Good"
    assert larimar.settings.model_folder == good


@pytest.mark.parametrize("damage", ["missing", "empty", "cut"])
def test_the_real_engine_refuses_a_bad_folder_with_a_sentence(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    folder = tmp_path / "model"
    if damage != "missing":
        folder.mkdir()
    if damage == "cut":
        (folder / "config.json").write_text('{"model_type": "gem')
    larimar = make_app(open_engine, model=folder, wait=False)
    failure = larimar.window.chat.failure
    qtbot.waitUntil(failure.isVisible, timeout=20_000)
    assert failure.text
    assert "Something went wrong" not in failure.text
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_what_is_chosen_is_remembered(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    folder = tmp_path / "chosen"
    first = make_app(FakeEngine(), choose_folder=lambda start: folder)
    first.window.resize(700, 600)
    qtbot.mouseClick(first.window.chat.composer.think, Qt.MouseButton.LeftButton)
    first.choose_model()
    qtbot.waitUntil(lambda: first.session.state is SessionState.READY)
    first.window.close()
    opened: list[Path | None] = []

    def factory(path: Path | None) -> FakeEngine:
        opened.append(path)
        return FakeEngine()

    second = make_app(factory)
    assert opened == [folder]
    assert second.window.chat.composer.think.isChecked()
    assert second.window.size().width() == 700
    third = make_app(factory, model=tmp_path / "only now")
    assert opened[-1] == tmp_path / "only now"
    assert third.settings.model_folder == folder


def test_the_appearance_is_chosen_in_the_menu_and_remembered(
    qtbot: QtBot, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LARIMAR_COLOR_SCHEME", raising=False)
    first = make_app(FakeEngine())
    first.window.menu.choose_scheme("dark")
    assert first.theme.colours is DARK
    first.window.close()
    second = make_app(FakeEngine())
    assert second.theme.colours is DARK
    second.window.menu.choose_scheme("light")
    assert second.theme.colours is LIGHT


def test_the_environment_beats_the_remembered_folder(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SettingsStore(tmp_path / "config" / "settings.ini")
    store.save(Settings(model_folder=tmp_path / "chosen"))
    store.close()
    monkeypatch.setenv("LARIMAR_MODEL", str(tmp_path / "environment"))
    opened: list[Path | None] = []

    def factory(path: Path | None) -> FakeEngine:
        opened.append(path)
        return FakeEngine()

    make_app(factory)
    assert opened == [None]  # the default folder, which reads the environment


def test_nothing_is_written_outside_the_data_folder(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    larimar = make_app(FakeEngine())
    larimar.window.close()
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "settings.ini",
        "conversations.sqlite",
    }


@pytest.mark.parametrize("content", [b"", b"\x00\xff garbage", b"[window]\ngeometry=%%%\ncolour_scheme=pink\n"])
def test_damaged_settings_become_defaults(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "settings.ini"
    file.write_bytes(content)
    store = SettingsStore(file)
    assert store.load() == Settings()
    store.close()


def test_settings_survive_a_round_trip(tmp_path: Path) -> None:
    settings = Settings(Path("/some/where; odd=, %20 ü"), True, "dark", bytes(range(256)))
    store = SettingsStore(tmp_path / "new" / "settings.ini")
    store.save(settings)
    store.close()
    other = SettingsStore(tmp_path / "new" / "settings.ini")
    assert other.load() == settings
    other.close()


def test_settings_that_cannot_be_written_do_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    store = SettingsStore(tmp_path / "file" / "settings.ini")
    store.save(Settings(thinking=True))
    store.close()
    assert "could not be written" in caplog.text


def test_default_options_follow_the_operating_system() -> None:
    assert Options().paths.config.name == "larimar"
    assert len(APP_ID.split(".")) >= 3


def test_emitting_bools_does_not_wear_them_out() -> None:
    """PySide6 6.12.0 on Python 3.11 lost a reference of True with each emit and aborted at the exit."""
    program = (
        "from PySide6.QtCore import QObject, Signal\n"
        "class Emitter(QObject):\n"
        "    said = Signal(bool)\n"
        "emitter = Emitter()\n"
        "for number in range(5000):\n"
        "    emitter.said.emit(number % 2 == 0)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_ctrl_c_in_the_terminal_ends_the_program_in_order(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from PySide6.QtCore import QTimer\n"
        "import app.running as running\n"
        "from fakes.engine import FakeEngine\n"
        "running.open_engine = lambda path: FakeEngine()\n"
        "QTimer.singleShot(0, lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "status = running.run(data_dir=Path(sys.argv[1]))\n"
        "import threading\n"
        "left = [t.name for t in threading.enumerate() if t.name.startswith('larimar')]\n"
        "print(status, left)\n"
    )
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
    assert done.stdout.strip() == "0 []", done.stderr
    assert (tmp_path / "logs" / "larimar.log").exists()


@pytest.mark.skipif(os.name == "nt", reason="sends signals as only POSIX can")
def test_ctrl_c_waits_for_its_turn(qtbot: QtBot) -> None:
    """Whatever runs when it comes may hold a lock that the end of the program needs, such as the log's."""
    asked: list[bool] = []

    class App(QObject):
        def quit(self) -> None:
            asked.append(True)

    with QuitOnInterrupt(App()):  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGINT)
        assert sum(range(1000)) == 499_500  # time enough for Python to run its handler
        assert not asked
        qtbot.waitUntil(lambda: bool(asked))


def test_keys_that_follow_at_once_go_to_the_page_that_the_first_ones_chose(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("ok")]))
    window, control = larimar.window, Qt.KeyboardModifier.ControlModifier
    window.chat.ask("question")
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY and not window.chat.controller.busy)
    qtbot.keyClick(window, Qt.Key.Key_4, control)
    assert window.panes.currentWidget() is window.models
    qtbot.keyClick(window, Qt.Key.Key_1, control)
    qtbot.keyClick(window, Qt.Key.Key_B, control)
    assert window.panes.currentWidget() is window.chat
    assert not window.history.isVisible()
    qtbot.keyClick(window, Qt.Key.Key_3, control)
    qtbot.keyClick(window, Qt.Key.Key_N, control)
    assert window.panes.currentWidget() is window.chat, "another chat can be begun from every page"
    assert window.chat.model.rowCount() == 0
