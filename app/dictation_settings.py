"""The settings of dictation, and of the keys that act in every program: two sections of the settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QPlainTextEdit, QPushButton, QWidget

from app.global_keys import GlobalKeys
from app.settings import Settings
from app.settings_rows import Row, Section
from app.shortcuts import Shortcuts
from app.spoken_languages import languages
from app.widgets.choice import Choice
from app.widgets.key_field import KeyField
from app.widgets.switch import Switch

_LINES = 3


class DictationRows(QObject):
    """How dictation behaves."""

    def __init__(
        self,
        section: Section,
        settings: Settings,
        change: Callable[..., object],
        make_switch: Callable[[Section, str, str, str], Switch],
        make_choice: Callable[[Section, str, str, Mapping[Any, str], str], Choice],
    ) -> None:
        super().__init__(section)
        self._change = change
        self.on = make_switch(
            section,
            self.tr("Dictate into any program"),
            self.tr(
                "Press the keys, in whatever program you are, and what you say appears where the cursor is. "
                "Nothing of it is stored; the last texts stay in memory until Larimar ends."
            ),
            "dictation",
        )
        self.mode = make_choice(
            section,
            self.tr("How it begins and ends"),
            "",
            {"hold": self.tr("Hold the keys while speaking"), "toggle": self.tr("Press once, and once again")},
            "dictation_mode",
        )
        self.language = make_choice(
            section,
            self.tr("Spoken language"),
            self.tr("Naming it helps the model, most of all with short sentences."),
            {"": self.tr("Whatever is heard"), **languages()},
            "spoken_language",
        )
        self.space = make_switch(
            section,
            self.tr("Space after the text"),
            self.tr("So that the next words can follow at once."),
            "dictation_space",
        )
        self.phrases = QPlainTextEdit("\n".join(settings.phrases))
        self.phrases.setAccessibleName(self.tr("Words to know"))
        self.phrases.setPlaceholderText(self.tr("One on each line"))
        self.phrases.setTabChangesFocus(True)
        self.phrases.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        row = section.add(
            self.tr("Words to know"), self.tr("Names and terms that are to be spelled as you write them here.")
        )
        row.column.addWidget(self.phrases)
        self.phrases.setFixedHeight(self.phrases.fontMetrics().lineSpacing() * _LINES + 24)
        self.phrases.textChanged.connect(self._phrases_changed)

    def _phrases_changed(self) -> None:
        lines = (line.strip() for line in self.phrases.toPlainText().splitlines())
        self._change(phrases=tuple(dict.fromkeys(line for line in lines if line)))


class GlobalKeyRows(QObject):
    """Which keys act in every program, and why some do not."""

    def __init__(
        self,
        section: Section,
        keys: GlobalKeys,
        shortcuts: Shortcuts,
        change: Callable[..., object],
        make_button: Callable[[str, Callable[[], object], str], QPushButton],
        parent: QWidget,
    ) -> None:
        super().__init__(section)
        self._keys = keys
        self._shortcuts = shortcuts
        self._change = change
        self.fields: dict[str, KeyField] = {}
        self.rows: dict[str, Row] = {}
        for action in keys.actions:
            field = KeyField(action.name, parent)
            field.chosen.connect(partial(self._chosen, action.id))
            self.rows[action.id] = section.add(action.name, "", field)
            self.fields[action.id] = field
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
