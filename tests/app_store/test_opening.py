"""Opening databases of other times, other programs, and damaged ones."""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from app.conversation import Conversation, Message, MessageStatus
from app.store.errors import StoreError
from app.store.opening import backup_of, open_database
from app.store.schema import STEPS, Step
from app.store.sqlite_store import DATABASE, SqliteStore
from app_store.sample_conversations import begun, said
from inference.messages import Image, Text

VERSION_1 = Path(__file__).with_name("version_1.sql")


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def refused(folder: Path) -> str:
    """Return the sentence with which a store refuses ``folder``, having altered nothing; what is said is not kept."""
    before = contents(folder)
    for _ in range(2):
        store = SqliteStore(folder)
        try:
            with pytest.raises(StoreError) as refusal:
                store.ready().result()
            assert store.entries().result() == ()
            conversation, question = Conversation(title="For now"), said("user", "Q")
            store.create(conversation)
            store.append(conversation.id, question).result()
            assert store.path(conversation.id).result() == (question,)
            assert len(store.search("now").result()) == 1
            store.delete(conversation.id)
            store.purge().result()
        finally:
            store.close()
    assert contents(folder) == before
    return str(refusal.value)


def version_1(folder: Path) -> Path:
    folder.mkdir()
    connection = sqlite3.connect(folder / DATABASE)
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()
    return folder


def test_a_database_of_version_1_is_brought_up_to_date(tmp_path: Path) -> None:
    folder = version_1(tmp_path / "old")
    store = SqliteStore(folder)
    try:
        (entry,) = store.entries().result()
        assert (entry.title, entry.pinned) == ("Straßen in Köln", True)
        assert store.conversation(entry.id).result().system_prompt == "Be brief."
        question, interrupted = store.path(entry.id).result()
        assert interrupted.text == "Die Hohenzollern"
        assert interrupted.status is MessageStatus.STOPPED
        text, picture = question.parts
        assert text == Text("Wie heißt die Brücke?")
        assert isinstance(picture, Image)
        assert isinstance(picture.source, Path)
        assert picture.source.name == "bridge.png"
        other = store.page(entry.id).result().siblings[interrupted.id][0]
        assert {hit.message_id for hit in store.search("brucke").result()} == {question.id}
        assert {hit.message_id for hit in store.search("hohenzoll").result()} == {other, interrupted.id}
        assert [hit.message_id for hit in store.search("koln").result()] == [None]
    finally:
        store.close()
    backup = sqlite3.connect(backup_of(folder / DATABASE, 1))
    assert backup.execute("PRAGMA user_version").fetchone() == (1,)
    assert backup.execute("SELECT count(*) FROM messages").fetchone() == (3,)
    backup.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    folder = version_1(tmp_path / "old")
    steps: Sequence[Step] = (*STEPS, Step("CREATE TABLE three (id); INSERT INTO nowhere VALUES (1);"))
    open_database(folder / DATABASE).close()
    with pytest.raises(StoreError):
        open_database(folder / DATABASE, steps)
    connection = open_database(folder / DATABASE)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(STEPS),)
    assert connection.execute("SELECT name FROM sqlite_master WHERE name = 'three'").fetchone() is None
    connection.close()
    assert backup_of(folder / DATABASE, len(STEPS)).exists()


def test_a_step_may_fill_what_it_made(tmp_path: Path) -> None:
    file = version_1(tmp_path / "old") / DATABASE

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO three SELECT id FROM messages")

    connection = open_database(file, (*STEPS, Step("CREATE TABLE three (id);", fill)))
    assert connection.execute("SELECT count(*) FROM three").fetchone() == (3,)
    connection.close()


def test_a_database_of_a_newer_version_stays_untouched(open_store: Callable[..., SqliteStore], tmp_path: Path) -> None:
    store = open_store(tmp_path / "new")
    begun(store, "T", "Q")
    store.close()
    connection = sqlite3.connect(tmp_path / "new" / DATABASE)
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    sentence = refused(tmp_path / "new")
    assert "newer Larimar" in sentence
    assert "format 9" in sentence
    assert "Update" in sentence


