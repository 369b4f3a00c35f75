"""Asking, editing, asking again, branches, and what reaches the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future

import pytest
from fakes.engine import FakeEngine, words
from pytestqt.qtbot import QtBot

from app.background import Background
from app.chat.controller import ConversationController
from app.chat.model import ChatModel
from app.conversation import PAGE, Conversation, Message, MessageStatus
from app.conversation_memory import MemoryStore
from app.session import Session, SessionState
from inference.errors import ContextFullError, DiskSpaceError
from inference.messages import ReplyOptions, Text, Thought, ToolCall

MakeSession = Callable[..., Session]
OPTIONS = ReplyOptions()


class Place:
    """A controller with everything around it."""

    def __init__(self, session: Session, store: MemoryStore | None = None) -> None:
        self.session = session
        self.store = store or MemoryStore()
        self.model = ChatModel()
        self.background = Background()
        self.controller = ConversationController(session, self.store, self.model, self.background)

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.model.messages]

    def ask(self, qtbot: QtBot, text: str) -> Message:
        assert self.controller.ask((Text(text),), OPTIONS)
        return self.answered(qtbot)

    def answered(self, qtbot: QtBot) -> Message:
        qtbot.waitUntil(lambda: self.session.state is SessionState.READY)
        last = self.model.last
        assert last is not None
        return last

    def stored(self) -> list[str]:
        path = self.store.path(self.controller.conversation.id).result()
        return [message.text for message in path]


@pytest.fixture
def place(make_session: MakeSession) -> Callable[..., Place]:
    return lambda engine, store=None: Place(make_session(engine), store)


def test_what_is_said_is_stored_with_its_title(qtbot: QtBot, place: Callable[..., Place]) -> None:
    here = place(FakeEngine([[Thought("hm"), Text("A"), ToolCall("clock", {"zone": "UTC"})]]))
    answer = here.ask(qtbot, "What time is it?")
    assert answer.status is MessageStatus.COMPLETE
    assert answer.finish_reason == "stop"
    assert answer.model == "Fake 1B"
    assert answer.thought_seconds is not None
    assert answer.stats is not None
    assert here.controller.conversation.title == "What time is it?"
    assert here.store.path(here.controller.conversation.id).result() == here.model.messages
    assert not here.controller.busy


def test_editing_makes_a_branch_that_can_be_left_again(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("one"), words("two"), words("three"), words("four")])
    here = place(engine)
    here.ask(qtbot, "first")
    here.ask(qtbot, "second")
    question = here.model.messages[2]
    assert here.controller.edit(question.id, (Text("second, better"),), OPTIONS)
    here.answered(qtbot)
    assert here.texts == ["first", "one", "second, better", "three"]
    assert [turn.text for turn in engine.asked[2][0]] == ["first", "one", "second, better"]
    shown = here.model.shown[2]
    assert (shown.branch, len(shown.siblings)) == (1, 2)
    here.controller.show_sibling(shown.id, -1)
    assert here.texts == here.stored() == ["first", "one", "second", "two"]
    here.controller.show_sibling(question.id, -1)  # there is nothing before the first
    assert here.texts[2] == "second"
    here.ask(qtbot, "third")
    assert [turn.text for turn in engine.asked[3][0]] == ["first", "one", "second", "two", "third"]
    here.controller.show_sibling(question.id, 1)
    here.controller.show_sibling(here.model.messages[2].id, -1)
    assert here.texts[-2:] == ["third", "four"], "the newest leaf of a branch is shown again"


def test_asking_again_keeps_the_old_reply(qtbot: QtBot, place: Callable[..., Place]) -> None:
    here = place(FakeEngine([words("one"), words("two"), words("three")]))
    reply = here.ask(qtbot, "Q")
    for _ in range(2):
        assert here.controller.regenerate(here.model.messages[1].id, OPTIONS)
        here.answered(qtbot)
    assert here.texts == ["Q", "three"]
    assert here.model.shown[1].siblings[0] == reply.id
    assert len(here.model.shown[1].siblings) == 3
    assert not here.controller.regenerate(here.model.messages[0].id, OPTIONS), "a question is not a reply"


def test_a_stopped_reply_is_kept(qtbot: QtBot, place: Callable[..., Place]) -> None:
    here = place(FakeEngine([[Text("half"), threading.Event(), Text(" more")]]))
    here.controller.ask((Text("Q"),), OPTIONS)
    qtbot.waitUntil(lambda: here.texts == ["Q", "half"])
    assert here.stored() == ["Q", "half"], "what was said so far is stored at once"
    assert here.controller.busy
    assert not here.controller.ask((Text("another"),), OPTIONS)
    here.controller.stop()
    assert here.answered(qtbot).status is MessageStatus.STOPPED
    assert here.store.path(here.controller.conversation.id).result()[-1].status is MessageStatus.STOPPED


def test_an_error_is_kept_with_its_sentence(qtbot: QtBot, place: Callable[..., Place]) -> None:
    here = place(FakeEngine([[ContextFullError("Too long.")], words("ok")]))
    failed = here.ask(qtbot, "Q")
    assert (failed.status, failed.error) == (MessageStatus.FAILED, "Too long.")
    assert here.controller.regenerate(failed.id, OPTIONS)
    assert here.answered(qtbot).text == "ok"


def test_a_reply_goes_on_while_another_conversation_is_looked_at(qtbot: QtBot, place: Callable[..., Place]) -> None:
    hold = threading.Event()
    here = place(FakeEngine([words("old answer"), [Text("half"), hold, Text(" done")]]))
    here.ask(qtbot, "old")
    old = here.controller.conversation.id
    here.controller.new()
    assert here.texts == []
    here.controller.ask((Text("new"),), OPTIONS)
    new = here.controller.conversation.id
    qtbot.waitUntil(lambda: here.texts == ["new", "half"])
    here.controller.open(old)
    assert here.texts == ["old", "old answer"]
    assert not here.controller.busy
    here.controller.open(new)
    assert here.texts == ["new", "half"]
    assert here.controller.busy
    here.controller.open(old)
    hold.set()
    qtbot.waitUntil(lambda: here.session.state is SessionState.READY)
    here.controller.open(new)
    assert here.texts == ["new", "half done"]


def test_a_question_elsewhere_stops_the_reply_under_way(qtbot: QtBot, place: Callable[..., Place]) -> None:
    here = place(FakeEngine([[Text("half"), threading.Event()], words("second")]))
    here.controller.ask((Text("first"),), OPTIONS)
    first = here.controller.conversation.id
    qtbot.waitUntil(lambda: here.texts == ["first", "half"])
    here.controller.new()
    assert here.ask(qtbot, "other").text == "second"
    reply = here.store.path(first).result()[-1]
    assert (reply.text, reply.status) == ("half", MessageStatus.STOPPED)


def long_conversation(store: MemoryStore, messages: int) -> Conversation:
    conversation = Conversation(title="long", system_prompt="Be brief.")
    store.create(conversation)
    parent: str | None = None
    for number in range(messages):
        role = "assistant" if number % 2 else "user"
        message = Message(role, (Text(str(number)),), parent)  # type: ignore[arg-type]
        store.append(conversation.id, message)
        parent = message.id
    return conversation


def test_a_long_conversation_is_read_in_pages_and_asked_as_a_whole(qtbot: QtBot, place: Callable[..., Place]) -> None:
    store = MemoryStore()
    conversation = long_conversation(store, 2 * PAGE + 50)
    engine = FakeEngine([words("ok")])
    here = place(engine, store)
    here.controller.open(conversation.id)
    assert len(here.model.messages) == PAGE
    assert here.model.earlier
    here.ask(qtbot, "and?")
    assert len(engine.asked[0][0]) == 1 + 2 * PAGE + 50 + 1
    assert engine.asked[0][0][0].role == "system"
    for expected in (2 * PAGE + 2, 2 * PAGE + 52, 2 * PAGE + 52):
        here.controller.load_earlier()
        assert len(here.model.messages) == expected
    assert here.texts[0] == "0"


def test_the_system_prompt_is_told_and_stored(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("ok"), words("ok")])
    here = place(engine)
    here.controller.set_system_prompt("  Rhyme. ")
    here.ask(qtbot, "Q")
    assert [(turn.role, turn.text) for turn in engine.asked[0][0]] == [("system", "Rhyme."), ("user", "Q")]
    here.controller.set_system_prompt("")
    here.controller.rename(" Better ")
    stored = here.store.conversation(here.controller.conversation.id).result()
    assert (stored.system_prompt, stored.title) == ("", "Better")
    here.controller.new()
    assert here.controller.conversation.system_prompt == ""


def test_what_is_certain_is_read_ahead_and_dropped_for_a_question(qtbot: QtBot, place: Callable[..., Place]) -> None:
    engine = FakeEngine([words("ok")], slow_prepare=True)
    here = place(engine)
    here.controller.prepare((Text("half a quest"),), OPTIONS)
    qtbot.waitUntil(lambda: len(engine.prepared) == 1)
    here.controller.prepare((Text("half a question"),), OPTIONS)
    qtbot.waitUntil(lambda: len(engine.prepared) == 2)
    assert engine.prepared[0][1].cancelled
    assert engine.prepared[1][0][-1].text == "half a question"
    here.ask(qtbot, "half a question, whole now")
    assert engine.prepared[1][1].cancelled
    assert engine.prepared_to_the_end == 0
    assert len(engine.asked) == 1


def test_an_engine_that_cannot_read_ahead_is_left_alone(qtbot: QtBot, place: Callable[..., Place]) -> None:
    class Plain(FakeEngine):
        prepare = None  # type: ignore[assignment]

    here = place(Plain([words("ok")]))
    here.controller.prepare((Text("Q"),), OPTIONS)
    assert here.ask(qtbot, "Q").text == "ok"


class FullDisk(MemoryStore):
    def finish(self, message: Message) -> Future[None]:
        failed: Future[None] = Future()
        failed.set_exception(DiskSpaceError("The disk is full."))
        return failed


def test_what_cannot_be_stored_is_said(qtbot: QtBot, place: Callable[..., Place]) -> None:
    here = place(FakeEngine([words("ok")]), FullDisk())
    with qtbot.waitSignal(here.controller.failed) as failed:
        here.ask(qtbot, "Q")
    assert failed.args == ["The disk is full."]
    assert here.texts == ["Q", "ok"], "what was said is still there to be copied"
    with qtbot.waitSignal(here.controller.failed):
        here.controller.open("no such conversation")


class SlowStore(MemoryStore):
    """Ends its reads when it is told to, on another thread, as a store on disk does."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[tuple[Future[object], object]] = []

    def path(self, conversation_id: str) -> Future[tuple[Message, ...]]:
        future: Future[object] = Future()
        self.waiting.append((future, super().path(conversation_id).result()))
        return future  # type: ignore[return-value]

    def deliver(self) -> None:
        for future, value in self.waiting:
            thread = threading.Thread(target=future.set_result, args=[value])
            thread.start()
            thread.join()


def test_a_slow_store_delays_the_question_but_not_the_window(qtbot: QtBot, place: Callable[..., Place]) -> None:
    store = SlowStore()
    conversation = long_conversation(store, PAGE + 10)
    engine = FakeEngine([words("ok")])
    here = place(engine, store)
    here.controller.open(conversation.id)
    here.controller.ask((Text("and?"),), OPTIONS)
    assert here.controller.busy
    assert here.texts[-2:] == ["and?", ""]
    assert not engine.asked
    store.deliver()
    qtbot.waitUntil(lambda: here.texts[-1] == "ok")
    assert engine.asked[0][0][-1].text == "and?"
    here.answered(qtbot)
    here.controller.ask((Text("stop me"),), OPTIONS)
    here.controller.stop()
    assert here.model.messages[-1].status is MessageStatus.STOPPED
    assert len(engine.asked) == 1
