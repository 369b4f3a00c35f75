"""The keys of the window in the settings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QPushButton, QWidget

from app.settings_rows import Row, Section
from app.shortcuts import Shortcuts
from app.widgets.key_field import KeyField


class ShortcutRows(QObject):
    """Which keys do what in the window, and why some cannot."""

    def __init__(
        self,
        section: Section,
        shortcuts: Shortcuts,
        change: Callable[..., object],
        make_button: Callable[[str, Callable[[], object], str], QPushButton],
        parent: QWidget,
    ) -> None:
        super().__init__(section)
        self._shortcuts = shortcuts
        self._change = change
        self.fields: dict[str, KeyField] = {}
        self.rows: dict[str, Row] = {}
        for action in shortcuts.actions:
            field = KeyField(action.name, parent)
            field.chosen.connect(partial(self._chosen, action.id))
            self.rows[action.id] = section.add(action.name, "", field)
            self.fields[action.id] = field
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
