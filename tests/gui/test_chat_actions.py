"""What can be done with a message: with the pointer, with the keyboard, and through its menu."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fakes.engine import FakeEngine, words
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from app.application import Larimar
from app.chat.footer import stats_words
from app.chat.layout import Action, PieceKind
from app.chat.pane import ChatPane
from app.chat.system_prompt_dialog import SystemPromptDialog, presets
from app.devices.speaker import Speaker
from app.session import SessionState
from app.voice.spoken import spoken_text
from inference.messages import Done, Image, ReplyStats, Text, ToolCall

MakeApp = Callable[..., Larimar]
ENTER = Qt.Key.Key_Return


class Voice(Speaker):
    """Remembers what it was to say."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.stops = 0

    available = True  # type: ignore[assignment]

    def say(self, text: str) -> None:
        self.said.append(text)

    def stop(self) -> None:
        self.stops += 1


@pytest.fixture
def voice() -> Voice:
    return Voice()


def ask(qtbot: QtBot, larimar: Larimar, text: str) -> None:
    chat = larimar.window.chat
    chat.composer.edit.setPlainText(text)
    qtbot.keyClick(chat.composer.edit, ENTER)
    done(qtbot, larimar)


def done(qtbot: QtBot, larimar: Larimar) -> None:
    chat = larimar.window.chat
    qtbot.waitUntil(lambda: larimar.session.state is SessionState.READY and not chat.controller.busy)


def place_of(chat: ChatPane, row: int, action: Action) -> QPoint:
    button = next(button for button in chat.view.layout_of(row).buttons if button.action is action)
    return chat.view.visualRect(chat.model.index(row)).topLeft() + button.rect.center().toPoint()


def click(qtbot: QtBot, chat: ChatPane, row: int, action: Action) -> None:
    qtbot.mouseClick(chat.view.viewport(), Qt.MouseButton.LeftButton, pos=place_of(chat, row, action))


def texts(chat: ChatPane) -> list[str]:
    return [message.text for message in chat.model.messages]


def shows(qtbot: QtBot, chat: ChatPane, expected: list[str]) -> None:
    """Wait until the branch with these texts is shown; the store reads it on another thread."""
    qtbot.waitUntil(lambda: texts(chat) == expected)


def labels(chat: ChatPane, row: int, kind: PieceKind) -> list[str]:
    return [piece.label for piece in chat.view.layout_of(row).pieces if piece.kind is kind]


def test_a_question_is_edited_and_both_branches_stay(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([words("one"), words("two")])
    larimar = make_app(engine)
    chat = larimar.window.chat
    ask(qtbot, larimar, "first")
    chat.composer.edit.setPlainText("a draft")
    click(qtbot, chat, 0, Action.EDIT)
    assert chat.composer.text == "first"
    assert chat.composer.edit_banner.isVisible()
    chat.composer.edit.setPlainText("better")
    qtbot.keyClick(chat.composer.edit, ENTER)
    done(qtbot, larimar)
    shows(qtbot, chat, ["better", "two"])
    assert chat.composer.text == "a draft"
    assert not chat.composer.edit_banner.isVisible()
    assert labels(chat, 0, PieceKind.BRANCH) == ["2/2"]
    click(qtbot, chat, 0, Action.PREVIOUS_BRANCH)
    shows(qtbot, chat, ["first", "one"])
    assert labels(chat, 0, PieceKind.BRANCH) == ["1/2"]
    click(qtbot, chat, 0, Action.PREVIOUS_BRANCH)  # there is none
    shows(qtbot, chat, ["first", "one"])
    click(qtbot, chat, 0, Action.NEXT_BRANCH)
    shows(qtbot, chat, ["better", "two"])


def test_editing_is_given_up_with_escape(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([words("one")])
    larimar = make_app(engine)
    chat = larimar.window.chat
    ask(qtbot, larimar, "first")
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Up)
    assert chat.composer.editing == chat.model.messages[0].id
    assert chat.composer.text == "first"
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Escape)
    assert chat.composer.editing == ""
    assert chat.composer.text == ""
    assert len(engine.asked) == 1


def test_attachments_are_there_again_when_a_question_is_edited(qtbot: QtBot, make_app: MakeApp, tmp_path: Path) -> None:
    from gui import sample_media

    picture = sample_media.photograph(tmp_path / "a.jpg")
    engine = FakeEngine([words("one"), words("two")], modalities=frozenset({"image"}))
    larimar = make_app(engine)
    chat = larimar.window.chat
    chat.composer.add_files([picture])
    qtbot.waitUntil(lambda: len(chat.attachments.items) == 1 and not chat.attachments.pending)
    ask(qtbot, larimar, "what?")
    click(qtbot, chat, 0, Action.EDIT)
    qtbot.waitUntil(lambda: len(chat.attachments.items) == 1 and not chat.attachments.pending)
    chat.composer.edit.setPlainText("where?")
    qtbot.keyClick(chat.composer.edit, ENTER)
    done(qtbot, larimar)
    assert engine.asked[1][0][0].parts == (Image(picture, 280), Text("where?"))


