"""When a dictation begins and ends, whatever the keys do."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dictation.machine import DEBOUNCE, LONGEST, RELEASE_GRACE, REPEAT_GAP, SILENT_AT_MOST, Do, Machine, Mode, State

STEP = st.sampled_from([0.0, 0.01, 0.029, 0.031, 0.049, 0.051, 0.3, 0.99, 1.01, 5.0, 130.0, 700.0])
EVENT = st.sampled_from(["press", "release", "begin", "end", "toggle", "cancel", "alive", "done", "tick"])


def test_hold_to_talk() -> None:
    machine = Machine("hold")
    assert machine.press(0.0) is Do.BEGIN
    assert machine.state is State.RECORDING
    assert machine.release(1.0) is None
    assert machine.due == pytest.approx(1.0 + RELEASE_GRACE)
    assert machine.tick(1.0 + RELEASE_GRACE - 0.001) is None
    assert machine.tick(1.0 + RELEASE_GRACE) is Do.END
    assert machine.state is State.PROCESSING
    machine.done()
    assert machine.state is State.IDLE
    assert machine.due == math.inf


def test_toggle() -> None:
    machine = Machine("toggle")
    assert machine.press(0.0) is Do.BEGIN
    machine.release(0.1)
    assert machine.tick(0.5) is None
    assert machine.press(2.0) is Do.END
    machine.release(2.1)
    assert machine.press(2.5) is None, "the text of the last one is still being made"


def test_a_short_gap_while_holding_does_not_end_it() -> None:
    machine = Machine("hold")
    machine.press(0.0)
    machine.release(1.0)
    assert machine.press(1.0 + RELEASE_GRACE / 2) is None
    assert machine.tick(1.2) is None
    assert machine.state is State.RECORDING


@pytest.mark.parametrize("mode", ["hold", "toggle"])
def test_a_key_that_repeats_as_up_and_down_counts_once(mode: Mode) -> None:
    machine = Machine(mode)
    assert machine.press(0.0) is Do.BEGIN
    for n in range(1, 100):
        assert machine.release(n * 0.033) is None
        assert machine.tick(n * 0.033 + 0.0005) is None
        assert machine.press(n * 0.033 + 0.001) is None
    assert machine.state is State.RECORDING


@pytest.mark.parametrize("mode", ["hold", "toggle"])
def test_a_key_that_repeats_its_press_counts_once(mode: Mode) -> None:
    machine = Machine(mode)
    assert machine.press(0.0) is Do.BEGIN
    assert all(machine.press(0.66 + n * 0.033) is None for n in range(300))
    assert machine.state is State.RECORDING


def test_a_switch_that_bounces_counts_once() -> None:
    machine = Machine("toggle")
    machine.press(0.0)
    machine.release(0.004)
    assert machine.press(DEBOUNCE - 0.001) is None
    machine.release(0.2)
    assert machine.press(1.0) is Do.END


@pytest.mark.parametrize("mode", ["hold", "toggle"])
def test_a_lost_release_is_made_good_by_the_next_press(mode: Mode) -> None:
    machine = Machine(mode)
    machine.press(0.0)
    assert machine.press(REPEAT_GAP + 0.01) is Do.END
    machine.done()
    machine.release(2.5)
    assert machine.press(4.0) is Do.BEGIN


def test_nothing_lasts_for_ever() -> None:
    machine = Machine("hold")
    machine.press(0.0)
    assert machine.tick(machine.due) is Do.END
    assert machine.due == pytest.approx(LONGEST + SILENT_AT_MOST)
    machine.alive(LONGEST + 100.0)
    assert machine.tick(LONGEST + SILENT_AT_MOST) is None, "it is still being worked on"
    assert machine.tick(machine.due) is Do.GIVE_UP
    assert machine.state is State.IDLE


@given(st.sampled_from(["hold", "toggle"]), st.lists(st.tuples(EVENT, STEP), max_size=60))
def test_whatever_happens_it_comes_to_rest(mode: Mode, events: list[tuple[str, float]]) -> None:
    machine = Machine(mode)
    now = 0.0
    recording = wanted = False  # what the listener does, as far as it was told
    for event, step in [*events, ("release", 0.1), ("tick", 1.0), ("tick", LONGEST), ("tick", SILENT_AT_MOST + 1)]:
        now += step
        method = getattr(machine, event)
        what = method() if event == "done" else method(now)
        if what is Do.BEGIN:
            assert not recording
            assert not wanted, "a second one began before the end of the first"
            recording = True
        elif what is Do.END:
            assert recording
            recording, wanted = False, True
        elif what in (Do.DROP, Do.GIVE_UP):
            assert recording or wanted
            recording = wanted = False
        if event == "done":
            recording = wanted = False
        assert machine.state is (State.RECORDING if recording else State.PROCESSING if wanted else State.IDLE)
        assert (machine.due == math.inf) == (machine.state is State.IDLE)
    assert machine.state is State.IDLE
    assert machine.press(now + 2.0) is Do.BEGIN, "the next one begins as ever"
