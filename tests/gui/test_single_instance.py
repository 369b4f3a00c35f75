"""One window at a time, told by other starts what is wanted; logs, licences, and the tray."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, words
from fuzzing import examples
from PySide6.QtNetwork import QLocalSocket
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.about_dialog import AboutDialog, licence_texts
from app.application import Larimar
from app.log_dialog import end_of
from app.session import SessionState
from app.single_instance import SingleInstance, Wishes
from inference.messages import Text
from inference.version import __version__

MakeApp = Callable[..., Larimar]


@pytest.fixture
def first(qapp: QApplication, tmp_path: Path) -> Iterator[SingleInstance]:
    instance = SingleInstance(tmp_path)
    assert instance.first()
    yield instance
    instance.close()


def test_the_second_hands_its_wishes_to_the_first(qtbot: QtBot, first: SingleInstance, tmp_path: Path) -> None:
    heard: list[Wishes] = []
    first.wished.connect(heard.append)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from app.single_instance import SingleInstance, Wishes\n"
        "second = SingleInstance(Path(sys.argv[1]))\n"
        "print(second.first(), second.hand_over(Wishes(new_chat=True, ask=sys.argv[2])))\n"
    )
    question = "Was ist 1 + 1?\n“Ü”"
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), question], cwd=root, stdout=subprocess.PIPE, text=True
    ) as process:
        qtbot.waitUntil(lambda: process.poll() is not None, timeout=30_000)
        assert process.stdout is not None
        assert process.stdout.read().split() == ["False", "True"]
    assert heard == [Wishes(new_chat=True, ask=question)]


def test_another_folder_has_a_first_of_its_own(first: SingleInstance, tmp_path: Path) -> None:
    other = SingleInstance(tmp_path / "other")
    assert other.first()
    other.close()


def test_after_the_first_has_ended_the_next_is_first(qapp: QApplication, tmp_path: Path) -> None:
    for _ in range(2):
        instance = SingleInstance(tmp_path)
        assert instance.first()
        instance.close()
    assert not SingleInstance(tmp_path).hand_over(Wishes())


@pytest.mark.skipif(os.name == "nt", reason="a pipe of Windows has no file")
def test_only_the_user_may_talk_to_it(first: SingleInstance) -> None:
    socket = Path(first._server.fullServerName())
    assert socket.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense\n",
        b"[1]\n",
        b'{"ask": 7}\n',
        b"[" * 100_000 + b"\n",
        b'{"ask": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        b'{"ask": ' + b"9" * 5000 + b"}\n",
        b'{"do": []}\n',
        b'{"do": {"a": 1}}\n',
        b'{"do": "format"}\n',
        b'{"ask": "a\\u0000b"}\n',
        b"\xff\xfe\x00\n",
        b"\n",
        b"NaN\n",
        b"x" * (1 << 20) + b"xx",
        b"[]," * (1 << 18) + b"\n",
    ],
    ids=lambda line: f"{line[:12]!r}-{len(line)}",
)
def test_nonsense_is_not_understood(qtbot: QtBot, first: SingleInstance, line: bytes) -> None:
    heard: list[Wishes] = []
    first.wished.connect(heard.append)
    socket = QLocalSocket()
    socket.connectToServer(first._name)
    qtbot.waitUntil(lambda: socket.state() is QLocalSocket.LocalSocketState.ConnectedState)
    socket.write(line)
    qtbot.waitUntil(socket.canReadLine)
    assert bytes(socket.readLine().data()) == b"not understood\n"
    assert heard == []
    socket.abort()
    assert_it_still_hears(qtbot, first)


def assert_it_still_hears(qtbot: QtBot, first: SingleInstance) -> None:
    heard: list[Wishes] = []
    first.wished.connect(heard.append)
    socket = QLocalSocket()
    socket.connectToServer(first._name)
    qtbot.waitUntil(lambda: socket.state() is QLocalSocket.LocalSocketState.ConnectedState)
    socket.write(Wishes(ask="still there?").line)
    qtbot.waitUntil(socket.canReadLine)
    assert bytes(socket.readLine().data()) == b"ok\n"
    assert heard == [Wishes(ask="still there?")]
    socket.abort()


def test_half_characters_in_a_question_become_whole() -> None:
    assert Wishes.of(b'{"ask": "a\\ud800b"}').ask == "a\ufffdb"


def test_one_that_says_nothing_is_sent_away(
    qtbot: QtBot, qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.single_instance._PATIENCE_MS", 50)
    instance = SingleInstance(tmp_path)
    assert instance.first()
    socket = QLocalSocket()
    socket.connectToServer(instance._name)
    socket.write(b'{"ask": "slo')
    qtbot.waitUntil(socket.canReadLine)
    assert bytes(socket.readLine().data()) == b"not understood\n"
    qtbot.waitUntil(lambda: socket.state() is QLocalSocket.LocalSocketState.UnconnectedState)
    instance.close()


def test_many_that_say_nothing_keep_nobody_from_being_heard(qtbot: QtBot, first: SingleInstance) -> None:
    silent = []
    for _ in range(60):
        socket = QLocalSocket()
        socket.connectToServer(first._name)
        qtbot.waitUntil(lambda socket=socket: socket.state() is QLocalSocket.LocalSocketState.ConnectedState)
        silent.append(socket)
    qtbot.waitUntil(lambda: 0 < len(first._callers) <= 16)
    assert_it_still_hears(qtbot, first)
    for socket in silent:
        socket.abort()


def test_random_bytes_are_answered(qtbot: QtBot, first: SingleInstance) -> None:
    draw = random.Random(17)
    good = Wishes(ask="a question", do="dictate").line
    for _ in range(examples(60)):
        line = bytearray(good)
        for _ in range(draw.randint(1, 5)):
            place = draw.randrange(len(line))
            line[place : place + draw.randint(0, 3)] = draw.choice(
                [b"[", b'"', b"\\", b"{", b"9" * 400, draw.randbytes(3)]
            )
        socket = QLocalSocket()
        socket.connectToServer(first._name)
        qtbot.waitUntil(lambda socket=socket: socket.state() is QLocalSocket.LocalSocketState.ConnectedState)
        socket.write(bytes(line) + b"\n")
        qtbot.waitUntil(socket.canReadLine)
        assert bytes(socket.readLine().data()) in (b"ok\n", b"not understood\n")
        socket.abort()
    assert_it_still_hears(qtbot, first)


@pytest.mark.skipif(os.name == "nt", reason="makes links")
@pytest.mark.parametrize("kind", ["file", "link", "circle"])
@pytest.mark.parametrize("runtime", ["there", "missing", "file", "relative"])
def test_a_folder_that_takes_no_lock_has_a_substitute(
    qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, runtime: str
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "run" if runtime == "relative" else str(tmp_path / "run"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    if runtime == "there":
        (tmp_path / "run").mkdir()
    elif runtime == "file":
        (tmp_path / "run").write_bytes(b"")
    folder = tmp_path / "config"
    if kind == "file":
        folder.write_bytes(b"")
    else:
        folder.symlink_to(tmp_path / "nowhere" if kind == "link" else folder)
    one, other = SingleInstance(folder), SingleInstance(folder)
    assert one.first()
    assert one._server.isListening()
    assert not other.first(), "there is one already"
    elsewhere = SingleInstance(tmp_path / "elsewhere")
    assert elsewhere.first()
    elsewhere.close()
    one.close()
    assert other.first()
    other.close()


def test_no_lock_is_no_other_larimar(qapp: QApplication, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_bytes(b"")
    monkeypatch.setattr("app.single_instance._substitutes", lambda folder: iter(()))
    instance = SingleInstance(tmp_path / "config")
    assert instance.first()
    instance.close()


@pytest.mark.skipif(os.name == "nt", reason="makes links and pipes")
@pytest.mark.parametrize("kind", ["folder", "full folder", "pipe", "broken link", "link to itself"])
def test_what_is_no_file_is_no_lock_of_another_larimar(qapp: QApplication, tmp_path: Path, kind: str) -> None:
    lock = tmp_path / "running.lock"
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind.endswith("folder"):
        lock.mkdir()
        if kind.startswith("full"):
            (lock / "file").write_bytes(b"of somebody")
    else:
        lock.symlink_to(tmp_path / "nowhere" if kind.startswith("broken") else lock)
    instance = SingleInstance(tmp_path)
    assert instance.first()
    assert instance._server.isListening()
    instance.close()
    assert not kind.startswith("full") or (lock / "file").read_bytes() == b"of somebody"


def test_what_other_starts_want_is_done(qtbot: QtBot, make_app: MakeApp) -> None:
    hold = threading.Event()
    engine = FakeEngine([[Text("a"), hold, Text("b")], words("answered")])
    larimar = make_app(engine, wait=False)
    larimar.fulfil(Wishes(ask="first"))  # the model may still be loading
    qtbot.waitUntil(lambda: len(larimar.window.chat.model.messages) == 2)
    qtbot.waitUntil(lambda: larimar.window.chat.model.messages[1].text == "a")
    larimar.window.show_models()
    larimar.fulfil(Wishes(ask="second"))  # a reply that goes on is stopped for it
    qtbot.waitUntil(lambda: len(engine.asked) == 2 and larimar.session.state is SessionState.READY)
    assert [message.text for message in larimar.window.chat.model.messages] == ["second", "answered"]
    assert larimar.window.panes.currentWidget() is larimar.window.chat
    larimar.fulfil(Wishes(new_chat=True))
    assert larimar.window.chat.model.rowCount() == 0
    larimar.fulfil(Wishes(quit=True))
    assert not larimar.window.isVisible()


def test_the_tray_does_the_same(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    names = [action.text() for action in larimar.actions.tray.menu.actions() if action.text()]
    assert names == [
        "Show Larimar",
        "New chat",
        "Dictate",
        "Paste last dictation",
        "Ask about the screen",
        "Stop",
        "Quit",
    ]
    larimar.window.hide()
    larimar.actions.tray.menu.actions()[0].trigger()
    assert larimar.window.isVisible()


def test_about_shows_the_licences_of_an_installed_build(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("Ours")
    assert list(licence_texts(tmp_path)) == ["Larimar", ""]
    (tmp_path / "licences" / "numpy").mkdir(parents=True)
    (tmp_path / "licences" / "README.txt").write_text("What is here")
    (tmp_path / "licences" / "numpy" / "LICENSE.txt").write_text("BSD")
    larimar = make_app(FakeEngine())
    dialog = AboutDialog(larimar.theme, tmp_path, larimar.window)
    assert __version__ in dialog.title.text()
    assert dialog.view.toPlainText() == "What is here"
    dialog.list.setCurrentRow(2)
    assert dialog.list.currentItem().text() == os.path.join("numpy", "LICENSE.txt")
    assert dialog.view.toPlainText() == "BSD"
    dialog.deleteLater()


def test_about_in_a_checkout_says_where_licences_are(qtbot: QtBot, make_app: MakeApp) -> None:
    dialog = make_app(FakeEngine()).actions.open_about()
    assert "Apache License" in dialog.view.toPlainText()
    dialog.list.setCurrentRow(dialog.list.count() - 1)
    assert "pip show" in dialog.view.toPlainText()


def test_the_log_is_shown_from_its_end(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "larimar.log").write_text("".join(f"line {n}\n" for n in range(40_000)), encoding="utf-8")
    larimar = make_app(FakeEngine())
    dialog = larimar.actions.open_log()
    view = dialog.views["larimar.log"]
    qtbot.waitUntil(lambda: view.toPlainText().endswith("line 39999\n"))
    assert view.toPlainText().startswith("line ")
    assert dialog.views["crash.log"].toPlainText() == "Nothing yet."
    assert end_of(tmp_path / "none") == ""


@pytest.mark.skipif(os.name == "nt", reason="kills as only POSIX can")
def test_one_that_was_killed_does_not_stand_in_the_way(qapp: QApplication, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from app.single_instance import SingleInstance\n"
        "instance = SingleInstance(Path(sys.argv[1]))\n"
        "print(instance.first(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"True"
        assert not SingleInstance(tmp_path).first()
        process.kill()
        process.wait()
    instance = SingleInstance(tmp_path)
    assert instance.first()
    instance.close()


@pytest.mark.skipif(os.name == "nt", reason="files are locked otherwise there")
def test_a_lock_of_a_process_that_has_our_number_is_stale(qapp: QApplication, tmp_path: Path) -> None:
    """As in a container, where each start has the same number: what Qt finds running is ourselves."""
    first = SingleInstance(tmp_path)
    assert first.first()
    lock = (tmp_path / "running.lock").read_bytes()
    other = SingleInstance(tmp_path)
    assert not other.first(), "the number is ours, but the lock is held"
    first.close()
    (tmp_path / "running.lock").write_bytes(lock)
    assert other.first()
    assert not SingleInstance(tmp_path).first()
    other.close()
