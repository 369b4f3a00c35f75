"""Which actions have keys in every program, which keys, and why not: between the settings and the system's hot keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QObject, Signal

from app.devices.hotkeys import Hotkeys
from app.shortcuts import Shortcuts, shown

log = logging.getLogger(__name__)
translate = QCoreApplication.translate  # the name that lupdate looks for


@dataclass(slots=True)
class _Entry:
    name: str
    default: str
    pressed: Callable[[], object]
    released: Callable[[], object] | None
    wanted: bool = True
    problem: str = ""


@dataclass(frozen=True, slots=True)
class GlobalAction:
    """Something that keys do in every program."""

    id: str
    name: str
    default: str
    """Portable keys; empty for none."""


class GlobalKeys(QObject):
    """Binds actions to keys as the settings say. Keys are texts such as "Ctrl+Alt+D"."""

    changed = Signal()
    """The keys of an action are others now, or work no longer, or again."""

    def __init__(self, hotkeys: Hotkeys | None, changes: Mapping[str, str], parent: QObject | None = None) -> None:
        """``hotkeys`` may follow with :meth:`begin`, so that the window need not wait for them."""
        super().__init__(parent)
        self._hotkeys: Hotkeys | None = None
        self._changes = dict(changes)
        self._entries: dict[str, _Entry] = {}
        self._passing: dict[str, Callable[[], object]] = {}
        if hotkeys is not None:
            self.begin(hotkeys)

    def begin(self, hotkeys: Hotkeys) -> None:
        """Bind the keys of all actions, and of those that come."""
        self._hotkeys = hotkeys
        hotkeys.pressed.connect(self._pressed)
        hotkeys.released.connect(self._released)
        hotkeys.failed.connect(self._failed)
        for action, entry in self._entries.items():
            if entry.wanted:
                self._bind(action)
        if self._entries:
            self.changed.emit()

    @property
    def reason(self) -> str:
        """Why there are no global keys here at all, as a sentence; empty when there may be."""
        return self._hotkeys.reason if self._hotkeys is not None else ""

    @property
    def actions(self) -> tuple[GlobalAction, ...]:
        """All actions, in the order in which they were added."""
        return tuple(GlobalAction(id_, entry.name, entry.default) for id_, entry in self._entries.items())

    @property
    def changes(self) -> dict[str, str]:
        """The keys that differ from the default."""
        return {
            id_: self._changes[id_]
            for id_, entry in self._entries.items()
            if self._changes.get(id_, entry.default) != entry.default
        }

    def add(
        self,
        action: str,
        name: str,
        default: str,
        pressed: Callable[[], object],
        released: Callable[[], object] | None = None,
        *,
        wanted: bool = True,
    ) -> None:
        """Call ``pressed`` and ``released`` when the keys of an action go down and up, in whatever program.

        ``wanted`` is whether it has its keys from the start; see :meth:`want`.
        """
        self._entries[action] = _Entry(name, default, pressed, released, wanted)
        if wanted:
            self._bind(action)

    def want(self, action: str, wanted: bool) -> None:
        """Take the keys of an action, or leave them to others."""
        entry = self._entries[action]
        if entry.wanted != wanted:
            entry.wanted = wanted
            self._bind(action)
            self.changed.emit()

    def keys(self, action: str) -> str:
        """Return the keys of an action; empty for none."""
        return self._changes.get(action, self._entries[action].default)

    def problem(self, action: str) -> str:
        """Return why the keys of an action do not work, as a sentence; empty when they do, or are not wanted."""
        return self._entries[action].problem

    def conflict(self, action: str, keys: str, shortcuts: Shortcuts | None = None) -> str:
        """Return why an action cannot have ``keys``, as a sentence; empty when only the system can still object."""
        if not keys:
            return ""
        parts = keys.split("+")
        if not {"Ctrl", "Alt", "Meta"} & set(parts) and not (parts[-1][:1] == "F" and parts[-1][1:].isdigit()):
            return translate("GlobalKeys", "Keys for every program need Ctrl, Alt or the system key, or are F keys.")
        for other, entry in self._entries.items():
            if other != action and self.keys(other) == keys:
                return translate("GlobalKeys", "{keys} belongs to “{action}” already.").format(
                    keys=shown(keys), action=entry.name
                )
        for local in shortcuts.actions if shortcuts is not None else ():
            if shortcuts is not None and shortcuts.keys(local.id) == keys:
                return translate("GlobalKeys", "{keys} belongs to “{action}” in Larimar’s window.").format(
                    keys=shown(keys), action=local.name
                )
        return ""

    def change(self, action: str, keys: str, shortcuts: Shortcuts | None = None) -> str:
        """Give an action other keys, or none; return why not, as a sentence, or nothing when it is done."""
        problem = self.conflict(action, keys, shortcuts)
        if problem:
            return problem
        before = self._changes.get(action)
        self._changes[action] = keys
        self._bind(action)
        problem = self._entries[action].problem
        if problem and not self.reason:
            # what another program has is not worth keeping
            if before is None:
                del self._changes[action]
            else:
                self._changes[action] = before
            self._bind(action)
        self.changed.emit()
        return problem

    def reset(self) -> None:
        """Give every action its default."""
        changed = self.changes
        self._changes = {}
        for action in changed:
            self._bind(action)
        if changed:
            self.changed.emit()

    def add_passing(self, action: str, pressed: Callable[[], object]) -> None:
        """Add an action that is no setting and has keys only at times; see :meth:`while_it_lasts`."""
        self._passing[action] = pressed

    def while_it_lasts(self, action: str, keys: str) -> None:
        """Take keys for a while, such as Esc while something runs, where the system allows that; empty lets go."""
        if self._hotkeys is not None and self._hotkeys.passing:
            self._hotkeys.bind(action, keys)

    def _bind(self, action: str) -> None:
        if self._hotkeys is None:
            return
        entry = self._entries[action]
        keys = self.keys(action) if entry.wanted else ""
        entry.problem = (self._hotkeys.bind(action, keys, entry.name) or "") if keys else ""
        if not keys:
            self._hotkeys.bind(action, "", entry.name)
        if entry.problem:
            log.info("The global keys of %s do not work: %s", action, entry.problem)

    def _pressed(self, action: str) -> None:
        if action in self._entries:
            self._entries[action].pressed()
        elif action in self._passing:
            self._passing[action]()

    def _released(self, action: str) -> None:
        entry = self._entries.get(action)
        if entry is not None and entry.released is not None:
            entry.released()

    def _failed(self, action: str, sentence: str) -> None:
        if action in self._entries:
            self._entries[action].problem = sentence
            self.changed.emit()
