"""Pasting into a second program on a real X server: nothing is lost, and the clipboard is as it was."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("X11 is for Linux", allow_module_level=True)

from Xlib import X, display

from app.devices import text_inserter_x11, x11_selections
from app.devices.text_inserter import Insertion
from app.devices.text_inserter_x11 import X11TextInserter
from dictation.conftest import DEADLINE, Screen, Target, Wait

MIXED = "naïve café — ÄÖÜ 日本語 👩‍👩‍👧 שלום ‘x’\t½\n"


class Outcomes:
    """How insertions ended."""

    def __init__(self, inserter: X11TextInserter) -> None:
        self.inserted: list[Insertion] = []
        self.failed: list[str] = []
        self.kept: list[str] = []
        self.restored: list[str] = []
        self.undone: list[str] = []
        inserter.inserted.connect(self.inserted.append)
        inserter.failed.connect(lambda _, sentence: self.failed.append(sentence))
        inserter.kept.connect(lambda _, sentence: self.kept.append(sentence))
        inserter.restored.connect(lambda _, sentence: self.restored.append(sentence))
        inserter.undone.connect(self.undone.append)


@pytest.fixture
def inserter(qapp: object, screen: Screen) -> Iterator[X11TextInserter]:
    made = X11TextInserter()
    yield made
    made.close()


@pytest.fixture
def outcomes(inserter: X11TextInserter) -> Outcomes:
    return Outcomes(inserter)


def test_a_hundred_insertions_lose_nothing_and_leave_the_clipboard(
    inserter: X11TextInserter,
    outcomes: Outcomes,
    screen: Screen,
    target: Target,
    wait: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_inserter_x11, "QUIET_SECONDS", 0.05)  # measure_dictation.py does it with the real one
    screen.copy("the former ünï 日本".encode())
    texts = [f"{number} {MIXED}" for number in range(100)]
    for number, text in enumerate(texts):
        inserter.prepare()
        inserter.insert(text)
        wait(lambda number=number: len(outcomes.restored) > number or outcomes.failed)  # type: ignore[misc]
        assert not outcomes.failed
        if number % 33 == 0:
            assert screen.clipboard() == "the former ünï 日本".encode()
    wait(lambda: target.text == "".join(texts))
    assert len(outcomes.inserted) == 100
    assert screen.clipboard() == "the former ünï 日本".encode()
    assert outcomes.restored == [""] * 100


def test_texts_that_come_quickly_wait_for_each_other(
    inserter: X11TextInserter, outcomes: Outcomes, screen: Screen, target: Target, wait: Wait
) -> None:
    for text in ("one ", "two ", "three "):
        inserter.insert(text)
    wait(lambda: len(outcomes.restored) == 3)
    wait(lambda: target.text == "one two three ")


def test_a_large_picture_comes_back_whole(
    inserter: X11TextInserter, outcomes: Outcomes, screen: Screen, target: Target, wait: Wait
) -> None:
    picture = bytes(range(256)) * 4096  # a megabyte: it goes in pieces, both ways
    screen.copy(picture, "image/png")
    inserter.insert("text")
    wait(lambda: outcomes.restored)
    assert screen.clipboard("image/png") == picture
    assert b"image/png" in screen.clipboard("TARGETS")
    wait(lambda: target.text == "text")


def test_an_empty_clipboard_is_empty_again(
    inserter: X11TextInserter, outcomes: Outcomes, screen: Screen, target: Target, wait: Wait
) -> None:
    connection = display.Display()
    clipboard = connection.intern_atom("CLIPBOARD")
    connection.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent).set_selection_owner(clipboard, 0)
    connection.sync()
    connection.close()  # the owner is gone
    inserter.insert("text")
    wait(lambda: outcomes.restored)
    connection = display.Display()
    assert connection.get_selection_owner(clipboard) == X.NONE
    connection.close()


def test_modifiers_that_are_still_held_do_not_change_the_keys(
    inserter: X11TextInserter, outcomes: Outcomes, screen: Screen, target: Target, wait: Wait
) -> None:
    screen.xdotool("keydown", "ctrl", "keydown", "alt")
    insertion = inserter.insert("text")
    screen.xdotool("sleep", "0.2", "keyup", "alt", "keyup", "ctrl")
    wait(lambda: target.text == "text")
    assert insertion.keys_sent - insertion.asked > 0.1
    wait(lambda: outcomes.restored)


def test_the_last_text_can_be_taken_back_once_and_only_where_it_went(
    inserter: X11TextInserter, outcomes: Outcomes, screen: Screen, target: Target, wait: Wait
) -> None:
    inserter.undo()
    wait(lambda: outcomes.undone)
    assert "Nothing was inserted" in outcomes.undone.pop()
    inserter.insert("text")
    wait(lambda: outcomes.restored)
    wait(lambda: target.text == "text")
    inserter.undo()
    wait(lambda: target.text == "")
    wait(lambda: outcomes.undone == [""])
    inserter.insert("again")
    wait(lambda: len(outcomes.restored) == 2)
    other = Target(screen, "Another Target")
    inserter.undo()
    wait(lambda: len(outcomes.undone) == 2)
    assert "Another program is in front" in outcomes.undone[1]
    other.close()


def test_a_program_that_does_not_give_what_it_copied(
    inserter: X11TextInserter,
    outcomes: Outcomes,
    screen: Screen,
    target: Target,
    wait: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(x11_selections, "_ALL_SECONDS", 0.2)
    hung = display.Display()  # owns the clipboard and never answers
    hung.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent).set_selection_owner(
        hung.intern_atom("CLIPBOARD"), X.CurrentTime
    )
    hung.sync()
    inserter.prepare()
    inserter.insert("text")
    wait(lambda: outcomes.restored)
    assert "did not answer" in outcomes.restored[0]
    wait(lambda: target.text == "text")
    hung.close()


def test_the_program_that_had_copied_something_may_end_meanwhile(
    inserter: X11TextInserter, outcomes: Outcomes, screen: Screen, target: Target, wait: Wait
) -> None:
    def offered() -> bytes:
        try:
            return screen.clipboard()
        except AssertionError:
            return b""  # not yet

    with subprocess.Popen(
        ["xclip", "-selection", "clipboard", "-quiet"], env=screen.environment, stdin=subprocess.PIPE
    ) as owner:
        try:
            assert owner.stdin is not None
            owner.stdin.write(b"of one that ends")
            owner.stdin.close()
            wait(lambda: offered() == b"of one that ends")
            inserter.prepare()
            inserter._thread.post(lambda: None).result(DEADLINE)
        finally:
            owner.kill()
    inserter.insert("text")
    wait(lambda: outcomes.restored == [""])
    assert screen.clipboard() == b"of one that ends"


def test_another_program_takes_the_clipboard_at_that_moment(
    inserter: X11TextInserter, outcomes: Outcomes, screen: Screen, target: Target, wait: Wait
) -> None:
    inserter.prepare()
    inserter._thread.post(lambda: None).result(DEADLINE)
    thief = display.Display()
    window = thief.screen().root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
    offer = inserter._thread.offer

    def offer_and_lose(selection: int, contents: object, read: object = None) -> bool:
        done = offer(selection, contents, read)  # type: ignore[arg-type]
        window.set_selection_owner(selection, X.CurrentTime)
        thief.sync()
        return done

    inserter._thread.offer = offer_and_lose  # type: ignore[method-assign, assignment]
    inserter.insert("text")
    wait(lambda: outcomes.failed)
    assert "took the clipboard" in outcomes.failed[0]
    assert outcomes.inserted == []
    thief.close()


@pytest.fixture
def deaf(screen: Screen) -> Iterator[None]:
    """A program in front that pastes nothing."""
    with subprocess.Popen(
        [sys.executable, "-c", _DEAF], env=screen.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as program:
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == b"ready\n"
            screen.focus("^Deaf$")
            yield
        finally:
            program.kill()


_DEAF = """
from PySide6.QtWidgets import QApplication, QWidget
app = QApplication([])
window = QWidget()
window.setWindowTitle("Deaf")
window.resize(200, 100)
window.show()
print("ready", flush=True)
app.exec()
"""


def test_a_program_that_does_not_paste(
    inserter: X11TextInserter,
    outcomes: Outcomes,
    screen: Screen,
    deaf: None,
    wait: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_inserter_x11, "UNREAD_SECONDS", 0.3)
    screen.copy(b"former")
    inserter.insert("text")
    wait(lambda: outcomes.failed)
    assert "has not taken the text" in outcomes.failed[0]
    assert screen.clipboard() == b"former"


def test_the_history_of_a_clipboard_manager_is_no_receipt(
    inserter: X11TextInserter,
    outcomes: Outcomes,
    screen: Screen,
    deaf: None,
    wait: Wait,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(text_inserter_x11, "UNREAD_SECONDS", 3600.0)
    insertion = inserter.insert("text")
    wait(lambda: insertion.keys_sent)
    assert screen.clipboard() == b"text"  # somebody who is not in front reads
    assert b"x-kde-passwordManagerHint" in screen.clipboard("TARGETS")
    wait(lambda: inserter._thread._reads)
    inserter.close()
    wait(lambda: outcomes.failed)
    assert outcomes.inserted == []


@pytest.mark.skipif(shutil.which("xterm") is None, reason="xterm is not installed")
def test_a_terminal_pastes_with_other_keys(
    inserter: X11TextInserter, outcomes: Outcomes, screen: Screen, wait: Wait, tmp_path: object
) -> None:
    screen.copy(b"former")
    file = f"{tmp_path}/said"
    with subprocess.Popen(
        ["xterm", "-u8", "-title", "Terminal", "-e", "sh", "-c", f"head -n 1 > {file}.part && mv {file}.part {file}"],
        env=screen.environment | {"LC_ALL": "C.UTF-8"},
        stderr=subprocess.DEVNULL,
    ) as terminal:
        try:
            screen.focus("^Terminal$")
            inserter.insert("naïve 日本語")
            wait(lambda: outcomes.restored)
            inserter.undo()
            wait(lambda: outcomes.undone)
            assert outcomes.undone[0], "Ctrl+Z would stop what runs there"
            screen.xdotool("key", "Return")
            assert terminal.wait(DEADLINE) == 0
        finally:
            terminal.kill()
    with open(file, encoding="utf-8") as said:
        assert said.read() == "naïve 日本語\n"
    assert screen.clipboard() == b"former"


def test_closing_in_the_middle_ends_the_insertion(
    inserter: X11TextInserter, outcomes: Outcomes, deaf: None, wait: Wait, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_inserter_x11, "UNREAD_SECONDS", 3600.0)
    insertion = inserter.insert("text")
    wait(lambda: insertion.keys_sent)
    inserter.close()
    wait(lambda: outcomes.failed)
    assert time.monotonic() - insertion.asked < DEADLINE


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_without_an_x_server_there_is_a_sentence(qapp: object, wait: Wait, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", "unix/:987")
    inserter = X11TextInserter()
    outcomes = Outcomes(inserter)
    inserter.prepare()
    inserter.insert("text")
    wait(lambda: outcomes.failed)
    assert "no X server" in outcomes.failed[0]
    inserter.close()
