"""A field for something secret: it can be set and removed, and is never shown."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QPushButton, QWidget

from app.theme import GRID

_WIDTH = 180


class SecretField(QWidget):
    """A line to type into while nothing is kept; a button to remove it once something is."""

    given = Signal(str)
    removed = Signal()

    def __init__(self, name: str, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.edit = QLineEdit(self)
        self.edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.edit.setPlaceholderText(placeholder)
        self.edit.setAccessibleName(name)
        self.edit.setFixedWidth(_WIDTH)
        self.save = QPushButton(self.tr("Save"), self)
        self.save.setAccessibleName(self.tr("Save: {name}").format(name=name))
        self.remove = QPushButton(self.tr("Remove"), self)
        self.remove.setAccessibleName(self.tr("Remove: {name}").format(name=name))
        for button in (self.save, self.remove):
            button.setAutoDefault(False)
        self.edit.textChanged.connect(lambda text: self.save.setEnabled(bool(text.strip())))
        self.edit.returnPressed.connect(self._give)
        self.save.clicked.connect(lambda _checked=False: self._give())
        self.remove.clicked.connect(lambda _checked=False: self.removed.emit())
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GRID)
        for widget in (self.edit, self.save, self.remove):
            line.addWidget(widget)
        self.show_kept(False)

    def show_kept(self, kept: bool) -> None:
        """Show whether something is kept; what was typed is gone."""
        self.edit.clear()
        self.save.setEnabled(False)
        self.edit.setVisible(not kept)
        self.save.setVisible(not kept)
        self.remove.setVisible(kept)
        self.setEnabled(True)

    def _give(self) -> None:
        text = self.edit.text().strip()
        if text:
            self.setEnabled(False)  # until the answer is there
            self.given.emit(text)