@pytest.mark.parametrize("content", [b"This is a letter.", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_file_that_is_no_database_is_left_untouched(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATABASE).write_bytes(content)
    sentence = refused(tmp_path)
    assert str(tmp_path / DATABASE) in sentence


def test_the_database_of_another_program_is_left_untouched(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.execute("PRAGMA application_id = 77")
    connection.execute("CREATE TABLE theirs (id)")
    connection.close()
    assert "another program" in refused(tmp_path)


def test_damage_is_noticed_after_an_unclean_end(open_store: Callable[..., SqliteStore], tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    store = open_store(folder)
    begun(store, "T", *(f"message {number} " * 200 for number in range(50)))
    store.close()
    file = folder / DATABASE
    content = bytearray(file.read_bytes())
    for page in range(3, len(content) // 4096, 2):
        content[page * 4096 : page * 4096 + 64] = os.urandom(64)
    file.write_bytes(content)
    file.with_name(file.name + "-wal").write_bytes(b"\x00" * 4096)
    store = SqliteStore(folder)
    with pytest.raises(StoreError, match="damaged"):
        store.ready().result()
    store.close()
    assert file.read_bytes() == content


def test_two_programs_do_not_share_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from pathlib import Path; from app.store.sqlite_store import SqliteStore;"
            "store = SqliteStore(Path(sys.argv[1])); store.ready().result(); print('ready', flush=True);"
            "sys.stdin.read(); store.close()",
            str(tmp_path),
        ],
        cwd=Path(__file__).resolve().parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"
    monkeypatch.setattr("app.store.opening._LOCK_SECONDS", 0.1)
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreError, match="another Larimar"):
        store.ready().result()
    store.close()
    holder.communicate()
    store = SqliteStore(tmp_path)
    assert store.entries().result() == ()
    store.close()


def test_old_backups_go_and_new_ones_stay(tmp_path: Path) -> None:
    file = tmp_path / DATABASE
    old, new = backup_of(file, 1), backup_of(file, 2)
    for backup in (old, new):
        backup.write_bytes(b"x")
    long_ago = time.time() - 40 * 86400
    os.utime(old, (long_ago, long_ago))
    open_database(file).close()
    assert not old.exists()
    assert new.exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = SqliteStore(tmp_path / "file" / "folder")
    with pytest.raises(StoreError, match="cannot be opened"):
        store.ready().result()
    store.close()


def stands_in_the_way(folder: Path, kind: str) -> None:
    """Let ``folder`` be one that takes no database, for the superuser, too."""
    if kind == "file":
        folder.write_bytes(b"")
    elif kind == "link to nowhere":
        folder.symlink_to(folder.with_name("nowhere") / "at all")
    elif kind == "link to itself":
        folder.symlink_to(folder)
    elif kind == "pipe":
        folder.mkdir()
        os.mkfifo(folder / DATABASE)
    elif kind == "folder":
        (folder / DATABASE).mkdir(parents=True)


@pytest.mark.skipif(os.name == "nt", reason="makes links and pipes")
@pytest.mark.parametrize("kind", ["file", "link to nowhere", "link to itself", "pipe", "folder"])
def test_what_stands_in_the_way_is_said_and_the_chat_goes_on(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "store"
    stands_in_the_way(folder, kind)
    store = SqliteStore(folder)
    try:
        with pytest.raises(StoreError, match="cannot be opened"):
            store.ready().result()
        picture = tmp_path / "a.png"
        picture.write_bytes(b"\x89PNG")
        conversation, question = Conversation(title="T"), Message("user", (Image(picture), Text("Q")))
        store.create(conversation)
        store.append(conversation.id, question).result()
        assert store.path(conversation.id).result() == (question,)
    finally:
        store.close()
    assert picture.exists()


def test_conversations_on_a_disk_that_takes_nothing_can_be_read(
    open_store: Callable[..., SqliteStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    conversation, messages = begun(store, "T", "a remarkable question", "A")
    store.close()
    before = contents(tmp_path / "store")

    def read_only(folder: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(folder))

    monkeypatch.setattr("app.store.opening.make_private_folder", read_only)
    store = open_store()
    with pytest.raises(StoreError, match="Read-only"):
        store.ready().result()
    assert store.path(conversation.id).result() == tuple(messages)
    assert [hit.message_id for hit in store.search("remark").result()] == [messages[0].id]
    store.append(conversation.id, said("user", "forgotten", messages[-1])).result()
    store.delete(conversation.id)
    store.purge().result()
    store.close()
    assert contents(tmp_path / "store") == before


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_files_are_for_their_owner_alone_also_those_that_exist(tmp_path: Path) -> None:
    folder = version_1(tmp_path / "old")
    folder.chmod(0o755)
    (folder / DATABASE).chmod(0o644)
    before = os.umask(0)
    try:
        store = SqliteStore(folder)
        conversation, _ = begun(store, "T", "Q")
        picture = tmp_path / "a.png"
        picture.write_bytes(b"\x89PNG")
        store.append(conversation.id, Message("user", (Image(picture),))).result()
        modes = {path: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}
        names = {path.name for path in modes}
        store.close()
    finally:
        os.umask(before)
    assert {DATABASE, f"{DATABASE}-wal", backup_of(folder / DATABASE, 1).name, "a.png"} <= names
    assert {path.name: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}
