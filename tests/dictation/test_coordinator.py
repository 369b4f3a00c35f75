"""Between keys, listener and inserter, with all three played by the test."""

from __future__ import annotations

import math

import pytest
from fakes.listener import FakeListener
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.devices.text_inserter import Insertion, TextInserter
from app.dictation.coordinator import KEPT_TEXTS, Coordinator
from app.dictation.machine import LONGEST, RELEASE_GRACE, SILENT_AT_MOST, State
from app.hearing.listener import ListeningOptions


class FakeInserter(TextInserter):
    """Holds each insertion until the test ends it."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[Insertion] = []
        self.texts: list[str] = []
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    def insert(self, text: str) -> Insertion:
        insertion = self._next(text)
        self.open.append(insertion)
        self.texts.append(text)
        return insertion

    def end(self, how: str) -> None:
        if self.open:
            insertion = self.open.pop(0)
            if how == "inserted":
                self.inserted.emit(insertion)
                self.restored.emit(insertion, "")
            else:
                getattr(self, how).emit(insertion, "A sentence.")


class Bench:
    """A coordinator with everything around it, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.listener = FakeListener()
        self.inserter = FakeInserter()
        options = ListeningOptions(language="German")
        self.coordinator = Coordinator(self.listener, self.inserter, lambda: options, clock=lambda: self.now)
        self.said: list[tuple[str, str]] = []
        self.partials: list[str] = []
        self.states: list[State] = []
        self.coordinator.said.connect(lambda sentence, kind: self.said.append((kind, sentence)))
        self.coordinator.partial.connect(self.partials.append)
        self.coordinator.state_changed.connect(self.states.append)

    def pass_time(self, seconds: float) -> None:
        """Let the time pass, with everything that is due in it."""
        end = self.now + seconds
        while (due := self.coordinator._machine.due) <= end:
            self.now = max(self.now, due)
            self.coordinator._timer.timeout.emit()
        self.now = end

    def dictate(self, text: str) -> None:
        self.pass_time(2.0)
        self.coordinator.press()
        self.pass_time(1.0)
        self.coordinator.release()
        self.pass_time(RELEASE_GRACE)
        self.listener.finish(text)


@pytest.fixture
def bench(qapp: object) -> Bench:
    return Bench()


def test_from_the_key_to_the_text(bench: Bench) -> None:
    bench.coordinator.press()
    assert bench.coordinator.state is State.RECORDING
    assert bench.listener.options == [ListeningOptions(language="German")]
    assert bench.inserter.prepared == 1
    bench.listener.say("The first sentence.")
    bench.listener.partial.emit("the sec")
    bench.coordinator.release()
    bench.pass_time(RELEASE_GRACE)
    assert bench.listener.state == "processing"
    bench.listener.finish("The first sentence. The second.")
    assert bench.inserter.texts == ["The first sentence. The second. "]
    assert bench.coordinator.state is State.PROCESSING
    bench.inserter.end("inserted")
    assert bench.states == [State.RECORDING, State.PROCESSING, State.IDLE]
    assert bench.partials == ["The first sentence.", "The first sentence.", "The first sentence. the sec"]
    assert bench.said == []


def test_the_trailing_space_is_a_choice(bench: Bench) -> None:
    bench.coordinator.configure("hold", trailing_space=False)
    bench.dictate(" text\n")
    assert bench.inserter.texts == ["text"]


def test_silence_inserts_nothing_and_says_so(bench: Bench) -> None:
    bench.dictate("  ")
    assert bench.inserter.texts == []
    assert bench.said == [("note", "No words were heard.")]
    assert bench.coordinator.state is State.IDLE


def test_what_was_said_before_the_microphone_went_is_inserted(bench: Bench) -> None:
    bench.coordinator.press()
    bench.listener.say("Before.")
    bench.listener.fail("The microphone is gone.")
    assert bench.coordinator.state is State.PROCESSING
    bench.listener.finish("Before.")
    assert bench.inserter.texts == ["Before. "]
    bench.inserter.end("inserted")
    assert bench.said == [("problem", "The microphone is gone.")]
    bench.coordinator.release()
    bench.dictate("next")
    assert bench.inserter.texts[-1] == "next "


def test_a_model_that_does_not_hear_says_so(bench: Bench) -> None:
    bench.coordinator.press()
    bench.listener.fail("This model does not understand sound.")
    bench.listener.finish("")
    assert bench.said == [("problem", "This model does not understand sound.")]
    assert bench.coordinator.state is State.IDLE


