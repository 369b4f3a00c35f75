"""Which actions have keys in every program, and why not."""

from __future__ import annotations

import pytest
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from app.devices.hotkeys import Hotkeys
from app.devices.hotkeys_windows import virtual_key
from app.global_keys import GlobalKeys
from app.shortcuts import Shortcuts


class FakeHotkeys(Hotkeys):
    """Takes every key but those that are taken."""

    passing = True

    def __init__(self, *taken: str) -> None:
        super().__init__()
        self.taken = set(taken)
        self.bound: dict[str, str] = {}

    def bind(self, action: str, keys: str, name: str = "") -> str | None:
        self.bound.pop(action, None)
        if keys in self.taken:
            return f"{keys} belongs to another program already."
        if keys:
            self.bound[action] = keys
        return None


def make(hotkeys: Hotkeys, changes: dict[str, str] | None = None) -> tuple[GlobalKeys, list[str]]:
    heard: list[str] = []
    keys = GlobalKeys(hotkeys, changes or {})
    keys.add("dictate", "Dictate", "Ctrl+Alt+D", lambda: heard.append("down"), lambda: heard.append("up"))
    keys.add("show", "Show", "Ctrl+Alt+G", lambda: heard.append("show"))
    return keys, heard


def test_actions_are_called_when_their_keys_are_pressed(qapp: object) -> None:
    hotkeys = FakeHotkeys()
    keys, heard = make(hotkeys, {"show": "Meta+G"})
    assert hotkeys.bound == {"dictate": "Ctrl+Alt+D", "show": "Meta+G"}
    for signal, action in (("pressed", "dictate"), ("released", "dictate"), ("pressed", "show"), ("released", "show")):
        getattr(hotkeys, signal).emit(action)
    hotkeys.pressed.emit("unknown")
    assert heard == ["down", "up", "show"]
    assert keys.changes == {"show": "Meta+G"}


def test_keys_of_another_program_are_not_kept(qapp: object) -> None:
    hotkeys = FakeHotkeys("Ctrl+Alt+X", "Ctrl+Alt+G")
    keys, _ = make(hotkeys)
    assert "another program" in keys.problem("show")
    assert "another program" in keys.change("dictate", "Ctrl+Alt+X")
    assert hotkeys.bound == {"dictate": "Ctrl+Alt+D"}
    assert keys.changes == {}
    assert keys.change("show", "F9") == ""
    assert keys.problem("show") == ""
    assert hotkeys.bound["show"] == "F9"


def test_conflicts_are_said(qapp: object) -> None:
    keys, _ = make(FakeHotkeys())
    window = QWidget()
    shortcuts = Shortcuts({})
    shortcuts.bind("new_chat", "New chat", QShortcut(QKeySequence("Ctrl+N"), window))
    assert "“Show”" in keys.change("dictate", "Ctrl+Alt+G", shortcuts)
    assert "“New chat”" in keys.change("dictate", "Ctrl+N", shortcuts)
    assert "need Ctrl" in keys.change("dictate", "D", shortcuts)
    assert keys.change("dictate", "", shortcuts) == ""
    assert keys.keys("dictate") == ""


def test_what_is_not_wanted_has_no_keys(qapp: object) -> None:
    hotkeys = FakeHotkeys()
    keys, _ = make(hotkeys)
    keys.want("dictate", False)
    assert hotkeys.bound == {"show": "Ctrl+Alt+G"}
    keys.want("dictate", True)
    assert hotkeys.bound["dictate"] == "Ctrl+Alt+D"


def test_defaults_come_back(qapp: object) -> None:
    hotkeys = FakeHotkeys()
    keys, _ = make(hotkeys, {"dictate": "", "show": "F9"})
    assert hotkeys.bound == {"show": "F9"}
    keys.reset()
    assert hotkeys.bound == {"dictate": "Ctrl+Alt+D", "show": "Ctrl+Alt+G"}


def test_keys_that_fail_later_say_so(qapp: object) -> None:
    hotkeys = FakeHotkeys()
    keys, _ = make(hotkeys)
    changes: list[None] = []
    keys.changed.connect(lambda: changes.append(None))
    hotkeys.failed.emit("dictate", "The desktop said no.")
    assert keys.problem("dictate") == "The desktop said no."
    assert changes == [None]


def test_a_display_without_global_keys_says_why(qapp: object) -> None:
    keys, _ = make(Hotkeys("There are none here."))
    assert keys.reason == "There are none here."
    assert keys.change("dictate", "Ctrl+Alt+K") == "There are none here."
    assert keys.keys("dictate") == "Ctrl+Alt+K", "another desktop may have them"


@pytest.mark.parametrize(
    ("keys", "code", "bits"),
    [("Ctrl+Alt+D", 0x44, 3), ("Meta+F5", 0x74, 8), ("Shift+Space", 0x20, 4), ("Ctrl+7", 0x37, 2), ("Ctrl+日", 0, 2)],
)
def test_keys_as_windows_numbers_them(qapp: object, keys: str, code: int, bits: int) -> None:
    assert virtual_key(keys) == (code, bits)
