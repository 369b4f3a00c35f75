"""The conversation as a Qt model."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QModelIndex, Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from app.chat.message import MessageState
from app.chat.model import ChatModel, MessageRole
from app.session import Frame
from inference.messages import Done, FinishReason, Prefill, ReplyStats, Turn


def done(reason: FinishReason = "stop") -> Frame:
    return Frame(1, done=Done(reason, ReplyStats(generated_tokens=3)))


def answered(model: ChatModel, question: str, answer: str, last: Frame) -> None:
    model.ask(question)
    model.begin_reply()
    model.apply(Frame(1, text=answer))
    model.apply(last)


def test_keeps_the_rules_of_qt_models(qtmodeltester: ModelTester, qtbot: QtBot) -> None:
    model = ChatModel()
    qtmodeltester.check(model)
    answered(model, "Q", "A", done())
    answered(model, "Q2", "A2", done("cancelled"))
    qtmodeltester.check(model)
    model.clear()
    qtmodeltester.check(model)


def test_frames_fill_the_reply(qtbot: QtBot) -> None:
    model = ChatModel()
    model.ask("Q")
    model.begin_reply()
    assert model.messages[1].state is MessageState.WAITING
    model.apply(Frame(1, prefill=Prefill(4, 10)))
    assert model.messages[1].prefill == (4, 10)
    assert model.messages[1].state is MessageState.WAITING
    model.apply(Frame(1, thought="hm"))
    assert model.messages[1].state is MessageState.STREAMING
    assert model.messages[1].thought_seconds is None
    with qtbot.waitSignal(model.dataChanged) as changed:
        model.apply(Frame(1, text="A"))
    assert changed.args is not None
    assert changed.args[0].row() == 1
    assert model.messages[1].thought_seconds is not None
    model.apply(Frame(1, text="B"))
    model.apply(done())
    message = model.messages[1]
    assert (message.text, message.thought, message.state) == ("AB", "hm", MessageState.DONE)
    assert message.stats == ReplyStats(generated_tokens=3)


def test_only_the_reply_changes_its_version(qtbot: QtBot) -> None:
    model = ChatModel()
    answered(model, "Q", "A", done())
    before = model.messages
    model.ask("Q2")
    model.begin_reply()
    model.apply(Frame(1, text="x"))
    assert model.messages[:2] == before
    assert model.messages[3].version == 1


@pytest.mark.parametrize(
    ("reason", "state"),
    [
        ("stop", MessageState.DONE),
        ("tool_calls", MessageState.DONE),
        ("cancelled", MessageState.STOPPED),
        ("length", MessageState.CUT),
        ("context", MessageState.CUT),
    ],
)
def test_every_reason_has_a_state(reason: FinishReason, state: MessageState) -> None:
    model = ChatModel()
    answered(model, "Q", "A", done(reason))
    assert model.messages[1].state is state


def test_what_the_model_is_told(qtbot: QtBot) -> None:
    model = ChatModel()
    answered(model, "Q1", "A1", done())
    answered(model, "Q2", "half", done("cancelled"))
    answered(model, "Q3", "", Frame(1, error="No."))
    answered(model, "Q4", "", done("cancelled"))
    model.ask("Q5")
    texts = [(turn.role, turn.text) for turn in model.turns()]
    assert texts == [
        ("user", "Q1"),
        ("assistant", "A1"),
        ("user", "Q2"),
        ("assistant", "half"),
        ("user", "Q5"),
    ]


def test_thoughts_are_not_told_again() -> None:
    model = ChatModel()
    model.ask("Q")
    model.begin_reply()
    model.apply(Frame(1, thought="secret plan", text="A"))
    model.apply(done())
    assert model.turns()[1] == Turn.of("assistant", "A")


def test_frames_after_the_end_change_nothing() -> None:
    model = ChatModel()
    answered(model, "Q", "A", done())
    before = model.messages
    model.apply(Frame(1, text="late"))
    assert model.messages == before
    ChatModel().apply(Frame(1, text="nobody asked"))


def test_a_screen_reader_hears_who_said_what() -> None:
    model = ChatModel()
    answered(model, "Q", "A", done("cancelled"))
    spoken = [model.index(row).data(Qt.ItemDataRole.AccessibleTextRole) for row in range(2)]
    assert spoken == ["You: Q", "Larimar: A (stopped)"]
    assert model.index(0).data(Qt.ItemDataRole.DisplayRole) == "Q"
    assert model.index(1).data(MessageRole.MESSAGE) is model.messages[1]
    assert model.data(QModelIndex()) is None
