"""The list of conversations, and finding something in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.conversation import Conversation, Message
from app.history_store import Hit
from app.store import sqlite_store
from app.store.opening import open_database
from app.store.schema import STEPS
from app.store.search_index import index_more
from app.store.search_query import marked, match_expression, snippet, sought
from app.store.search_words import indexed
from app.store.sqlite_store import DATABASE, SqliteStore
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


FOUND = [
    ("これはPythonの本です", "python", "これは[Python]の本です"),
    ("価格は3715円でした", "3715", "価格は[3715]円でした"),
    ("ราคา3715บาท ใช้Pythonได้", "python", "ราคา3715บาท ใช้[Python]ได้"),
    ("ราคา3715บาท", "3715 บาท", "ราคา[3715][บาท]"),
    ("파이썬은Python이다", "python", "파이썬은[Python]이다"),
    ("한국어사전을 샀다", "사전", "한국어[사전]을 샀다"),
    ("枯山水とは何ですか", "山水", "枯[山水]とは何ですか"),
    ("カ\u3099ラスのコップ", "ガラス", "[カ\u3099ラス]のコップ"),
    ("ｶﾀｶﾅで", "カタカナ", "[ｶﾀｶﾅ]で"),
    ("Ещё раз: ёлка", "елка", "Ещё раз: [ёлка]"),
    ("Ещё раз: елка", "ёлка", "Ещё раз: [елка]"),
    ("Die Straße nach Wien", "strasse", "Die [Straße] nach Wien"),
    ("DIE STRASSE", "straße", "DIE [STRASSE]"),
    ("שָׁלוֹם עולם", "שלום", "[שָׁלוֹם] עולם"),
    ("שלום עולם", "שָׁלוֹם", "[שלום] עולם"),
    ("السَّلَامُ عليكم", "السلام", "[السَّلَامُ] عليكم"),
    ("الســـلام عليكم", "السَّلام", "[الســـلام] عليكم"),
    ("أحمد هنا", "احمد", "[أحمد] هنا"),
    ("Programs in C++ and C", "C++", "Programs in [C++] and C"),
    ("I like C# and F#", "f#", "I like C# and [F#]"),
    ("It costs $5 or 5 €", "$5", "It costs [$5] or 5 €"),
    ("Bravo 👍🏽!", "👍", "Bravo [👍]🏽!"),
    ("Family: 👨‍👩‍👧", "👨‍👩‍👧", "Family: [👨‍👩‍👧]"),
    ("An RTX4090 card", "4090", "An RTX[4090] card"),
    ("An RTX4090 card", "rtx40", "An [RTX4090] card"),
    ("About 3.14 it is", "3.14", "About [3.14] it is"),
    ("Room ١٢٣", "123", "Room [١٢٣]"),
    ("Łódź and Ærø", "lodz aero", "[Łódź] and [Ærø]"),
    ("x² and ½ of 5 ㎏", "kg", "x² and ½ of 5 [㎏]"),
    ("हिन्दी में लिखा", "हिन्दी", "[हिन्दी] में लिखा"),
    ("naïve", "nai\u0308ve", "[naïve]"),
    ("İstanbul", "istanbul", "[İstanbul]"),
]


@pytest.mark.parametrize(("text", "words", "expected"), FOUND, ids=[f"{text}-{words}" for text, words, _ in FOUND])
def test_every_script_is_found_and_marked_where_it_stands(
    store: SqliteStore, text: str, words: str, expected: str
) -> None:
    _, messages = begun(store, text, text)
    hits = store.search(words).result()
    assert [hit.message_id for hit in hits] == [None, messages[0].id]
    assert [shown(hit) for hit in hits] == [expected, expected]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Programs in C", "C++"),
        ("мои книги", "мой"),
        ("かき", "がき"),
        ("山と水", "山水"),
        ("F and C#", "F#"),
        ("5", "$5"),
    ],
)
def test_what_is_something_else_is_not_found(store: SqliteStore, text: str, words: str) -> None:
    begun(store, text, text)
    assert store.search(words).result() == ()


def test_a_snippet_stands_around_what_was_found_and_cuts_no_word(store: SqliteStore) -> None:
    before, after = "before " * 400, "after " * 400
    begun(store, "T", f"{before}the  café\n{after}")
    (hit,) = store.search("cafe").result()
    words = shown(hit)
    assert words.startswith("…before ")
    assert words.endswith(" after…")
    assert "before the [café] after" in words
    assert len(words) < 160


@given(st.lists(st.text(max_size=12), max_size=6), st.integers(0, 5))
def test_what_a_text_contains_is_found_in_it(parts: list[str], chosen: int) -> None:
    """Every word that stands between spaces is found by itself, and marked where it stands."""
    text = " ".join(parts)
    words = [part for part in text.split() if '"' not in part]
    if not words:
        return
    typed = words[chosen % len(words)]
    asked = sought(typed)
    if not asked:
        return
    pieces = marked(text, asked)
    assert " ".join("".join(piece for piece, _ in pieces).split()) == " ".join(text.split())
    assert any(found for _, found in pieces)
    assert any(found for _, found in snippet(text, asked))
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5 (x, tokenize = 'ascii')")
    connection.execute("INSERT INTO t VALUES (?)", (indexed(text),))
    assert connection.execute("SELECT count(*) FROM t WHERE t MATCH ?", (match_expression(asked),)).fetchone() == (1,)
    connection.close()


def test_a_store_of_before_is_indexed_in_steps_between_which_others_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = SqliteStore(tmp_path, steps=STEPS[:2])
    conversation, messages = begun(old, "京都で学ぶPython", *(f"質問{number}はPythonです" for number in range(30)))
    old.close()
    monkeypatch.setattr("app.store.search_index._BATCH_SECONDS", 0.0)  # a message in each step
    steps: list[bool] = []
    really = sqlite_store.index_more

    def counted(connection: sqlite3.Connection) -> bool:
        steps.append(really(connection))
        return steps[-1]

    monkeypatch.setattr(sqlite_store, "index_more", counted)
    store = SqliteStore(tmp_path)
    try:
        store.append(conversation.id, said("user", "and 質問30はPythonです", messages[-1]))
        store.finish(replace(messages[3], parts=(Text("replaced meanwhile"),)))
        hits = store.search("python").result()
        assert len(hits) == 1 + 30
        assert len(steps) >= 30
        assert len(store.search("質問7は").result()) == 1
        assert len(store.search("質問3は").result()) == 0
        assert len(store.search("replaced").result()) == 1
    finally:
        store.close()
    again = SqliteStore(tmp_path)
    steps.clear()
    try:
        assert len(again.search("python").result()) == 31
        assert steps == [True], "once"
    finally:
        again.close()


def test_indexing_goes_on_where_the_program_was_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = SqliteStore(tmp_path, steps=STEPS[:2])
    begun(old, "T", *(f"question {number}" for number in range(20)))
    old.close()
    monkeypatch.setattr("app.store.search_index._BATCH_SECONDS", 0.0)
    connection = open_database(tmp_path / DATABASE)
    for _ in range(5):
        connection.execute("BEGIN")
        assert not index_more(connection)
        connection.execute("COMMIT")
    connection.close()
    store = SqliteStore(tmp_path)
    try:
        assert len(store.search("question").result()) == 20
    finally:
        store.close()
