"""The keys of the program: which action has which, and which the user has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QAbstractButton

translate = QCoreApplication.translate  # the name that lupdate looks for

FIXED = ("Return", "Shift+Return", "Esc", "Tab", "Shift+Tab", "Ctrl+C", "Ctrl+V", "Ctrl+X", "Ctrl+A", "Ctrl+Z")
"""Keys with a meaning of their own in fields and lists, which no action may take."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something that keys do."""

    id: str
    name: str
    default: str
    """As ``QKeySequence`` writes it portably."""


class Shortcuts(QObject):
    """Connects actions to keys, and says which keys are taken. Keys are texts such as "Ctrl+Shift+M"."""

    changed = Signal()

    def __init__(self, changes: Mapping[str, str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._changes = dict(changes)
        self._actions: dict[str, Action] = {}
        self._setters: dict[str, list[Callable[[QKeySequence], object]]] = {}

    @property
    def actions(self) -> tuple[Action, ...]:
        """All actions, in the order in which they were bound."""
        return tuple(self._actions.values())

    @property
    def changes(self) -> dict[str, str]:
        """The keys that differ from the default."""
        return {
            action.id: self._changes[action.id]
            for action in self.actions
            if self._changes.get(action.id, action.default) != action.default
        }

    def keys(self, action_id: str) -> str:
        """Return the keys of an action; empty for none."""
        return self._changes.get(action_id, self._actions[action_id].default)

    def bind(
        self, action_id: str, name: str, shortcut: QShortcut, default: str = "", button: QAbstractButton | None = None
    ) -> None:
        """Give ``shortcut`` the keys of an action; its own are the default, unless one is given.

        ``button`` does the same; its tip names the keys. It gets no shortcut itself: Qt shows a button pressed for
        100 ms before such a shortcut acts, and until then the keys that follow still go to the page that was left.
        """
        default = default or shortcut.key().toString(QKeySequence.SequenceFormat.PortableText)
        self._actions.setdefault(action_id, Action(action_id, name, default))
        setters = self._setters.setdefault(action_id, [])
        setters.append(shortcut.setKey)
        if button is not None:
            setters.append(_tip_setter(button))
        self._apply(action_id)

    def conflict(self, action_id: str, keys: str) -> str:
        """Return why an action cannot have ``keys``, as a sentence; empty when it can."""
        if not keys:
            return ""
        if keys in FIXED:
            return translate("Shortcuts", "{keys} has a fixed meaning while you write.").format(keys=shown(keys))
        if len(keys) == 1:
            return translate("Shortcuts", "A single letter is for writing; add Ctrl or Alt.")
        for other in self.actions:
            if other.id != action_id and self.keys(other.id) == keys:
                sentence = translate("Shortcuts", "{keys} belongs to “{action}” already.")
                return sentence.format(keys=shown(keys), action=other.name)
        return ""

    def change(self, action_id: str, keys: str) -> str:
        """Give an action other keys, or none; return why not, as a sentence, or nothing when it is done."""
        problem = self.conflict(action_id, keys)
        if not problem and keys != self.keys(action_id):
            self._changes[action_id] = keys
            self._apply(action_id)
            self.changed.emit()
        return problem

    def reset(self) -> None:
        """Give every action its default."""
        if self.changes:
            self._changes = {}
            for action_id in self._actions:
                self._apply(action_id)
            self.changed.emit()

    def _apply(self, action_id: str) -> None:
        for setter in self._setters[action_id]:
            setter(QKeySequence(self.keys(action_id)))


def shown(keys: str) -> str:
    """Return keys as this system writes them."""
    return QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText)


def _tip_setter(button: QAbstractButton) -> Callable[[QKeySequence], None]:
    tip = button.toolTip()

    def set_keys(keys: QKeySequence) -> None:
        button.setToolTip(f"{tip} ({shown(keys.toString())})" if not keys.isEmpty() else tip)

    return set_keys
