"""The list of conversations, and searches through all of them. For the store's thread only."""

from __future__ import annotations

import sqlite3

from app.history_store import Entry, Hit
from app.store.rows import time_of
from app.store.search_query import (
    MARK,
    SNIPPET_WORDS,
    UNMARK,
    like_pattern,
    match_expression,
    needs_scan,
    scanned_snippet,
    scanned_title,
    scanned_words,
    snippet_pieces,
)

_TITLES_AT_MOST = 10


def entries(connection: sqlite3.Connection) -> tuple[Entry, ...]:
    """Return all conversations that are not deleted, as the list shows them."""
    rows = connection.execute(
        "SELECT id, title, used, pinned FROM conversations WHERE deleted IS NULL"
        " ORDER BY pinned DESC, used DESC, number DESC"
    )
    return tuple(Entry(row[0], row[1], time_of(row[2]), bool(row[3])) for row in rows)


def search(connection: sqlite3.Connection, words: str, limit: int) -> tuple[Hit, ...]:
    """Return titles, then messages, in which all ``words`` occur."""
    if needs_scan(words):
        return _scan(connection, scanned_words(words), limit)
    expression = match_expression(words)
    if not expression:
        return ()
    titles = connection.execute(
        f"""
        SELECT c.id, c.title, c.used, highlight(title_search, 0, '{MARK}', '{UNMARK}')
        FROM title_search JOIN conversations c ON c.number = title_search.rowid
        WHERE title_search MATCH ? AND c.deleted IS NULL ORDER BY rank LIMIT ?
        """,
        (expression, min(limit, _TITLES_AT_MOST)),
    )
    found = [Hit(row[0], row[1], time_of(row[2]), None, snippet_pieces(row[3])) for row in titles]
    messages = connection.execute(
        f"""
        SELECT m.conversation_id, c.title, m.created, m.id,
               snippet(message_search, 0, '{MARK}', '{UNMARK}', '…', {SNIPPET_WORDS})
        FROM message_search
        JOIN messages m ON m.number = message_search.rowid
        JOIN conversations c ON c.id = m.conversation_id
        WHERE message_search MATCH ? AND c.deleted IS NULL ORDER BY rank LIMIT ?
        """,
        (expression, limit - len(found)),
    )
    found += [Hit(row[0], row[1], time_of(row[2]), row[3], snippet_pieces(row[4])) for row in messages]
    return tuple(found)


def _scan(connection: sqlite3.Connection, words: list[str], limit: int) -> tuple[Hit, ...]:
    patterns = [like_pattern(word) for word in words]
    condition = " AND ".join(["{column} LIKE ? ESCAPE '\\'"] * len(patterns))
    titles = connection.execute(
        f"SELECT id, title, used FROM conversations WHERE deleted IS NULL AND {condition.format(column='title')}"
        " ORDER BY used DESC LIMIT ?",
        (*patterns, min(limit, _TITLES_AT_MOST)),
    )
    found = [Hit(row[0], row[1], time_of(row[2]), None, scanned_title(row[1], words)) for row in titles]
    messages = connection.execute(
        "SELECT m.conversation_id, c.title, m.created, m.id, m.text FROM messages m"
        " JOIN conversations c ON c.id = m.conversation_id"
        f" WHERE c.deleted IS NULL AND {condition.format(column='m.text')} ORDER BY m.number DESC LIMIT ?",
        (*patterns, limit - len(found)),
    )
    found += [Hit(row[0], row[1], time_of(row[2]), row[3], scanned_snippet(row[4], words)) for row in messages]
    return tuple(found)
