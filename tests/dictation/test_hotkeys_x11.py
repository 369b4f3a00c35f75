"""Global keys on a real X server, pressed by another program."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from dictation.conftest import Screen, Wait

if not sys.platform.startswith("linux"):
    pytest.skip("X11 is for Linux", allow_module_level=True)

from Xlib import X, display

from app.devices.hotkeys_x11 import X11Hotkeys


class Heard:
    """What keys have said."""

    def __init__(self, keys: X11Hotkeys) -> None:
        self.said: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str]] = []
        keys.pressed.connect(lambda action: self.said.append(("down", action)))
        keys.released.connect(lambda action: self.said.append(("up", action)))
        keys.failed.connect(lambda action, sentence: self.failed.append((action, sentence)))


@pytest.fixture
def keys(qapp: object, screen: Screen) -> Iterator[X11Hotkeys]:
    hotkeys = X11Hotkeys()
    assert hotkeys.reason == ""
    yield hotkeys
    hotkeys.close()


@pytest.fixture
def heard(keys: X11Hotkeys) -> Heard:
    return Heard(keys)


def test_a_held_key_presses_once_and_releases_once(keys: X11Hotkeys, heard: Heard, screen: Screen, wait: Wait) -> None:
    assert keys.bind("dictate", "Ctrl+Alt+D") is None
    screen.xdotool("keydown", "ctrl", "keydown", "alt", "keydown", "d")
    wait(lambda: heard.said)
    screen.xdotool("sleep", "0.3")  # the time in which it repeats
    screen.xdotool("keyup", "d", "keyup", "alt", "keyup", "ctrl")
    wait(lambda: len(heard.said) > 1)
    assert heard.said == [("down", "dictate"), ("up", "dictate")]


def test_locks_of_the_keyboard_do_not_matter(keys: X11Hotkeys, heard: Heard, screen: Screen, wait: Wait) -> None:
    assert keys.bind("dictate", "Ctrl+Alt+D") is None
    for lock in ("Num_Lock", "Caps_Lock"):
        heard.said.clear()
        screen.xdotool("key", lock)
        screen.xdotool("key", "ctrl+alt+d")
        wait(lambda: len(heard.said) == 2)
        screen.xdotool("key", lock)


def test_keys_of_another_program_are_refused_with_a_sentence(
    keys: X11Hotkeys, heard: Heard, screen: Screen, wait: Wait
) -> None:
    other = display.Display()
    code = other.keysym_to_keycode(ord("j"))
    other.screen().root.grab_key(code, X.ControlMask | X.Mod1Mask, False, X.GrabModeAsync, X.GrabModeAsync)
    other.sync()
    problem = keys.bind("dictate", "Ctrl+Alt+J")
    assert problem is not None
    assert "Ctrl+Alt+J belongs to another program" in problem
    assert keys.bind("dictate", "Ctrl+Alt+K") is None  # others still can be had
    screen.xdotool("key", "ctrl+alt+k")
    wait(lambda: len(heard.said) == 2)
    other.close()
    wait(lambda: keys.bind("dictate", "Ctrl+Alt+J") is None)  # as soon as the other has ended


def test_a_key_that_the_keyboard_lacks_is_refused(keys: X11Hotkeys) -> None:
    problem = keys.bind("dictate", "Ctrl+日")
    assert problem is not None
    assert "no key for" in problem


def test_a_release_that_nobody_reports_is_found_out(keys: X11Hotkeys, heard: Heard, screen: Screen, wait: Wait) -> None:
    assert keys.bind("dictate", "Ctrl+Alt+D") is None
    other = display.Display()
    screen.xdotool("keydown", "ctrl", "keydown", "alt", "keydown", "d")
    wait(lambda: heard.said)
    # another program takes the whole keyboard while the key is held, as a screen lock does: the release goes there
    keys._thread.post(lambda: keys._thread.display.ungrab_keyboard(X.CurrentTime)).result(5)
    keys._thread.post(keys._thread.display.sync).result(5)
    assert other.screen().root.grab_keyboard(True, X.GrabModeAsync, X.GrabModeAsync, X.CurrentTime) == 0
    screen.xdotool("keyup", "d", "keyup", "alt", "keyup", "ctrl")
    wait(lambda: heard.said == [("down", "dictate"), ("up", "dictate")])
    other.close()


def test_escape_is_heard_while_the_other_keys_are_held(
    keys: X11Hotkeys, heard: Heard, screen: Screen, wait: Wait
) -> None:
    assert keys.bind("dictate", "Ctrl+Alt+D") is None
    assert keys.bind("cancel", "Esc") is None
    screen.xdotool("keydown", "ctrl", "keydown", "alt", "keydown", "d", "key", "Escape")
    wait(lambda: ("down", "cancel") in heard.said)
    screen.xdotool("keyup", "d", "keyup", "alt", "keyup", "ctrl")
    wait(lambda: ("up", "dictate") in heard.said)
    assert keys.bind("cancel", "") is None
    heard.said.clear()
    screen.xdotool("key", "Escape")
    screen.xdotool("key", "ctrl+alt+d")
    wait(lambda: len(heard.said) == 2)
    assert heard.said == [("down", "dictate"), ("up", "dictate")]


def test_keys_that_are_let_go_are_free(keys: X11Hotkeys, screen: Screen, wait: Wait) -> None:
    assert keys.bind("dictate", "Ctrl+Alt+D") is None
    other = X11Hotkeys()
    assert other.bind("theirs", "Ctrl+Alt+D") is not None
    assert keys.bind("dictate", "") is None
    assert other.bind("theirs", "Ctrl+Alt+D") is None
    other.close()


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_without_an_x_server_there_is_a_sentence(qapp: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", "unix/:987")
    hotkeys = X11Hotkeys()
    assert "X server" in hotkeys.reason
    assert hotkeys.bind("dictate", "Ctrl+Alt+D") == hotkeys.reason
    hotkeys.close()