def test_another_reply_is_asked_for(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("one"), words("two")]))
    chat = larimar.window.chat
    ask(qtbot, larimar, "Q")
    click(qtbot, chat, 1, Action.REGENERATE)
    done(qtbot, larimar)
    shows(qtbot, chat, ["Q", "two"])
    assert labels(chat, 1, PieceKind.BRANCH) == ["2/2"]


def test_everything_by_keyboard(qtbot: QtBot, make_app: MakeApp, voice: Voice) -> None:
    larimar = make_app(FakeEngine([words("one"), words("two")]), speaker=voice)
    window, chat = larimar.window, larimar.window.chat
    ask(qtbot, larimar, "Q")
    window.activateWindow()
    chat.view.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(chat.view.hasFocus)
    view, control, alt = chat.view, Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.AltModifier
    assert view.currentIndex().row() == 1
    qtbot.keyClick(view, Qt.Key.Key_R, control)
    done(qtbot, larimar)
    shows(qtbot, chat, ["Q", "two"])
    view.setCurrentIndex(chat.model.index(1))
    qtbot.keyClick(view, Qt.Key.Key_Left, alt)
    shows(qtbot, chat, ["Q", "one"])
    view.setCurrentIndex(chat.model.index(1))
    qtbot.keyClick(view, Qt.Key.Key_Right, alt)
    shows(qtbot, chat, ["Q", "two"])
    view.setCurrentIndex(chat.model.index(1))
    qtbot.keyClick(view, Qt.Key.Key_L, control)
    assert voice.said == ["two"]
    qtbot.keyClick(view, Qt.Key.Key_Up)
    qtbot.keyClick(view, Qt.Key.Key_F2)
    assert chat.composer.editing == chat.model.messages[0].id
    view.grab()


def test_the_menu_offers_the_same(qtbot: QtBot, make_app: MakeApp, voice: Voice) -> None:
    larimar = make_app(FakeEngine([words("one"), words("two")]), speaker=voice)
    chat = larimar.window.chat
    ask(qtbot, larimar, "Q")
    chat.view.regenerate_requested.emit(chat.model.messages[1].id)
    done(qtbot, larimar)
    menu = chat.view.message_menu(1)
    names = [action.text() for action in menu.actions()]
    assert names == ["Copy message", "Previous version", "Next version", "Ask for another reply", "Read aloud"]
    enabled = {action.text(): action.isEnabled() for action in menu.actions()}
    assert enabled["Previous version"]
    assert not enabled["Next version"]
    menu.actions()[1].trigger()
    shows(qtbot, chat, ["Q", "one"])
    menu.deleteLater()
    question = chat.view.message_menu(0)
    assert [action.text() for action in question.actions()] == ["Copy message", "Edit"]
    question.deleteLater()


def test_a_reply_is_read_aloud_until_escape(qtbot: QtBot, make_app: MakeApp, voice: Voice) -> None:
    larimar = make_app(FakeEngine([words("It is **nine**.")]), speaker=voice)
    chat = larimar.window.chat
    ask(qtbot, larimar, "Q")
    click(qtbot, chat, 1, Action.READ_ALOUD)
    assert voice.said == ["It is nine."]
    assert chat.view._delegate.read_aloud == chat.model.messages[1].id
    chat.view.grab()
    before = voice.stops
    qtbot.keyClick(chat.composer.edit, Qt.Key.Key_Escape)
    assert voice.stops == before + 1
    assert chat.view._delegate.read_aloud == ""
    click(qtbot, chat, 1, Action.READ_ALOUD)
    voice.finished.emit()
    assert chat.view._delegate.read_aloud == ""


def test_without_a_voice_nothing_is_offered(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("one")]))
    ask(qtbot, larimar, "Q")
    actions = [button.action for button in larimar.window.chat.view.layout_of(1).buttons]
    assert Action.READ_ALOUD not in actions


def test_what_is_read_aloud() -> None:
    markdown = "# Title\n\nA [link](https://x.org) and `code`.\n\n```python\nprint(1)\n```\n\n- one\n- two"
    assert spoken_text(markdown).splitlines() == ["Title", "A link and code.", "(code)", "one", "two"]


