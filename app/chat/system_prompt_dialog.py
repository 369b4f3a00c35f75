"""Asks for the system prompt of a conversation: free words, or a preset to begin with."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QLabel,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.theme import GRID, Theme
from app.widgets.plain_edit import PlainEdit

translate = QCoreApplication.translate  # the name that lupdate looks for


class SystemPromptDialog(QDialog):
    """What the model is told before the conversation begins."""

    def __init__(self, prompt: str, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("System prompt"))
        self.setMinimumWidth(480)
        about = QLabel(self.tr("The model reads this before everything else in this conversation."), self)
        about.setObjectName("hint")
        about.setWordWrap(True)
        self.preset = QPushButton(self.tr("Begin with a preset"), self)
        self.preset.setAccessibleName(self.preset.text())
        self.preset.setIcon(theme.icon("unfold", theme.colours.muted, 14))
        menu = QMenu(self.preset)
        for name, words in presets():
            menu.addAction(name, partial(self._take, words))
        self.preset.setMenu(menu)
        self.edit = PlainEdit(self)
        self.edit.setPlainText(prompt)
        self.edit.setAccessibleName(self.tr("System prompt"))
        self.edit.setPlaceholderText(self.tr("None: the model answers in its own manner"))
        self.edit.setTabChangesFocus(True)
        self.edit.setMinimumHeight(140)
        self.edit.setFont(theme.body_font)
        buttons = QDialogButtonBox(self)
        done = QPushButton(self.tr("Use this"), self)
        done.setProperty("kind", "primary")
        buttons.addButton(done, QDialogButtonBox.ButtonRole.AcceptRole)
        cancel = buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        cancel.setText(self.tr("Cancel"))
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(about)
        column.addWidget(self.preset, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.edit)
        column.addWidget(buttons)
        self.edit.setFocus()

    @property
    def prompt(self) -> str:
        """What stands in the field."""
        return self.edit.toPlainText().strip()

    def _take(self, words: str) -> None:
        self.edit.setPlainText(words)


def presets() -> list[tuple[str, str]]:
    """Return names and words of the presets."""
    return [
        (
            translate("SystemPromptDialog", "Brief"),
            translate("SystemPromptDialog", "Answer in as few words as the question allows. No introductions."),
        ),
        (
            translate("SystemPromptDialog", "Patient teacher"),
            translate(
                "SystemPromptDialog",
                "Explain step by step, with an everyday example, and end with a short question that checks "
                "whether it was understood.",
            ),
        ),
        (
            translate("SystemPromptDialog", "Editor"),
            translate(
                "SystemPromptDialog",
                "Correct the spelling, grammar and style of what I write. Keep my meaning and my tone. "
                "Give the corrected text first, then a list of the changes.",
            ),
        ),
        (
            translate("SystemPromptDialog", "Translator"),
            translate(
                "SystemPromptDialog",
                "Translate what I write into English; translate English into the language I wrote in before. "
                "Give the translation only.",
            ),
        ),
        (
            translate("SystemPromptDialog", "Code reviewer"),
            translate(
                "SystemPromptDialog",
                "Review the code that I show: first mistakes, then risks, then style. "
                "Quote the line, say why, and show a better one.",
            ),
        ),
    ]
