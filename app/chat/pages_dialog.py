"""Asks which pages of a long PDF should be attached."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from app.chat.attachments import PAGES_AT_ONCE
from app.theme import GRID
from app.visual_detail import DOCUMENT_DETAIL


class PagesDialog(QDialog):
    """Takes page numbers such as “1-3, 7”."""

    def __init__(self, path: Path, pages: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pages = pages
        self.setWindowTitle(self.tr("Pages to attach"))
        self.setMinimumWidth(400)
        about = QLabel(
            self.tr("“{name}” has {pages} pages. Each one that is attached takes about {tokens} tokens.").format(
                name=path.name, pages=pages, tokens=f"{DOCUMENT_DETAIL:,}"
            ),
            self,
        )
        about.setWordWrap(True)
        self.edit = QLineEdit(f"1-{min(pages, PAGES_AT_ONCE)}", self)
        self.edit.setAccessibleName(self.tr("Pages, for example 1-3, 7"))
        self.edit.setPlaceholderText(self.tr("1-3, 7"))
        self._buttons = QDialogButtonBox(self)
        self.attach = QPushButton(self.tr("Attach"), self)
        self.attach.setProperty("kind", "primary")
        self._buttons.addButton(self.attach, QDialogButtonBox.ButtonRole.AcceptRole)
        self._buttons.addButton(QDialogButtonBox.StandardButton.Cancel).setText(self.tr("Cancel"))
        self._buttons.accepted.connect(self.accept)
        self._buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        for widget in (about, self.edit, self._buttons):
            column.addWidget(widget)
        self.edit.textChanged.connect(lambda: self.attach.setEnabled(bool(self.chosen)))
        self.edit.selectAll()

    @property
    def chosen(self) -> Sequence[int]:
        """The pages, numbered from 0; empty when the text makes no sense."""
        return parse_pages(self.edit.text(), self._pages)


def parse_pages(text: str, pages: int) -> list[int]:
    """Return the pages that “1-3, 7” names, numbered from 0, in that order; none when it names one that is not."""
    chosen: list[int] = []
    for piece in text.replace(";", ",").split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:[-–]\s*(\d+))?\s*", piece)
        if match is None:
            return []
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= pages:
            return []
        chosen.extend(number - 1 for number in range(first, last + 1) if number - 1 not in chosen)
    return chosen
