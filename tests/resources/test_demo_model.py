"""The shipped demo model, through the engine: a fast part of what ``training.bars`` measures for its card."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from inference.engine import Engine
from inference.messages import Audio, ReplyOptions, Text, Tool, ToolCall, ToolResult, Turn
from inference.model_folder import ModelFolder
from resources.demo_model.training import bars, bars_of_senses
from resources.demo_model.training.audio.augmentation import QUIET
from resources.demo_model.training.audio.examples import TRANSCRIBE, TRANSCRIBE_ORIGINAL
from resources.demo_model.training.audio.transcripts import word_error_rate
from resources.demo_model.training.pictures import emoji

MODEL = bars.MODEL
GREEDY = ReplyOptions(temperature=0.0, max_tokens=80)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    opened = Engine.open(MODEL, threads=2)
    yield opened
    opened.close()


def test_it_is_small_and_sees_and_hears() -> None:
    folder = ModelFolder.open(MODEL)
    assert folder.modalities >= {"image", "video", "audio"}
    assert folder.image_soft_tokens == 70
    assert folder.demo
    files = [path for path in MODEL.rglob("*") if path.is_file() and "training" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 40_000_000


@pytest.mark.parametrize(
    ("task", "trials", "least"),
    [
        ("one object: colour and shape named", 16, 0.9),
        ("two objects and their relation", 12, 0.9),
        ("counting 1 to 6", 12, 0.8),
        ("reading a word or number of up to 6 characters", 12, 0.75),
        ("help questions in unseen paraphrases: right intent", 20, 0.85),
        ("sums up to three digits", 20, 0.85),
    ],
)
def test_what_it_can_do(engine: Engine, task: str, trials: int, least: float) -> None:
    wrong: list[str] = []
    right, total = bars.share_right(engine, bars.trials(task, trials, seed=5), wrong)
    assert right / total >= least, wrong


def test_the_trials_of_a_seed_are_always_the_same() -> None:
    for task in bars.TASKS:
        if "emoji" in task and emoji.font_path() is None:
            continue
        first, again = ([trial.expected for trial in bars.trials(task, 2, seed=3)] for _ in range(2))
        assert first == again


def test_it_calls_a_clock_and_says_what_it_returned(engine: Engine) -> None:
    clock = Tool("get_time", "Get the current time.", {"type": "object", "properties": {}})
    options = ReplyOptions(temperature=0.0, max_tokens=60, tools=(clock,))
    turns = [Turn.of("user", "What time is it?")]
    (call,) = [event for event in engine.reply(turns, options) if isinstance(event, ToolCall)]
    assert call.name == "get_time"
    turns += [Turn("assistant", (call,)), Turn("tool", (ToolResult("get_time", "14:32", call.call_id),))]
    assert "14:32" in "".join(event.text for event in engine.reply(turns, options) if isinstance(event, Text))


def test_it_follows_a_system_prompt(engine: Engine) -> None:
    ask = partial(engine.reply, options=GREEDY)
    turns = [Turn.of("system", "You are a pirate."), Turn.of("user", "Hello!")]
    assert "Arr" in "".join(event.text for event in ask(turns) if isinstance(event, Text))


@pytest.mark.parametrize("prompt", [TRANSCRIBE, TRANSCRIBE_ORIGINAL])
def test_it_writes_down_spoken_digits(engine: Engine, prompt: str) -> None:
    recording = (Path(__file__).parent / "spoken_digits.wav").read_bytes()
    assert bars_of_senses.said(engine, [Turn("user", (Text(prompt), Audio(recording)))]) == "3705"


def test_it_hears_people_whom_it_knows(engine: Engine, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (shared_data / "fsdd").is_dir():
        pytest.skip("the recordings of digits are not here")
    monkeypatch.setenv("LARIMAR_SHARED", str(shared_data.parent))
    pairs = bars_of_senses.transcriptions(engine, "digits_seen", 12, QUIET)
    assert word_error_rate(pairs) <= 0.12, pairs


def test_its_drafts_are_mostly_right(engine: Engine) -> None:
    assert bars_of_senses.tokens_per_pass(engine, 12, seed=5) > 1.5
