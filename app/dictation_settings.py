"""The settings of dictation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QPlainTextEdit

from app.settings import Settings
from app.settings_rows import Section
from app.spoken_languages import languages
from app.widgets.choice import Choice
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
