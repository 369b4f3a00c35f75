"""Conversations and messages as rows, and back. Functions that are called on the store's thread only."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.conversation import Conversation, Message, MessageStatus, Page
from app.store.media import MediaFiles
from app.store.parts import Json, decode_parts, decode_stats, encode_parts, encode_stats
from inference.messages import Part, Text, Thought, ToolCall

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MESSAGE = (
    "id, role, status, parts, parent_id, created, finish_reason, thought_seconds, stats, error, model, conversation_id"
)
_UPWARDS = """
WITH RECURSIVE path (id, step) AS (
    SELECT :start, 0
    UNION ALL
    SELECT messages.parent_id, step + 1 FROM path JOIN messages ON messages.id = path.id
    WHERE messages.parent_id IS NOT NULL AND step + 1 < :limit
)
"""
"""The way from a message to the root, at most ``:limit`` messages."""

Growth = tuple[Text | Thought | ToolCall, ...]


def microseconds(time: datetime) -> int:
    """Return a time as it is stored."""
    return (time - _EPOCH) // _MICROSECOND


def time_of(stored: int) -> datetime:
    """Return a stored time, in UTC."""
    return _EPOCH + stored * _MICROSECOND


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
        return Conversation(row[0], row[1], row[2], row[3], time_of(row[4]))

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
            for part in decode_parts(json.loads(row[0]), self._media.path)
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
        return tuple(self._message(connection, row) for row in rows)

    def upwards(self, connection: sqlite3.Connection, start: str | None, limit: int = 1 << 40) -> tuple[Message, ...]:
        """Return the path that ends at ``start``, at most ``limit`` messages of it, oldest first."""
        if start is None or limit < 1:
            return ()
        rows = connection.execute(
            f"{_UPWARDS} SELECT {', '.join('messages.' + name for name in _MESSAGE.split(', '))}"
            " FROM path JOIN messages ON messages.id = path.id ORDER BY step DESC",
            {"start": start, "limit": limit},
        ).fetchall()
        return tuple(self._message(connection, row) for row in rows)

    def page(self, connection: sqlite3.Connection, conversation_id: str, before: str | None, limit: int) -> Page:
        """Return the last messages of the path, or those before ``before``."""
        end = self.conversation(connection, conversation_id).leaf_id
        if before is not None:
            row = connection.execute(
                "SELECT parent_id FROM messages WHERE id = ? AND conversation_id = ?", (before, conversation_id)
            ).fetchone()
            if row is None:
                raise KeyError(before)
            end = row[0]
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
            WITH RECURSIVE down (id, step) AS (
                SELECT id, 0 FROM messages WHERE id = ?
                UNION ALL
                SELECT (SELECT id FROM messages WHERE parent_id = down.id ORDER BY number DESC LIMIT 1), step + 1
                FROM down WHERE down.id IS NOT NULL
            )
            SELECT id FROM down WHERE id IS NOT NULL ORDER BY step DESC LIMIT 1
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
            if len(families[message.parent_id]) > 1
        }

    def _message(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> Message:
        message = Message(
            role=row[1],
            parts=decode_parts(json.loads(row[3]), self._media.path),
            parent_id=row[4],
            id=row[0],
            created=time_of(row[5]),
            status=MessageStatus(row[2]),
            finish_reason=row[6],
            thought_seconds=row[7],
            stats=decode_stats(json.loads(row[8])) if row[8] else None,
            error=row[9],
            model=row[10],
        )
        if message.status is not MessageStatus.STREAMING:
            return message
        grown: list[Part] = []
        for (pieces,) in connection.execute(
            "SELECT pieces FROM stream WHERE message_id = ? ORDER BY number", (message.id,)
        ):
            grown.extend(decode_parts(json.loads(pieces), self._media.path))
        if message.id not in self._live:
            message = replace(message, status=MessageStatus.STOPPED, finish_reason="cancelled")
        return message.extended(*grown)  # type: ignore[arg-type]

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
