"""Databases whose rows are not what we wrote: what can be read is shown, and nothing goes round for ever."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from fuzzing import examples

from app.conversation import Message, MessageStatus
from app.history_store import WholeConversation
from app.store.search_index import register
from app.store.sqlite_store import DATABASE, SqliteStore
from app.transfer.markdown_export import export_markdown
from app_store.sample_conversations import begun, said
from inference.errors import LarimarError
from inference.messages import Image, ReplyStats, Text, ToolCall

SECONDS = 60
"""A hang guard: everything here takes milliseconds."""


def altered(folder: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    connection = sqlite3.connect(folder / DATABASE)
    register(connection)
    for sql, values in statements:
        with contextlib.suppress(sqlite3.IntegrityError):  # an id that is there already, or nothing where there must be
            connection.execute(sql, values)
    connection.commit()
    connection.close()


def outcome(future: Future[Any]) -> Any:
    """Return what a future gives; what it may fail with is an id that is not there, or a sentence."""
    try:
        return future.result(SECONDS)
    except (KeyError, LarimarError):
        return None


@pytest.mark.parametrize("cycle", ["itself", "its child", "its grandchild", "another conversation"])
def test_messages_that_go_in_a_circle_are_read_once(
    open_store: Callable[..., SqliteStore], tmp_path: Path, cycle: str
) -> None:
    store = open_store()
    other, foreign = begun(store, "Other", "elsewhere", "there")
    conversation, messages = begun(store, "T", *(f"message {number}" for number in range(4)))
    store.close()
    victim, parent = {
        "itself": (messages[1], messages[1]),
        "its child": (messages[1], messages[2]),
        "its grandchild": (messages[0], messages[3]),
        "another conversation": (messages[1], foreign[0]),
    }[cycle]
    altered(tmp_path / "store", ("UPDATE messages SET parent_id = ? WHERE id = ?", (parent.id, victim.id)))
    store = open_store()
    path = store.path(conversation.id).result(SECONDS)
    assert [message.text for message in path] == [message.text for message in messages[messages.index(victim) :]]
    assert path[0].parent_id is None
    page = store.page(conversation.id, limit=2).result(SECONDS)
    assert page.earlier
    read = list(page.messages)
    for _ in range(10):
        if not page.earlier:
            break
        page = store.page(conversation.id, read[0].id, 2).result(SECONDS)
        read[:0] = page.messages
    assert not page.earlier, "it is read again and again"
    assert [message.id for message in read] == [message.id for message in path]
    assert store.leaf_below(messages[0].id).result(SECONDS) in {message.id for message in messages}
    assert store.place(messages[3].id).result(SECONDS).distance == 1
    whole = store.whole(conversation.id).result(SECONDS)
    assert len(whole.messages) == 4
    export_markdown(whole, tmp_path / "out.md")
    follow = said("user", "and on", messages[3])
    store.append(conversation.id, follow).result(SECONDS)
    assert store.path(conversation.id).result(SECONDS)[-1] == follow
    store.delete(conversation.id)
    store.purge().result(SECONDS)
    assert [entry.id for entry in store.entries().result()] == [other.id]


@pytest.mark.parametrize("leaf", ["nothing", "of another"])
def test_a_path_that_ends_nowhere_ends_at_the_newest_message(
    open_store: Callable[..., SqliteStore], tmp_path: Path, leaf: str
) -> None:
    store = open_store()
    _, foreign = begun(store, "Other", "elsewhere")
    conversation, messages = begun(store, "T", "Q", "A")
    store.close()
    altered(
        tmp_path / "store",
        (
            "UPDATE conversations SET leaf_id = ? WHERE id = ?",
            (foreign[0].id if leaf != "nothing" else leaf, conversation.id),
        ),
    )
    store = open_store()
    assert store.path(conversation.id).result(SECONDS) == tuple(messages)


def test_a_damaged_message_is_shown_as_far_as_it_can_be_read(
    open_store: Callable[..., SqliteStore], tmp_path: Path
) -> None:
    store = open_store()
    conversation, messages = begun(store, "T", "Q", "A")
    store.close()
    damaged = '[{"type": "text", "text": "still there"}, {"type": "image"}, 7]'
    altered(
        tmp_path / "store",
        (
            "UPDATE messages SET parts = ?, role = 'king', status = 'odd', created = 9e300, stats = '[]',"
            " model = x'ff41', thought_seconds = 'long', finish_reason = 7 WHERE id = ?",
            (damaged, messages[1].id),
        ),
    )
    store = open_store()
    first, second = store.path(conversation.id).result(SECONDS)
    assert first == messages[0]
    assert (second.text, second.status, second.role) == ("still there", MessageStatus.FAILED, "assistant")
    assert "damaged" in second.error
    assert (second.stats, second.thought_seconds, second.finish_reason) == (None, None, None)


ODD = (
    None, 0, -1, 7, 2**63 - 1, -(2**63), 1e308, float("inf"), "", "x", "\0", "9" * 5000, "[" * 100_000, "{}",
    "[]", "null", b"", b"\xff\xfe", "[1]", '[{"type": "text"}]', '[{"type": "image", "media": "../../etc"}]', "1e999",
    "NaN", "\ufffd",
    '[{"type": "tool_call", "name": "t", "arguments": ' + '{"a":' * 400 + "1" + "}" * 400 + ', "call_id": ""}]',
    '{"prompt_tokens": 1e999}', '{"decode_seconds": "x"}', '[{"type": "image", "path": "\\u0000"}]',
)  # fmt: skip
COLUMNS = {
    "conversations": ("id", "title", "system_prompt", "leaf_id", "created", "used", "pinned", "deleted", "number"),
    "messages": (
        "id", "conversation_id", "parent_id", "role", "status", "parts", "text", "created", "finish_reason",
        "thought_seconds", "stats", "error", "model", "loose", "number",
    ),
    "stream": ("number", "message_id", "pieces"),
    "media": ("message_id", "digest"),
    "unindexed": ("below",),
    "doomed_media": ("digest",),
}  # fmt: skip


def test_whatever_is_in_the_rows_the_store_answers(tmp_path: Path) -> None:
    """Rows with values of other kinds and lengths, of which a damaged disk or another program may be the reason."""
    draw = random.Random(17)
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG")
    store = SqliteStore(tmp_path / "made")
    ids, messages = [], []
    for number in range(3):
        conversation, said_there = begun(store, f"Title {number}", "Q", "A", "more", "and more")
        ids.append(conversation.id)
        call = Message(
            "assistant",
            (Text("t"), ToolCall("tool", {"a": 1}, "1"), Image(picture)),
            said_there[-1].id,
            stats=ReplyStats(1, generated_tokens=3, decode_seconds=1.0),
            status=MessageStatus.STREAMING if number == 1 else MessageStatus.COMPLETE,
        )
        store.append(conversation.id, call).result()
        if number == 1:
            store.update(call.extended(Text("grown"))).result()
        messages += [*said_there, call]
    store.close()
    made = (tmp_path / "made" / DATABASE).read_bytes()
    for count in range(examples(25)):
        folder = tmp_path / f"{count}"
        folder.mkdir()
        (folder / DATABASE).write_bytes(made)
        changes = []
        for _ in range(draw.randint(1, 6)):
            table = draw.choice(["messages"] * 4 + list(COLUMNS))
            column = draw.choice(COLUMNS[table])
            value = draw.choice([*ODD, *ids, *(message.id for message in messages)])
            where = draw.choice(["1", f"rowid % 3 = {draw.randint(0, 2)}"]) if table in ("messages", "stream") else "1"
            changes.append((f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {where}", (value,)))
        altered(folder, *changes)
        store = SqliteStore(folder)
        try:
            outcome(store.ready())
            entries = outcome(store.entries()) or ()
            for words in ("more", "title", "a"):
                outcome(store.search(words))
            for one in {*ids, *(entry.id for entry in entries)}:
                outcome(store.conversation(one))
                outcome(store.path(one))
                page = outcome(store.page(one, limit=2))
                for _ in range(10):
                    if page is None or not page.earlier:
                        break
                    page = outcome(store.page(one, page.messages[0].id, 2))
                assert page is None or not page.earlier, "pages without end"
                whole = outcome(store.whole(one))
                if isinstance(whole, WholeConversation):
                    with contextlib.suppress(LarimarError):  # an attachment is gone
                        export_markdown(whole, folder / "out.md")
            for message in messages:
                outcome(store.place(message.id))
                outcome(store.leaf_below(message.id))
            outcome(store.append(ids[0], said("user", "another", messages[3])))
            outcome(store.rename(ids[1], "renamed"))
            outcome(store.delete(ids[1]))
            outcome(store.purge())
        finally:
            store.close()
