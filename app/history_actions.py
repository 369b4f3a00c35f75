"""What the sidebar asks for, done: between the sidebar, the conversation on the screen, and the store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QAbstractItemView

from app.background import Background
from app.chat.pane import ChatPane
from app.conversation import Conversation
from app.history.pane import HistoryPane
from app.history_store import Entry, HistoryStore, Hit, Place
from inference.errors import LarimarError

log = logging.getLogger(__name__)

_Value = TypeVar("_Value")
_BEFORE_A_HIT = 10
"""Messages that are read before the one that was searched for."""


class HistoryActions(QObject):
    """Lists, searches, opens, renames, pins and deletes conversations."""

    opened = Signal(str)
    """Another conversation is on the screen; carries its id, or nothing for one that is not stored yet."""

    deleted = Signal()
    """A conversation was deleted, though that may still be undone."""

    def __init__(
        self, pane: HistoryPane, chat: ChatPane, store: HistoryStore, background: Background, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._pane = pane
        self._chat = chat
        self._controller = chat.controller
        self._store = store
        self._background = background
        self._deleted: tuple[str, bool] | None = None
        """The conversation whose deletion can be undone, and whether it was open."""
        self._wanted_message = ""
        self._listing = QTimer(self)  # many changes, one list
        self._listing.setSingleShot(True)
        self._listing.setInterval(0)
        self._listing.timeout.connect(self._list)
        pane.open_requested.connect(self.open)
        pane.list.clicked_open.connect(lambda: chat.composer.setFocus(Qt.FocusReason.OtherFocusReason))
        pane.searched.connect(self.search)
        pane.rename_requested.connect(self.rename)
        pane.pin_requested.connect(self._pin)
        pane.delete_requested.connect(self.delete)
        pane.undo_requested.connect(self.undo)
        pane.undo_expired.connect(self._purge)
        self._controller.opened.connect(self._shown)
        self._controller.earlier_read.connect(lambda: QTimer.singleShot(0, self, self._go_to_message))
        self._controller.conversation_changed.connect(self._changed)
        self._controller.busy_changed.connect(self.refresh)
        self._read(store.ready(), lambda _: self.refresh(), self._unusable)

    def refresh(self) -> None:
        """List the conversations anew, soon."""
        self._listing.start()

    def open_at_start(self, conversation_id: str) -> None:
        """Show the conversation of the last time, if it is still there and nothing else was begun."""

        def found(entries: tuple[Entry, ...]) -> None:
            untouched = not self._chat.model.rowCount()
            if untouched and any(entry.id == conversation_id for entry in entries):
                self._controller.open(conversation_id)

        if conversation_id:
            self._background.when_done(self._store.entries(), found, lambda _: None)

    def open(self, conversation_id: str, message_id: str = "") -> None:
        """Show a conversation, and in it a message."""
        if message_id:
            self._read(self._store.place(message_id), lambda place: self._open_at(place, message_id))
        elif conversation_id != self._controller.conversation.id:
            self._wanted_message = ""
            self._controller.open(conversation_id)

    def search(self, words: str) -> None:
        """Search for ``words``; without any, list the conversations again."""
        if not words:
            self._list()
            return

        def found(hits: tuple[Hit, ...]) -> None:
            self._pane.show_hits(words, hits)
            log.info("A search found %d results", len(hits))

        self._read(self._store.search(words), found)

    def rename(self, conversation_id: str, title: str) -> None:
        """Give a conversation another title."""
        if conversation_id == self._controller.conversation.id:
            self._controller.rename(title)
        else:
            self._write(self._store.rename(conversation_id, title))
        self.refresh()

    def delete(self, conversation_id: str) -> None:
        """Delete a conversation; for a while that can be undone."""
        row = self._pane.model.row_of(conversation_id)
        entry = self._pane.model.rows[row] if row >= 0 else None
        self._purge()
        open_now = conversation_id == self._controller.conversation.id
        self._controller.leave(conversation_id)
        self._deleted = (conversation_id, open_now)
        self._write(self._store.delete(conversation_id))
        self.deleted.emit()
        self._list()
        self._pane.undo.show_deleted(entry.title if isinstance(entry, Entry) else "")

    def undo(self) -> None:
        """Take the last deletion back."""
        if self._deleted is None:
            return
        conversation_id, was_open = self._deleted
        self._deleted = None
        self._pane.undo.withdraw()
        self._write(self._store.restore(conversation_id))
        self._list()
        if was_open and not self._chat.model.rowCount():
            self._controller.open(conversation_id)

    def report(self, sentence: str) -> None:
        """Tell the user something that went wrong."""
        self._controller.failed.emit(sentence)

    # --- how ---

    def _list(self) -> None:
        self._listing.stop()
        self._background.when_done(self._store.entries(), self._pane.show_entries, lambda _: None)

    def _open_at(self, place: Place, message_id: str) -> None:
        self._wanted_message = message_id
        same = self._controller.conversation
        back = place.distance + _BEFORE_A_HIT
        if (same.id, same.leaf_id) != (place.conversation_id, place.leaf_id):
            self._controller.open(place.conversation_id, place.leaf_id, back)
        elif not self._go_to_message():
            self._controller.read_back(back)

    def _go_to_message(self) -> bool:
        row = self._chat.model.row_of(self._wanted_message) if self._wanted_message else -1
        if row < 0:
            return False
        self._wanted_message = ""
        view = self._chat.view
        index = self._chat.model.index(row)
        view.hold_place()
        view.keyboard_focus = True
        view.setCurrentIndex(index)
        view.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtTop)
        view.viewport().update()
        log.info("A message that was searched for is shown")
        return True

    def _shown(self) -> None:
        conversation = self._controller.conversation
        self._pane.set_current(conversation.id)
        stored = self._chat.model.rowCount() > 0
        self.opened.emit(conversation.id if stored else "")
        if self._wanted_message:
            QTimer.singleShot(0, self, self._go_to_message)  # when the view has been laid out

    def _changed(self, conversation: Conversation) -> None:
        self._pane.set_current(conversation.id)
        self.opened.emit(conversation.id)
        self.refresh()

    def _pin(self, conversation_id: str, pinned: bool) -> None:
        self._write(self._store.pin(conversation_id, pinned))
        self._list()

    def _purge(self) -> None:
        if self._deleted is not None:
            self._deleted = None
            self._write(self._store.purge())

    def _unusable(self, error: Exception) -> None:
        self._pane.show_problem(self._sentence(error))

    def _write(self, future: Future[None]) -> None:
        self._read(future, lambda _: None)

    def _read(
        self,
        future: Future[_Value],
        done: Callable[[_Value], object],
        failed: Callable[[Exception], object] | None = None,
    ) -> None:
        self._background.when_done(future, done, failed or (lambda error: self.report(self._sentence(error))))

    def _sentence(self, error: Exception) -> str:
        if isinstance(error, LarimarError):
            return str(error)
        return self.tr("The conversations could not be read or written.")
