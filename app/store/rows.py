"""Conversations and messages as rows, and back. Functions that are called on the store's thread only."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, get_args

from app.conversation import Conversation, Message, MessageStatus, Page
from app.store.media import MediaFiles
from app.store.parts import Json, decode_parts, decode_stats, encode_parts, encode_stats, seconds_of
from inference.messages import FinishReason, Part, Role, Text, Thought, ToolCall

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MESSAGE = (
    "id, role, status, parts, parent_id, created, finish_reason, thought_seconds, stats, error, model, conversation_id"
)
_UPWARDS = """
WITH RECURSIVE path (id, parent_id, number, home, step) AS (
    SELECT id, parent_id, number, conversation_id, 0 FROM messages WHERE id = :start
    UNION ALL
    SELECT up.id, up.parent_id, up.number, path.home, step + 1 FROM path JOIN messages AS up ON up.id = path.parent_id
    WHERE up.number < path.number AND up.conversation_id = path.home AND step + 1 < :limit
)
"""
"""The way from a message to the root, at most ``:limit`` messages.

A parent was always there before its child, so its number is smaller: where a damaged database says otherwise, the way
ends, instead of going round for ever.
"""

_NONSENSE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError)
_DAMAGED = "This message is damaged in the file with the conversations; what could be read of it is shown."
_Value = TypeVar("_Value")

Growth = tuple[Text | Thought | ToolCall, ...]


def microseconds(time: datetime) -> int:
    """Return a time as it is stored."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(stored: object) -> datetime:
    """Return a stored time, in UTC; 1970 for what is none."""
    try:
        return _EPOCH + int(stored) * _MICROSECOND if isinstance(stored, int | float) else _EPOCH
    except (OverflowError, ValueError):
        return _EPOCH


def words_in(stored: object) -> str:
    """Return a stored text; a damaged database may have something else in its place."""
    if isinstance(stored, bytes):
        return stored.decode("utf-8", "replace")
    return stored if isinstance(stored, str) else "" if stored is None else str(stored)


