"""Which keys do what, in the settings: those of the window, and those that act in every program."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QPushButton, QWidget

from app.global_keys import GlobalKeys
from app.settings_rows import Row, Section
from app.shortcuts import Shortcuts
from app.widgets.key_field import KeyField

Change = Callable[..., object]
"""Changes settings, given by their names."""
MakeButton = Callable[[str, Callable[[], object], str], QPushButton]
"""Makes a button of its words, what it does, and its accessible name."""


class _Action(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...


class _KeyRows(QObject):
    def __init__(
        self, section: Section, actions: Iterable[_Action], chosen: Callable[[str, str], None], parent: QWidget
    ) -> None:
        super().__init__(section)
        self.fields: dict[str, KeyField] = {}
        self.rows: dict[str, Row] = {}
        for action in actions:
            field = KeyField(action.name, parent)
            field.chosen.connect(partial(chosen, action.id))
            self.rows[action.id] = section.add(action.name, "", field)
            self.fields[action.id] = field


class ShortcutRows(_KeyRows):
    """Which keys do what in the window, and why some cannot."""

    def __init__(
        self, section: Section, shortcuts: Shortcuts, change: Change, make_button: MakeButton, parent: QWidget
    ) -> None:
        super().__init__(section, shortcuts.actions, self._chosen, parent)
        self._shortcuts = shortcuts
        self._change = change
        self.reset = make_button(self.tr("Restore"), self._reset, self.tr("Restore all default keys"))
        section.add(self.tr("Default keys"), "", self.reset)
        self._refresh()

    def _refresh(self) -> None:
        for action_id, field in self.fields.items():
            field.show_keys(self._shortcuts.keys(action_id))
            self.rows[action_id].say("")

    def _chosen(self, action_id: str, keys: str) -> None:
        problem = self._shortcuts.change(action_id, keys)
        self._refresh()
        self.rows[action_id].say(problem, alarming=True)
        self._change(shortcuts=self._shortcuts.changes)

    def _reset(self) -> None:
        self._shortcuts.reset()
        self._refresh()
        self._change(shortcuts=self._shortcuts.changes)


class GlobalKeyRows(_KeyRows):
    """Which keys act in every program, and why some do not."""

    def __init__(
        self,
        section: Section,
        keys: GlobalKeys,
        shortcuts: Shortcuts,
        change: Change,
        make_button: MakeButton,
        parent: QWidget,
    ) -> None:
        super().__init__(section, keys.actions, self._chosen, parent)
        self._keys = keys
        self._shortcuts = shortcuts
        self._change = change
        self.reset = make_button(
            self.tr("Restore"), self._reset, self.tr("Restore the default keys of all that acts in every program")
        )
        self._last = section.add(
            self.tr("Default keys"),
            self.tr(
                "Where these keys cannot work, the desktop’s own keyboard settings can run “larimar --dictate”, "
                "“--ask-screen”, “--paste-last” or “--cancel”."
            ),
            self.reset,
        )
        keys.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the keys as they are, and what is wrong with them."""
        for action, field in self.fields.items():
            field.show_keys(self._keys.keys(action))
            problem = self._keys.problem(action)
            self.rows[action].say("" if self._keys.reason else problem, alarming=True)
        self._last.say(self._keys.reason, alarming=True)

    def _chosen(self, action: str, keys: str) -> None:
        problem = self._keys.change(action, keys, self._shortcuts)
        self.refresh()
        if problem and not self._keys.reason:
            self.rows[action].say(problem, alarming=True)
        self._change(global_keys=self._keys.changes)

    def _reset(self) -> None:
        self._keys.reset()
        self.refresh()
        self._change(global_keys=self._keys.changes)
