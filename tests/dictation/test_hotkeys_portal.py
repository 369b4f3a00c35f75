"""Global keys through the GlobalShortcuts portal, on a bus of its own with a stand-in for the desktop."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

if not sys.platform.startswith("linux"):
    pytest.skip("portals are for Linux", allow_module_level=True)

from app.devices.hotkeys_portal import PortalHotkeys, trigger
from app.devices.paste_keys import PortalKeys
from dictation.conftest import Wait

APP_ID = "io.github.larimar.Larimar"


@pytest.fixture(scope="module")
def bus() -> Iterator[str]:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("dbus-daemon is not installed")
    daemon = subprocess.Popen(
        ["dbus-daemon", "--session", "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert daemon.stdout is not None
    yield daemon.stdout.readline().strip()
    daemon.terminate()
    daemon.wait()
    daemon.stdout.close()


class Desktop:
    """The stand-in, and what it was asked."""

    def __init__(self, bus: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("portal_mock.py")), *arguments],
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": bus},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.next_call()[0] == "ready"

    def next_call(self) -> list[object]:
        assert self._process.stdout is not None
        call: list[object] = json.loads(self._process.stdout.readline())
        return call

    def say(self, words: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(words + "\n")
        self._process.stdin.flush()

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class Keys:
    """Keys, and what they said."""

    def __init__(self) -> None:
        self.hotkeys = PortalHotkeys(APP_ID)
        self.said: list[tuple[str, str]] = []
        self.failed: list[tuple[str, str]] = []
        self.hotkeys.pressed.connect(lambda action: self.said.append(("down", action)))
        self.hotkeys.released.connect(lambda action: self.said.append(("up", action)))
        self.hotkeys.failed.connect(lambda action, sentence: self.failed.append((action, sentence)))


@pytest.fixture
def keys(qapp: object, bus: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keys]:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
    made = Keys()
    yield made
    made.hotkeys.close()


def test_the_desktop_is_asked_for_all_keys_at_once_and_tells_of_them(keys: Keys, bus: str, wait: Wait) -> None:
    desktop = Desktop(bus)
    assert keys.hotkeys.bind("dictate", "Ctrl+Alt+D", "Dictate") is None
    assert keys.hotkeys.bind("show", "Meta+F5", "Show Larimar") is None
    wait(lambda: keys.hotkeys._thread is not None)
    assert desktop.next_call() == ["Register", [APP_ID, {}]]
    assert desktop.next_call()[0] == "CreateSession"
    method, body = desktop.next_call()
    assert method == "BindShortcuts"
    shortcuts = dict(body[1])  # type: ignore[index]
    assert shortcuts["dictate"] == {"description": ["s", "Dictate"], "preferred_trigger": ["s", "CTRL+ALT+d"]}
    assert shortcuts["show"]["preferred_trigger"] == ["s", "LOGO+F5"]
    desktop.say("Activated dictate")
    wait(lambda: keys.said == [("down", "dictate")])
    desktop.say("Deactivated dictate")
    wait(lambda: keys.said == [("down", "dictate"), ("up", "dictate")])
    assert keys.failed == []
    desktop.close()


def test_a_key_that_is_held_when_the_desktop_goes_away_is_let_go(keys: Keys, bus: str, wait: Wait) -> None:
    desktop = Desktop(bus)
    keys.hotkeys.bind("dictate", "Ctrl+Alt+D")
    wait(lambda: keys.hotkeys._thread is not None)
    while desktop.next_call()[0] != "BindShortcuts":
        pass
    desktop.say("Activated dictate")
    wait(lambda: keys.said)
    desktop.close()
    wait(lambda: keys.failed)
    assert keys.said == [("down", "dictate"), ("up", "dictate")]
    assert "no longer" in keys.failed[0][1]


def test_a_user_who_refuses(keys: Keys, bus: str, wait: Wait) -> None:
    desktop = Desktop(bus, "refuse")
    keys.hotkeys.bind("dictate", "Ctrl+Alt+D")
    wait(lambda: keys.failed)
    assert keys.failed[0][0] == "dictate"
    assert "gave Larimar no global keys" in keys.failed[0][1]
    desktop.close()


def test_other_keys_make_another_session(keys: Keys, bus: str, wait: Wait) -> None:
    desktop = Desktop(bus)
    keys.hotkeys.bind("dictate", "Ctrl+Alt+D")
    wait(lambda: keys.hotkeys._thread is not None)
    first = keys.hotkeys._thread
    keys.hotkeys.bind("dictate", "Ctrl+Alt+K")
    wait(lambda: keys.hotkeys._thread is not first)
    keys.hotkeys.bind("dictate", "")
    wait(lambda: keys.hotkeys._thread is None)
    desktop.close()


def test_a_desktop_without_the_portal(keys: Keys, wait: Wait) -> None:
    keys.hotkeys.bind("dictate", "Ctrl+Alt+D")
    wait(lambda: keys.failed)
    assert "larimar --dictate" in keys.failed[0][1]


def test_no_session_bus(qapp: object, wait: Wait, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/none")
    keys = Keys()
    keys.hotkeys.bind("dictate", "Ctrl+Alt+D")
    wait(lambda: keys.failed)
    assert "larimar --dictate" in keys.failed[0][1]
    keys.hotkeys.close()


@pytest.mark.parametrize(
    ("keys_text", "written"),
    [("Ctrl+Alt+D", "CTRL+ALT+d"), ("Meta+F5", "LOGO+F5"), ("Ctrl+Shift+Space", "CTRL+SHIFT+space"), ("Esc", "Escape")],
)
def test_keys_are_written_as_the_specification_says(qapp: object, keys_text: str, written: str) -> None:
    assert trigger(keys_text) == written


def test_the_desktop_presses_the_keys_for_pasting(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
    desktop = Desktop(bus)
    keys = PortalKeys(APP_ID)
    assert not keys.send("paste"), "nobody was asked yet"
    keys.prepare()
    assert keys.ready
    calls = [desktop.next_call() for _ in range(4)]
    assert [method for method, _ in calls] == ["Register", "CreateSession", "SelectDevices", "Start"]
    assert keys.send("paste")
    pressed = [desktop.next_call() for _ in range(4)]
    assert [body[2:] for _, body in pressed] == [[29, 1], [47, 1], [47, 0], [29, 0]]  # type: ignore[index]
    desktop.close()
    assert not keys.send("paste"), "the desktop is gone"
    keys.close()


def test_a_desktop_without_the_portal_for_pressing_keys(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)  # on which nobody is
    keys = PortalKeys(APP_ID)
    keys.prepare()
    assert not keys.ready
    assert not keys.send("paste"), "what is inserted stays on the clipboard"
    keys.close()


def test_a_user_who_lets_nobody_press_keys(bus: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
    desktop = Desktop(bus, "refuse")
    keys = PortalKeys(APP_ID)
    keys.prepare()
    assert not keys.ready
    assert not keys.send("paste")
    keys.close()
    desktop.close()
