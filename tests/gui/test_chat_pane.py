"""Asking, answering and stopping, as a user does it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from fakes.engine import FakeEngine, words
from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.chat.layout import Action
from app.conversation import MessageStatus
from app.session import SessionState
from inference.errors import ContextFullError
from inference.messages import Done, Prefill, ReplyStats, Text, Thought

MakeApp = Callable[..., Larimar]
ENTER, SHIFT, CONTROL = Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier


def type_and_send(qtbot: QtBot, larimar: Larimar, text: str) -> None:
    qtbot.keyClicks(larimar.window.chat.composer.edit, text)
    qtbot.keyClick(larimar.window.chat.composer.edit, ENTER)


def wait_ready(qtbot: QtBot, larimar: Larimar) -> None:
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)


def shown(larimar: Larimar, row: int) -> str:
    """Return the text that the view paints in a row."""
    pieces = larimar.window.chat.view.layout_of(row).pieces
    return "\n".join(piece.document.toPlainText() for piece in pieces if piece.document is not None)


def test_a_typed_question_gets_its_streamed_answer(qtbot: QtBot, make_app: MakeApp) -> None:
    hold = threading.Event()
    engine = FakeEngine([[Prefill(0, 9), Prefill(9, 9), Text("I am **Lari"), hold, Text("mar**.")]])
    larimar = make_app(engine)
    chat = larimar.window.chat
    assert chat.greeting.isVisible()
    type_and_send(qtbot, larimar, "Who are you?")
    qtbot.waitUntil(lambda: chat.model.messages[-1].text == "I am **Lari")
    assert chat.view.isVisible()
    assert not chat.greeting.isVisible()
    assert chat.composer.text == ""
    assert chat.composer.button.accessibleName() == "Stop"
    assert chat.model.messages[-1].status is MessageStatus.STREAMING
    hold.set()
    wait_ready(qtbot, larimar)
    assert [message.text for message in chat.model.messages] == ["Who are you?", "I am **Larimar**."]
    assert shown(larimar, 0) == "Who are you?"
    assert shown(larimar, 1) == "I am Larimar."
    assert chat.composer.button.accessibleName() == "Send"
    assert [turn.text for turn in engine.asked[0][0]] == ["Who are you?"]


def test_the_conversation_goes_on(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([words("First answer"), words("Second answer")])
    larimar = make_app(engine)
    for question in ("First?", "Second?"):
        type_and_send(qtbot, larimar, question)
        qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    assert [turn.text for turn in engine.asked[1][0]] == ["First?", "First answer", "Second?"]


@pytest.mark.parametrize("how", ["button", "escape in the composer", "escape in the conversation"])
def test_stop_stops_and_keeps_the_part(qtbot: QtBot, make_app: MakeApp, how: str) -> None:
    engine = FakeEngine([[Text("half an"), threading.Event(), Text(" answer")]])
    larimar = make_app(engine)
    chat = larimar.window.chat
    type_and_send(qtbot, larimar, "Tell me")
    qtbot.waitUntil(lambda: chat.model.messages[-1].text == "half an")
    if how == "button":
        qtbot.mouseClick(chat.composer.button, Qt.MouseButton.LeftButton)
    elif how == "escape in the composer":
        qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Escape)
    else:
        chat.view.setFocus()
        qtbot.keyClick(chat.view, Qt.Key.Key_Escape)
    wait_ready(qtbot, larimar)
    assert engine.tokens[0].cancelled
    message = chat.model.messages[-1]
    assert (message.text, message.status) == ("half an", MessageStatus.STOPPED)
    notes = [piece.label for piece in chat.view.layout_of(1).pieces]
    assert any("Stopped" in note for note in notes)


def test_shift_enter_breaks_the_line(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([words("ok")])
    larimar = make_app(engine)
    edit = larimar.window.chat.composer.edit
    one_line = edit.height()
    qtbot.keyClicks(edit, "one")
    qtbot.keyClick(edit, ENTER, SHIFT)
    qtbot.keyClicks(edit, "two")
    assert edit.toPlainText() == "one\ntwo"
    assert edit.height() > one_line
    assert not engine.asked
    qtbot.keyClick(edit, ENTER)
    wait_ready(qtbot, larimar)
    assert engine.asked[0][0][0].text == "one\ntwo"
    assert edit.height() == one_line


def test_the_composer_grows_to_eight_lines_only(qtbot: QtBot, make_app: MakeApp) -> None:
    edit = make_app(FakeEngine()).window.chat.composer.edit
    edit.setPlainText("\n".join("x" * 8))
    eight = edit.height()
    edit.setPlainText("\n".join("x" * 40))
    assert edit.height() == eight


def test_tab_leaves_the_composer(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    composer = larimar.window.chat.composer
    larimar.window.activateWindow()
    composer.edit.setFocus()
    qtbot.waitUntil(lambda: composer.edit.hasFocus())
    qtbot.keyClick(composer.edit, Qt.Key.Key_Tab)
    assert composer.text == ""
    assert QApplication.focusWidget() is composer.attach


def test_blank_text_is_not_sent(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([words("ok")])
    larimar = make_app(engine)
    type_and_send(qtbot, larimar, "   ")
    assert larimar.session.state is SessionState.READY
    assert not larimar.window.chat.composer.button.isEnabled()
    assert not larimar.window.chat.model.messages


def test_enter_while_generating_keeps_the_text(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([[Text("a"), threading.Event()]])
    larimar = make_app(engine)
    type_and_send(qtbot, larimar, "first")
    qtbot.waitUntil(lambda: larimar.window.chat.model.messages[-1].text == "a")
    type_and_send(qtbot, larimar, "second")
    assert larimar.window.chat.composer.text == "second"
    assert len(engine.asked) == 1
    larimar.session.stop()
    wait_ready(qtbot, larimar)


def test_an_example_asks_its_question(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([words("ok")])
    larimar = make_app(engine)
    button = larimar.window.chat.greeting.buttons[0]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    wait_ready(qtbot, larimar)
    assert engine.asked[0][0][0].text == button.text()


def test_thinking_is_asked_for_and_folded(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([[Thought("Let me see. "), Thought("Yes."), Text("Done.")]])
    larimar = make_app(engine)
    chat = larimar.window.chat
    qtbot.mouseClick(chat.composer.think, Qt.MouseButton.LeftButton)
    type_and_send(qtbot, larimar, "Think")
    wait_ready(qtbot, larimar)
    assert engine.asked[0][1].thinking
    assert larimar.settings.thinking
    assert shown(larimar, 1) == "Done."
    folded = chat.view.layout_of(1)
    button = folded.buttons[0]
    assert button.action is Action.FOLD_THOUGHT
    assert button.label.startswith("Thought for")
    at = chat.view.visualRect(chat.model.index(1)).topLeft() + button.rect.center().toPoint()
    qtbot.mouseClick(chat.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert shown(larimar, 1) == "Let me see. Yes.\nDone."
    assert chat.view.layout_of(1).height > folded.height
    qtbot.mouseClick(chat.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert shown(larimar, 1) == "Done."


def test_the_status_line_follows(qtbot: QtBot, make_app: MakeApp) -> None:
    reading, answering = threading.Event(), threading.Event()
    stats = ReplyStats(9, 0, 41, 0.5, 2.0)
    engine = FakeEngine([[Prefill(4, 10), reading, Text("x"), answering, Done("stop", stats)]], demo=True)
    larimar = make_app(engine)
    status = larimar.window.status
    assert status.model_button.text() == "Fake 1B"
    assert status.badge.isVisible()
    assert status.provider_label.text() == "CPU"
    type_and_send(qtbot, larimar, "hi")
    qtbot.waitUntil(lambda: status.state_label.text() == "Reading … 40 %")
    waiting = larimar.window.chat.view.layout_of(1).pieces[0].label
    assert waiting == "Reading … 40 %"
    reading.set()
    qtbot.waitUntil(lambda: status.state_label.text() == "Answering …")
    answering.set()
    qtbot.waitUntil(lambda: status.state_label.text() == "Ready")


def test_an_error_in_a_reply_is_said_in_the_conversation(qtbot: QtBot, make_app: MakeApp) -> None:
    sentence = "The conversation is longer than the model can read; begin a new chat."
    engine = FakeEngine([[ContextFullError(sentence)], words("fine again")])
    larimar = make_app(engine)
    type_and_send(qtbot, larimar, "hi")
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    assert shown(larimar, 1) == sentence
    type_and_send(qtbot, larimar, "again")
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY)
    assert shown(larimar, 3) == "fine again"


def test_a_new_chat_forgets_the_old_one_even_while_it_answers(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([[Text("old"), threading.Event()], words("new answer")])
    larimar = make_app(engine)
    chat = larimar.window.chat
    type_and_send(qtbot, larimar, "old question")
    qtbot.waitUntil(lambda: chat.model.messages[-1].text == "old")
    larimar.window.activateWindow()
    qtbot.waitUntil(lambda: larimar.window.isActiveWindow())
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_N, CONTROL)
    qtbot.waitUntil(lambda: chat.model.messages == ())
    assert chat.greeting.isVisible()
    type_and_send(qtbot, larimar, "new question")
    qtbot.waitUntil(lambda: bool(chat.model.messages) and chat.model.messages[-1].status is MessageStatus.COMPLETE)
    assert [message.text for message in chat.model.messages] == ["new question", "new answer"]
    assert engine.tokens[0].cancelled
    assert [turn.text for turn in engine.asked[1][0]] == ["new question"]


def test_the_window_goes_on_living_during_a_long_reply(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([words(" ".join(f"**word** {number}\n\n" for number in range(400)))])
    larimar = make_app(engine)
    beats: list[int] = []
    heart = QTimer()
    heart.setInterval(0)
    seen = larimar.window.chat.model
    heart.timeout.connect(lambda: beats.append(len(seen.messages[-1].text) if seen.messages else 0))
    heart.start()
    type_and_send(qtbot, larimar, "long")
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY, timeout=30_000)
    heart.stop()
    # The heart beat between frames, not only before and after the reply.
    assert len(set(beats)) > 3


def test_links_are_opened_only_after_the_address_was_shown(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("[x](https://example.org/a?b=1) y")]))
    chat = larimar.window.chat
    opened: list[QUrl] = []
    questions: list[str] = []
    answers = [False, True]
    chat.open_link = opened.append

    def confirm(question: str, address: str) -> bool:
        questions.append(address)
        return answers[len(questions) - 1]

    chat.confirm = confirm
    type_and_send(qtbot, larimar, "link")
    wait_ready(qtbot, larimar)
    piece = chat.view.layout_of(1).pieces[0]
    at = chat.view.visualRect(chat.model.index(1)).topLeft() + piece.origin.toPoint()
    at.setX(at.x() + 3)
    at.setY(at.y() + 8)
    qtbot.mouseClick(chat.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert opened == []
    qtbot.mouseClick(chat.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert questions == ["https://example.org/a?b=1"] * 2
    assert [url.toString() for url in opened] == ["https://example.org/a?b=1"]
    for address in ("file:///etc/passwd", "javascript:alert(1)", "smb://host"):
        chat.view.link_activated.emit(address)
    assert len(questions) == 2
    answers += [False, False]
    chat.view.link_activated.emit("https://bank.example@evil.example/login")
    assert questions[2].endswith("\nThis address leads to evil.example.")
    chat.view.link_activated.emit(f"https://example.org/{'a' * 100_000}z")
    assert len(questions[3]) < 700
    assert questions[3].endswith("az")


def test_copying(qtbot: QtBot, make_app: MakeApp) -> None:
    answer = "Some *text*.\n\n```python\nprint(1)\n```"
    larimar = make_app(FakeEngine([[Text(answer)]]))
    chat, clipboard = larimar.window.chat, QGuiApplication.clipboard()
    type_and_send(qtbot, larimar, "code")
    wait_ready(qtbot, larimar)
    buttons = {button.action: button for button in chat.view.layout_of(1).buttons}
    top = chat.view.visualRect(chat.model.index(1)).topLeft()
    for action, expected in ((Action.COPY_CODE, "print(1)"), (Action.COPY_MESSAGE, answer)):
        clipboard.clear()
        at = top + buttons[action].rect.center().toPoint()
        qtbot.mouseClick(chat.view.viewport(), Qt.MouseButton.LeftButton, pos=at)
        assert clipboard.text() == expected
    menu = chat.view.message_menu(1)
    names = [entry.text() for entry in menu.actions()]
    assert names == ["Copy message", "Copy code: print(1)", "Ask for another reply"]
    clipboard.clear()
    menu.actions()[0].trigger()
    assert clipboard.text() == answer
    menu.deleteLater()
