"""Where the user writes: the field, what goes with the message, and one button to send or stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.chat.attachment_strip import AttachmentStrip
from app.chat.attachments import Attachments
from app.chat.banner import Banner
from app.chat.media_tiles import MediaTiles
from app.paths import home_folder
from app.theme import GRID, Theme
from app.visual_detail import DETAILS
from app.widgets.message_edit import MessageEdit
from inference.media.kinds import ENDINGS
from inference.messages import Audio, Image, Part, Text, Video

_TYPING_MS = 350
"""So long after the last key the draft counts as something to read ahead."""


class Composer(QWidget):
    """The message field with its buttons."""

    submitted = Signal()
    """The user sends what :attr:`parts` holds; it is never blank."""
    stop_requested = Signal()
    thinking_changed = Signal(bool)
    begun = Signal()
    """There is something in the draft; comes with each change of it."""
    draft_changed = Signal()
    """The draft rests for a moment, or has other attachments: time to read ahead."""
    recall_requested = Signal()
    """The user wants to edit their last question."""
    edit_cancelled = Signal()

    def __init__(
        self, theme: Theme, attachments: Attachments, tiles: MediaTiles, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self.attachments = attachments
        self.choose_files: Callable[[], Sequence[Path]] = self._ask_for_files
        self._can_send = False
        self._generating = False
        self._send_when_ready = False
        self._rate = 0.0
        self._context = 0
        self._editing = ""
        self._stash = ""
        self._frame = QFrame(self)
        self._frame.setObjectName("composer")
        self.refusal = Banner(theme, "warning", alarming=True, parent=self._frame)
        self.edit_banner = Banner(theme, "edit", parent=self._frame)
        self.strip = AttachmentStrip(attachments, theme, tiles, self._frame)
        self._edit = MessageEdit(self._frame)
        self._edit.setAccessibleName(self.tr("Message"))
        self._edit.setAccessibleDescription(self.tr("Enter sends, Shift+Enter begins a new line, Esc stops the reply"))
        self._edit.setPlaceholderText(self.tr("Ask anything"))
        self.attach = QToolButton(self._frame)
        self.attach.setObjectName("attach")
        self.attach.setIconSize(QSize(20, 20))
        self.attach.setAccessibleName(self.tr("Attach files"))
        self.attach.setToolTip(self.tr("Attach pictures, sound, video or PDF pages; or drop them here, or paste them"))
        self._think = QPushButton(self.tr("Think"), self._frame)
        self._think.setProperty("kind", "toggle")
        self._think.setCheckable(True)
        self._think.setAccessibleName(self.tr("Think before answering"))
        self._think.setToolTip(self.tr("Let the model think before it answers: slower, often better"))
        self.detail = QToolButton(self._frame)
        self.detail.setObjectName("detail")
        self.detail.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.detail.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.detail.setMenu(self._detail_menu())
        self.cost = QLabel(self._frame)
        self.cost.setObjectName("hint")
        self._button = QPushButton(self._frame)
        self._button.setProperty("kind", "send")
        self._button.setIconSize(QSize(20, 20))
        self._hint = QLabel(self.tr("Everything stays on this computer. Answers can be wrong."), self)
        self._hint.setObjectName("hint")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_MS)
        self._typing.timeout.connect(self.draft_changed)
        self._arrange()
        self.setFocusProxy(self._edit)

        self._edit.submitted.connect(self._submit)
        self._edit.stopped.connect(self._escape)
        self._edit.textChanged.connect(self._text_changed)
        self._edit.focused.connect(self._show_focus)
        self._edit.files_given.connect(self.add_files)
        self._edit.picture_given.connect(attachments.add_pasted)
        self._edit.recall_requested.connect(self.recall_requested)
        self.attach.clicked.connect(self._choose_files)
        self._button.clicked.connect(self._pressed)
        self._think.toggled.connect(self.thinking_changed)
        self.edit_banner.dismissed.connect(self._cancel_edit)
        attachments.changed.connect(self._attachments_changed)
        attachments.refused.connect(self.refuse)
        theme.changed.connect(self._restyle)
        self._restyle()
        self._attachments_changed()

    @property
    def text(self) -> str:
        """What is in the field."""
        return self._edit.toPlainText()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The message: attachments first, as the model was trained, then the text about them."""
        text = self.text.strip()
        return (*self.attachments.parts, *((Text(text),) if text else ()))

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

    @property
    def editing(self) -> str:
        """Id of the message that is edited; empty when the message is a new one."""
        return self._editing

    def set_state(self, *, can_send: bool, generating: bool, placeholder: str) -> None:
        """Say what the button does and whether a message can be sent."""
        self._can_send = can_send
        self._generating = generating
        self._edit.setPlaceholderText(placeholder)
        self._refresh()

    def set_costs(self, *, tokens_per_second: float, context_length: int) -> None:
        """Say how fast the model reads, in tokens a second (0: not known), and how much it can hold."""
        self._rate, self._context = tokens_per_second, context_length
        self._show_cost()

    def type(self, text: str) -> None:
        """Take what was typed elsewhere in the pane."""
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)
        self._edit.insertPlainText(text)

    def read_ahead_soon(self) -> None:
        """Let :attr:`draft_changed` come after a moment of rest."""
        self._typing.start()

    def add_files(self, paths: Sequence[Path]) -> None:
        """Attach files."""
        self.refusal.hide()
        self.attachments.add_files(paths)
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def refuse(self, sentence: str) -> None:
        """Say why something cannot be done."""
        self.refusal.show_text(sentence)

    def begin_edit(self, message_id: str, parts: Sequence[Part]) -> None:
        """Let the user change a message of theirs; what they were writing comes back afterwards."""
        if not self._editing:
            self._stash = self.text
        self._editing = message_id
        self.attachments.clear()
        self.attachments.add_parts([part for part in parts if isinstance(part, Image | Audio | Video)])
        self._edit.setPlainText("".join(part.text for part in parts if isinstance(part, Text)))
        self._edit.moveCursor(self._edit.textCursor().MoveOperation.End)
        self.edit_banner.show_text(self.tr("You are editing a message. The earlier version stays reachable."))
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def clear(self) -> None:
        """Empty the field after the message was sent."""
        text, self._stash, self._editing = self._stash, "", ""
        self._send_when_ready = False
        self.edit_banner.hide()
        self.refusal.hide()
        self.attachments.clear()
        self._edit.setPlainText(text)
        self._edit.moveCursor(self._edit.textCursor().MoveOperation.End)
        self._typing.stop()

    def _arrange(self) -> None:
        inside = QVBoxLayout(self._frame)
        inside.setContentsMargins(GRID + 4, GRID + 2, GRID, GRID)
        inside.setSpacing(GRID // 2)
        for widget in (self.refusal, self.edit_banner, self.strip, self._edit):
            inside.addWidget(widget)
        controls = QHBoxLayout()
        controls.setSpacing(GRID)
        for control in (self.attach, self._think, self.detail, self.cost):
            controls.addWidget(control)
        controls.addStretch(1)
        controls.addWidget(self._button)
        inside.addLayout(controls)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(GRID // 2)
        outside.addWidget(self._frame)
        outside.addWidget(self._hint)
        order = [self.refusal.close_button, self.edit_banner.close_button, self._edit, self.attach, self._think]
        for first, second in zip(order, [*order[1:], self.detail], strict=True):
            QWidget.setTabOrder(first, second)
        QWidget.setTabOrder(self.detail, self._button)

    # --- visual detail ---

    def _detail_menu(self) -> QMenu:
        menu = QMenu(self)
        group = QActionGroup(menu)
        choices: list[tuple[int | None, str]] = [(None, self.tr("Auto: more for screenshots and documents"))]
        names = {70: self.tr("glance"), 140: self.tr("low"), 280: self.tr("normal")}
        names |= {560: self.tr("high"), 1120: self.tr("finest, for small print")}
        choices += [(n, self.tr("{tokens} tokens: {name}").format(tokens=n, name=names[n])) for n in DETAILS]
        for tokens, words in choices:
            action = QAction(words, menu)
            action.setCheckable(True)
            action.setData(tokens)
            action.setChecked(tokens is None)
            group.addAction(action)
            menu.addAction(action)
        group.triggered.connect(lambda action: self.set_detail(action.data()))
        return menu

    def set_detail(self, tokens: int | None) -> None:
        """Look at pictures with so many soft tokens; ``None`` is automatic."""
        self.attachments.detail = tokens
        for action in self.detail.menu().actions():
            action.setChecked(action.data() == tokens)
        self.attachments.changed.emit()

    def _show_cost(self) -> None:
        pictures = self.attachments.pictures
        detail = self.attachments.detail
        self.detail.setVisible(pictures)
        self.detail.setText(self.tr("Detail: {detail}").format(detail=self.tr("Auto") if detail is None else detail))
        self.detail.setAccessibleName(self.detail.text())
        self.detail.setToolTip(self.tr("How closely pictures are looked at: more tokens see more and take longer"))
        tokens = self.attachments.tokens
        words = self.tr("{tokens} tokens").format(tokens=f"{tokens:,}") if tokens else ""
        if tokens and self._rate:
            seconds = tokens / self._rate
            about = f"{seconds:.0f}" if seconds >= 2 else f"{seconds:.1f}"
            words += self.tr(", about {seconds} s").format(seconds=about)
        self.cost.setText(words)
        self.cost.setVisible(bool(words))
        full = bool(self._context) and tokens > self._context
        self.cost.setToolTip(
            self.tr("More than the model’s context of {all} tokens can hold").format(all=f"{self._context:,}")
            if full
            else self.tr("What the model reads of the attachments")
        )
        self.cost.setProperty("alarming", "yes" if full else "no")
        self.cost.style().unpolish(self.cost)
        self.cost.style().polish(self.cost)

    # --- what the user does ---

    def _choose_files(self) -> None:
        files = self.choose_files()
        if files:
            self.add_files(files)

    def _ask_for_files(self) -> Sequence[Path]:
        endings = {kind: " ".join(f"*.{ending}" for ending in ENDINGS[kind]) for kind in ENDINGS}
        filters = [
            self.tr("All that can be attached") + f" ({' '.join(endings.values())})",
            self.tr("Pictures") + f" ({endings['image']})",
            self.tr("Sound") + f" ({endings['audio']})",
            self.tr("Videos") + f" ({endings['video']})",
            self.tr("PDF files") + f" ({endings['pdf']})",
            self.tr("All files") + " (*)",
        ]
        self.attachments.expect()
        chosen, _ = QFileDialog.getOpenFileNames(self, self.tr("Attach files"), str(home_folder()), ";;".join(filters))
        return [Path(name) for name in chosen]

    def _pressed(self) -> None:
        if self._generating:
            self.stop_requested.emit()
        else:
            self._submit()
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)

    def _submit(self) -> None:
        if not self._can_send:
            return
        if self.attachments.pending:
            self._send_when_ready = True
        elif sentence := self.attachments.unsuitable:
            self.refuse(sentence)
        elif self.parts:
            self._send_when_ready = False
            self.submitted.emit()

    def _escape(self) -> None:
        if self._editing and not self._generating:
            self._cancel_edit()
        elif self.refusal.isVisible() and not self._generating:
            self.refusal.hide()
        else:
            self.stop_requested.emit()

    def _cancel_edit(self) -> None:
        self.clear()
        self._edit.setFocus(Qt.FocusReason.OtherFocusReason)
        self.edit_cancelled.emit()

    def _text_changed(self) -> None:
        self._typing.start()
        self._refresh()
        if self.text:
            self.begun.emit()

    def _attachments_changed(self) -> None:
        self._show_cost()
        self._refresh()
        if self.attachments.items:
            self.begun.emit()
        if not self.attachments.pending:
            if self._send_when_ready:
                self._submit()
            elif self.attachments.items:
                self.draft_changed.emit()

    # --- how it looks ---

    def _refresh(self) -> None:
        if self._generating:
            name, icon, colour = self.tr("Stop"), "stop", self._theme.colours.on_accent
            enabled = True
        else:
            name, icon = self.tr("Send"), "send"
            enabled = self._can_send and (bool(self.text.strip()) or bool(self.attachments.items))
            colour = self._theme.colours.on_accent if enabled else self._theme.colours.border_strong
        self._button.setEnabled(enabled)
        self._button.setAccessibleName(name)
        self._button.setToolTip(self.tr("Stop (Esc)") if self._generating else self.tr("Send (Enter)"))
        self._button.setIcon(self._theme.icon(icon, colour, 20))

    def _restyle(self) -> None:
        self._edit.setFont(self._theme.body_font)
        for widget in (self._hint, self.cost, self.detail):
            widget.setFont(self._theme.small_font)
        self.attach.setIcon(self._theme.icon("attach", self._theme.colours.muted, 20))
        self._refresh()

    def _show_focus(self, focused: bool) -> None:
        self._frame.setProperty("focused", "yes" if focused else "no")
        self._frame.style().unpolish(self._frame)
        self._frame.style().polish(self._frame)
