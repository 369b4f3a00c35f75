"""A disk that takes nothing, settings that make no sense, and files that are for their owner alone."""

from __future__ import annotations

import errno
import os
import random
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, words
from fuzzing import examples
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.logging_setup import close_logs, log_to, stop_logging_qt
from app.paths import Paths
from app.private_files import make_private_folder, private_opener, restrict_below
from app.settings import Settings, SettingsStore, settings_of, texts_of
from app.storage import unkept
from app.transfer.documents import write_whole
from app.wipe import is_unfinished, wipe

MakeApp = Callable[..., Larimar]
ROOT = Path(__file__).resolve().parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes, links and pipes")


@pytest.fixture(autouse=True)
def application(qapp: object) -> None:
    """Qt takes the first thread that uses it for its main one."""


def spoiled(folder: Path, kind: str) -> None:
    """Let ``folder`` be one into which not even the superuser can write."""
    if kind == "file":
        folder.write_bytes(b"")
    elif kind == "broken link":
        folder.symlink_to(folder.with_name("nowhere") / "at all")
    elif kind == "link to itself":
        folder.symlink_to(folder)
    elif kind == "pipe":
        os.mkfifo(folder)


@posix
@pytest.mark.parametrize("kind", ["file", "broken link", "link to itself", "pipe"])
@pytest.mark.parametrize(
    ("which", "begins"),
    [
        (("data",), "Conversations will not be saved."),
        (("config",), "Changes to the settings will not be saved."),
        (("data", "config", "logs", "cache"), "Nothing from this session will be saved."),
    ],
    ids=["data", "config", "all"],
)
def test_the_window_opens_and_says_what_is_not_kept(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, kind: str, which: tuple[str, ...], begins: str
) -> None:
    for name in which:
        spoiled(tmp_path / name, kind)
    larimar = make_app(FakeEngine([words("an answer")]))
    notice = larimar.window.storage_notice
    qtbot.waitUntil(notice.isVisible)
    assert notice.text.text().startswith(begins)
    assert str(tmp_path / which[0]) in notice.text.text()
    assert ("link" in notice.text.text()) is ("link" in kind)
    chat = larimar.window.chat
    chat.ask("question")
    qtbot.waitUntil(lambda: not chat.controller.busy and chat.model.rowCount() == 2)
    assert chat.model.messages[-1].text == "an answer"
    assert not chat.composer.refusal.isVisible(), "said once is enough"
    qtbot.waitUntil(lambda: any(getattr(row, "title", "") == "question" for row in larimar.window.history.model.rows))
    larimar.window.new_chat()
    larimar.history.open(next(row.id for row in larimar.window.history.model.rows if hasattr(row, "pinned")))
    qtbot.waitUntil(lambda: chat.model.rowCount() == 2)
    qtbot.mouseClick(notice.dismiss, Qt.MouseButton.LeftButton)
    assert not notice.isVisible()
    for name in which:
        assert not (tmp_path / name).is_dir(), "what stands there stays"


def test_a_disk_that_fills_up_later_is_said_then(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    larimar = make_app(FakeEngine())
    done: list[str] = []
    larimar.background.run(lambda: unkept(Paths.under(tmp_path)).words, done.append)
    qtbot.waitUntil(lambda: done == [""])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("app.settings.write_settings", full)
    monkeypatch.setattr(os, "fsync", full)
    larimar.window.menu.choose_scheme("dark")
    qtbot.waitUntil(larimar.window.storage_notice.isVisible)
    assert "is full" in larimar.window.storage_notice.text.text()


def test_no_notice_when_everything_is_kept(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    larimar = make_app(FakeEngine())
    done: list[str] = []
    larimar.background.run(lambda: unkept(Paths.under(tmp_path)).words, done.append)
    qtbot.waitUntil(lambda: bool(done))
    assert done == [""]
    assert larimar.window.storage_notice.sentences == ()
    assert not larimar.window.storage_notice.isVisible()


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.ENOSPC, "is full. Free some space"),
        (errno.EDQUOT, "is full. Free some space"),
        (errno.EROFS, "is read-only."),
        (errno.EACCES, "may not write to"),
        (errno.EIO, "cannot be written: "),
    ],
)
def test_the_reason_is_said_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, says: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    assert says in unkept(Paths.under(tmp_path)).words
    assert not list(tmp_path.rglob("*.part"))