def test_tool_calls_stand_where_they_were_made(qtbot: QtBot, make_app: MakeApp) -> None:
    call = ToolCall("clock", {"zone": "Europe/Berlin"})
    larimar = make_app(FakeEngine([[Text("Let me look."), call, Text("It is nine.")]]))
    chat = larimar.window.chat
    ask(qtbot, larimar, "Q")
    layout = chat.view.layout_of(1)
    shown = [(piece.kind, piece.document.toPlainText()) for piece in layout.pieces if piece.document]
    assert [kind for kind, _ in shown] == [PieceKind.PROSE, PieceKind.CODE, PieceKind.PROSE]
    assert shown[1][1] == '{\n  "zone": "Europe/Berlin"\n}'
    assert labels(chat, 1, PieceKind.CODE) == ["Tool call: clock"]


def test_the_line_under_a_reply_says_what_it_cost(qtbot: QtBot, make_app: MakeApp) -> None:
    stats = ReplyStats(200, 0, 41, 0.5, 2.0, 20, 15, context_length=4096)
    larimar = make_app(FakeEngine([[Text("A"), Done("length", stats)]]))
    chat = larimar.window.chat
    ask(qtbot, larimar, "Q")
    (note,) = labels(chat, 1, PieceKind.NOTE)
    assert note.split("  ·  ") == [
        "Cut off: no more room for this reply",
        "20 tokens/s",
        "first token 0.50 s",
        "75 % of drafts accepted",
        "241 of 4,096 tokens of context",
    ]


def test_messages_that_no_longer_fit_are_counted() -> None:
    stats = ReplyStats(100, 0, 2, 0.5, 1.0, context_length=128, dropped_turns=3)
    assert stats_words(stats)[-1] == "the 3 oldest messages no longer fit"
    assert stats_words(replace(stats, dropped_turns=1))[-1] == "the oldest message no longer fits"
    assert stats_words(ReplyStats()) == []


@pytest.mark.qt_log_ignore("This plugin does not support raise")
def test_buttons_without_words_have_tool_tips(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("one")]))
    chat = larimar.window.chat
    ask(qtbot, larimar, "Q")
    at = place_of(chat, 1, Action.REGENERATE)
    viewport = chat.view.viewport()
    QApplication.sendEvent(viewport, QHelpEvent(QEvent.Type.ToolTip, at, viewport.mapToGlobal(at)))
    assert QToolTip.text() == "Ask for another reply"
    QToolTip.hideText()


def test_the_system_prompt_of_a_conversation(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([words("ok")])
    larimar = make_app(engine)
    chat = larimar.window.chat
    asked: list[str] = []
    chat.ask_prompt = lambda prompt: (asked.append(prompt), "Rhyme.")[1]
    qtbot.mouseClick(chat.header.prompt_button, Qt.MouseButton.LeftButton)
    assert asked == [""]
    assert chat.header.prompt_button.accessibleName() == "System prompt: set"
    ask(qtbot, larimar, "Q")
    assert [turn.text for turn in engine.asked[0][0]] == ["Rhyme.", "Q"]
    chat.ask_prompt = lambda prompt: None
    qtbot.mouseClick(chat.header.prompt_button, Qt.MouseButton.LeftButton)
    assert chat.controller.conversation.system_prompt == "Rhyme."


def test_presets_fill_the_system_prompt(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine())
    dialog = SystemPromptDialog("", larimar.theme, larimar.window)
    for action, (name, prompt) in zip(dialog.preset.menu().actions(), presets(), strict=True):
        action.trigger()
        assert (action.text(), dialog.prompt) == (name, prompt)
    dialog.deleteLater()


def test_the_title_is_the_first_question(qtbot: QtBot, make_app: MakeApp) -> None:
    larimar = make_app(FakeEngine([words("ok")]))
    chat = larimar.window.chat
    assert chat.header.title == "New chat"
    ask(qtbot, larimar, "What is\nnew?")
    assert chat.header.title == "What is new?"
    chat.new_chat()
    assert chat.header.title == "New chat"


def test_a_reply_elsewhere_does_not_keep_from_asking(qtbot: QtBot, make_app: MakeApp) -> None:
    engine = FakeEngine([[Text("old"), threading.Event()], words("new")])
    larimar = make_app(engine)
    chat = larimar.window.chat
    chat.ask("first")
    qtbot.waitUntil(lambda: texts(chat) == ["first", "old"])
    assert chat.composer.button.accessibleName() == "Stop"
    chat.new_chat()
    assert chat.composer.button.accessibleName() == "Send"
    ask(qtbot, larimar, "second")
    shows(qtbot, chat, ["second", "new"])
    assert engine.tokens[0].cancelled