@pytest.mark.parametrize("how", ["kept", "failed"])
def test_what_could_not_be_inserted_is_kept(bench: Bench, how: str) -> None:
    bench.dictate("important")
    bench.inserter.end(how)
    assert bench.coordinator.state is State.IDLE
    assert bench.said[-1][1] == "A sentence."
    bench.coordinator.paste_last()
    assert bench.inserter.texts == ["important ", "important "]
    bench.inserter.end("inserted")
    assert bench.coordinator.state is State.IDLE


def test_an_inserter_that_fails_at_once_does_not_wedge_it(qapp: object) -> None:
    listener = FakeListener()
    coordinator = Coordinator(listener, TextInserter(), ListeningOptions)
    said: list[str] = []
    coordinator.said.connect(lambda sentence, _: said.append(sentence))
    for _ in range(2):
        coordinator.toggle()
        coordinator.toggle()
        listener.finish("text")
        assert coordinator.state is State.IDLE
    assert len(said) == 2
    assert list(coordinator.texts) == ["text", "text"]


def test_the_last_texts_stay_in_memory(bench: Bench) -> None:
    bench.coordinator.paste_last()
    assert bench.said[0][0] == "note"
    for number in range(KEPT_TEXTS + 5):
        bench.dictate(f"text {number}")
        bench.inserter.end("inserted")
    assert len(bench.coordinator.texts) == KEPT_TEXTS
    assert bench.coordinator.texts[-1] == f"text {KEPT_TEXTS + 4}"


def test_cancelling_forgets_what_was_said(bench: Bench) -> None:
    bench.coordinator.press()
    bench.listener.say("secret")
    bench.coordinator.cancel()
    assert bench.listener.cancelled == 1
    assert bench.coordinator.state is State.IDLE
    assert list(bench.coordinator.texts) == []
    bench.coordinator.release()
    bench.dictate("next")
    assert bench.inserter.texts == ["next "]


def test_a_listener_that_is_still_busy_is_waited_for(bench: Bench) -> None:
    bench.listener.refuses = True
    bench.coordinator.press()
    assert bench.coordinator.state is State.IDLE
    assert bench.said[0][0] == "note"


def test_a_text_that_never_comes_is_given_up_and_what_there_is_kept(bench: Bench) -> None:
    bench.coordinator.press()
    bench.listener.say("the beginning")
    bench.coordinator.release()
    bench.pass_time(SILENT_AT_MOST + 1)
    assert bench.coordinator.state is State.IDLE
    assert bench.listener.state == "idle"
    assert bench.said[0][0] == "problem"
    assert list(bench.coordinator.texts) == ["the beginning"]


EVENT = st.sampled_from(
    (
        *("press", "release", "press", "release", "toggle", "begin", "end", "cancel", "paste_last", "undo"),
        *("say", "finish", "finish empty", "fail", "inserted", "kept", "failed", "refuse", "accept"),
    )
)
STEP = st.sampled_from([0.0, 0.0, 0.01, 0.04, 0.06, 0.5, 1.5, 130.0, 700.0])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["hold", "toggle"]), st.lists(st.tuples(EVENT, STEP), max_size=40))
def test_no_order_of_events_wedges_it(qapp: object, mode: str, events: list[tuple[str, float]]) -> None:
    bench = Bench()  # whose listener fails when two recordings overlap
    bench.coordinator.configure(mode, trailing_space=True)  # type: ignore[arg-type]
    for event, step in events:
        match event:
            case "say":
                bench.listener.say("words")
            case "finish":
                bench.listener.finish("words")
            case "finish empty":
                bench.listener.finish("")
            case "fail":
                bench.listener.fail("A sentence.")
            case "inserted" | "kept" | "failed":
                bench.inserter.end(event)
            case "refuse" | "accept":
                bench.listener.refuses = event == "refuse"
            case _:
                getattr(bench.coordinator, event)()
        bench.pass_time(step)
        recording = bench.coordinator.state is State.RECORDING
        assert recording == (bench.listener.state == "recording")
        assert bench.coordinator._timer.isActive() == (bench.coordinator.state is not State.IDLE)
    bench.coordinator.release()
    bench.pass_time(LONGEST + SILENT_AT_MOST + 1)
    assert bench.coordinator.state is State.IDLE
    assert bench.listener.state == "idle"
    assert math.isinf(bench.coordinator._machine.due)
    bench.listener.refuses = False
    inserted = len(bench.inserter.texts)
    bench.coordinator.configure("hold", trailing_space=True)
    bench.dictate("as ever")
    assert bench.inserter.texts[inserted:] == ["as ever "]
