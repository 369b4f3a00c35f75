"""A store on disk keeps a tree as the one in memory does, whatever happens to it, and after it is opened again."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from app.conversation import Conversation, ConversationStore, Message, MessageStatus
from app.conversation_memory import MemoryStore
from app.store.rows import growth
from app.store.sqlite_store import SqliteStore
from inference.messages import Part, ReplyStats, Text, Thought, ToolCall, ToolResult

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x02\x03"), max_size=30)
arguments = st.dictionaries(texts, st.one_of(texts, st.integers(-9, 9), st.booleans(), st.none()), max_size=2)
calls = st.builds(ToolCall, texts, arguments, texts)
pieces = st.lists(st.one_of(texts.map(Text), texts.map(Thought), calls), max_size=4)
results = st.builds(ToolResult, texts, st.one_of(texts, arguments), texts)
steps = st.lists(
    st.tuples(st.integers(0, 1000), st.sampled_from(["ask", "reply", "leaf"]), pieces, results), max_size=12
)


@settings(max_examples=20, deadline=None)
@given(steps)
def test_two_stores_agree(history: list[tuple[int, str, list[Text | Thought | ToolCall], ToolResult]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        memory, disk = MemoryStore(), SqliteStore(Path(folder))
        stores: tuple[ConversationStore, ...] = (memory, disk)
        conversation = Conversation(title="T")
        for store in stores:
            store.create(conversation)
        ids: list[str] = []
        for choice, what, said, result in history:
            parent = ids[choice % len(ids)] if ids and choice % 4 else None
            if what == "leaf" and ids:
                for store in stores:
                    store.change(replace(conversation, leaf_id=ids[choice % len(ids)], title=str(choice)))
                continue
            parts: tuple[Part, ...] = (Text("Q"), result)
            message = Message("user", parts, parent)
            if what == "reply":
                message = Message("assistant", (), parent, status=MessageStatus.STREAMING)
            for store in stores:
                store.append(conversation.id, message)
            if what == "reply":
                for piece in said:
                    message = message.extended(piece)
                    for store in stores:
                        store.update(message)
                stats = ReplyStats(choice, generated_tokens=2, decode_seconds=0.1)
                message = replace(message, status=MessageStatus.COMPLETE, finish_reason="stop", stats=stats)
                if choice % 3:
                    for store in stores:
                        store.finish(message)
                else:  # the end of the program comes first
                    stopped = replace(message, status=MessageStatus.STOPPED, finish_reason="cancelled", stats=None)
                    memory.finish(stopped)
            ids.append(message.id)
        disk.close()
        disk = SqliteStore(Path(folder))
        try:
            assert disk.conversation(conversation.id).result() == memory.conversation(conversation.id).result()
            assert disk.path(conversation.id).result() == memory.path(conversation.id).result()
            for limit in (1, 3, 100):
                ours, theirs = disk.page(conversation.id, None, limit), memory.page(conversation.id, None, limit)
                assert ours.result() == theirs.result()
            for one in ids:
                assert disk.leaf_below(one).result() == memory.leaf_below(one).result()
            whole = disk.whole(conversation.id).result()
            assert [message.id for message in whole.messages] == ids
        finally:
            disk.close()


@given(pieces, pieces)
def test_what_a_reply_grew_by_is_found(before: list[Text | Thought | ToolCall], more: list[Text | ToolCall]) -> None:
    old = Message("assistant").extended(*before)
    new = old.extended(*more)
    found = growth(old, new)
    assert found is not None
    assert old.extended(*found) == new


def test_a_reply_that_did_not_grow_but_change_is_written_anew() -> None:
    old = Message("assistant", (Thought("a"), Text("b")))
    assert growth(old, replace(old, parts=(Thought("a"), Text("x")))) is None
    assert growth(old, replace(old, parts=(Thought("a"),))) is None
    assert growth(old, replace(old, parts=(Thought("a"), Text("bc")))) == (Text("c"),)
