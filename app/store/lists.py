"""The list of conversations, and searches through all of them. For the store's thread only."""

from __future__ import annotations

import sqlite3

from app.history_store import Entry, Hit
from app.store.rows import time_of, words_in
from app.store.search_query import marked, match_expression, snippet, sought

_TITLES_AT_MOST = 10


def entries(connection: sqlite3.Connection) -> tuple[Entry, ...]:
    """Return all conversations that are not deleted, as the list shows them."""
    rows = connection.execute(
        "SELECT id, title, used, pinned FROM conversations WHERE deleted IS NULL"
        " ORDER BY pinned DESC, used DESC, number DESC"
    )
    return tuple(Entry(words_in(row[0]), words_in(row[1]), time_of(row[2]), bool(row[3])) for row in rows)


def search(connection: sqlite3.Connection, words: str, limit: int) -> tuple[Hit, ...]:
    """Return titles, then messages, in which all ``words`` occur."""
    asked = sought(words)
    expression = match_expression(asked)
    if not expression:
        return ()
    titles = connection.execute(
        """
        SELECT c.id, c.title, c.used FROM title_search JOIN conversations c ON c.number = title_search.rowid
        WHERE title_search MATCH ? AND c.deleted IS NULL ORDER BY rank LIMIT ?
        """,
        (expression, min(limit, _TITLES_AT_MOST)),
    )
    found = [
        Hit(words_in(row[0]), words_in(row[1]), time_of(row[2]), None, marked(words_in(row[1]), asked))
        for row in titles
    ]
    messages = connection.execute(
        """
        SELECT m.conversation_id, c.title, m.created, m.id, m.text
        FROM message_search
        JOIN messages m ON m.number = message_search.rowid
        JOIN conversations c ON c.id = m.conversation_id
        WHERE message_search MATCH ? AND c.deleted IS NULL ORDER BY rank LIMIT ?
        """,
        (expression, limit - len(found)),
    )
    found += [
        Hit(words_in(row[0]), words_in(row[1]), time_of(row[2]), words_in(row[3]), snippet(words_in(row[4]), asked))
        for row in messages
    ]
    return tuple(found)
