"""The store on disk: :class:`~app.history_store.HistoryStore` over a SQLite database and a folder of media.

Two threads of its own: one for everything that happens to the database, so that calls take effect in their order, and
one that copies attachments, so that a large video does not hold up a reply. A message is written at once and refers to
the user's file until our copy is complete.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.conversation import PAGE, Conversation, Message, Page
from app.error_report import describe
from app.history_store import HITS, Entry, Hit, Place, WholeConversation
from app.store import lists
from app.store.errors import StoreError, is_about_writing, is_passing, readable
from app.store.media import CopyCancelledError, MediaFiles
from app.store.opening import forget_in_backups, open_database, open_substitute
from app.store.rows import Rows, growth, microseconds
from app.store.schema import STEPS, Step
from app.store.search_index import index_more, optimize_search
from app.store.store_thread import StoreThread, empty_log
from inference.errors import LarimarError
from inference.messages import Part

log = logging.getLogger(__name__)

DATABASE = "conversations.sqlite"
MEDIA = "media"


@dataclass(slots=True)
class _Growing:
    """One write of what came of a reply, in however many attempts."""

    message_id: str
    message: Message | None = None


class SqliteStore:
    """Conversations in ``folder``, which is made when it is not there."""

    def __init__(self, folder: Path, *, steps: Sequence[Step] = STEPS) -> None:
        self._file = folder / DATABASE
        self._steps = steps
        self._media = MediaFiles(folder / MEDIA)
        self._rows = Rows(self._media)
        self._written: dict[str, Message] = {}  # what the database has of replies under way; on its thread only
        self._updates: dict[str, tuple[Message, Future[None]]] = {}
        self._lock = threading.Lock()
        self._copier = ThreadPoolExecutor(1, thread_name_prefix="larimar-media")
        self._closing = threading.Event()
        self._unkept: LarimarError | None = None
        """Why everything is in memory only; on the store's thread."""
        self._indexed: Future[None] = Future()
        """Ends when all messages are in the search index, or it cannot be made for now."""
        self._thread = StoreThread(self._open)
        self._thread.start()
        self._ready = self._thread.read(lambda connection: self._say_unkept())
        self._ready.add_done_callback(lambda _: self._index_on())

    # --- ConversationStore ---

    def create(self, conversation: Conversation) -> Future[None]:
        """Add a conversation."""
        return self._thread.write(lambda connection: self._rows.create(connection, conversation))

    def change(self, conversation: Conversation) -> Future[None]:
        """Replace title, system prompt and leaf; nothing happens when it was removed in the meantime."""
        return self._thread.write(lambda connection: self._rows.change(connection, conversation))

    def append(self, conversation_id: str, message: Message) -> Future[None]:
        """Add a message as the new leaf; the future also waits for copies of its media."""
        written = self._thread.write(lambda connection: self._rows.append(connection, conversation_id, message))
        return self._with_media(written, message)

    def update(self, message: Message) -> Future[None]:
        """Write what came of a reply since the last frame."""
        with self._lock:
            waiting = self._updates.get(message.id)
            if waiting is not None:  # the thread has not come to it yet: one write for both
                self._updates[message.id] = (message, waiting[1])
                return waiting[1]
            growing = _Growing(message.id)
            future = self._thread.write(
                lambda connection: self._grow(growing, connection),
                durable=False,
                again=False,
                committed=lambda: self._grown(growing),
            )
            self._updates[message.id] = (message, future)
            return future

    def finish(self, message: Message) -> Future[None]:
        """Write the whole reply."""

        def write(connection: sqlite3.Connection) -> None:
            self._rows.replace(connection, message)
            connection.execute(
                "UPDATE conversations SET used = max(used, ?)"
                " WHERE id = (SELECT conversation_id FROM messages WHERE id = ?)",
                (time.time_ns() // 1000, message.id),
            )

        return self._thread.write(write, committed=lambda: self._forget(message.id))

    def conversation(self, conversation_id: str) -> Future[Conversation]:
        """Return a conversation."""
        return self._thread.read(lambda connection: self._rows.conversation(connection, conversation_id))

    def page(self, conversation_id: str, before: str | None = None, limit: int = PAGE) -> Future[Page]:
        """Return a page of the path."""
        return self._thread.read(lambda connection: self._rows.page(connection, conversation_id, before, limit))

    def path(self, conversation_id: str) -> Future[tuple[Message, ...]]:
        """Return the whole path."""

        def read(connection: sqlite3.Connection) -> tuple[Message, ...]:
            return self._rows.upwards(connection, self._rows.conversation(connection, conversation_id).leaf_id)

        return self._thread.read(read)

    def leaf_below(self, message_id: str) -> Future[str]:
        """Return the leaf under a message."""
        return self._thread.read(lambda connection: self._rows.leaf_below(connection, message_id))

    def close(self) -> None:
        """Finish what is under way, remove for good what is deleted, and end both threads."""
        closed_before = self._closing.is_set()
        if not closed_before:
            self._thread.write(self._purge, again=False, erases=True)
        self._closing.set()
        self._copier.shutdown(wait=True, cancel_futures=True)
        if not closed_before:
            self._tidy_now()
        self._thread.close()

    # --- HistoryStore ---

    def ready(self) -> Future[None]:
        """End when the database is open, or carry why it is not."""
        return self._ready

    def entries(self) -> Future[tuple[Entry, ...]]:
        """Return the conversations."""
        return self._thread.read(lists.entries)

    def search(self, words: str, limit: int = HITS) -> Future[tuple[Hit, ...]]:
        """Search titles and messages; waits for the index while it is made."""
        result: Future[tuple[Hit, ...]] = Future()

        def now(_: Future[None]) -> None:
            read = self._thread.read(lambda connection: lists.search(connection, words, limit))
            read.add_done_callback(lambda done: _pass_on(done, result))

        self._indexed.add_done_callback(now)
        return result

    def place(self, message_id: str) -> Future[Place]:
        """Return where a message is."""

        def read(connection: sqlite3.Connection) -> Place:
            row = connection.execute("SELECT conversation_id FROM messages WHERE id = ?", (message_id,)).fetchone()
            if row is None:
                raise KeyError(message_id)
            leaf = self._rows.conversation(connection, row[0]).leaf_id
            distance = self._rows.distance(connection, message_id, leaf)
            if not distance or leaf is None:
                leaf = self._rows.leaf_below(connection, message_id)
                distance = self._rows.distance(connection, message_id, leaf)
            return Place(row[0], leaf, distance)

        return self._thread.read(read)

    def rename(self, conversation_id: str, title: str) -> Future[None]:
        """Change a title."""
        return self._set(conversation_id, "title", title)

    def pin(self, conversation_id: str, pinned: bool) -> Future[None]:
        """Pin or unpin."""
        return self._set(conversation_id, "pinned", int(pinned))

    def delete(self, conversation_id: str) -> Future[None]:
        """Hide a conversation until it is purged."""
        return self._set(conversation_id, "deleted", time.time_ns() // 1000)

    def restore(self, conversation_id: str) -> Future[None]:
        """Undo a deletion."""
        return self._set(conversation_id, "deleted", None)

    def purge(self) -> Future[None]:
        """Remove deleted conversations for good."""
        purged = self._thread.write(self._purge, erases=True)
        purged.add_done_callback(lambda done: self._tidy() if done.exception() is None and done.result() else None)
        return _without_result(purged)

    def whole(self, conversation_id: str) -> Future[WholeConversation]:
        """Return a conversation with all branches."""

        def read(connection: sqlite3.Connection) -> WholeConversation:
            conversation = self._rows.conversation(connection, conversation_id)
            messages = self._rows.all_messages(connection, conversation_id)
            (pinned,) = connection.execute(
                "SELECT pinned FROM conversations WHERE id = ?", (conversation_id,)
            ).fetchone()
            return WholeConversation(conversation, messages, bool(pinned))

        return self._thread.read(read)

    def add(self, whole: WholeConversation) -> Future[int]:
        """Add what is new of a conversation from elsewhere, and copy its media."""
        new: list[Message] = []

        def write(connection: sqlite3.Connection) -> int:
            new[:] = self._add(connection, whole)
            return len(new)

        added = self._thread.write(write)
        result: Future[int] = Future()

        def written(done: Future[int]) -> None:
            error = done.exception()
            if error is not None:
                result.set_exception(error)
                return
            copies = [self._copy_media(message) for message in new if _media_sources(message.parts)]
            _after_all(copies, result, done.result())

        added.add_done_callback(written)
        return result

    # --- on the store's thread ---

    def _open(self) -> sqlite3.Connection:
        try:
            connection = open_database(self._file, self._steps)
        except LarimarError as error:
            log.warning("The conversations are kept in memory only: %s", _kind_of(error))
            self._unkept = error
            connection = open_substitute(self._file, self._steps, copied=is_about_writing(error))
        loose = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._rows.stop_interrupted(connection)
            self._purge(connection)
            loose = [
                self._rows.message(connection, row[0])
                for row in connection.execute("SELECT id FROM messages WHERE loose = 1").fetchall()
            ]
            connection.execute("COMMIT")
        except Exception as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if not is_passing(error):
                connection.close()
                raise readable(error) from error
            log.warning("The last run could not be tidied up after: %s", describe(error))  # it can still be read
        empty_log(connection)
        for message in loose:
            self._copy_media(message)
        self._tidy()
        return connection

    def _index_on(self) -> None:
        """Index some messages, then let others have their turn, until all are indexed. Called on the store's thread."""

        def then(done: Future[bool]) -> None:
            if done.exception() is None and done.result() is False:
                self._index_on()
            else:
                self._indexed.set_result(None)

        batch = self._thread.write(index_more, durable=False, again=False)
        batch.add_done_callback(then)

    def _say_unkept(self) -> None:
        if self._unkept is not None:
            raise self._unkept

    def _purge(self, connection: sqlite3.Connection) -> int:
        """Remove the conversations that are deleted; return how many there were."""
        ids = [row[0] for row in connection.execute("SELECT id FROM conversations WHERE deleted IS NOT NULL")]
        if not ids:
            return 0
        if self._unkept is None:
            forget_in_backups(self._file, ids)  # first: when the program is killed now, the next start does it again
        connection.execute("DELETE FROM conversations WHERE deleted IS NOT NULL")
        optimize_search(connection)
        connection.execute("PRAGMA incremental_vacuum").fetchall()
        return len(ids)

    def _grow(self, growing: _Growing, connection: sqlite3.Connection) -> None:
        with self._lock:
            waiting = self._updates.pop(growing.message_id, None)
        if waiting is not None:
            growing.message = waiting[0]
        if growing.message is None:
            return
        before = self._written.get(growing.message_id)
        if before is None:
            try:
                before = self._rows.message(connection, growing.message_id)
            except KeyError:
                return  # its conversation was deleted
        if not before.under_way:
            return
        more = growth(before, growing.message)
        if more is None:
            self._rows.replace(connection, growing.message)
        elif more:
            self._rows.grow(connection, growing.message_id, more)

    def _grown(self, growing: _Growing) -> None:
        if growing.message is not None and growing.message.under_way:
            self._written[growing.message_id] = growing.message

    def _forget(self, message_id: str) -> None:
        self._written.pop(message_id, None)

    def _add(self, connection: sqlite3.Connection, whole: WholeConversation) -> list[Message]:
        conversation = whole.conversation
        there = {
            row[0]: row[1]
            for message in whole.messages
            for row in connection.execute("SELECT id, conversation_id FROM messages WHERE id = ?", (message.id,))
        }
        if any(home != conversation.id for home in there.values()):
            raise StoreError("Messages of this conversation are part of another one already; it was not imported.")
        known = connection.execute("SELECT 1 FROM conversations WHERE id = ?", (conversation.id,)).fetchone()
        if known is None:
            self._rows.create(connection, conversation)
            latest = max((microseconds(message.created) for message in whole.messages), default=0)
            connection.execute(
                "UPDATE conversations SET pinned = ?, used = max(used, ?) WHERE id = ?",
                (int(whole.pinned), latest, conversation.id),
            )
        else:
            connection.execute("UPDATE conversations SET deleted = NULL WHERE id = ?", (conversation.id,))
        new = [message for message in whole.messages if message.id not in there]
        for message in new:
            self._rows.insert(connection, conversation.id, message)
        return new

    def _set(self, conversation_id: str, column: str, value: object) -> Future[None]:
        def write(connection: sqlite3.Connection) -> None:
            connection.execute(f"UPDATE conversations SET {column} = ? WHERE id = ?", (value, conversation_id))

        return self._thread.write(write)

    # --- media, on the copying thread ---

    def _with_media(self, written: Future[None], message: Message) -> Future[None]:
        """Return a future that ends when ``message`` is written and its media are copied."""
        if not any(self._media.reference(source) is None for source in _media_sources(message.parts)):
            return written
        result: Future[None] = Future()

        def then(done: Future[None]) -> None:
            error = done.exception()
            if error is not None:
                result.set_exception(error)
            else:
                _after_all([self._copy_media(message)], result, None)

        written.add_done_callback(then)
        return result

    def _copy_media(self, message: Message) -> Future[None]:
        """Copy what a message in the database refers to, then let it refer to the copies."""
        result: Future[None] = Future()
        if self._unkept is not None:  # it refers to the user's file as long as the program runs
            result.set_result(None)
            return result

        def copy() -> None:
            kept: dict[Path | bytes, Path] = {}
            failure: BaseException | None = None
            for source in _media_sources(message.parts):
                if self._media.reference(source) is None:
                    try:
                        kept[source] = self._media.path(self._media.keep(source, self._closing.is_set))
                    except CopyCancelledError:
                        return  # the next start goes on with it
                    except FileNotFoundError as error:
                        failure = StoreError(f"“{_name(source)}” is no longer there and could not be kept.")
                        failure.__cause__ = error
                    except OSError as error:
                        failure = readable(error)
            settled = self._thread.write(lambda connection: self._rows.settle(connection, message.id, kept))
            settled.add_done_callback(lambda done: _end(result, failure or done.exception()))

        try:
            self._copier.submit(copy)
        except RuntimeError:  # closing: it is copied at the next start
            _end(result, None)
        return result

    def _tidy(self) -> None:
        """Remove the media that no message has any more."""
        if self._unkept is not None:  # what is in memory says nothing of what is on the disk
            return
        with contextlib.suppress(RuntimeError):  # closing, which does it too
            self._copier.submit(self._tidy_now)

    def _tidy_now(self) -> None:
        """Do it on this thread, which is not the store's."""
        try:
            if self._is_substitute():
                return
            self._media.remove_unfinished()
            unneeded = self._thread.read(_unneeded).result()
            for digest in unneeded:
                self._media.remove(digest)
            if unneeded:
                self._thread.write(lambda connection: _removed(connection, unneeded), again=False, durable=False)
        except Exception as error:  # the next start does it
            log.warning("Media that are not needed any more could not be removed: %s", describe(error))

    def _is_substitute(self) -> bool:
        """Whether everything is in memory only, which says nothing of what is on the disk."""
        return self._thread.read(lambda connection: self._unkept is not None).result()


def _unneeded(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT digest FROM doomed_media WHERE digest NOT IN (SELECT digest FROM media)")
    return [row[0] for row in found]


def _removed(connection: sqlite3.Connection, digests: Sequence[str]) -> None:
    connection.executemany("DELETE FROM doomed_media WHERE digest = ?", [(digest,) for digest in digests])
    connection.execute("DELETE FROM doomed_media WHERE digest IN (SELECT digest FROM media)")


def _kind_of(error: BaseException) -> str:
    """Return the classes of an error and its causes."""
    cause = f" from {_kind_of(error.__cause__)}" if error.__cause__ is not None else ""
    return f"{type(error).__name__}{cause}"


def _media_sources(parts: Sequence[Part]) -> list[Path | bytes]:
    return [part.source for part in parts if hasattr(part, "source")]


def _name(source: Path | bytes) -> str:
    return source.name if isinstance(source, Path) else "an attachment"


def _end(future: Future[None], error: BaseException | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(None)


def _after_all(waiting: Sequence[Future[Any]], result: Future[Any], value: object) -> None:
    """Let ``result`` end with ``value``, or the first error, when all of ``waiting`` have ended."""
    left = [len(waiting)]
    errors: list[BaseException] = []
    lock = threading.Lock()

    def ended(done: Future[Any]) -> None:
        with lock:
            left[0] -= 1
            error = done.exception()
            if error is not None:
                errors.append(error)
            over = left[0] == 0
        if over:
            finish()

    def finish() -> None:
        if errors:
            result.set_exception(errors[0])
        else:
            result.set_result(value)

    if not waiting:
        finish()
    for future in waiting:
        future.add_done_callback(ended)


def _pass_on(done: Future[Any], result: Future[Any]) -> None:
    error = done.exception()
    if error is not None:
        result.set_exception(error)
    else:
        result.set_result(done.result())


def _without_result(future: Future[Any]) -> Future[None]:
    result: Future[None] = Future()
    done: Callable[[Future[Any]], None] = lambda done: _end(result, done.exception())  # noqa: E731
    future.add_done_callback(done)
    return result
