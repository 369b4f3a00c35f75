"""The tables, as the steps that make them: step *n* turns a database of version *n* - 1 into one of version *n*.

A new database goes through all steps too, so there is one way only. Steps that were published never change.
Times are whole microseconds since 1970 in UTC.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

APPLICATION_ID = 0x4C61726D
"""Tells ``file`` and us that a database is ours: “Larm”."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one version changes."""

    sql: str
    fill: Callable[[sqlite3.Connection], None] | None = None
    """What SQL cannot say; called after it, in the same transaction."""


_CONVERSATIONS = """
CREATE TABLE conversations (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    system_prompt TEXT NOT NULL,
    leaf_id TEXT,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    deleted INTEGER
);
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,          -- in the order in which they were appended: siblings are sorted by it
    id TEXT NOT NULL UNIQUE,
    conversation_id TEXT NOT NULL REFERENCES conversations(id) ON DELETE CASCADE,
    parent_id TEXT REFERENCES messages(id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    status TEXT NOT NULL,
    parts TEXT NOT NULL,                 -- JSON, see parts.py
    text TEXT NOT NULL,                  -- what is searched
    created INTEGER NOT NULL,
    finish_reason TEXT,
    thought_seconds REAL,
    stats TEXT,                          -- JSON
    error TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    loose INTEGER NOT NULL DEFAULT 0     -- 1 while media of it are not among our files
);
CREATE INDEX messages_family ON messages (conversation_id, parent_id, number);
CREATE INDEX messages_parent ON messages (parent_id);
CREATE INDEX messages_unsettled ON messages (number) WHERE loose = 1 OR status = 'streaming';
CREATE TABLE stream (                    -- what came of replies under way, frame by frame
    number INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
    pieces TEXT NOT NULL                 -- JSON
);
CREATE INDEX stream_message ON stream (message_id, number);
CREATE TABLE media (
    message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (message_id, digest)
) WITHOUT ROWID;
CREATE INDEX media_digest ON media (digest);
"""

_SEARCH = """
CREATE VIRTUAL TABLE message_search USING fts5 (
    text, content = 'messages', content_rowid = 'number', tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
CREATE VIRTUAL TABLE title_search USING fts5 (
    title, content = 'conversations', content_rowid = 'number',
    tokenize = 'unicode61 remove_diacritics 2', prefix = '2 3'
);
CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
    INSERT INTO message_search (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
    INSERT INTO message_search (message_search, rowid, text) VALUES ('delete', old.number, old.text);
END;
CREATE TRIGGER message_changed AFTER UPDATE OF text ON messages WHEN old.text <> new.text BEGIN
    INSERT INTO message_search (message_search, rowid, text) VALUES ('delete', old.number, old.text);
    INSERT INTO message_search (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER title_added AFTER INSERT ON conversations BEGIN
    INSERT INTO title_search (rowid, title) VALUES (new.number, new.title);
END;
CREATE TRIGGER title_removed AFTER DELETE ON conversations BEGIN
    INSERT INTO title_search (title_search, rowid, title) VALUES ('delete', old.number, old.title);
END;
CREATE TRIGGER title_changed AFTER UPDATE OF title ON conversations WHEN old.title <> new.title BEGIN
    INSERT INTO title_search (title_search, rowid, title) VALUES ('delete', old.number, old.title);
    INSERT INTO title_search (rowid, title) VALUES (new.number, new.title);
END;
INSERT INTO message_search (message_search) VALUES ('rebuild');
INSERT INTO title_search (title_search) VALUES ('rebuild');
"""

_WORDS = """
DROP TRIGGER message_added;
DROP TRIGGER message_removed;
DROP TRIGGER message_changed;
DROP TRIGGER title_added;
DROP TRIGGER title_removed;
DROP TRIGGER title_changed;
DROP TABLE message_search;
DROP TABLE title_search;
CREATE VIRTUAL TABLE message_search USING fts5 (words, tokenize = 'ascii', prefix = '2 3');
CREATE VIRTUAL TABLE title_search USING fts5 (words, tokenize = 'ascii', prefix = '2 3');
CREATE TABLE unindexed (below INTEGER NOT NULL);  -- messages of smaller numbers are still to be indexed
INSERT INTO unindexed SELECT max(number) + 1 FROM messages HAVING count(*) > 0;
INSERT INTO title_search (rowid, words) SELECT number, search_words(title) FROM conversations;
CREATE TRIGGER message_added AFTER INSERT ON messages BEGIN
    INSERT INTO message_search (rowid, words) VALUES (new.number, search_words(new.text));
END;
CREATE TRIGGER message_removed AFTER DELETE ON messages BEGIN
    DELETE FROM message_search WHERE rowid = old.number;
END;
CREATE TRIGGER message_changed AFTER UPDATE OF text ON messages WHEN old.text <> new.text BEGIN
    UPDATE message_search SET words = search_words(new.text) WHERE rowid = new.number;
END;
CREATE TRIGGER title_added AFTER INSERT ON conversations BEGIN
    INSERT INTO title_search (rowid, words) VALUES (new.number, search_words(new.title));
END;
CREATE TRIGGER title_removed AFTER DELETE ON conversations BEGIN
    DELETE FROM title_search WHERE rowid = old.number;
END;
CREATE TRIGGER title_changed AFTER UPDATE OF title ON conversations WHEN old.title <> new.title BEGIN
    UPDATE title_search SET words = search_words(new.title) WHERE rowid = new.number;
END;
CREATE TABLE doomed_media (digest TEXT PRIMARY KEY) WITHOUT ROWID;  -- no message needs these files any more, perhaps
CREATE TRIGGER medium_removed AFTER DELETE ON media BEGIN
    INSERT OR IGNORE INTO doomed_media (digest) VALUES (old.digest);
END;
"""

STEPS: tuple[Step, ...] = (Step(_CONVERSATIONS), Step(_SEARCH), Step(_WORDS))
"""Version 1: conversations and messages. Version 2: a search index. Version 3: one for all scripts, with a function of
ours (:func:`app.store.search_index.register`), and media that are to be removed."""
