"""Scrolling, marking text and moving with the keyboard in a conversation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QApplication, QPushButton, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from app.background import Background
from app.chat.highlighting import Highlighter
from app.chat.model import ChatModel
from app.chat.thumbnails import Thumbnails
from app.chat.view import ChatView
from app.conversation import Message, MessageStatus, Page
from app.theme import Theme
from inference.messages import Text

LONG = "\n\n".join(f"Paragraph {number} with a few words in it." for number in range(40))


@pytest.fixture
def view(qtbot: QtBot, qapp: QApplication) -> Iterator[ChatView]:
    theme = Theme(qapp, "light")
    background = Background()
    view = ChatView(ChatModel(), theme, Thumbnails(background), Highlighter(background), speaks=True)
    qtbot.addWidget(view)
    view.resize(600, 400)
    view.show()
    qtbot.waitExposed(view)
    yield view
    background.close()
    theme.deleteLater()


def model_of(view: ChatView) -> ChatModel:
    model = view.model()
    assert isinstance(model, ChatModel)
    return model


def answered(view: ChatView, question: str, answer: str) -> None:
    begin(view, question, answer)
    end(view)


def begin(view: ChatView, question: str, answer: str) -> None:
    model = model_of(view)
    model.append(Message("user", (Text(question),)))
    model.append(Message("assistant", (), model.messages[-1].id, status=MessageStatus.STREAMING))
    grow(view, answer)


def grow(view: ChatView, text: str) -> None:
    model = model_of(view)
    model.replace(model.messages[-1].extended(Text(text)))


def end(view: ChatView) -> None:
    model = model_of(view)
    model.replace(replace(model.messages[-1], status=MessageStatus.COMPLETE, finish_reason="stop"))


def at_end(view: ChatView) -> bool:
    bar = view.verticalScrollBar()
    return bar.value() == bar.maximum()


def test_the_view_follows_the_end_while_the_reader_is_there(view: ChatView) -> None:
    begin(view, "Q", LONG)
    assert view.verticalScrollBar().maximum() > 0
    assert at_end(view)
    for _ in range(5):
        grow(view, "\n\nmore and more")
        assert at_end(view)
    assert not view.jump_button.isVisible()


def test_the_view_stays_where_the_reader_is(view: ChatView) -> None:
    begin(view, "Q", LONG)
    bar = view.verticalScrollBar()
    bar.setValue(100)
    assert not view.following
    assert view.jump_button.isVisible()
    end = bar.maximum()
    grow(view, "\n\nmore" * 20)
    assert bar.value() == 100
    assert bar.maximum() > end
    view.jump_button.click()
    assert at_end(view)
    assert not view.jump_button.isVisible()
    grow(view, "\n\nmore" * 20)
    assert at_end(view)


def test_scrolling_back_to_the_end_follows_again(view: ChatView) -> None:
    begin(view, "Q", LONG)
    bar = view.verticalScrollBar()
    bar.setValue(0)
    bar.setValue(bar.maximum())
    grow(view, "\n\nmore" * 20)
    assert at_end(view)


def test_a_reader_in_the_middle_keeps_their_place_when_the_window_is_resized(view: ChatView) -> None:
    for number in range(30):
        answered(view, f"Question {number}", LONG)
    view.scrollTo(model_of(view).index(20), ChatView.ScrollHint.PositionAtTop)
    before = view.indexAt(QPoint(10, 40)).row()
    view.resize(420, 500)
    assert view.indexAt(QPoint(10, 40)).row() == before
    view.resize(900, 500)
    assert view.indexAt(QPoint(10, 40)).row() == before


def test_most_of_a_long_conversation_is_never_laid_out(view: ChatView) -> None:
    for number in range(500):
        answered(view, f"Question {number}", "Short answer.")
    view.rows_reset()
    measured = [row for row in range(1000) if view._heights.measured(row)]
    assert 0 < len(measured) < 50
    view.verticalScrollBar().setValue(0)
    assert view._heights.measured(0)
    assert not view._heights.measured(500)


def test_scrolling_through_everything_reaches_every_row(view: ChatView) -> None:
    for number in range(40):
        answered(view, f"Question {number}", "x " * (number * 7))
    bar = view.verticalScrollBar()
    bar.setValue(0)
    seen = set()
    while True:
        for y in range(0, view.viewport().height(), 10):
            seen.add(view.indexAt(QPoint(10, y)).row())
        if at_end(view):
            break
        bar.setValue(bar.value() + 200)
    assert set(range(80)) <= seen
    view.grab()


def test_rows_do_not_overlap(view: ChatView) -> None:
    for number in range(10):
        answered(view, f"Question {number}", LONG)
    rects = [view.visualRect(model_of(view).index(row)) for row in range(20)]
    for above, below in pairwise(rects):
        assert above.bottom() + 1 == below.top()


def place_of(view: ChatView, row: int, text: str) -> QPoint:
    """Return a point a little inside the first letter of ``text``."""
    for piece in view.layout_of(row).pieces:
        if piece.document is None or text not in piece.document.toPlainText():
            continue
        position = piece.document.toPlainText().index(text)
        block = piece.document.findBlock(position)
        line = block.layout().lineForTextPosition(position - block.position())
        corner = piece.document.documentLayout().blockBoundingRect(block).topLeft()
        x = line.cursorToX(position - block.position())
        x = x[0] if isinstance(x, tuple) else x
        inside = piece.origin + corner + QPoint(round(x) + 1, round(line.y() + line.height() / 2))
        return view.visualRect(view.model().index(row, 0)).topLeft() + inside.toPoint()
    raise AssertionError(f"{text!r} is not in row {row}")


def drag(qtbot: QtBot, view: ChatView, start: QPoint, end: QPoint) -> None:
    target = view.viewport()
    qtbot.mousePress(target, Qt.MouseButton.LeftButton, pos=start)
    qtbot.mouseMove(target, end)
    qtbot.mouseRelease(target, Qt.MouseButton.LeftButton, pos=end)


def test_text_is_marked_and_copied_across_blocks(qtbot: QtBot, view: ChatView) -> None:
    answered(view, "Q", "First **bold** words.\n\n- item one\n- item two\n\n```\ncode line\n```")
    drag(qtbot, view, place_of(view, 1, "bold"), place_of(view, 1, "two"))
    assert view.selected_text().splitlines() == ["bold words.", "item one", "item "]
    view.grab()
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == view.selected_text()
    drag(qtbot, view, place_of(view, 1, "words"), place_of(view, 1, "First"))
    assert view.selected_text() == "First bold "
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(5, 5))
    assert view.selected_text() == ""


def test_a_double_click_marks_a_word(qtbot: QtBot, view: ChatView) -> None:
    answered(view, "Q", "alpha beta gamma")
    qtbot.mouseDClick(view.viewport(), Qt.MouseButton.LeftButton, pos=place_of(view, 1, "beta"))
    assert view.selected_text() == "beta"


def test_marked_text_survives_the_stream(qtbot: QtBot, view: ChatView) -> None:
    begin(view, "Q", "alpha beta\n\ngamma")
    drag(qtbot, view, place_of(view, 1, "beta"), place_of(view, 1, "gamma"))
    grow(view, " delta")
    assert view.selected_text() == "beta"


def test_the_keyboard_moves_between_messages_and_copies(qtbot: QtBot, view: ChatView) -> None:
    for number in range(8):
        answered(view, f"Question {number}", LONG)
    host = QWidget()
    qtbot.addWidget(host)
    layout = QVBoxLayout(host)
    button = QPushButton("before")
    layout.addWidget(button)
    layout.addWidget(view)
    host.show()
    qtbot.waitExposed(host)
    host.activateWindow()
    button.setFocus()
    qtbot.waitUntil(button.hasFocus)
    qtbot.keyClick(button, Qt.Key.Key_Tab)
    qtbot.waitUntil(lambda: view.currentIndex().row() == 15)
    qtbot.keyClick(view, Qt.Key.Key_Home)
    assert view.currentIndex().row() == 0
    assert view.visualRect(view.currentIndex()).top() >= 0
    qtbot.keyClick(view, Qt.Key.Key_Down)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert view.currentIndex().row() == 2
    qtbot.keyClick(view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "Question 1"
    qtbot.keyClick(view, Qt.Key.Key_End)
    assert view.currentIndex().row() == 15
    view.grab()
    view.setParent(None)


def test_letters_typed_in_the_conversation_are_not_lost(qtbot: QtBot, view: ChatView) -> None:
    answered(view, "Q", "A")
    typed: list[str] = []
    view.typed.connect(typed.append)
    for letter in "hé!":
        QApplication.sendEvent(view, QKeyEvent(QEvent.Type.KeyPress, 0, Qt.KeyboardModifier.NoModifier, letter))
    qtbot.keyClick(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(view, Qt.Key.Key_Down)
    assert typed == ["h", "é", "!"]


def test_only_the_last_block_of_a_growing_reply_is_laid_out_again(view: ChatView) -> None:
    begin(view, "Q", "one\n\ntwo\n\nthree")
    before = [piece.document for piece in view.layout_of(1).pieces]
    grow(view, " and four")
    after = [piece.document for piece in view.layout_of(1).pieces]
    assert after[:2] == before[:2]
    assert after[2] is not before[2]


def test_a_reset_forgets_everything(view: ChatView) -> None:
    answered(view, "Q", LONG)
    model_of(view).clear()
    assert view.verticalScrollBar().maximum() == 0
    assert not view.indexAt(QPoint(10, 10)).isValid()
    answered(view, "Q", "A")
    assert view.visualRect(model_of(view).index(1)).height() > 0


def test_earlier_messages_come_without_moving_what_is_read(qtbot: QtBot, view: ChatView) -> None:
    messages = [Message("user", (Text(f"Question {number}"),)) for number in range(120)]
    model_of(view).show_page(Page(tuple(messages[100:]), earlier=True))
    wanted: list[bool] = []
    view.start_near.connect(lambda: wanted.append(True))
    bar = view.verticalScrollBar()
    bar.setValue(120)
    row = view.indexAt(QPoint(10, 60)).row()
    y = view.visualRect(model_of(view).index(row)).top()
    qtbot.waitUntil(lambda: bool(wanted))
    model_of(view).prepend(Page(tuple(messages[:100])))
    assert view.visualRect(model_of(view).index(row + 100)).top() == y
    assert not view.following


def test_another_branch_keeps_the_place(view: ChatView) -> None:
    for number in range(6):
        answered(view, f"Question {number}", LONG)
    messages = model_of(view).messages
    view.scrollTo(model_of(view).index(9), ChatView.ScrollHint.PositionAtTop)
    view.hold_place()
    top = view.visualRect(model_of(view).index(9)).top()
    other = Message("assistant", (Text(LONG + LONG),), messages[8].id)
    model_of(view).switch_to(Page((*messages[:9], other), {other.id: (messages[9].id, other.id)}))
    assert view.visualRect(model_of(view).index(9)).top() == top
    view.grab()
