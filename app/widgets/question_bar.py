"""A field for a question with one button, which sends it or stops the answer."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from app.theme import GRID, Theme
from app.widgets.message_edit import MessageEdit


class QuestionBar(QFrame):
    """Looks like the chat's field. Enter sends; what Esc does is for whoever uses it."""

    submitted = Signal(str)
    """The user asks; never blank."""
    stop_requested = Signal()
    """The button was pressed while an answer is under way."""
    escaped = Signal()

    def __init__(self, theme: Theme, placeholder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("composer")
        self._theme = theme
        self._ready = False
        self._busy = False
        self.edit = MessageEdit(self)
        self.edit.setAccessibleName(self.tr("Question"))
        self.edit.setAccessibleDescription(self.tr("Enter sends, Esc stops the answer"))
        self.edit.setPlaceholderText(placeholder)
        self.button = QPushButton(self)
        self.button.setProperty("kind", "send")
        self.button.setIconSize(QSize(20, 20))
        self.tools = QHBoxLayout()
        self.tools.setSpacing(GRID)
        column = QVBoxLayout(self)
        column.setContentsMargins(GRID + 4, GRID, GRID, GRID)
        column.setSpacing(GRID // 2)
        row = QHBoxLayout()
        row.setSpacing(GRID)
        row.addWidget(self.edit, 1)
        row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignBottom)
        column.addLayout(row)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setFocusProxy(self.edit)
        self.edit.submitted.connect(self._submit)
        self.edit.stopped.connect(self.escaped)
        self.edit.focused.connect(self._show_focus)
        self.edit.textChanged.connect(self._refresh)
        self.button.clicked.connect(lambda _checked=False: self._press())
        theme.changed.connect(self._restyle)
        self._restyle()

    def set_state(self, *, ready: bool, busy: bool) -> None:
        """Say whether a question can be asked now, and whether an answer is under way."""
        self._ready, self._busy = ready, busy
        self._refresh()

    def _press(self) -> None:
        if self._busy:
            self.stop_requested.emit()
        else:
            self._submit()

    def _submit(self) -> None:
        text = self.edit.toPlainText().strip()
        if text and self._ready:
            self.edit.clear()
            self.submitted.emit(text)

    def _show_focus(self, focused: bool) -> None:
        self.setProperty("focused", "yes" if focused else "no")
        self.style().unpolish(self)
        self.style().polish(self)

    def _refresh(self) -> None:
        words = self.tr("Stop") if self._busy else self.tr("Ask")
        self.button.setAccessibleName(words)
        self.button.setToolTip(self.tr("Stop (Esc)") if self._busy else self.tr("Ask (Enter)"))
        self.button.setEnabled(self._busy or (self._ready and bool(self.edit.toPlainText().strip())))
        colours = self._theme.colours
        colour = colours.on_accent if self.button.isEnabled() else colours.border_strong
        self.button.setIcon(self._theme.icon("stop" if self._busy else "send", colour, 20))

    def _restyle(self) -> None:
        self.edit.setFont(self._theme.body_font)
        self._refresh()
