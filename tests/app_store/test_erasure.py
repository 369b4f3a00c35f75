"""What is deleted is gone from every file: database, log of changes, index, copies, media; also after a kill."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.conversation import Conversation, Message, MessageStatus
from app.store.opening import backup_of
from app.store.sqlite_store import DATABASE, SqliteStore
from app_store.sample_conversations import begun
from inference.messages import Image, Text, Thought

ROOT = Path(__file__).resolve().parents[2]
SECRET = b"xylophon"
"""In every word of what is deleted; the index holds each by itself."""


def secret_text(seed: int, words: int) -> str:
    draw = random.Random(seed)
    return " ".join(f"xylophon{draw.randrange(10**6)}" for _ in range(words))


def hits(folder: Path) -> dict[str, int]:
    """Return how often the secret is in which file."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            count = path.read_bytes().lower().count(SECRET) + str(path.name).lower().count("xylophon")
            if count:
                found[str(path.relative_to(folder))] = count
    return found


def purged(store: SqliteStore) -> None:
    """Purge, and wait until the media are gone too."""
    store.purge().result()
    settled(store)


def settled(store: SqliteStore) -> None:
    store._copier.submit(lambda: None).result()


def filled(store: SqliteStore, folder: Path) -> Conversation:
    """Return a conversation full of the secret, among others that stay."""
    stays = [begun(store, f"Stays {number}", "a question " * 50, "an answer " * 300)[0] for number in range(5)]
    picture = folder.parent / "xylophon.png"
    picture.write_bytes(b"\x89PNG" + SECRET * 1000)
    doomed = Conversation(title=secret_text(0, 4), system_prompt=secret_text(1, 30))
    store.create(doomed)
    parent: str | None = None
    for number in range(60):
        size = (3, 40, 900)[number % 3]  # in one page, and in many
        parts = (Thought(secret_text(number, size)), Text(secret_text(number + 500, size)))
        message = Message("user" if number % 2 == 0 else "assistant", parts, parent)
        if number == 4:
            message = Message("user", (Image(picture), *parts), parent)
        store.append(doomed.id, message)
        parent = message.id
    reply = Message("assistant", (), parent, status=MessageStatus.STREAMING)
    store.append(doomed.id, reply)
    for number in range(30):
        reply = reply.extended(Text(secret_text(number + 900, 10)))
        store.update(reply).result()
    store.finish(reply).result()
    store.rename(doomed.id, secret_text(3, 5)).result()
    store.search("xylophon").result()
    for conversation in stays[:2]:
        store.rename(conversation.id, "Stays, renamed").result()
    picture.unlink()
    return doomed