class Rows:
    """What the tables say. ``media`` turns references into files."""

    def __init__(self, media: MediaFiles) -> None:
        self._media = media
        self._live: set[str] = set()
        """Replies that began in this run of the program; any other that is under way was interrupted."""

    # --- conversations ---

    def create(self, connection: sqlite3.Connection, conversation: Conversation) -> None:
        """Add a conversation."""
        values = self._conversation_values(conversation)
        connection.execute(
            "INSERT INTO conversations (id, title, system_prompt, leaf_id, created, used)"
            " VALUES (:id, :title, :system_prompt, :leaf_id, :created, :created)",
            values,
        )

    def change(self, connection: sqlite3.Connection, conversation: Conversation) -> None:
        """Replace what may change of a conversation."""
        connection.execute(
            "UPDATE conversations SET title = :title, system_prompt = :system_prompt, leaf_id = :leaf_id"
            " WHERE id = :id",
            self._conversation_values(conversation),
        )

    def conversation(self, connection: sqlite3.Connection, conversation_id: str) -> Conversation:
        """Return a conversation; ``KeyError`` when it is not there."""
        row = connection.execute(
            "SELECT id, title, system_prompt, leaf_id, created FROM conversations WHERE id = ?", (conversation_id,)
        ).fetchone()
        if row is None:
            raise KeyError(conversation_id)
        leaf = self._leaf(connection, conversation_id, row[3])
        return Conversation(words_in(row[0]), words_in(row[1]), words_in(row[2]), leaf, time_of(row[4]))

    @staticmethod
    def _leaf(connection: sqlite3.Connection, conversation_id: str, leaf_id: object) -> str | None:
        """Return the leaf of a conversation; its newest message where what is stored is none of its messages."""
        if leaf_id is None:
            return None
        home = connection.execute("SELECT conversation_id FROM messages WHERE id = ?", (leaf_id,)).fetchone()
        if home is not None and home[0] == conversation_id:
            return words_in(leaf_id)
        newest = connection.execute(
            "SELECT id FROM messages WHERE conversation_id = ? ORDER BY number DESC LIMIT 1", (conversation_id,)
        ).fetchone()
        return None if newest is None else words_in(newest[0])

    # --- messages: writing ---

    def append(self, connection: sqlite3.Connection, conversation_id: str, message: Message) -> None:
        """Add a message as the new leaf of its conversation."""
        if message.parent_id is not None:
            home = connection.execute(
                "SELECT conversation_id FROM messages WHERE id = ?", (message.parent_id,)
            ).fetchone()
            if home is None or home[0] != conversation_id:
                raise KeyError(message.parent_id)
        if message.under_way:
            self._live.add(message.id)
        self.insert(connection, conversation_id, message)
        connection.execute(
            "UPDATE conversations SET leaf_id = ?, used = max(used, ?) WHERE id = ?",
            (message.id, microseconds(message.created), conversation_id),
        )

    def insert(self, connection: sqlite3.Connection, conversation_id: str, message: Message) -> None:
        """Add a message whose parent is there, and leave the leaf where it is."""
        values = self._values(message)
        values["conversation_id"] = conversation_id
        columns = ", ".join(values)
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(f"INSERT INTO messages ({columns}) VALUES ({marks})", values)
        self._note_media(connection, message.id, json.loads(values["parts"]))

    def replace(self, connection: sqlite3.Connection, message: Message) -> None:
        """Write a message anew; nothing happens when it was removed in the meantime."""
        values = self._values(message)
        settings = ", ".join(f"{name} = :{name}" for name in values if name != "id")
        connection.execute(f"UPDATE messages SET {settings} WHERE id = :id", values)
        connection.execute("DELETE FROM stream WHERE message_id = ?", (message.id,))

    def grow(self, connection: sqlite3.Connection, message_id: str, pieces: Growth) -> None:
        """Note what came of a reply under way."""
        encoded = json.dumps(encode_parts(pieces, self._media.reference), ensure_ascii=False)
        connection.execute(
            "INSERT INTO stream (message_id, pieces) SELECT id, ? FROM messages WHERE id = ?", (encoded, message_id)
        )

    def settle(self, connection: sqlite3.Connection, message_id: str, kept: dict[Path | bytes, Path]) -> None:
        """Let a message refer to our copies of its media."""
        row = connection.execute("SELECT parts FROM messages WHERE id = ?", (message_id,)).fetchone()
        if row is None:  # its conversation was removed while they were copied
            copies = [(path.parent.name,) for path in kept.values()]
            connection.executemany("INSERT OR IGNORE INTO doomed_media (digest) VALUES (?)", copies)
            return
        parts = [
            replace(part, source=kept.get(part.source, part.source)) if hasattr(part, "source") else part  # type: ignore[arg-type]
            for part in self._parts(row[0])[0]
        ]
        encoded = encode_parts(parts, self._media.reference)
        connection.execute(
            "UPDATE messages SET parts = ?, text = ?, loose = ? WHERE id = ?",
            (json.dumps(encoded, ensure_ascii=False), _searched(parts), int(_loose(encoded)), message_id),
        )
        self._note_media(connection, message_id, encoded)

    def stop_interrupted(self, connection: sqlite3.Connection) -> None:
        """Give replies that were under way when the program ended what came of them."""
        for row in connection.execute(f"SELECT {_MESSAGE} FROM messages WHERE status = 'streaming'").fetchall():
            self.replace(connection, self._message(connection, row))

    # --- messages: reading ---

    def message(self, connection: sqlite3.Connection, message_id: str) -> Message:
        """Return a message as it is now; ``KeyError`` when it is not there."""
        row = connection.execute(f"SELECT {_MESSAGE} FROM messages WHERE id = ?", (message_id,)).fetchone()
        if row is None:
            raise KeyError(message_id)
        return self._message(connection, row)

    def all_messages(self, connection: sqlite3.Connection, conversation_id: str) -> tuple[Message, ...]:
        """Return the messages of all branches in the order in which they were appended."""
        rows = connection.execute(
            f"SELECT {_MESSAGE} FROM messages WHERE conversation_id = ? ORDER BY number", (conversation_id,)
        ).fetchall()
        messages: dict[str, Message] = {}
        for row in rows:
            message = self._message(connection, row)
            if message.parent_id is not None and message.parent_id not in messages:
                message = replace(message, parent_id=None)  # damaged: what is seen of it should be whole
            messages[message.id] = message
        return tuple(messages.values())

    def upwards(self, connection: sqlite3.Connection, start: str | None, limit: int = 1 << 40) -> tuple[Message, ...]:
        """Return the path that ends at ``start``, at most ``limit`` messages of it, oldest first."""
        if start is None or limit < 1:
            return ()
        rows = connection.execute(
            f"{_UPWARDS} SELECT {', '.join('messages.' + name for name in _MESSAGE.split(', '))}"
            " FROM path JOIN messages ON messages.id = path.id ORDER BY step DESC",
            {"start": start, "limit": limit},
        ).fetchall()
        messages = [self._message(connection, row) for row in rows]
        if messages and messages[0].parent_id is not None and self._parent(connection, messages[0].id) is None:
            messages[0] = replace(messages[0], parent_id=None)
        return tuple(messages)

    @staticmethod
    def _parent(connection: sqlite3.Connection, message_id: str) -> str | None:
        """Return the message before one, if it can be."""
        row = connection.execute(
            "SELECT up.id FROM messages AS m JOIN messages AS up ON up.id = m.parent_id"
            " WHERE m.id = ? AND up.number < m.number AND up.conversation_id = m.conversation_id",
            (message_id,),
        ).fetchone()
        return None if row is None else words_in(row[0])

    def page(self, connection: sqlite3.Connection, conversation_id: str, before: str | None, limit: int) -> Page:
        """Return the last messages of the path, or those before ``before``."""
        end = self.conversation(connection, conversation_id).leaf_id
        if before is not None:
            row = connection.execute(
                "SELECT 1 FROM messages WHERE id = ? AND conversation_id = ?", (before, conversation_id)
            ).fetchone()
            if row is None:
                raise KeyError(before)
            end = self._parent(connection, before)
        messages = self.upwards(connection, end, limit)
        earlier = bool(messages) and messages[0].parent_id is not None
        return Page(messages, MappingProxyType(self._siblings(connection, conversation_id, messages)), earlier)

    def distance(self, connection: sqlite3.Connection, message_id: str, leaf_id: str | None) -> int:
        """Return how many messages lie between two on one path, both included; 0 when they are not on one."""
        if leaf_id is None:
            return 0
        row = connection.execute(
            f"{_UPWARDS} SELECT step FROM path WHERE id = :wanted",
            {"start": leaf_id, "limit": 1 << 40, "wanted": message_id},
        ).fetchone()
        return 0 if row is None else int(row[0]) + 1

    def leaf_below(self, connection: sqlite3.Connection, message_id: str) -> str:
        """Return the leaf that is reached by the newest child of each message."""
        row = connection.execute(
            """
            WITH RECURSIVE down (id, number, home, step) AS (
                SELECT id, number, conversation_id, 0 FROM messages WHERE id = ?
                UNION ALL
                SELECT below.id, below.number, down.home, step + 1 FROM down JOIN messages AS below ON below.number = (
                    SELECT number FROM messages
                    WHERE parent_id = down.id AND number > down.number AND conversation_id = down.home
                    ORDER BY number DESC LIMIT 1
                )
            )
            SELECT id FROM down ORDER BY step DESC LIMIT 1
            """,
            (message_id,),
        ).fetchone()
        if row is None:
            raise KeyError(message_id)
        return str(row[0])

    # --- how ---

    @staticmethod
    def _conversation_values(conversation: Conversation) -> dict[str, Any]:
        return {
            "id": conversation.id,
            "title": _clean(conversation.title),
            "system_prompt": _clean(conversation.system_prompt),
            "leaf_id": conversation.leaf_id,
            "created": microseconds(conversation.created),
        }

    def _siblings(
        self, connection: sqlite3.Connection, conversation_id: str, messages: Sequence[Message]
    ) -> dict[str, tuple[str, ...]]:
        families: dict[str | None, list[str]] = {}
        parents = [message.parent_id for message in messages if message.parent_id is not None]
        for start in range(0, len(parents), 500):  # SQLite takes no more than so many values
            some = parents[start : start + 500]
            marks = ", ".join("?" * len(some))
            _gather(
                families,
                connection.execute(
                    f"SELECT parent_id, id FROM messages WHERE conversation_id = ? AND parent_id IN ({marks})"
                    " ORDER BY number",
                    (conversation_id, *some),
                ),
            )
        if messages and messages[0].parent_id is None:
            _gather(
                families,
                connection.execute(
                    "SELECT parent_id, id FROM messages WHERE conversation_id = ? AND parent_id IS NULL"
                    " ORDER BY number",
                    (conversation_id,),
                ),
            )
        return {
            message.id: tuple(families[message.parent_id])
            for message in messages
            if len(families.get(message.parent_id, ())) > 1 and message.id in families[message.parent_id]
        }

    def _message(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> Message:
        parts, whole = self._parts(row[3])
        message = Message(
            role=row[1] if row[1] in get_args(Role) else "assistant",
            parts=parts,
            parent_id=None if row[4] is None else words_in(row[4]),
            id=words_in(row[0]),
            created=time_of(row[5]),
            status=_or(MessageStatus, row[2], MessageStatus.STOPPED) if whole else MessageStatus.FAILED,
            finish_reason=row[6] if row[6] in get_args(FinishReason) else None,
            thought_seconds=_or(seconds_of, row[7], None),
            stats=_or(lambda stored: decode_stats(json.loads(stored)), row[8], None) if row[8] else None,
            error=words_in(row[9]) if whole else _DAMAGED,
            model=words_in(row[10]),
        )
        if message.status is not MessageStatus.STREAMING:
            return message
        grown: list[Part] = []
        for (pieces,) in connection.execute(
            "SELECT pieces FROM stream WHERE message_id = ? ORDER BY number", (message.id,)
        ):
            grown.extend(part for part in self._parts(pieces)[0] if isinstance(part, Text | Thought | ToolCall))
        if message.id not in self._live:
            message = replace(message, status=MessageStatus.STOPPED, finish_reason="cancelled")
        return message.extended(*grown)  # type: ignore[arg-type]

    def _parts(self, stored: object) -> tuple[tuple[Part, ...], bool]:
        """Return stored parts, and whether all of them could be read: a damaged database may hold anything."""
        try:
            values = json.loads(stored)  # type: ignore[arg-type]
            if not isinstance(values, list):
                return (), False
        except (ValueError, TypeError, RecursionError):
            return (), False
        parts: list[Part] = []
        for value in values:
            with contextlib.suppress(*_NONSENSE):
                parts.extend(decode_parts([value], self._media.path))
        return tuple(parts), len(parts) == len(values)

    def _values(self, message: Message) -> dict[str, Any]:
        encoded = encode_parts(message.parts, self._media.reference)
        stats = encode_stats(message.stats)
        return {
            "id": message.id,
            "parent_id": message.parent_id,
            "role": message.role,
            "status": message.status.value,
            "parts": json.dumps(encoded, ensure_ascii=False),
            "text": "" if message.under_way else _searched(message.parts),
            "created": microseconds(message.created),
            "finish_reason": message.finish_reason,
            "thought_seconds": message.thought_seconds,
            "stats": json.dumps(stats) if stats else None,
            "error": _clean(message.error),
            "model": message.model,
            "loose": int(_loose(encoded)),
        }

    @staticmethod
    def _note_media(connection: sqlite3.Connection, message_id: str, encoded: Iterable[Json]) -> None:
        digests = {part["media"].partition("/")[0] for part in encoded if "media" in part}
        connection.executemany(
            "INSERT OR IGNORE INTO media (message_id, digest) VALUES (?, ?)", [(message_id, one) for one in digests]
        )


def _or(read: Callable[[Any], _Value], stored: object, otherwise: _Value) -> _Value:
    try:
        return read(stored)
    except _NONSENSE:
        return otherwise


def growth(before: Message, after: Message) -> Growth | None:
    """Return what ``after`` has at its end that ``before`` has not; ``None`` when it differs in something else."""
    old, new = before.parts, after.parts
    if len(new) < len(old) or (old and new[: len(old) - 1] != old[:-1]):
        return None
    rest: list[Part] = list(new[len(old) :])
    if old:
        last, now = old[-1], new[len(old) - 1]
        if isinstance(last, Text | Thought) and type(now) is type(last) and now.text.startswith(last.text):
            if len(now.text) > len(last.text):
                rest.insert(0, type(last)(now.text[len(last.text) :]))
        elif now != last:
            return None
    if not all(isinstance(part, Text | Thought | ToolCall) for part in rest):
        return None
    return tuple(rest)  # type: ignore[arg-type]


def _gather(families: dict[str | None, list[str]], rows: Iterable[tuple[str | None, str]]) -> None:
    for parent, child in rows:
        family = families.setdefault(parent, [])
        if child not in family:
            family.append(child)


def _searched(parts: Iterable[Part]) -> str:
    """Return what a search looks through: what was written, and how the attachments are called."""
    words = [part.text for part in parts if isinstance(part, Text)]
    sources = (getattr(part, "source", None) for part in parts)
    words += [source.name for source in sources if isinstance(source, Path)]
    return _clean("\n".join(words)).replace("\x02", "").replace("\x03", "")


def _loose(encoded: Iterable[Json]) -> bool:
    return any("path" in part or "bytes" in part for part in encoded)


def _clean(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
