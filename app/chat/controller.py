"""What can be done with the conversation on the screen: the one object that changes it.

It stands between the pane, the session, and the store of conversations. A reply goes on when another conversation is
opened, and is stopped when a question is asked there, since the engine answers one at a time. What other panes ask of
the model only makes a question wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from app.background import Background
from app.chat.model import ChatModel
from app.conversation import PAGE, Conversation, ConversationStore, Message, MessageStatus, Page, title_of, turns_of
from app.session import Frame, Session, SessionState
from inference.errors import LarimarError
from inference.messages import Part, ReplyOptions, Turn

_Value = TypeVar("_Value")
_PAGE_ON_THE_WAY = 200
"""Messages that are read at once on the way to one that is far back."""


@dataclass(slots=True)
class _Reply:
    """The reply under way."""

    conversation: str
    message: Message
    turn: int | None = None
    """The session's number for it; ``None`` while the conversation is still read from the store."""
    thinking_since: float | None = None


class ConversationController(QObject):
    """Opens conversations, asks, and keeps what is said."""

    opened = Signal()
    """Another conversation, or none yet, is shown; ``conversation`` says which."""
    conversation_changed = Signal(object)
    """Carries the :class:`~app.conversation.Conversation` with its new title or system prompt."""
    busy_changed = Signal()
    """A reply began or ended; see :attr:`busy`."""
    reply_ended = Signal(object)
    """Carries the finished :class:`~app.conversation.Message` of the conversation that is shown."""
    earlier_read = Signal()
    """As many messages are here as :meth:`read_back` was asked for."""
    reply_changed = Signal(object)
    """Carries the :class:`~app.conversation.Message` of the reply under way in the conversation that is shown, with
    more text than before, or finished."""
    failed = Signal(str)
    """Something could not be read or written; carries a sentence for the user."""

    def __init__(
        self,
        session: Session,
        store: ConversationStore,
        model: ChatModel,
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._store = store
        self._model = model
        self._background = background
        self._conversation = Conversation()
        self._stored = False
        self._reply: _Reply | None = None
        self._told: tuple[tuple[str, str, str, bool], tuple[Turn, ...]] | None = None
        self._reading_earlier = False
        self._back = 0
        self._visit = 0
        session.frame.connect(self._frame_arrived)
        session.state_changed.connect(self._state_changed)

    @property
    def conversation(self) -> Conversation:
        """The conversation that is shown; it is not in the store before its first question."""
        return self._conversation

    @property
    def busy(self) -> bool:
        """Whether a reply is under way in the conversation that is shown."""
        return self._reply is not None and self._reply.conversation == self._conversation.id

    # --- which conversation ---

    def new(self) -> None:
        """Begin another conversation."""
        self._visit += 1
        self._conversation, self._stored = Conversation(), False
        self._reading_earlier, self._back = False, 0
        self._model.clear()
        self.opened.emit()

    def open(self, conversation_id: str, leaf_id: str | None = None, back: int = 0) -> None:
        """Show a conversation of the store, from its end.

        ``leaf_id`` is the branch that is shown from now on, if another one was; ``back`` the number of messages to
        :meth:`read_back` then.
        """
        self._visit += 1
        visit = self._visit

        def conversation_read(conversation: Conversation) -> None:
            if visit == self._visit:
                if leaf_id is not None and leaf_id != conversation.leaf_id:
                    conversation = replace(conversation, leaf_id=leaf_id)
                    self._write(self._store.change(conversation))
                self._read(self._store.page(conversation.id), lambda page: page_read(conversation, page))

        def page_read(conversation: Conversation, page: Page) -> None:
            if visit == self._visit:
                self._conversation, self._stored = conversation, True
                self._show(page)
                self.opened.emit()
                self.read_back(back)

        self._read(self._store.conversation(conversation_id), conversation_read)

    def leave(self, conversation_id: str) -> None:
        """Have nothing more to do with a conversation: it is about to be deleted."""
        if self._reply is not None and self._reply.conversation == conversation_id:
            self._abandon()
        if self._conversation.id == conversation_id:
            self.new()

    def load_earlier(self) -> None:
        """Read the page before what is shown, if there is one."""
        if not self._reading_earlier:
            self._read_earlier(PAGE)

    def read_back(self, count: int) -> None:
        """Read pages until ``count`` messages of the path are here, or all; then :attr:`earlier_read` comes.

        Page by page, so that the window answers meanwhile however far back that is.
        """
        self._back = max(self._back, count)
        if not self._reading_earlier:
            self._go_on_reading()

    def _go_on_reading(self) -> None:
        if self._back > self._model.rowCount() and self._model.earlier:
            self._read_earlier(_PAGE_ON_THE_WAY)
        elif self._back:
            self._back = 0
            self.earlier_read.emit()

    def _read_earlier(self, limit: int) -> None:
        if not self._model.earlier:
            return
        self._reading_earlier = True
        visit = self._visit

        def page_read(page: Page) -> None:
            if visit == self._visit:
                self._reading_earlier = False
                self._model.prepend(page)
                self._go_on_reading()

        first = self._model.first_id
        self._read(self._store.page(self._conversation.id, first, limit), page_read)

    def rename(self, title: str) -> None:
        """Give the conversation another title."""
        self._change(replace(self._conversation, title=title.strip()))

    def set_system_prompt(self, prompt: str) -> None:
        """Tell the model something about the whole conversation, from the next question on."""
        self._change(replace(self._conversation, system_prompt=prompt.strip()))

    # --- asking ---

    def ask(self, parts: tuple[Part, ...], options: ReplyOptions) -> bool:
        """Send a message of the user at the end of the path; return whether the session can answer it now."""
        last = self._model.last
        return self._ask(parts, last.id if last else None, (), options)

    def adopt(self, turns: Sequence[Turn]) -> None:
        """Begin a conversation with what was said elsewhere, questions and answers in turn, and keep it."""
        self.new()
        name = self._session.model.name if self._session.model else ""
        for turn in turns:
            last = self._model.last
            answers = turn.role == "assistant"
            message = Message(turn.role, turn.parts, last.id if last else None, model=name if answers else "")
            if last is None:
                self._conversation = replace(self._conversation, title=title_of(message))
                self._stored = True
                self._write(self._store.create(self._conversation))
            self._append(message, ())
        if turns:
            self.conversation_changed.emit(self._conversation)
            self.opened.emit()

    def edit(self, message_id: str, parts: tuple[Part, ...], options: ReplyOptions) -> bool:
        """Ask something else in the place of a question of the user; the old one stays as another branch."""
        row = self._model.row_of(message_id)
        if row < 0 or not self._free():
            return False
        shown = self._model.shown[row]
        self._model.cut(row)
        return self._ask(parts, shown.message.parent_id, shown.siblings or (message_id,), options)

    def regenerate(self, message_id: str, options: ReplyOptions) -> bool:
        """Ask for another reply in the place of one; the old one stays as another branch."""
        row = self._model.row_of(message_id)
        if row < 1 or self._model.messages[row].role != "assistant" or not self._free():
            return False
        shown = self._model.shown[row]
        self._model.cut(row)
        self._begin_reply(shown.siblings or (message_id,), options)
        return True

    def show_sibling(self, message_id: str, step: int) -> None:
        """Show the branch that is ``step`` further on at a message."""
        row = self._model.row_of(message_id)
        if row < 0:
            return
        shown = self._model.shown[row]
        number = shown.branch + step
        if not shown.siblings or not 0 <= number < len(shown.siblings):
            return
        visit = self._visit

        def leaf_found(leaf: str) -> None:
            if visit == self._visit:
                self._change(replace(self._conversation, leaf_id=leaf))
                self._read(self._store.page(self._conversation.id), page_read)

        def page_read(page: Page) -> None:
            if visit == self._visit:
                self._model.switch_to(self._with_reply(page))
                self.busy_changed.emit()

        self._read(self._store.leaf_below(shown.siblings[number]), leaf_found)

    def prepare(self, parts: tuple[Part, ...], options: ReplyOptions) -> None:
        """Let the engine read what is certain of a question that is not finished, so that sending it feels instant."""
        if self._session.state is not SessionState.READY or self._reply is not None:
            return
        visit, draft = self._visit, (Turn("user", parts),) if parts else ()

        def told(turns: tuple[Turn, ...]) -> None:
            if (turns or draft) and visit == self._visit and self._reply is None:
                self._session.prepare((*turns, *draft), options)

        self._with_turns(told)

    def stop(self) -> None:
        """End the reply in the conversation that is shown; what was said stays."""
        if not self.busy:
            return
        if self._reply is None or self._reply.turn is None:
            self._abandon()
        else:
            self._session.withdraw(self._reply.turn)

    # --- how ---

    def _free(self) -> bool:
        return self._session.takes_questions and not self.busy

    def _ask(
        self, parts: tuple[Part, ...], parent: str | None, siblings: tuple[str, ...], options: ReplyOptions
    ) -> bool:
        if not self._free():
            return False
        question = Message("user", parts, parent)
        if not self._stored:
            self._conversation = replace(self._conversation, title=self._conversation.title or title_of(question))
            self._stored = True
            self._write(self._store.create(self._conversation))
            self.conversation_changed.emit(self._conversation)
        self._append(question, siblings)
        self._begin_reply((), options)
        return True

    def _begin_reply(self, siblings: tuple[str, ...], options: ReplyOptions) -> None:
        self._abandon()  # the one in another conversation
        question = self._model.last
        name = self._session.model.name if self._session.model else ""
        message = Message(
            "assistant", (), question.id if question else None, status=MessageStatus.STREAMING, model=name
        )
        reply = self._reply = _Reply(self._conversation.id, message)
        self._append(message, siblings)

        def told(turns: tuple[Turn, ...]) -> None:
            if self._reply is not reply:
                return
            reply.turn = self._session.submit(turns, options)

        self._with_turns(told)
        self.busy_changed.emit()

    def _append(self, message: Message, siblings: tuple[str, ...]) -> None:
        self._conversation = replace(self._conversation, leaf_id=message.id)
        self._write(self._store.append(self._conversation.id, message))
        self._model.append(message, (*siblings, message.id))

    def _with_turns(self, use: Callable[[tuple[Turn, ...]], None]) -> None:
        """Call ``use`` with what the model is to know of the whole path; at once when all of it is here."""
        conversation = self._conversation
        last = self._model.last
        key = (conversation.id, conversation.system_prompt, last.id if last else "", bool(last and last.under_way))
        if self._told is not None and self._told[0] == key:
            use(self._told[1])  # asked for at each pause of the typing
            return

        def path_read(path: tuple[Message, ...]) -> None:
            turns = turns_of(path, conversation.system_prompt)
            self._told = (key, turns)
            use(turns)

        if self._model.earlier:
            self._read(self._store.path(conversation.id), path_read)
        else:
            path_read(self._model.messages)

    def _show(self, page: Page) -> None:
        self._reading_earlier, self._back = False, 0
        self._model.show_page(self._with_reply(page))
        self.busy_changed.emit()

    def _with_reply(self, page: Page) -> Page:
        """Return ``page`` with the reply under way as it is here; the store may not have its last words yet."""
        reply = self._reply
        if reply is None:
            return page
        messages = tuple(reply.message if message.id == reply.message.id else message for message in page.messages)
        return replace(page, messages=messages)

    def _frame_arrived(self, frame: Frame) -> None:
        reply = self._reply
        if reply is None or frame.turn != reply.turn:
            return
        before = reply.message
        message = before.extended(*frame.pieces)
        message = replace(message, thought_seconds=self._thought_seconds(reply, frame))
        if frame.error:
            message = replace(message, status=MessageStatus.FAILED, error=frame.error)
        elif frame.done is not None:
            status = MessageStatus.STOPPED if frame.done.reason == "cancelled" else MessageStatus.COMPLETE
            message = replace(message, status=status, finish_reason=frame.done.reason, stats=frame.done.stats)
        reply.message = message
        prefill = (frame.prefill.done, frame.prefill.total) if frame.prefill else None
        if reply.conversation == self._conversation.id:
            self._model.replace(message, prefill)
            if not frame.last and message.parts != before.parts:
                self.reply_changed.emit(message)
        if frame.last:
            self._end(reply)
        elif message.parts != before.parts:
            self._write(self._store.update(message))

    @staticmethod
    def _thought_seconds(reply: _Reply, frame: Frame) -> float | None:
        if reply.message.thought_seconds is not None:
            return reply.message.thought_seconds
        now = time.monotonic()
        if frame.thought and reply.thinking_since is None:
            reply.thinking_since = now
        if reply.thinking_since is not None and (frame.text or frame.last or frame.tool_calls):
            return now - reply.thinking_since
        return None

    def _state_changed(self, state: SessionState) -> None:
        if not self._session.takes_questions and self._reply is not None:
            self._abandon()

    def _abandon(self) -> None:
        """End the reply here and now; nothing more of it will come."""
        reply = self._reply
        if reply is None:
            return
        reply.message = replace(reply.message, status=MessageStatus.STOPPED, finish_reason="cancelled")
        if reply.conversation == self._conversation.id:
            self._model.replace(reply.message)
        if reply.turn is not None:
            self._session.withdraw(reply.turn)
        self._end(reply)

    def _end(self, reply: _Reply) -> None:
        self._reply = None
        self._write(self._store.finish(reply.message))
        if reply.conversation == self._conversation.id:
            self.reply_changed.emit(reply.message)
            self.reply_ended.emit(reply.message)
        self.busy_changed.emit()

    def _change(self, conversation: Conversation) -> None:
        if conversation != self._conversation:
            self._conversation = conversation
            if self._stored:
                self._write(self._store.change(conversation))
            self.conversation_changed.emit(conversation)

    def _write(self, future: Future[None]) -> None:
        self._background.when_done(future, lambda _: None, self._failed)

    def _read(self, future: Future[_Value], done: Callable[[_Value], object]) -> None:
        self._background.when_done(future, done, self._failed)

    def _failed(self, error: Exception) -> None:
        self._reading_earlier, self._back = False, 0
        known = isinstance(error, LarimarError)
        self.failed.emit(str(error) if known else self.tr("The conversation could not be read or written."))
