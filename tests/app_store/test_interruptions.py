"""What is left when the program ends without warning, and when there is no room."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from app.conversation import Message, MessageStatus
from app.store.rows import Rows
from app.store.sqlite_store import DATABASE, SqliteStore
from app_store.sample_conversations import begun, said
from inference.errors import DiskSpaceError
from inference.messages import Text, Thought

ROOT = Path(__file__).resolve().parents[2]
WRITER = """
import sys
from pathlib import Path
from app.conversation import Conversation, Message, MessageStatus
from app.store.sqlite_store import SqliteStore
from inference.messages import Text

store = SqliteStore(Path(sys.argv[1]))
conversation = Conversation(id="c", title="T")
store.create(conversation)
question = Message("user", (Text("Q"),), id="q")
reply = Message("assistant", (), "q", id="a", status=MessageStatus.STREAMING)
store.append("c", question)
store.append("c", reply).result()
number = 0
while True:
    number += 1
    reply = reply.extended(Text(f"{number} "))
    frame = store.update(reply)
    print(number, flush=True)
    frame.result()
"""


def test_a_kill_loses_at_most_one_frame(tmp_path: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for line in writer.stdout:
        if line.strip() == "60":
            writer.send_signal(signal.SIGKILL)
            break
    rest = writer.stdout.read().split()
    writer.stdout.close()
    writer.wait()
    shown = int(rest[-1]) if rest else 60
    store = SqliteStore(tmp_path)
    try:
        reply = store.path("c").result()[-1]
    finally:
        store.close()
    stored = [int(word) for word in reply.text.split()]
    assert stored == list(range(1, len(stored) + 1))
    assert len(stored) >= shown - 1
    assert (reply.status, reply.finish_reason) == (MessageStatus.STOPPED, "cancelled")


def test_an_interrupted_reply_is_found_by_a_search(open_store: Callable[..., SqliteStore]) -> None:
    store = open_store()
    conversation, messages = begun(store, "T", "Q")
    reply = Message("assistant", (), messages[-1].id, status=MessageStatus.STREAMING)
    store.append(conversation.id, reply)
    store.update(reply.extended(Thought("hm"), Text("a remarkable answer")))
    assert store.search("remarkable").result() == ()
    store = open_store()
    assert [hit.message_id for hit in store.search("remark").result()] == [reply.id]


def test_conversations_can_be_read_when_there_is_no_room_to_tidy_up(
    open_store: Callable[..., SqliteStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    conversation, messages = begun(store, "T", "Q")
    reply = Message("assistant", (), messages[-1].id, status=MessageStatus.STREAMING)
    store.append(conversation.id, reply)
    store.update(reply.extended(Text("half")))
    store.close()

    def full(self: Rows, connection: sqlite3.Connection) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr(Rows, "stop_interrupted", full)
    store = open_store()
    last = store.path(conversation.id).result()[-1]
    assert (last.text, last.status) == ("half", MessageStatus.STOPPED)


def limit_pages(store: SqliteStore, more: int) -> None:
    def limit(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + more}").fetchone()

    store._thread.read(limit).result()


def test_nothing_is_lost_when_the_disk_is_full_for_a_while(open_store: Callable[..., SqliteStore]) -> None:
    store = open_store()
    conversation, messages = begun(store, "T", "Q")
    limit_pages(store, 0)
    long = "words and more words " * 5000
    reply = Message("assistant", (), messages[-1].id, status=MessageStatus.STREAMING)
    outcomes = [store.append(conversation.id, reply)]
    grown = reply
    for start in range(0, len(long), 20_000):
        grown = grown.extended(Text(long[start : start + 20_000]))
        store.update(grown).result()  # says nothing: there would be thirty sentences a second
    reply = replace(grown, status=MessageStatus.COMPLETE, finish_reason="stop")
    outcomes.append(store.finish(reply))
    follow = said("user", "and then?", reply)
    outcomes.append(store.append(conversation.id, follow))
    with pytest.raises(DiskSpaceError, match="Make room"):
        outcomes[-1].result()
    assert store.path(conversation.id).result()[0] == messages[0], "what is there can still be read"
    limit_pages(store, 100_000)
    answer = said("assistant", "then it goes on", follow)
    store.append(conversation.id, answer).result()
    expected = (messages[0], reply, follow, answer)
    assert store.path(conversation.id).result() == expected
    assert open_store().path(conversation.id).result() == expected


def test_what_waits_for_room_is_written_at_the_end(open_store: Callable[..., SqliteStore]) -> None:
    store = open_store()
    conversation, messages = begun(store, "T", "Q")
    limit_pages(store, 0)
    answer = said("assistant", "long " * 20_000, messages[-1])
    with pytest.raises(DiskSpaceError):
        store.append(conversation.id, answer).result()
    limit_pages(store, 100_000)
    assert open_store().path(conversation.id).result()[-1] == answer


def test_a_full_disk_does_not_damage_the_file(open_store: Callable[..., SqliteStore], tmp_path: Path) -> None:
    store = open_store()
    conversation, messages = begun(store, "T", "Q")
    limit_pages(store, 0)
    with pytest.raises(DiskSpaceError):
        store.append(conversation.id, said("assistant", "long " * 20_000, messages[-1])).result()
    store.close()
    connection = sqlite3.connect(tmp_path / "store" / DATABASE)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert open_store().path(conversation.id).result() == (messages[0],)
