"""The chat pane: puts the conversation, the composer and the session together."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QUrl, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QDesktopServices,
    QKeyEvent,
    QKeySequence,
)
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.chat.composer import Composer
from app.chat.greeting import Greeting
from app.chat.layout import COLUMN_AT_MOST, SIDE
from app.chat.markdown import is_safe_link
from app.chat.message import MessageState
from app.chat.model import ChatModel
from app.chat.view import ChatView
from app.session import Frame, Session, SessionState
from app.theme import GRID, Theme
from app.widgets.notice import Notice
from inference.messages import ReplyOptions


class ChatPane(QWidget):
    """One conversation with the loaded model."""

    choose_model_requested = Signal()

    def __init__(self, session: Session, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._theme = theme
        self.open_link: Callable[[QUrl], object] = QDesktopServices.openUrl
        self.confirm: Callable[[str, str], bool] = self._ask_user
        self.model = ChatModel(self)
        self.view = ChatView(self.model, theme, self)
        self.composer = Composer(theme, self)
        self.greeting = Greeting(theme, self)
        self.failure = Notice(theme, "warning", self.tr("The model could not be loaded"), alarming=True, parent=self)
        self.choose_button = self.failure.add_button(
            self.tr("Choose a model folder…"), self.choose_model_requested.emit, primary=True
        )
        self.retry_button = self.failure.add_button(self.tr("Retry"), session.retry)
        self.new_button = QPushButton(" " + self.tr("New chat"), self)
        self._pages = QStackedWidget(self)
        self._arrange()

        session.state_changed.connect(self._refresh)
        session.frame.connect(self._frame_arrived)
        self.composer.submitted.connect(self.ask)
        self.composer.stop_requested.connect(session.stop)
        self.greeting.chosen.connect(self.ask)
        self.view.link_activated.connect(self._link_clicked)
        self.view.typed.connect(self.composer.type)
        self.new_button.clicked.connect(self.new_chat)
        theme.changed.connect(self._restyle)
        self._restyle()
        self._refresh()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Stop the reply with Esc, wherever in the pane the focus is."""
        if event.key() == Qt.Key.Key_Escape:
            self._session.stop()
        else:
            super().keyPressEvent(event)

    def ask(self, text: str) -> None:
        """Send ``text``, if the session can answer now; otherwise it stays in the composer."""
        if self._session.state is not SessionState.READY:
            return
        self.model.ask(text)
        self.composer.clear()
        turns = self.model.turns()
        self.model.begin_reply()
        self.view.jump_to_latest()
        self._session.ask(turns, ReplyOptions(thinking=self.composer.thinking))
        self._refresh()
        self.composer.setFocus(Qt.FocusReason.OtherFocusReason)

    def new_chat(self) -> None:
        """Forget the conversation and begin another."""
        self._session.give_up()
        self.model.clear()
        self._refresh()
        self.composer.setFocus(Qt.FocusReason.OtherFocusReason)

    def stops(self) -> tuple[QWidget, ...]:
        """Return the places between which F6 moves."""
        first: QWidget = self.view
        if self._pages.currentWidget() is self.greeting:
            first = self.greeting.buttons[0]
        elif self._pages.currentWidget() is self.failure:
            first = self.choose_button
        return (first, self.composer.edit)

    def _arrange(self) -> None:
        header = QFrame(self)
        header.setObjectName("header")
        self._title = QLabel(self.tr("Chat"), header)
        self._title.setObjectName("title")
        self.new_button.setProperty("kind", "flat")
        self.new_button.setAccessibleName(self.tr("New chat"))
        self.new_button.setShortcut(QKeySequence(QKeySequence.StandardKey.New))
        self.new_button.setToolTip(self.tr("New chat (Ctrl+N)"))
        line = QHBoxLayout(header)
        line.setContentsMargins(2 * GRID, GRID, GRID + 4, GRID)
        line.addWidget(self._title)
        line.addStretch(1)
        line.addWidget(self.new_button)

        for page in (self.greeting, self.view, self.failure):
            self._pages.addWidget(page)

        self.composer.setMaximumWidth(COLUMN_AT_MOST + 2 * GRID)
        self.composer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        below = QHBoxLayout()
        below.setContentsMargins(SIDE - GRID, GRID, SIDE - GRID, GRID)
        below.addStretch(1)
        below.addWidget(self.composer, 1000)
        below.addStretch(1)

        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(header)
        column.addWidget(self._pages, 1)
        column.addLayout(below)

    def _refresh(self) -> None:
        state = self._session.state
        generating = state is SessionState.GENERATING
        ready = state is SessionState.READY
        placeholder = {
            SessionState.LOADING: self.tr("The model is loading; you can already write"),
            SessionState.FAILED: self.tr("There is no model to ask yet"),
        }.get(state, self.tr("Ask anything"))
        self.composer.set_state(can_send=ready, generating=generating, placeholder=placeholder)
        self.greeting.set_ready(ready)
        self.new_button.setEnabled(self.model.rowCount() > 0)
        if state is SessionState.FAILED:
            self._show_failure()
        else:
            if state in (SessionState.LOADING, SessionState.CLOSED):
                self.model.abandon_reply()
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

    def _frame_arrived(self, frame: Frame) -> None:
        self.model.apply(frame)
        if frame.last:
            self._announce_reply()

    def _announce_reply(self) -> None:
        """Let a screen reader say the reply, now that it is complete."""
        if not self.model.messages:
            return
        message = self.model.messages[-1]
        text = message.error or message.text or self.tr("The reply was stopped.")
        if message.text and message.state is MessageState.STOPPED:
            text = self.tr("{text} (stopped)").format(text=text)
        self._announce(text)

    def _announce(self, text: str) -> None:
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, text))

    def _link_clicked(self, address: str) -> None:
        if not is_safe_link(address):
            return
        url = QUrl(address, QUrl.ParsingMode.StrictMode)
        shown = url.toString(QUrl.ComponentFormattingOption.FullyEncoded)
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

    def _restyle(self) -> None:
        self.new_button.setIcon(self._theme.icon("new", self._theme.colours.muted, 18))
        self._title.setFont(self._theme.body_font)
