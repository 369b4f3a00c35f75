"""The chat pane: puts the conversation, the composer and the session together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QDesktopServices,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QImage,
    QKeyEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QMessageBox,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.background import Background
from app.chat.attachments import Attachments
from app.chat.composer import Composer
from app.chat.controller import ConversationController
from app.chat.drop_hint import DropHint
from app.chat.greeting import Greeting
from app.chat.header import ChatHeader
from app.chat.highlighting import Highlighter
from app.chat.layout import COLUMN_AT_MOST, SIDE
from app.chat.media_tiles import MediaTiles, name_of_part
from app.chat.model import ChatModel
from app.chat.pages_dialog import PagesDialog
from app.chat.picture_dialog import PictureDialog, read_picture, screen_box
from app.chat.system_prompt_dialog import SystemPromptDialog
from app.chat.thumbnails import MediaPart, Thumbnails
from app.chat.view import ChatView
from app.conversation import ConversationStore, Message, MessageStatus
from app.devices.speaker import Speaker
from app.session import Session, SessionState
from app.theme import GRID, Theme
from app.voice.spoken import spoken_text
from app.widgets.markdown import is_safe_link
from app.widgets.message_edit import given_files
from app.widgets.middle_column import middle_column
from app.widgets.notice import Notice
from inference.messages import Image, Part, ReplyOptions, Text, Turn

_ADDRESS_SHOWN = 600
"""Characters of an address that the question shows."""
_ENCODED = QUrl.ComponentFormattingOption.FullyEncoded


class ChatPane(QWidget):
    """One conversation with the loaded model."""

    choose_model_requested = Signal()
    stopped = Signal()
    """The user wants silence."""

    def __init__(
        self,
        session: Session,
        theme: Theme,
        store: ConversationStore,
        background: Background,
        speaker: Speaker | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._theme = theme
        self._background = background
        self._speaker = speaker or Speaker(self)
        self._reading = ""
        self.open_link: Callable[[QUrl], object] = QDesktopServices.openUrl
        self.confirm: Callable[[str, str], bool] = self._ask_user
        self.ask_prompt: Callable[[str], str | None] = self._ask_for_prompt
        self.ask_pages: Callable[[Path, int], Sequence[int]] = self._ask_for_pages
        self.model = ChatModel(self)
        self.controller = ConversationController(session, store, self.model, background, self)
        thumbnails = Thumbnails(background, self)
        self.attachments = Attachments(background, thumbnails, self)
        highlighter = Highlighter(background, self)
        self.view = ChatView(self.model, theme, thumbnails, highlighter, speaks=self._speaker.available, parent=self)
        self.composer = Composer(theme, self.attachments, MediaTiles(theme, thumbnails), self)
        self.greeting = Greeting(theme, self)
        self.failure = Notice(theme, "warning", self.tr("The model could not be loaded"), alarming=True, parent=self)
        self.choose_button = self.failure.add_button(
            self.tr("Choose a model folder…"), self.choose_model_requested.emit, primary=True
        )
        self.retry_button = self.failure.add_button(self.tr("Retry"), session.retry)
        self.header = ChatHeader(theme, self)
        self._pages = QStackedWidget(self)
        self._drop_hint = DropHint(theme, self)
        self._arrange()
        self.setAcceptDrops(True)
        self._connect(session, theme)
        self._opened()
        self._refresh()

    @property
    def new_button(self) -> QWidget:
        """The button that begins another conversation."""
        return self.header.new_button

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Stop the reply, or the voice, with Esc, wherever in the pane the focus is."""
        if event.key() == Qt.Key.Key_Escape:
            self._stop()
        else:
            super().keyPressEvent(event)

    def ask(self, text: str) -> None:
        """Send ``text``, if the session can answer now."""
        self._ask((Text(text),))

    def new_chat(self) -> None:
        """Begin another conversation; this one stays in the store."""
        self.controller.new()
        self.composer.setFocus(Qt.FocusReason.OtherFocusReason)

    def continue_with(self, turns: Sequence[Turn]) -> None:
        """Go on here, in a conversation of its own, with what was said about the camera or the screen."""
        self.controller.adopt(turns)
        self.view.jump_to_latest()
        self.composer.setFocus(Qt.FocusReason.OtherFocusReason)

    def add_bar(self, bar: QWidget) -> None:
        """Show a bar over the message field."""
        self._above_composer.addLayout(middle_column(bar, COLUMN_AT_MOST + 2 * GRID))

    def stops(self) -> tuple[QWidget, ...]:
        """Return the places between which F6 moves."""
        first: QWidget = self.view
        if self._pages.currentWidget() is self.greeting:
            first = self.greeting.buttons[0]
        elif self._pages.currentWidget() is self.failure:
            first = self.choose_button
        return (first, self.composer.edit)

    # --- dropping files ---

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and pictures."""
        data = event.mimeData()
        if given_files(data) or data.hasImage():
            event.acceptProposedAction()
            self.attachments.expect()
            self._drop_hint.cover()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Take the hint away."""
        self._drop_hint.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        """Attach what was dropped."""
        self._drop_hint.hide()
        data = event.mimeData()
        if files := given_files(data):
            self.composer.add_files(files)
        elif isinstance(image := data.imageData(), QImage):
            self.attachments.add_pasted(image)
        event.acceptProposedAction()

    # --- set-up ---

    def _arrange(self) -> None:
        for page in (self.greeting, self.view, self.failure):
            self._pages.addWidget(page)
        self.composer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self._above_composer = QVBoxLayout()
        self._above_composer.setContentsMargins(SIDE - GRID, GRID, SIDE - GRID, 0)
        below = middle_column(self.composer, COLUMN_AT_MOST + 2 * GRID)
        below.setContentsMargins(SIDE - GRID, GRID, SIDE - GRID, GRID)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.header)
        column.addWidget(self._pages, 1)
        column.addLayout(self._above_composer)
        column.addLayout(below)

    def _connect(self, session: Session, theme: Theme) -> None:
        session.state_changed.connect(self._refresh)
        self.controller.opened.connect(self._opened)
        self.controller.conversation_changed.connect(lambda _: self._show_header())
        self.controller.busy_changed.connect(self._refresh)
        self.controller.reply_ended.connect(self._reply_ended)
        self.controller.failed.connect(self.composer.refuse)
        self.composer.submitted.connect(self._submit)
        self.composer.stop_requested.connect(self._stop)
        self.composer.draft_changed.connect(self._prepare)
        self.composer.begun.connect(session.wake)
        self.composer.recall_requested.connect(self._recall)
        self.attachments.pages_wanted.connect(self._choose_pages)
        self.greeting.chosen.connect(self.ask)
        self.header.new_requested.connect(self.new_chat)
        self.header.prompt_requested.connect(self._edit_prompt)
        self.view.link_activated.connect(self._link_clicked)
        self.view.typed.connect(self.composer.type)
        self.view.start_near.connect(self.controller.load_earlier)
        self.view.edit_requested.connect(self._edit)
        self.view.regenerate_requested.connect(self._regenerate)
        self.view.branch_requested.connect(self._show_branch)
        self.view.read_aloud_requested.connect(self._read_aloud)
        self.view.media_activated.connect(self._open_media)
        self._speaker.finished.connect(lambda: self._show_reading(""))

    # --- asking ---

    def _options(self) -> ReplyOptions:
        return ReplyOptions(thinking=self.composer.thinking)

    def _submit(self) -> None:
        self._ask(self.composer.parts)

    def _ask(self, parts: tuple[Part, ...]) -> None:
        editing = self.composer.editing
        if editing:
            asked = self.controller.edit(editing, parts, self._options())
        else:
            asked = self.controller.ask(parts, self._options())
        if not asked:
            return
        self.composer.clear()
        self.view.jump_to_latest()
        self._refresh()
        self.composer.setFocus(Qt.FocusReason.OtherFocusReason)

    def _edit(self, message_id: str) -> None:
        row = self.model.row_of(message_id)
        if row >= 0:
            self.composer.begin_edit(message_id, self.model.messages[row].parts)

    def _recall(self) -> None:
        questions = [message for message in self.model.messages if message.role == "user"]
        if questions and not self.controller.busy:
            self._edit(questions[-1].id)

    def _regenerate(self, message_id: str) -> None:
        if self.controller.regenerate(message_id, self._options()):
            self.view.jump_to_latest()

    def _show_branch(self, message_id: str, step: int) -> None:
        self.view.hold_place()
        self.controller.show_sibling(message_id, step)

    def _prepare(self) -> None:
        if self.composer.editing:
            return  # it reads another branch
        if not self.attachments.unsuitable:
            self.controller.prepare(self.composer.parts, self._options())

    def _stop(self) -> None:
        if self._reading:
            self._speaker.stop()
            self._show_reading("")
        self.stopped.emit()
        self.controller.stop()

    # --- what is shown ---

    def _opened(self) -> None:
        self._show_header()
        if self.composer.editing:
            self.composer.clear()
        self._refresh()
        self.composer.read_ahead_soon()

    def _show_header(self) -> None:
        conversation = self.controller.conversation
        self.header.show_conversation(conversation.title, bool(conversation.system_prompt))

    def _refresh(self) -> None:
        state = self._session.state
        generating = self.controller.busy
        ready = self._session.takes_questions
        placeholder = {
            SessionState.LOADING: self.tr("The model is loading; you can already write"),
            SessionState.FAILED: self.tr("There is no model to ask yet"),
        }.get(state, "")
        if ready or not placeholder:
            placeholder = self.tr("Ask anything")
        model = self._session.model
        self.attachments.set_model(model.name if model else "", model.modalities if model else None)
        self.composer.set_costs(
            tokens_per_second=self._session.prefill_rate, context_length=model.context_length if model else 0
        )
        self.composer.set_state(can_send=ready and not generating, generating=generating, placeholder=placeholder)
        self.greeting.set_ready(ready)
        self.header.new_button.setEnabled(self.model.rowCount() > 0)
        if state is SessionState.FAILED:
            self._show_failure()
        else:
            if self.failure.isAncestorOf(QApplication.focusWidget() or self):
                self.composer.setFocus(Qt.FocusReason.OtherFocusReason)
            self._pages.setCurrentWidget(self.view if self.model.rowCount() else self.greeting)

    def _show_failure(self) -> None:
        self.failure.set_text(self._session.failure)
        if self._pages.currentWidget() is self.failure:
            return
        self._pages.setCurrentWidget(self.failure)
        if not self.composer.text:
            self.choose_button.setFocus(Qt.FocusReason.OtherFocusReason)
        self._announce(self._session.failure)

    def _reply_ended(self, message: Message) -> None:
        """Let a screen reader say the reply, now that it is complete."""
        text = message.error or message.text or self.tr("The reply was stopped.")
        if message.text and message.status is MessageStatus.STOPPED:
            text = self.tr("{text} (stopped)").format(text=text)
        self._announce(text)
        self.composer.read_ahead_soon()

    def _announce(self, text: str) -> None:
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    # --- reading aloud, attachments, links, the system prompt ---

    def _read_aloud(self, message_id: str) -> None:
        if self._reading == message_id:
            self._stop()
            return
        row = self.model.row_of(message_id)
        if row >= 0:
            self.stopped.emit()
            self._speaker.stop()
            self._speaker.say(spoken_text(self.model.messages[row].text))
            self._show_reading(message_id)

    def _show_reading(self, message_id: str) -> None:
        self._reading = message_id
        self.view.set_read_aloud(message_id)

    def _open_media(self, part: MediaPart) -> None:
        if isinstance(part, Image):
            within = screen_box()
            self._background.decode(
                lambda cancel: read_picture(part.source, within, cancel),
                lambda image: self._show_picture(image, name_of_part(part)),
            )
        elif isinstance(part.source, Path):
            self.open_link(QUrl.fromLocalFile(str(part.source)))

    def _show_picture(self, image: QImage, name: str) -> None:
        if image.isNull():
            self.composer.refuse(self.tr("“{name}” is no longer there, or cannot be read.").format(name=name))
            return
        dialog = PictureDialog(image, name, self)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _choose_pages(self, path: Path, pages: int, item_id: int) -> None:
        self.attachments.put_pages(item_id, path, self.ask_pages(path, pages))

    def _ask_for_pages(self, path: Path, pages: int) -> Sequence[int]:
        dialog = PagesDialog(path, pages, self)
        taken = dialog.exec() == PagesDialog.DialogCode.Accepted
        dialog.deleteLater()
        return dialog.chosen if taken else ()

    def _edit_prompt(self) -> None:
        prompt = self.ask_prompt(self.controller.conversation.system_prompt)
        if prompt is not None:
            self.controller.set_system_prompt(prompt)
            self._prepare()

    def _ask_for_prompt(self, prompt: str) -> str | None:
        dialog = SystemPromptDialog(prompt, self._theme, self)
        taken = dialog.exec() == SystemPromptDialog.DialogCode.Accepted
        dialog.deleteLater()
        return dialog.prompt if taken else None

    def _link_clicked(self, address: str) -> None:
        if not is_safe_link(address):
            return
        url = QUrl(address, QUrl.ParsingMode.StrictMode)
        shown = _in_short(url.toString(_ENCODED))
        if url.userInfo():  # “https://bank.example@evil.example” leads to the latter
            shown += "\n" + self.tr("This address leads to {host}.").format(host=url.host(_ENCODED))
        if url.isValid() and self.confirm(self.tr("Open this address in your browser?"), shown):
            self.open_link(url)

    def _ask_user(self, question: str, address: str) -> bool:
        box = QMessageBox(self)
        box.setWindowTitle(self.tr("Open link"))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setText(question)
        box.setInformativeText(address)
        yes = box.addButton(self.tr("Open"), QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.exec()
        return box.clickedButton() is yes


def _in_short(address: str) -> str:
    """Return an address as a dialog can show it: of a very long one the beginning and the end."""
    return address if len(address) <= _ADDRESS_SHOWN else f"{address[: _ADDRESS_SHOWN - 60]} … {address[-60:]}"