@posix
def test_a_user_without_a_home_gets_folders_that_vanish(tmp_path: Path) -> None:
    program = (
        "import pwd\n"
        "def nobody(_): raise KeyError\n"
        "pwd.getpwuid = nobody\n"
        "from app.paths import Paths, home_folder\n"
        "from app.storage import unkept\n"
        "paths = Paths.of_user()\n"
        "assert paths == Paths.of_user() and paths.temporary\n"
        "paths.config.mkdir(parents=True)\n"
        "home_folder()\n"
        "print(paths.config, unkept(paths).words, sep='\\n')\n"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XDG_") and name != "HOME"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    folder, sentence = done.stdout.splitlines()
    assert folder.startswith(str(tmp_path))
    assert "no home folder" in sentence
    assert list(tmp_path.iterdir()) == [], "nothing is left, and no folder called “~”"


# --- settings ---

SENSELESS = {
    "digits": "[settings]\nversion=" + "9" * 5000 + "\n[appearance]\ntext_zoom=" + "9" * 5000,
    "nesting": '[keys]\nchanged="' + "[" * 100_000 + '"',
    "kinds": '[keys]\nchanged="[1, 2]"\neverywhere="{\\"a\\": 7}"\n[speech]\nphrases="{}"',
    "null": "[model]\nfolder=a\\x0\\x62",
    "address": "[model]\nhub_mirror=http://[",
    "port": "[model]\nhub_mirror=https://a:99999999",
    "list": "[model]\nadded=a, b, c",
    "geometry": "[window]\ngeometry=" + "A" * 100_000,
    "path": "[model]\nfolder=/" + "a" * 5000,
}
UNREADABLE = {
    "object": b"[window]\ngeometry=@Variant(\\0\\0\\0\\x7f\\xff\\xff\\xff\\xff)\n",
    "no text": b"\xff\xfe\x00garbage",
    "zeros": b"\0" * 4096,
    "no settings": b"This is a letter.\n",
    "large": b"[a]\nb=" + b"x" * (2 << 20),
}


@pytest.mark.parametrize("kind", SENSELESS)
def test_senseless_settings_have_their_defaults_and_are_kept_aside(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "config" / "settings.ini"
    file.parent.mkdir()
    content = (SENSELESS[kind] + "\n[chat]\nthinking=true\n").encode()
    file.write_bytes(content)
    for _ in range(2):
        store = SettingsStore(file)
        assert store.load() == Settings(thinking=True)
        store.close()
    larimar = make_app(FakeEngine())
    aside = file.with_name("settings-not-understood-1.ini")
    said = larimar.window.storage_notice.text.text()
    assert ("Some settings were invalid" in said) is (kind != "version")
    assert str(aside) in said
    assert aside.read_bytes() == content
    assert {path.name for path in file.parent.glob("settings*")} == {file.name, aside.name}, "one copy is enough"
    larimar.window.close()
    store = SettingsStore(file)
    assert store.load().thinking
    assert store.notice() == "", "once"
    store.close()


@pytest.mark.parametrize("kind", UNREADABLE)
def test_unreadable_settings_are_moved_aside(make_app: MakeApp, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "config" / "settings.ini"
    file.parent.mkdir()
    file.write_bytes(UNREADABLE[kind])
    larimar = make_app(FakeEngine())
    assert "could not be read" in larimar.window.storage_notice.text.text()
    aside = file.with_name("settings-not-understood-1.ini")
    assert aside.read_bytes() == UNREADABLE[kind]
    larimar.window.close()
    assert SettingsStore(file).load().window_geometry


@posix
@pytest.mark.parametrize("kind", ["pipe", "folder", "broken link"])
def test_something_else_in_the_place_of_the_settings(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path, kind: str
) -> None:
    file = tmp_path / "config" / "settings.ini"
    file.parent.mkdir()
    if kind == "folder":
        file.mkdir()
    else:
        spoiled(file, kind)
    larimar = make_app(FakeEngine())
    assert "could not be read" in larimar.window.storage_notice.text.text()
    if kind == "broken link":
        qtbot.waitUntil(lambda: len(larimar.window.storage_notice.sentences) == 2)
        assert "Changes to the settings will not be saved" in larimar.window.storage_notice.text.text()
    larimar.window.close()
    assert file.is_symlink() if kind == "broken link" else file.is_file()


def test_any_settings_file_opens_the_window(tmp_path: Path) -> None:
    """Bytes changed, cut, doubled, and values of other kinds: defaults or what was meant, never an error."""
    draw = random.Random(17)
    good = SettingsStore(tmp_path / "good.ini")
    good.save(Settings(Path("/a"), True, "dark", bytes(range(200)), phrases=("a", "ü"), shortcuts={"quit": "Ctrl+X"}))
    good.close()
    made = (tmp_path / "good.ini").read_bytes()
    odd = [
        b"9" * 5000,
        b"[" * 5000,
        b'"',
        b"\\x",
        b"\\xd800",
        b"@Variant(",
        b"@ByteArray(\\0",
        b"\0",
        b"\xff",
        b"%",
        b"\n[",
    ]
    keys = list(texts_of(Settings()))
    for number in range(examples(60)):
        content = bytearray(made)
        for _ in range(draw.randint(1, 8)):
            place = draw.randrange(len(content) + 1)
            match draw.randrange(5):
                case 0:
                    content[place : place + draw.randint(0, 40)] = b""
                case 1:
                    content[place:place] = draw.choice(odd)
                case 2:
                    content[place:place] = draw.randbytes(draw.randint(1, 30))
                case 3:
                    content += content[place : place + 50]
                case 4:
                    key = draw.choice(keys)
                    section, _, name = key.partition("/")
                    content += f"\n[{section}]\n{name}=".encode() + draw.choice(odd)
        file = tmp_path / f"{number}" / "settings.ini"
        file.parent.mkdir()
        file.write_bytes(content)
        store = SettingsStore(file)
        found = store.load()
        assert settings_of(texts_of(found)) == found
        store.save(Settings(thinking=not found.thinking))
        store.close()
        again = SettingsStore(file)
        assert again.load() == Settings(thinking=not found.thinking)
        again.close()


# --- private files ---


@posix
def test_everything_is_closed_to_others_also_what_exists(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        paths = Paths.under(tmp_path / "larimar")
        for name in (
            "config/settings.ini",
            "data/media/aa/x.png",
            "logs/larimar.log",
            "logs/crash.log",
            "cache/p/x.npz",
        ):
            file = tmp_path / "larimar" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"")
        weights = paths.models / "shared" / "model.onnx"
        weights.parent.mkdir(parents=True)
        weights.write_bytes(b"")
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "theirs").write_bytes(b"")
        (paths.data / "link").symlink_to(outside)
        (paths.data / "linked").symlink_to(outside / "theirs")
        restrict_below(paths.config)
        restrict_below(paths.data, leaving=(paths.models,))
        restrict_below(paths.logs)
        restrict_below(paths.cache)
        store = SettingsStore(paths.settings)
        store.load()
        store.save(Settings(thinking=True))
        store.close()
        log_to(paths.logs)
        close_logs()
        stop_logging_qt()
    finally:
        os.umask(before)
    left = [
        path for path in (tmp_path / "larimar").rglob("*") if not path.is_symlink() and path.lstat().st_mode & 0o077
    ]
    assert {
        path for path in left if paths.models not in (path, *path.parents) and path != tmp_path / "larimar"
    } == set()
    assert (outside / "theirs").stat().st_mode & 0o777 == 0o666
    assert outside.stat().st_mode & 0o777 == 0o777


@posix
def test_the_program_closes_its_files_at_the_start(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    media = tmp_path / "data" / "media" / "aa" / "old.png"
    media.parent.mkdir(parents=True)
    media.write_bytes(b"")
    media.chmod(0o644)
    (tmp_path / "data").chmod(0o755)
    stale = tmp_path / "cache" / "imports" / "larimar-import-x"
    stale.mkdir(parents=True)
    os.utime(stale, (1, 1))
    larimar = make_app(FakeEngine())
    qtbot.waitUntil(lambda: media.stat().st_mode & 0o777 == 0o600 and not stale.exists())
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    larimar.window.close()
    left = {path.name for path in tmp_path.rglob("*") if path.stat().st_mode & 0o077}
    assert left == set()


@posix
def test_what_the_user_saves_elsewhere_has_the_usual_mode(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_whole(tmp_path / "out.md", lambda file: file.write_text("x") and None)
    finally:
        os.umask(before)
    assert (tmp_path / "out.md").stat().st_mode & 0o777 == 0o644


@posix
def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError), open(tmp_path / "pipe", "ab", opener=private_opener):  # noqa: PT011
        pass
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError):  # noqa: PT011
        make_private_folder(tmp_path / "file" / "below")


def test_a_log_that_the_disk_does_not_take_holds_up_nothing(tmp_path: Path) -> None:
    (tmp_path / "logs").write_bytes(b"")
    log_to(tmp_path / "logs")
    close_logs()
    stop_logging_qt()


# --- wiping ---


@posix
def test_a_wipe_that_is_killed_is_finished_by_the_next_start(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path)
    for folder in (paths.data / "media", paths.cache, paths.config, paths.logs):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "secret").write_text("xylophon")
    program = (
        "import os, shutil, signal, sys\n"
        "from pathlib import Path\n"
        "import app.wipe as wiping\n"
        "from app.paths import Paths\n"
        "wiping.shutil.rmtree = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "wiping.wipe(Paths.under(Path(sys.argv[1])))\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert is_unfinished(paths)
    start = (
        "import sys\n"
        "from pathlib import Path\n"
        "from PySide6.QtCore import QTimer\n"
        "import app.running as running\n"
        "from app.single_instance import Wishes\n"
        "from fakes.engine import FakeEngine\n"
        "running.open_engine = lambda path: FakeEngine()\n"
        "QTimer.singleShot(0, lambda: running.QApplication.instance().quit())\n"
        "sys.exit(running.run(data_dir=Path(sys.argv[1])))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", start, str(tmp_path)], env=environment, check=False, timeout=60)
    assert done.returncode == 0
    assert not is_unfinished(paths)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"xylophon" in path.read_bytes()]


