"""Where the user writes: a text field that grows, what goes with the message, and one button to send or stop."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QTextOption
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.theme import GRID, Theme

_LINES_AT_MOST = 8


class MessageEdit(QPlainTextEdit):
    """A text field in which Enter sends and Shift+Enter begins a new line."""

    submitted = Signal()
    stopped = Signal()
    focused = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(4)
        self.document().documentLayout().documentSizeChanged.connect(self._grow)
        self._grow()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Send with Enter, break with Shift+Enter, stop with Esc."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.insertPlainText("\n")
                self.ensureCursorVisible()
            else:
                self.submitted.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.stopped.emit()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Tell the frame."""
        super().focusInEvent(event)
        self.focused.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Tell the frame."""
        super().focusOutEvent(event)
        self.focused.emit(False)

    def changeEvent(self, event: QEvent) -> None:
        """Grow with the font."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._grow()

    def sizeHint(self) -> QSize:
        """Return a size for the lines that are there."""
        return QSize(320, self.height())

    def _grow(self) -> None:
        lines = max(1, round(self.document().size().height()))  # QPlainTextEdit counts its height in lines
        shown = min(lines, _LINES_AT_MOST)
        margin = 2 * round(self.document().documentMargin())
        self.setFixedHeight(shown * self.fontMetrics().lineSpacing() + margin + 2)
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(
            policy.ScrollBarAsNeeded if lines > _LINES_AT_MOST else policy.ScrollBarAlwaysOff
        )


class Composer(QWidget):
    """The message field with its buttons."""

    submitted = Signal(str)
    """The user sends a text; it is never blank."""
    stop_requested = Signal()
    thinking_changed = Signal(bool)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._can_send = False
        self._generating = False
        self._frame = QFrame(self)
        self._frame.setObjectName("composer")
        self._edit = MessageEdit(self._frame)
        self._edit.setAccessibleName(self.tr("Message"))
        self._edit.setAccessibleDescription(self.tr("Enter sends, Shift+Enter begins a new line, Esc stops the reply"))
        self._edit.setPlaceholderText(self.tr("Ask anything"))
        self._think = QPushButton(self.tr("Think"), self._frame)
        self._think.setProperty("kind", "toggle")
        self._think.setCheckable(True)
        self._think.setAccessibleName(self.tr("Think before answering"))
        self._think.setToolTip(self.tr("Let the model think before it answers: slower, often better"))
        self._button = QPushButton(self._frame)
        self._button.setProperty("kind", "send")
        self._button.setIconSize(QSize(20, 20))
        self._hint = QLabel(self.tr("Everything stays on this computer. Answers can be wrong."), self)
        self._hint.setObjectName("hint")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._arrange()
        self.setFocusProxy(self._edit)

        self._edit.submitted.connect(self._submit)
        self._edit.stopped.connect(self.stop_requested)
        self._edit.textChanged.connect(self._refresh)
        self._edit.focused.connect(self._show_focus)
        self._button.clicked.connect(self._pressed)
        self._think.toggled.connect(self.thinking_changed)
        theme.changed.connect(self._restyle)
        self._restyle()

    @property
    def text(self) -> str:
        """What is in the field."""
        return self._edit.toPlainText()

    @property
    def edit(self) -> MessageEdit:
        """The field itself."""
        return self._edit

    @property
    def button(self) -> QPushButton:
        """The button that sends, or stops."""
        return self._button

    @property
    def think(self) -> QPushButton:
        """The switch for thinking."""
        return self._think

    @property
    def thinking(self) -> bool:
        """Whether the model should think before it answers."""
        return self._think.isChecked()

    def set_state(self, *, can_send: bool, generating: bool, placeholder: str) -> None:
        """Say what the button does and whether a message can be sent."""
        self._can_send = can_send
        self._generating = generating
        self._edit.setPlaceholderText(placeholder)
        self._refresh()

    def type(self, text: str) -> None:
        """Take what was typed elsewhere in the pane."""
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)
        self._edit.insertPlainText(text)

    def clear(self) -> None:
        """Empty the field."""
        self._edit.clear()

    def _arrange(self) -> None:
        inside = QVBoxLayout(self._frame)
        inside.setContentsMargins(GRID + 4, GRID + 2, GRID, GRID)
        inside.setSpacing(GRID // 2)
        inside.addWidget(self._edit)
        controls = QHBoxLayout()
        controls.setSpacing(GRID)
        controls.addWidget(self._think)
        controls.addStretch(1)
        controls.addWidget(self._button)
        inside.addLayout(controls)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(GRID // 2)
        outside.addWidget(self._frame)
        outside.addWidget(self._hint)

    def _pressed(self) -> None:
        if self._generating:
            self.stop_requested.emit()
        else:
            self._submit()
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def _submit(self) -> None:
        text = self.text.strip()
        if text and self._can_send:
            self.submitted.emit(text)

    def _refresh(self) -> None:
        if self._generating:
            name, icon, colour = self.tr("Stop"), "stop", self._theme.colours.on_accent
            enabled = True
        else:
            name, icon = self.tr("Send"), "send"
            enabled = self._can_send and bool(self.text.strip())
            colour = self._theme.colours.on_accent if enabled else self._theme.colours.border_strong
        self._button.setEnabled(enabled)
        self._button.setAccessibleName(name)
        self._button.setToolTip(self.tr("Stop (Esc)") if self._generating else self.tr("Send (Enter)"))
        self._button.setIcon(self._theme.icon(icon, colour, 20))

    def _restyle(self) -> None:
        self._edit.setFont(self._theme.body_font)
        self._hint.setFont(self._theme.small_font)
        self._refresh()

    def _show_focus(self, focused: bool) -> None:
        self._frame.setProperty("focused", "yes" if focused else "no")
        self._frame.style().unpolish(self._frame)
        self._frame.style().polish(self._frame)
