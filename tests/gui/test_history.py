"""The sidebar: listing, searching, renaming, pinning, deleting, and what is there again after a restart."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, words
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QApplication, QLineEdit, QMenu
from pytestqt.qtbot import QtBot

from app.application import Larimar, Options
from app.conversation import PAGE, Conversation, Message
from app.history.days import day_words
from app.history.model import Heading
from app.history_store import Entry, Hit
from app.store.sqlite_store import DATABASE, SqliteStore
from gui import sample_history
from inference.messages import Text

MakeApp = Callable[..., Larimar]


def titles(larimar: Larimar) -> list[str]:
    return [row.title for row in larimar.window.history.model.rows if not isinstance(row, Heading)]


def headings(larimar: Larimar) -> list[str]:
    return [row.words for row in larimar.window.history.model.rows if isinstance(row, Heading)]


@pytest.fixture
def filled(qtbot: QtBot, make_app: MakeApp) -> tuple[Larimar, list[Conversation]]:
    larimar = make_app(FakeEngine([words("ok")]))
    made = sample_history.fill(larimar.conversations, datetime.now(UTC).astimezone().replace(hour=12))
    larimar.history.refresh()
    qtbot.waitUntil(lambda: len(titles(larimar)) == len(made))
    return larimar, made


def show(qtbot: QtBot, larimar: Larimar, conversation: Conversation) -> None:
    larimar.history.open(conversation.id)
    qtbot.waitUntil(lambda: larimar.window.chat.controller.conversation.id == conversation.id)


def point_of(larimar: Larimar, conversation_id: str) -> QPoint:
    pane = larimar.window.history
    return pane.list.visualRect(pane.model.index(pane.model.row_of(conversation_id))).center()


def test_conversations_are_listed_by_day_the_pinned_ones_first(filled: tuple[Larimar, list[Conversation]]) -> None:
    larimar, made = filled
    assert titles(larimar)[0] == made[4].title
    assert headings(larimar)[:4] == ["Pinned", "Today", "Yesterday", "The last 7 days"]
    assert titles(larimar)[1] == made[0].title


def test_a_question_appears_in_the_list_and_is_marked(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("ok")]))
    pane = larimar.window.history
    qtbot.waitUntil(lambda: "listed here" in pane.note.text())
    larimar.window.chat.ask("What is a heron?")
    qtbot.waitUntil(lambda: titles(larimar) == ["What is a heron?"])
    assert pane.note.isHidden()
    assert headings(larimar) == ["Today"]


def test_a_click_opens_a_conversation(qtbot: QtBot, filled: tuple[Larimar, list[Conversation]]) -> None:
    larimar, made = filled
    larimar.window.activateWindow()
    qtbot.waitUntil(larimar.window.isActiveWindow)
    viewport = larimar.window.history.list.viewport()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=point_of(larimar, made[2].id))
    chat = larimar.window.chat
    qtbot.waitUntil(lambda: chat.controller.conversation.id == made[2].id)
    assert chat.header.title == made[2].title
    assert QApplication.focusWidget() is chat.composer.edit, "what is typed next is a question"
    assert len(chat.model.messages) == 2


def test_the_keyboard_alone_is_enough(qtbot: QtBot, filled: tuple[Larimar, list[Conversation]]) -> None:
    larimar, made = filled
    window, pane = larimar.window, larimar.window.history
    window.activateWindow()
    window.chat.composer.edit.setFocus()
    qtbot.waitUntil(window.chat.composer.edit.hasFocus)
    qtbot.keyClick(window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.focusWidget() is pane.search
    qtbot.keyClick(pane.search, Qt.Key.Key_Down)
    assert pane.list.hasFocus()
    for _ in range(2):  # over a heading
        qtbot.keyClick(pane.list, Qt.Key.Key_Down)
    qtbot.keyClick(pane.list, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.chat.controller.conversation.id == made[1].id)
    qtbot.keyClick(pane.list, Qt.Key.Key_F2)
    editor = pane.list.findChild(QLineEdit, "rename")
    assert editor is not None
    qtbot.keyClick(editor, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClicks(editor, "The harbour")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.chat.header.title == "The harbour")
    assert larimar.conversations.conversation(made[1].id).result().title == "The harbour"
    qtbot.keyClick(pane.list, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: "The harbour" not in titles(larimar))
    qtbot.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: "The harbour" in titles(larimar))
    pane.list.choose(0)
    qtbot.keyClick(pane.list, Qt.Key.Key_Up)
    assert pane.search.hasFocus()


def test_a_search_jumps_to_the_message(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("ok")]))
    store, pane, chat = larimar.conversations, larimar.window.history, larimar.window.chat
    conversation = Conversation(title="Long")
    store.create(conversation)
    parent, wanted = None, ""
    for number in range(3 * PAGE):
        text = f"Message {number}" + (", the kingfisher" if number == 20 else "")
        message = Message("assistant" if number % 2 else "user", (Text(text),), parent)
        last = store.append(conversation.id, message)
        parent = message.id
        wanted = message.id if number == 20 else wanted
    last.result()
    pane.search.setText("kingf")
    qtbot.waitUntil(lambda: len(pane.model.rows) == 1)
    (hit,) = pane.model.rows
    assert isinstance(hit, Hit)
    assert ("kingfisher", True) in hit.snippet
    qtbot.keyClick(pane.search, Qt.Key.Key_Return)
    view = chat.view
    qtbot.waitUntil(lambda: chat.model.row_of(wanted) >= 0)
    qtbot.waitUntil(lambda: view.currentIndex().row() == chat.model.row_of(wanted))
    visible = view.visualRect(view.currentIndex())
    assert view.viewport().rect().intersects(visible)
    assert not view.following
    pane.search.setText("nothing like it")
    qtbot.waitUntil(lambda: pane.note.text() == "Nothing found")
    qtbot.keyClick(pane.search, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: titles(larimar) == ["Long"])


def test_a_hit_in_another_branch_shows_that_branch(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("about herons"), words("about gulls")]))
    chat, pane = larimar.window.chat, larimar.window.history
    chat.ask("birds?")
    qtbot.waitUntil(lambda: chat.model.messages[-1].text == "about herons" and not chat.controller.busy)
    chat.view.regenerate_requested.emit(chat.model.messages[-1].id)
    qtbot.waitUntil(lambda: chat.model.messages[-1].text == "about gulls" and not chat.controller.busy)
    pane.search.setText("heron")
    qtbot.waitUntil(lambda: len(pane.model.rows) == 1)
    qtbot.keyClick(pane.search, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: chat.model.messages[-1].text == "about herons")


def test_the_latest_search_wins(qtbot: QtBot, filled: tuple[Larimar, list[Conversation]]) -> None:
    larimar, made = filled
    pane = larimar.window.history
    pane.search.setText("lemon")
    pane.search.setText("")
    qtbot.waitUntil(lambda: len(titles(larimar)) == len(made))
    pane.show_hits("lemon", (Hit("x", "late", datetime.now(UTC)),))
    assert "late" not in titles(larimar)


def test_deleting_can_be_undone_and_is_final_later(qtbot: QtBot, filled: tuple[Larimar, list[Conversation]]) -> None:
    larimar, made = filled
    pane, chat, store = larimar.window.history, larimar.window.chat, larimar.conversations
    show(qtbot, larimar, made[0])
    larimar.history.delete(made[0].id)
    qtbot.waitUntil(lambda: made[0].title not in titles(larimar))
    assert pane.undo.isVisible()
    assert chat.model.rowCount() == 0
    qtbot.mouseClick(pane.undo.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: made[0].title in titles(larimar))
    qtbot.waitUntil(lambda: chat.controller.conversation.id == made[0].id)
    assert not pane.undo.isVisible()
    larimar.history.delete(made[0].id)
    larimar.history.delete(made[1].id)  # the one before can no longer be undone
    with pytest.raises(KeyError):
        store.conversation(made[0].id).result()
    assert store.conversation(made[1].id).result()
    pane.undo.timer.timeout.emit()
    with pytest.raises(KeyError):
        store.conversation(made[1].id).result()
    assert pane.undo.isHidden()


def test_deleting_forgets_what_the_engine_kept_of_conversations(
    qtbot: QtBot, filled: tuple[Larimar, list[Conversation]], tmp_path: Path
) -> None:
    larimar, made = filled
    prefixes = Options(None, tmp_path).paths.prefixes
    kept = prefixes / "model" / "one.npz"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"what was said")
    larimar.history.delete(made[0].id)
    qtbot.waitUntil(lambda: not prefixes.exists())
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"what the engine writes when it is closed")
    larimar.window.close()
    assert not prefixes.exists()


def test_deleting_stops_the_reply_under_way(qtbot: QtBot, make_app: MakeApp) -> None:
    import threading

    engine = FakeEngine([[Text("half"), threading.Event()]])
    larimar = make_app(engine)
    chat = larimar.window.chat
    chat.ask("question")
    qtbot.waitUntil(lambda: chat.model.messages[-1].text == "half")
    larimar.history.delete(chat.controller.conversation.id)
    assert chat.model.rowCount() == 0
    qtbot.waitUntil(lambda: engine.tokens[0].cancelled)
    qtbot.waitUntil(lambda: not chat.controller.busy)


def actions(menu: QMenu) -> dict[str, QAction]:
    return {action.text().partition("\t")[0]: action for action in menu.actions()}


def test_the_menu_pins(qtbot: QtBot, filled: tuple[Larimar, list[Conversation]]) -> None:
    larimar, made = filled
    pane = larimar.window.history
    row = pane.model.rows[pane.model.row_of(made[2].id)]
    assert isinstance(row, Entry)
    menu = pane.list.row_menu(row)
    assert {"Open", "Rename", "Pin", "Export", "Delete"} <= set(actions(menu))
    actions(menu)["Pin"].trigger()
    qtbot.waitUntil(lambda: titles(larimar)[:2] == [made[2].title, made[4].title])
    pinned = pane.model.rows[pane.model.row_of(made[2].id)]
    assert isinstance(pinned, Entry)
    actions(pane.list.row_menu(pinned))["Unpin"].trigger()
    qtbot.waitUntil(lambda: titles(larimar)[0] == made[4].title)


def test_renaming_to_nothing_changes_nothing(filled: tuple[Larimar, list[Conversation]]) -> None:
    larimar, made = filled
    model = larimar.window.history.model
    index = model.index(model.row_of(made[0].id))
    assert not model.setData(index, "   ")
    assert not model.setData(index, made[0].title)
    assert model.setData(index, " A  new\nname ")
    assert index.data() == "A new name"


def test_the_last_conversation_is_there_again(qtbot: QtBot, make_app: MakeApp) -> None:
    first = make_app(FakeEngine([words("the answer")]))
    first.window.chat.ask("the question")
    qtbot.waitUntil(lambda: not first.window.chat.controller.busy)
    first.window.close()
    second = make_app(FakeEngine([words("more")]))
    qtbot.waitUntil(lambda: second.window.chat.model.rowCount() == 2)
    assert [message.text for message in second.window.chat.model.messages] == ["the question", "the answer"]
    assert titles(second) == ["the question"]
    second.window.chat.new_chat()
    second.window.close()
    third = make_app(FakeEngine([words("x")]))
    qtbot.waitUntil(lambda: titles(third) == ["the question"])
    assert third.window.chat.model.rowCount() == 0


def test_conversations_of_a_newer_version_are_said_and_the_chat_works(
    qtbot: QtBot, make_app: MakeApp, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    connection = sqlite3.connect(tmp_path / "data" / DATABASE)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / "data" / DATABASE).read_bytes()
    larimar = make_app(FakeEngine([words("still here")]))
    pane, chat = larimar.window.history, larimar.window.chat
    qtbot.waitUntil(lambda: "newer Larimar" in pane.note.text())
    chat.ask("hello?")
    qtbot.waitUntil(lambda: not chat.controller.busy)
    assert chat.model.messages[-1].text == "still here"
    larimar.window.close()
    assert (tmp_path / "data" / DATABASE).read_bytes() == before


def test_the_list_makes_room_and_comes_when_asked_for(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    window = larimar.window
    assert window.history.isVisible()
    qtbot.mouseClick(window.chat.header.history_button, Qt.MouseButton.LeftButton)
    assert not window.history.isVisible()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyClick(window, Qt.Key.Key_B, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(window.history.isVisible)
    window.rail.choose(1)
    assert not window.history.isVisible()
    window.rail.choose(0)
    assert window.history.isVisible()
    window.resize(600, 600)
    qtbot.waitUntil(lambda: not window.history.isVisible())
    qtbot.keyClick(window, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(window.history.isVisible)


@pytest.mark.parametrize(
    ("days", "expected"),
    [(0, "Today"), (1, "Yesterday"), (2, "The last 7 days"), (29, "The last 30 days"), (30, "October 2026")],
)
def test_days_in_words(days: int, expected: str) -> None:
    today = date(2026, 11, 29)
    assert day_words(today - timedelta(days=days), today) == expected


def test_a_full_disk_is_said_and_what_was_said_is_kept_later(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("short"), words("long " * 4000), words("room again")]))
    chat, store = larimar.window.chat, larimar.conversations
    assert isinstance(store, SqliteStore)

    def limit(pages: int) -> None:
        store._thread.read(
            lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()
        ).result()

    chat.ask("first")
    qtbot.waitUntil(lambda: chat.model.rowCount() == 2 and not chat.controller.busy)
    limit(1)  # no less than what there is
    chat.ask("second")
    qtbot.waitUntil(lambda: chat.composer.refusal.isVisible())
    assert "The disk is full" in chat.composer.refusal.text
    qtbot.waitUntil(lambda: not chat.controller.busy)
    assert chat.model.messages[-1].text.startswith("long long")
    limit(100_000)
    chat.ask("third")
    qtbot.waitUntil(lambda: chat.model.rowCount() == 6 and not chat.controller.busy)
    stored = store.path(chat.controller.conversation.id).result()
    assert [message.text for message in stored] == [message.text for message in chat.model.messages]
