"""Inserting where somebody else sends the keys: helper programs, a portal, or the user."""

from __future__ import annotations

import json
import os
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData
from PySide6.QtGui import QGuiApplication

from app.devices import paste_keys, text_inserter_keys
from app.devices.paste_keys import PasteKeys, ProgramKeys, SeveralKeys, Stroke, make_paste_keys
from app.devices.text_inserter import TextInserter, make_text_inserter
from app.devices.text_inserter_keys import ClipboardTextInserter, WaylandClipboard
from dictation.conftest import Wait

MIXED = "naïve café — ÄÖÜ 日本語 👩‍👩‍👧"
needs_posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in may take its time to start on a busy machine; no test here is about a program that hangs."""
    for module in (paste_keys, text_inserter_keys):
        monkeypatch.setattr(module, "_PROGRAM_SECONDS", 120.0)


class FakeKeys(PasteKeys):
    """Sends strokes to a list."""

    def __init__(self, works: bool = True) -> None:
        self.works = works
        self.sent: list[Stroke] = []
        self.prepared = threading.Event()

    def prepare(self) -> None:
        self.prepared.set()

    def send(self, stroke: Stroke) -> bool:
        self.sent.append(stroke)
        return self.works


class Outcomes:
    def __init__(self, inserter: TextInserter) -> None:
        self.all: list[tuple[str, str]] = []
        inserter.inserted.connect(lambda _: self.all.append(("inserted", "")))
        for name in ("kept", "failed", "restored"):
            getattr(inserter, name).connect(lambda _, sentence, name=name: self.all.append((name, sentence)))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.all]


@pytest.fixture
def make(qapp: object) -> Iterator[Callable[..., ClipboardTextInserter]]:
    made: list[ClipboardTextInserter] = []

    def maker(*arguments: object) -> ClipboardTextInserter:
        made.append(ClipboardTextInserter(*arguments))  # type: ignore[arg-type]
        return made[-1]

    yield maker
    for inserter in made:
        inserter.close()


def test_a_reader_is_the_receipt_and_all_formats_come_back(
    make: Callable[..., ClipboardTextInserter], wait: Wait
) -> None:
    clipboard = QGuiApplication.clipboard()
    former = QMimeData()
    former.setText("former")
    former.setData("application/x-own", b"\x00\x01")
    clipboard.setMimeData(former)
    keys = FakeKeys()
    inserter = make(keys)
    outcomes = Outcomes(inserter)
    insertion = inserter.insert(MIXED)
    wait(lambda: insertion.keys_sent)
    assert outcomes.names == [], "nobody has read it"
    assert clipboard.text() == MIXED
    wait(lambda: outcomes.names == ["inserted", "restored"])
    assert clipboard.text() == "former"
    assert bytes(clipboard.mimeData().data("application/x-own").data()) == b"\x00\x01"
    assert keys.sent == ["paste"]


def test_where_nothing_can_send_keys_the_user_pastes(make: Callable[..., ClipboardTextInserter], wait: Wait) -> None:
    inserter = make(FakeKeys(works=False))
    outcomes = Outcomes(inserter)
    inserter.insert("one")
    wait(lambda: outcomes.all)
    assert outcomes.all == [("kept", "The text is on the clipboard: press Ctrl+V to insert it.")]
    assert QGuiApplication.clipboard().text() == "one"
    inserter.insert("two")
    wait(lambda: len(outcomes.all) == 2)
    assert QGuiApplication.clipboard().text() == "two"


def test_nobody_reads(make: Callable[..., ClipboardTextInserter], wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_inserter_keys, "UNREAD_SECONDS", 0.1)
    QGuiApplication.clipboard().setText("former")
    inserter = make(FakeKeys())
    outcomes = Outcomes(inserter)
    inserter.insert("text")
    wait(lambda: outcomes.all)
    assert outcomes.names == ["failed"]
    assert QGuiApplication.clipboard().text() == "former"


def test_another_program_copies_something_meanwhile(make: Callable[..., ClipboardTextInserter], wait: Wait) -> None:
    class Thief(FakeKeys):
        def send(self, stroke: Stroke) -> bool:
            taken.wait(10)
            return True

    taken = threading.Event()
    inserter = make(Thief())
    outcomes = Outcomes(inserter)
    inserter.insert("text")
    wait(lambda: inserter._current)
    QGuiApplication.clipboard().setText("new")
    taken.set()
    wait(lambda: outcomes.all)
    assert outcomes.names == ["failed"]
    assert "took the clipboard" in outcomes.all[0][1]
    assert QGuiApplication.clipboard().text() == "new"


def test_undo_sends_keys_once(make: Callable[..., ClipboardTextInserter], wait: Wait) -> None:
    keys = FakeKeys()
    inserter = make(keys)
    undone: list[str] = []
    inserter.undone.connect(undone.append)
    inserter.undo()
    assert "Nothing was inserted" in undone[0]
    insertion = inserter.insert("text")
    wait(lambda: insertion.keys_sent)
    QGuiApplication.clipboard().text()
    wait(lambda: insertion.restored)
    inserter.undo()
    wait(lambda: keys.sent == ["paste", "undo"])


# --- helper programs, played by scripts ---


def script(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


SAYS = """
import json, os, sys
with open(os.path.join(os.path.dirname(sys.argv[0]), "said"), "a") as said:
    said.write(json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
"""


def said(folder: Path) -> list[list[str]]:
    return [json.loads(line) for line in (folder / "said").read_text().splitlines()]


@needs_posix
def test_a_helper_program_that_fails_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    script(tmp_path, "wtype", SAYS + "sys.exit(1)")
    script(tmp_path, "ydotool", SAYS)
    keys = ProgramKeys()
    assert keys.ready
    assert keys.send("paste")
    assert keys.send("undo")
    assert [line[0] for line in said(tmp_path)] == ["wtype", "ydotool", "ydotool"]
    assert said(tmp_path)[1][1:] == ["key", "29:1", "47:1", "47:0", "29:0"]


@needs_posix
def test_without_helper_programs_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    keys = ProgramKeys()
    assert not keys.ready
    assert not keys.send("paste")


def test_nobody_is_asked_for_what_works_already() -> None:
    class Ready(FakeKeys):
        ready = True

    first, second = Ready(), FakeKeys()
    SeveralKeys(first, second).prepare()
    assert not second.prepared.is_set()
    assert SeveralKeys(FakeKeys(works=False), second).send("paste")
    assert second.sent == ["paste"]


WL_COPY = """
import os, signal, sys
here = os.path.dirname(sys.argv[0])
kind = sys.argv[sys.argv.index("--type") + 1] if "--type" in sys.argv else ""
data = sys.stdin.buffer.read() if kind else b""
with open(os.path.join(here, "clipboard.part"), "wb") as file:
    file.write(kind.encode() + b"\\n" + data)
os.replace(os.path.join(here, "clipboard.part"), os.path.join(here, "clipboard"))
if kind:
    signal.pause()
"""
WL_PASTE = """
import os, sys
with open(os.path.join(os.path.dirname(sys.argv[0]), "clipboard"), "rb") as file:
    kind, _, data = file.read().partition(b"\\n")
sys.stdout.buffer.write(kind + b"\\n" if "--list-types" in sys.argv else data)
"""


@needs_posix
@pytest.mark.parametrize("dies", [False, True])
def test_wl_copy_offers_the_text_and_then_what_was_there(
    make: Callable[..., ClipboardTextInserter],
    tmp_path: Path,
    wait: Wait,
    monkeypatch: pytest.MonkeyPatch,
    dies: bool,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    script(tmp_path, "wl-copy", WL_COPY.replace("signal.pause()", "sys.exit(1)") if dies else WL_COPY)
    script(tmp_path, "wl-paste", WL_PASTE)
    (tmp_path / "clipboard").write_bytes(b"text/plain\nformer")
    pasted: list[bytes] = []
    clipboard = WaylandClipboard()

    class Pastes(FakeKeys):
        def send(self, stroke: Stroke) -> bool:
            assert clipboard._owner is not None
            while (tmp_path / "clipboard").read_bytes() == b"text/plain\nformer":
                pass
            if dies:
                clipboard._owner.wait()
            pasted.append((tmp_path / "clipboard").read_bytes())
            return True

    inserter = make(Pastes(), None, clipboard)
    outcomes = Outcomes(inserter)
    inserter.insert(MIXED)
    if dies:
        wait(lambda: outcomes.names == ["failed"])
        assert "“Paste last dictation”" in outcomes.all[0][1]
        return
    wait(lambda: outcomes.names == ["inserted", "restored"])
    assert pasted == [b"text/plain;charset=utf-8\n" + MIXED.encode()]
    wait(lambda: (tmp_path / "clipboard").read_bytes() == b"text/plain\nformer")
    inserter.close()
    assert clipboard._owner is not None
    clipboard._owner.kill()
    clipboard._owner.wait()


@needs_posix
def test_a_clipboard_that_cannot_be_had_is_said(
    make: Callable[..., ClipboardTextInserter], tmp_path: Path, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    script(tmp_path, "wl-copy", "import sys\nsys.exit('Missing a seat')")
    inserter = make(FakeKeys(works=False), None, WaylandClipboard())
    outcomes = Outcomes(inserter)
    inserter.insert("text")
    wait(lambda: outcomes.names == ["failed"])
    assert "could not be put on the clipboard" in outcomes.all[0][1]


# --- the choice ---


def test_a_display_without_other_programs_says_so(qapp: object) -> None:
    inserter = make_text_inserter("io.github.larimar.Larimar")
    assert type(inserter) is TextInserter
    outcomes = Outcomes(inserter)
    inserter.insert("text")
    assert outcomes.names == ["failed"]


def test_a_system_where_nothing_sends_keys(qapp: object) -> None:
    keys = make_paste_keys("io.github.larimar.Larimar", "cocoa")
    assert not keys.send("paste")
    keys.close()
