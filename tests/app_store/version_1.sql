-- A database of version 1, as the program of that time left it when it was killed in the middle of a reply.
PRAGMA application_id = 1281454701;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
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
INSERT INTO "conversations" VALUES(1,'c1','Straßen in Köln','Be brief.','m3',1760000000000000,1760000000000005,1,NULL);
CREATE TABLE media (
    message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    PRIMARY KEY (message_id, digest)
) WITHOUT ROWID;
INSERT INTO "media" VALUES('m1','abababababababababababababababababababababababababababababababab');
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
INSERT INTO "messages" VALUES(1,'m1','c1',NULL,'user','complete','[{"type": "text", "text": "Wie heißt die Brücke?"}, {"type": "image", "media": "abababababababababababababababababababababababababababababababab/bridge.png", "soft_tokens": 280}]','Wie heißt die Brücke?
bridge.png',1760000000000000,NULL,NULL,NULL,'','',0);
INSERT INTO "messages" VALUES(2,'m2','c1','m1','assistant','complete','[{"type": "thought", "text": "hm"}, {"type": "text", "text": "Hohenzollernbrücke."}]','Hohenzollernbrücke.',1760000000000001,'stop',NULL,'{"prompt_tokens": 3, "generated_tokens": 4, "a_figure_of_the_past": 1}','','Gemma',0);
INSERT INTO "messages" VALUES(3,'m3','c1','m1','assistant','streaming','[]','',1760000000000002,NULL,NULL,NULL,'','Gemma',0);
CREATE TABLE stream (                    -- what came of replies under way, frame by frame
    number INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES messages(id) ON DELETE CASCADE,
    pieces TEXT NOT NULL                 -- JSON
);
INSERT INTO "stream" VALUES(1,'m3','[{"type": "text", "text": "Die Hohen"}]');
INSERT INTO "stream" VALUES(2,'m3','[{"type": "text", "text": "zollern"}]');
CREATE INDEX messages_family ON messages (conversation_id, parent_id, number);
CREATE INDEX messages_parent ON messages (parent_id);
CREATE INDEX messages_unsettled ON messages (number) WHERE loose = 1 OR status = 'streaming';
CREATE INDEX stream_message ON stream (message_id, number);
CREATE INDEX media_digest ON media (digest);
COMMIT;
