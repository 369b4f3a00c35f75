"""The path of a conversation as a Qt model."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QModelIndex, Qt
from pytestqt.modeltest import ModelTester
from pytestqt.qtbot import QtBot

from app.chat.model import ChatModel, MessageRole
from app.conversation import Message, MessageStatus, Page
from inference.messages import Audio, Image, Text


def said(role: str, text: str, parent: str | None = None) -> Message:
    return Message(role, (Text(text),), parent)  # type: ignore[arg-type]


def texts(model: ChatModel) -> list[str]:
    return [message.text for message in model.messages]


def test_keeps_the_rules_of_qt_models(qtmodeltester: ModelTester, qtbot: QtBot) -> None:
    model = ChatModel()
    qtmodeltester.check(model)
    old = [said("user", str(number)) for number in range(4)]
    model.show_page(Page(tuple(old[2:]), earlier=True))
    model.prepend(Page(tuple(old[:2])))
    model.append(said("user", "new"))
    qtmodeltester.check(model)
    assert texts(model) == ["0", "1", "2", "3", "new"]
    model.cut(3)
    model.switch_to(Page((old[0], old[1], said("user", "branch"), said("assistant", "A"))))
    assert texts(model) == ["0", "1", "branch", "A"]
    model.clear()
    qtmodeltester.check(model)
    assert model.last is None


def test_another_branch_leaves_the_rows_that_both_share(qtbot: QtBot) -> None:
    model = ChatModel()
    one, two, three = said("user", "1"), said("assistant", "2"), said("user", "3")
    model.show_page(Page((one, two, three)))
    before = model.shown[0]
    other = said("assistant", "2b")
    with qtbot.assertNotEmitted(model.modelReset):
        model.switch_to(Page((one, other), {other.id: (two.id, other.id)}))
    assert model.shown[0] is before
    assert texts(model) == ["1", "2b"]
    assert (model.shown[1].branch, len(model.shown[1].siblings)) == (1, 2)
    with qtbot.waitSignal(model.modelReset):
        model.switch_to(Page((said("user", "elsewhere"),)))


def test_a_growing_reply_changes_its_row_only(qtbot: QtBot) -> None:
    model = ChatModel()
    question, reply = said("user", "Q"), Message("assistant", status=MessageStatus.STREAMING)
    model.append(question)
    model.append(reply)
    assert model.shown[1].waiting
    with qtbot.waitSignal(model.dataChanged) as changed:
        model.replace(reply, (4, 10))
    assert changed.args is not None
    assert changed.args[0].row() == 1
    assert model.shown[1].prefill == (4, 10)
    model.replace(reply.extended(Text("A")))
    assert not model.shown[1].waiting
    assert model.shown[1].prefill == (4, 10)
    with qtbot.assertNotEmitted(model.dataChanged):
        model.replace(said("assistant", "of another conversation"))


def test_what_a_screen_reader_says(qtbot: QtBot) -> None:
    model = ChatModel()
    model.append(Message("user", (Image(b""), Audio(b""), Text("Q"))))
    reply = Message("assistant", status=MessageStatus.STREAMING)
    model.append(reply, ("other", reply.id))

    def spoken(row: int) -> str:
        return str(model.data(model.index(row), Qt.ItemDataRole.AccessibleTextRole))

    assert spoken(0) == "You: (attached: picture, recording) Q"
    assert spoken(1) == "Larimar: no answer yet (version 2 of 2)"
    model.replace(replace(reply.extended(Text("half")), status=MessageStatus.STOPPED))
    assert spoken(1) == "Larimar: half (stopped) (version 2 of 2)"
    model.replace(replace(reply, status=MessageStatus.FAILED, error="It broke."))
    assert "It broke." in spoken(1)


def test_answers_to_nonsense(qtbot: QtBot) -> None:
    model = ChatModel()
    assert model.data(QModelIndex(), MessageRole.MESSAGE) is None
    model.append(said("user", "Q"))
    assert model.data(model.index(0), Qt.ItemDataRole.EditRole) is None
    assert model.rowCount(model.index(0)) == 0
    model.cut(7)
    assert model.rowCount() == 1
