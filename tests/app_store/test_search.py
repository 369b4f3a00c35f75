"""The list of conversations, and finding something in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.conversation import Conversation, Message
from app.history_store import Hit
from app.store.search_query import match_expression, sought
from app.store.sqlite_store import SqliteStore
from app_store.sample_conversations import begun, said
from inference.messages import Text


def shown(hit: Hit) -> str:
    return "".join(f"[{text}]" if found else text for text, found in hit.snippet)


def test_words_are_found_by_their_beginning_in_any_form(store: SqliteStore) -> None:
    _, messages = begun(store, "Reise", "Wo liegt Überlingen?", "Am Bodensee, sagt man.", "Und das CAFÉ?")
    for words, found in {
        "uberl": messages[0],
        "ÜBER liegt": messages[0],
        "boden": messages[1],
        "cafe": messages[2],
    }.items():
        assert [hit.message_id for hit in store.search(words).result()] == [found.id], words
    assert store.search("lingen").result() == ()
    assert store.search("bodensee cafe").result() == ()
    (hit,) = store.search("bodens").result()
    assert shown(hit) == "Am [Bodensee], sagt man."
    assert hit.title == "Reise"


def test_titles_come_first(store: SqliteStore) -> None:
    one, messages = begun(store, "First", "about gardens", "yes")
    two, _ = begun(store, "Gardens of Kyoto", "nothing")
    hits = store.search("garden").result()
    assert [(hit.conversation_id, hit.message_id) for hit in hits] == [(two.id, None), (one.id, messages[0].id)]
    assert shown(hits[0]) == "[Gardens] of Kyoto"


@pytest.mark.parametrize(("words", "marked"), [("lake", "[lake]"), ("湖", "[湖]")])
def test_titles_are_shown_from_their_beginning(store: SqliteStore, words: str, marked: str) -> None:
    title = f"How do I get with the train from the airport to the {words} in the mountains, and back again?"
    begun(store, title, "nothing")
    (hit,) = store.search(words).result()
    assert shown(hit) == title.replace(words, marked)


def test_quoted_words_stand_together(store: SqliteStore) -> None:
    _, messages = begun(store, "T", "the red house", "the house is red")
    assert [hit.message_id for hit in store.search('"red house"').result()] == [messages[0].id]
    assert len(store.search("red house").result()) == 2


def test_scripts_without_spaces_are_searched_too(store: SqliteStore) -> None:
    conversation, messages = begun(store, "京都の庭園", "枯山水とは何ですか", "石と砂の庭です。")
    assert [hit.message_id for hit in store.search("山水").result()] == [messages[0].id]
    assert [hit.message_id for hit in store.search("庭").result()] == [None, messages[1].id]
    (hit,) = store.search("何です").result()
    assert shown(hit) == "枯山水とは[何です]か"
    assert store.search("100%山水").result() == ()
    assert conversation.title


def test_branches_that_are_not_shown_are_searched_and_placed(store: SqliteStore) -> None:
    conversation, messages = begun(store, "T", "Q", "first answer", "more")
    other = said("assistant", "second answer", messages[0])
    store.append(conversation.id, other)
    (hit,) = store.search("first").result()
    assert hit.message_id is not None
    place = store.place(hit.message_id).result()
    assert (place.conversation_id, place.leaf_id, place.distance) == (conversation.id, messages[2].id, 2)
    place = store.place(messages[0].id).result()
    assert (place.leaf_id, place.distance) == (other.id, 2), "on the shown path where possible"
    with pytest.raises(KeyError):
        store.place("no").result()


def test_a_finished_reply_replaces_what_is_found(store: SqliteStore) -> None:
    conversation, messages = begun(store, "T", "Q", "draft")
    store.finish(replace(messages[1], parts=(Text("final"),)))
    assert store.search("draft").result() == ()
    assert len(store.search("final").result()) == 1
    store.rename(conversation.id, "Renamed")
    assert len(store.search("renam").result()) == 1


def test_deleted_conversations_are_not_found(store: SqliteStore) -> None:
    conversation, _ = begun(store, "Gone", "gone")
    store.delete(conversation.id)
    assert store.search("gone").result() == ()
    assert store.entries().result() == ()
    store.restore(conversation.id)
    assert len(store.search("gone").result()) == 2


@given(st.text(max_size=20))
def test_no_input_is_a_syntax_error(words: str) -> None:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5 (x, tokenize = 'ascii')")
    expression = match_expression(sought(words))
    if expression:
        connection.execute("SELECT * FROM t WHERE t MATCH ?", (expression,)).fetchall()
    connection.close()


@pytest.mark.parametrize("words", ["", "  ", '"', "***", "-", "AND OR NOT", "so\x00x"])
def test_odd_searches_find_nothing_and_do_not_fail(store: SqliteStore, words: str) -> None:
    begun(store, "T", "some words")
    assert store.search(words).result() == ()


def test_pinned_conversations_come_first_then_the_latest(open_store: Callable[..., SqliteStore]) -> None:
    store = open_store()
    made = []
    for day, title in ((1, "old"), (3, "new"), (2, "middle")):
        when = datetime(2026, 5, day, tzinfo=UTC)
        conversation = Conversation(title=title, created=when)
        store.create(conversation)
        store.append(conversation.id, Message("user", (Text("Q"),), created=when))
        made.append(conversation)
    store.pin(made[0].id, True)
    store.change(replace(made[2], title="renamed"))
    store = open_store()
    entries = store.entries().result()
    assert [(entry.title, entry.pinned) for entry in entries] == [("old", True), ("new", False), ("renamed", False)]
    assert entries[1].used == datetime(2026, 5, 3, tzinfo=UTC)
    store.pin(made[0].id, False)
    assert [entry.title for entry in store.entries().result()] == ["new", "renamed", "old"]