def test_what_is_purged_is_in_no_file(store: SqliteStore, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    doomed = filled(store, folder)
    assert hits(folder), "or the search would prove nothing"
    store.delete(doomed.id).result()
    assert hits(folder), "it can be undone"
    purged(store)
    assert hits(folder) == {}, "while the program runs"
    store.close()
    assert hits(folder) == {}
    assert not any(path.is_file() for path in (folder / "media").rglob("*"))


def test_what_is_deleted_is_gone_when_the_program_is_closed(
    open_store: Callable[..., SqliteStore], tmp_path: Path
) -> None:
    store = open_store()
    doomed = filled(store, tmp_path / "store")
    store.delete(doomed.id).result()
    store.close()
    assert hits(tmp_path / "store") == {}
    assert len(open_store().entries().result()) == 5


def test_what_is_deleted_is_gone_from_the_copy_before_a_change(
    open_store: Callable[..., SqliteStore], tmp_path: Path
) -> None:
    folder = tmp_path / "store"
    store = open_store()
    doomed = filled(store, folder)
    store.close()
    before = backup_of(folder / DATABASE, 2)
    source = sqlite3.connect(folder / DATABASE)
    copy = sqlite3.connect(before)
    source.backup(copy)
    source.close()
    copy.close()
    unfinished = before.with_name(before.name + ".part")
    unfinished.write_bytes(SECRET)
    damaged = backup_of(folder / DATABASE, 1)
    damaged.write_bytes(b"SQLite format 3\x00" + SECRET * 100)
    store = open_store()
    store.ready().result()
    assert not unfinished.exists()
    assert before.name in hits(folder)
    store.delete(doomed.id)
    purged(store)
    store.close()
    assert hits(folder) == {}
    assert not damaged.exists(), "what cannot be searched may hold anything"
    copy = sqlite3.connect(before)
    assert copy.execute("SELECT count(*) FROM conversations").fetchone() == (5,), "the others are still in it"
    copy.close()


@pytest.mark.parametrize("moment", ["PRAGMA incremental_vacuum", "COMMIT", "PRAGMA wal_checkpoint", "remove"])
def test_a_purge_that_is_killed_is_finished_by_the_next_start(
    open_store: Callable[..., SqliteStore], tmp_path: Path, moment: str
) -> None:
    folder = tmp_path / "store"
    store = open_store()
    doomed = filled(store, folder)
    store.close()
    program = (
        "import os, signal, sqlite3, sys\n"
        "from pathlib import Path\n"
        "import app.store.opening as opening\n"
        "from app.store.media import MediaFiles\n"
        "from app.store.sqlite_store import SqliteStore\n"
        "moment, armed = sys.argv[3], []\n"
        "def kill(): os.kill(os.getpid(), signal.SIGKILL)\n"
        "class Connection(sqlite3.Connection):\n"
        "    def execute(self, sql, *values):\n"
        "        if armed and sql.startswith(moment): kill()\n"
        "        return super().execute(sql, *values)\n"
        "connect = sqlite3.connect\n"
        "opening.sqlite3.connect = lambda *a, **k: connect(*a, **k, factory=Connection)\n"
        "if moment == 'remove': MediaFiles.remove = lambda self, digest: kill()\n"
        "store = SqliteStore(Path(sys.argv[1]))\n"
        "store.delete(sys.argv[2]).result()\n"
        "armed.append(True)\n"
        "store.purge().result()\n"
        "store._copier.submit(lambda: None).result()\n"
        "store.close()\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(folder), doomed.id, moment], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert hits(folder), "or it was killed too late"
    store = open_store()
    assert len(store.entries().result()) == 5
    settled(store)
    assert hits(folder) == {}, "the start itself has finished it"
    store.close()
    assert hits(folder) == {}


def test_nobody_else_can_read_at_the_wrong_moment(store: SqliteStore, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    doomed = filled(store, folder)
    reader = sqlite3.connect(f"file:{folder / DATABASE}?mode=ro", uri=True, timeout=0.1)
    try:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            reader.execute("SELECT count(*) FROM messages").fetchone()
        store.delete(doomed.id)
        purged(store)
    finally:
        reader.close()
    assert hits(folder) == {}


def test_a_log_that_could_not_be_emptied_is_emptied_later(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    import app.store.store_thread as store_thread

    doomed, _ = begun(store, "Doomed", "xylophon")
    tried: list[bool] = []
    really = store_thread.empty_log

    def busy(connection: sqlite3.Connection) -> bool:
        tried.append(True)
        return len(tried) > 2 and really(connection)

    monkeypatch.setattr(store_thread, "empty_log", busy)
    store.delete(doomed.id)
    purged(store)
    assert len(tried) == 1
    for number in range(3):
        begun(store, "Another", f"question {number}")
        store.entries().result()
    assert len(tried) == 3, "with each write until it is done"


def test_media_that_others_still_need_stay(open_store: Callable[..., SqliteStore], tmp_path: Path) -> None:
    store = open_store()
    picture = tmp_path / "shared.png"
    picture.write_bytes(b"\x89PNG of two")
    made = []
    for _ in range(2):
        conversation = Conversation(title="T")
        store.create(conversation)
        store.append(conversation.id, Message("user", (Image(picture), Text("Q")))).result()
        made.append(conversation)
    store.delete(made[0].id)
    purged(store)
    store = open_store()
    (kept,) = store.path(made[1].id).result()[0].media
    assert isinstance(kept.source, Path)
    assert kept.source.read_bytes() == b"\x89PNG of two"
    store.delete(made[1].id)
    open_store().close()
    assert not kept.source.exists()


def test_a_new_database_leaves_the_media_of_one_that_was_moved_away(
    open_store: Callable[..., SqliteStore], tmp_path: Path
) -> None:
    store = open_store()
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG")
    conversation = Conversation(title="T")
    store.create(conversation)
    store.append(conversation.id, Message("user", (Image(picture),))).result()
    (kept,) = store.path(conversation.id).result()[0].media
    store.close()
    (tmp_path / "store" / DATABASE).rename(tmp_path / "elsewhere")
    store = open_store()
    other, _ = begun(store, "T", "Q")
    store.delete(other.id)
    purged(store)
    store.close()
    assert isinstance(kept.source, Path)
    assert kept.source.exists()