@posix
def test_what_cannot_be_wiped_is_named_and_not_tried_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = Paths.under(tmp_path)
    for folder in (paths.data, paths.config):
        folder.mkdir()
        (folder / "held").write_text("x")
    unlink = Path.unlink

    def held(path: Path, missing_ok: bool = False) -> None:
        if path == paths.data / "held":
            raise PermissionError(errno.EPERM, "held")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", held)
    assert wipe(paths) == [paths.data / "held"]
    assert not is_unfinished(paths), "or the next start would wipe what is new"
    assert not paths.config.exists()


def test_a_limit_on_file_sizes_is_a_full_disk(tmp_path: Path) -> None:
    """The whole window under a limit of no bytes a file, as on a full disk; in a process of its own."""
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from PySide6.QtCore import QTimer\n"
        "import app.running as running\n"
        "from fakes.engine import FakeEngine\n"
        "running.open_engine = lambda path: FakeEngine()\n"
        "def look():\n"
        "    for window in running.QApplication.topLevelWidgets():\n"
        "        if hasattr(window, 'storage_notice') and window.storage_notice.isVisible():\n"
        "            print(window.storage_notice.text.text(), flush=True)\n"
        "            window.quit()\n"
        "timer = QTimer()\n"
        "timer.timeout.connect(look)\n"
        "QTimer.singleShot(0, lambda: timer.start(20))\n"
        "sys.exit(running.run(data_dir=Path(sys.argv[1])))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-B", "-c", program, str(tmp_path)],
        env=environment,
        check=False,
        timeout=120,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing from this session will be saved." in done.stdout
    assert "is full" in done.stdout
    assert "Traceback" not in done.stderr
