"""When somebody begins to speak and ends, whatever the blocks that the sound comes in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.graphs.voice_activity import VoiceActivityModel
from inference.media.audio import load_audio
from inference.media.voice_activity import (
    FRAME,
    SpeechBegun,
    SpeechEnded,
    SpeechEvent,
    SpeechFinder,
    SpeechSound,
)

RATE = 16_000


class Scripted:
    """Says for each frame what the test wrote down."""

    def __init__(self, likely: Sequence[float]) -> None:
        self._likely = list(likely)

    def __call__(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        count = len(samples) // FRAME
        now, self._likely = self._likely[:count], self._likely[count:]
        return np.array(now, np.float32)


def run(likely: Sequence[float], blocks: Sequence[int] = (10_000,)) -> list[SpeechEvent]:
    sound = np.arange(len(likely) * FRAME, dtype=np.float32)
    finder, events, at, turn = SpeechFinder(Scripted(likely)), [], 0, 0
    while at < len(sound):
        step = blocks[turn % len(blocks)]
        events += finder.push(sound[at : at + step])
        at, turn = at + step, turn + 1
    return events + finder.finish()


def spans(events: Sequence[SpeechEvent]) -> list[tuple[float, float]]:
    begun = [event.start for event in events if isinstance(event, SpeechBegun)]
    ended = [event.end for event in events if isinstance(event, SpeechEnded)]
    return list(zip(begun, ended, strict=True))


def sounds(events: Sequence[SpeechEvent]) -> list[NDArray[np.float32]]:
    found: list[list[NDArray[np.float32]]] = []
    for event in events:
        if isinstance(event, SpeechBegun):
            found.append([])
        elif isinstance(event, SpeechSound):
            found[-1].append(event.samples)
    return [np.concatenate(each) for each in found]


def test_an_utterance_has_its_times_and_sound_around_it() -> None:
    events = run([0.0] * 40 + [0.9] * 30 + [0.0] * 40)
    assert spans(events)[0] == pytest.approx((40 * 0.032, 70 * 0.032))
    (sound,) = sounds(events)
    assert sound[0] == (40 - 9) * FRAME, "300 ms before"
    assert sound[-1] == (70 + 16) * FRAME - 1, "500 ms after"


def test_a_click_is_no_speech() -> None:
    assert run(([0.0] * 20 + [0.99] * 3) * 5 + [0.0] * 20) == []


def test_a_pause_within_a_sentence_does_not_end_it_and_a_quiet_beginning_counts() -> None:
    assert len(spans(run([0.0] * 20 + [0.9] * 10 + [0.1] * 14 + [0.9] * 10 + [0.0] * 30))) == 1
    assert len(spans(run([0.0] * 20 + [0.9] * 10 + [0.1] * 17 + [0.9] * 10 + [0.0] * 30))) == 2
    quiet = run([0.0] * 40 + [0.2] * 3 + [0.0] * 5 + [0.9] * 10 + [0.0] * 30)
    assert spans(quiet)[0][0] == pytest.approx(40 * 0.032)


def test_speech_that_hovers_at_the_threshold_is_one_utterance() -> None:
    hover = [0.55, 0.45] * 40
    assert len(spans(run([0.0] * 20 + [0.9] * 4 + hover + [0.0] * 30))) == 1


def test_long_speech_ends_at_its_pauses_and_no_sample_is_lost_or_doubled() -> None:
    # fifteen minutes without one pause of half a second; short ones now and then
    rng = np.random.default_rng(0)
    likely: list[float] = [0.0] * 20
    for _ in range(300):
        likely += [0.9] * int(rng.integers(40, 140)) + [0.1] * int(rng.integers(1, 9))
    likely += [0.0] * 40
    events = run(likely)
    found = sounds(events)
    assert len(found) > 20
    assert max(map(len, found)) < 30 * RATE
    joined = np.concatenate(found)
    assert (np.diff(joined) == 1).all(), "one goes on where the other ends"
    assert joined[0] <= 20 * FRAME
    assert joined[-1] >= (len(likely) - 40) * FRAME - 1


@settings(max_examples=30, deadline=None, database=None, derandomize=True)
@given(st.lists(st.integers(1, 3_000), min_size=1, max_size=20), st.integers(0, 9))
def test_the_blocks_do_not_matter(blocks: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    likely = np.repeat(rng.random(40), rng.integers(1, 30, 40)).tolist()
    once, again = run(likely), run(likely, blocks)
    assert spans(once) == spans(again)
    for one, other in zip(sounds(once), sounds(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_model_hears_people_and_nothing_else(shared_data: Path) -> None:
    model = VoiceActivityModel()
    rng = np.random.default_rng(0)
    seconds = np.arange(4 * RATE) / RATE
    for name, sound in {
        "silence": np.zeros(4 * RATE),
        "noise": rng.normal(0, 0.05, 4 * RATE),
        "a hum": 0.2 * np.sin(2 * np.pi * 120 * seconds),
        "clicks": (np.arange(4 * RATE) % 8_000 < 20) * 0.8,
    }.items():
        model.reset()
        assert SpeechFinder(model).push(sound.astype(np.float32)) == [], name
    model.reset()
    finder = SpeechFinder(model)
    found = spans(finder.push(load_audio(shared_data / "sample" / "journal1.wav")) + finder.finish())
    assert found == pytest.approx(np.array([(1.3, 3.5), (4.1, 9.3)]), abs=0.3)


def test_the_model_remembers_between_blocks(shared_data: Path) -> None:
    sound = load_audio(shared_data / "sample" / "tour_en.wav")
    sound = sound[: len(sound) // FRAME * FRAME]
    model = VoiceActivityModel()
    whole = model(sound)
    model.reset()
    parts = np.concatenate([model(part) for part in np.split(sound, range(3 * FRAME, len(sound), 3 * FRAME))])
    np.testing.assert_allclose(parts, whole, atol=1e-5)
    assert whole.shape == (len(sound) // FRAME,)
    assert model(np.zeros(0, np.float32)).shape == (0,)
