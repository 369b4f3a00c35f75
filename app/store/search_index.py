"""The search index as SQLite keeps it: filled by triggers, and once, in small steps, from what was there before.

The index holds the words of :mod:`app.store.search_words`, in tables of its own: what it must remove it knows itself,
whatever a later version makes of the same text.
"""

from __future__ import annotations

import sqlite3
import time

from app.store.search_words import indexed

_BATCH_SECONDS = 0.03
"""How long other work waits for a step at most."""
_ROWS = 50
TABLES = ("message_search", "title_search")


def register(connection: sqlite3.Connection) -> None:
    """Teach a connection the function that the triggers call."""
    connection.create_function("search_words", 1, _search_words, deterministic=True)


def _search_words(text: object) -> str:
    return indexed(text) if isinstance(text, str) else ""


def index_more(connection: sqlite3.Connection) -> bool:
    """Index some of the messages that were written before there was this index, newest first; return whether all are.

    Within a transaction.
    """
    end = time.monotonic() + _BATCH_SECONDS
    row = connection.execute("SELECT below FROM unindexed").fetchone()
    below = row[0] if row is not None else None
    while below is not None:
        rows = connection.execute(
            "SELECT number, text FROM messages WHERE number < ? ORDER BY number DESC LIMIT ?", (below, _ROWS)
        )
        below = None
        for number, text in rows:  # one after another: a message may be large
            connection.execute(
                "INSERT OR REPLACE INTO message_search (rowid, words) VALUES (?, ?)", (number, _search_words(text))
            )
            below = number
            if time.monotonic() > end:
                break
        if time.monotonic() > end:
            break
    if below is None:
        connection.execute("DELETE FROM unindexed")
        return True
    connection.execute("UPDATE unindexed SET below = ?", (below,))
    return False


def optimize_search(connection: sqlite3.Connection) -> None:
    """Write the index anew: the words of what was deleted else stay in it until it does so by itself."""
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in TABLES:
        if table in there:
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
