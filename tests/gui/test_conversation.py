"""The tree of messages, and the rules that every store of conversations keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.conversation import (
    PAGE,
    Conversation,
    ConversationStore,
    Message,
    MessageStatus,
    title_of,
    turns_of,
)
from app.conversation_memory import MemoryStore
from app.store.sqlite_store import SqliteStore
from inference.messages import Image, Text, Thought, ToolCall, Turn

STORES: dict[str, Callable[[Path], ConversationStore]] = {"memory": lambda _: MemoryStore(), "disk": SqliteStore}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ConversationStore]:
    store = STORES[request.param](tmp_path)
    yield store
    store.close()


def said(role: str, text: str, parent: Message | None = None) -> Message:
    return Message(role, (Text(text),), parent.id if parent else None)  # type: ignore[arg-type]


def begun(store: ConversationStore, *messages: Message) -> Conversation:
    conversation = Conversation(title="T")
    store.create(conversation).result()
    for message in messages:
        store.append(conversation.id, message).result()
    return conversation


def test_a_reply_grows_in_the_order_in_which_it_came() -> None:
    reply = Message("assistant", status=MessageStatus.STREAMING)
    reply = reply.extended(Thought("hm")).extended(Thought("m"), Text("A")).extended(Text("B"))
    call = ToolCall("clock")
    reply = reply.extended(call, Text("C"))
    assert reply.parts == (Thought("hmm"), Text("AB"), call, Text("C"))
    assert (reply.text, reply.thought, reply.tool_calls) == ("ABC", "hmm", (call,))
    assert reply.extended() is reply


def test_the_model_is_told_no_thoughts_and_no_unanswered_questions() -> None:
    one = said("user", "one")
    silent = Message("assistant", (Thought("hm"),), one.id, status=MessageStatus.STOPPED)
    picture = Image(b"png", 280)
    two = Message("user", (picture, Text("two")), silent.id)
    answer = Message("assistant", (Thought("hm"), Text("ok")), two.id)
    assert turns_of([one, silent, two, answer], " be brief ") == (
        Turn.of("system", " be brief "),
        Turn("user", (picture, Text("two"))),
        Turn("assistant", (Text("ok"),)),
    )
    assert turns_of([one, replace(silent, status=MessageStatus.STREAMING)]) == (Turn.of("user", "one"),)


def test_titles_are_short_and_end_with_a_word() -> None:
    assert title_of(said("user", " What  is\nthis? ")) == "What is this?"
    long = title_of(said("user", "word " * 40))
    assert long.endswith("word…")
    assert len(long) <= 61
    assert title_of(Message("user", (Image(b"x"),))) == ""
    assert title_of(Message("user", (Image(b"x"), Image(Path("/home/me/cat.png"))))) == "cat.png"


def test_appending_moves_the_leaf(store: ConversationStore) -> None:
    question = said("user", "Q")
    answer = said("assistant", "A", question)
    conversation = begun(store, question, answer)
    assert store.conversation(conversation.id).result().leaf_id == answer.id
    assert store.path(conversation.id).result() == (question, answer)
    page = store.page(conversation.id).result()
    assert (page.messages, dict(page.siblings), page.earlier) == ((question, answer), {}, False)


def test_a_streamed_reply_is_replaced(store: ConversationStore) -> None:
    question = said("user", "Q")
    reply = Message("assistant", (), question.id, status=MessageStatus.STREAMING)
    conversation = begun(store, question, reply)
    reply = reply.extended(Text("half"))
    store.update(reply)
    assert store.path(conversation.id).result()[-1].text == "half"
    reply = replace(reply.extended(Text(" done")), status=MessageStatus.COMPLETE, finish_reason="stop")
    store.finish(reply).result()
    assert store.path(conversation.id).result()[-1] == reply


def test_branches_stay_reachable(store: ConversationStore) -> None:
    question = said("user", "Q")
    first, second = said("assistant", "first", question), said("assistant", "second", question)
    follow = said("user", "and?", first)
    conversation = begun(store, question, first, follow, second)
    page = store.page(conversation.id).result()
    assert page.messages == (question, second)
    assert dict(page.siblings) == {second.id: (first.id, second.id)}
    leaf = store.leaf_below(first.id).result()
    assert leaf == follow.id
    changed = replace(store.conversation(conversation.id).result(), leaf_id=leaf)
    store.change(changed).result()
    assert store.page(conversation.id).result().messages == (question, first, follow)


def test_an_edited_first_question_is_a_sibling_too(store: ConversationStore) -> None:
    one, other = said("user", "one"), said("user", "other")
    conversation = begun(store, one, other)
    assert dict(store.page(conversation.id).result().siblings) == {other.id: (one.id, other.id)}
    assert begun(store, said("user", "elsewhere")).id != conversation.id


def test_a_long_path_comes_in_pages(store: ConversationStore) -> None:
    messages: list[Message] = []
    for number in range(PAGE * 2 + 7):
        messages.append(said("user", str(number), messages[-1] if messages else None))
    conversation = begun(store, *messages)
    last = store.page(conversation.id).result()
    assert [message.text for message in last.messages] == [str(number) for number in range(107, 207)]
    assert last.earlier
    middle = store.page(conversation.id, before=last.messages[0].id).result()
    assert [message.text for message in middle.messages] == [str(number) for number in range(7, 107)]
    first = store.page(conversation.id, before=middle.messages[0].id).result()
    assert (len(first.messages), first.earlier) == (7, False)
    assert store.page(conversation.id, before=first.messages[0].id).result().messages == ()
    assert store.page(conversation.id, limit=3).result().messages == tuple(messages[-3:])


def test_what_is_not_there_is_a_key_error(store: ConversationStore) -> None:
    conversation = begun(store, said("user", "Q"))
    for future in (
        store.conversation("no"),
        store.page("no"),
        store.path("no"),
        store.leaf_below("no"),
        store.page(conversation.id, before="no"),
    ):
        with pytest.raises(KeyError):
            future.result()
