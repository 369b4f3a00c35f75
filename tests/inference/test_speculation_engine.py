"""What a reply says about its drafts, and that options reach them: the demo model, which has a tokenizer of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.draft_policy import FixedDrafts
from inference.engine import Engine
from inference.messages import Done, ReplyOptions, ReplyStats, Text, Thought, Turn
from inference.speculation import Speculator


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine.open(Path(__file__).resolve().parents[2] / "resources" / "demo_model", provider="cpu", threads=1)
    assert isinstance(engine._speculator, Speculator)
    engine._speculator.policy = FixedDrafts(3, copied=True)
    yield engine
    engine.close()


def ask(engine: Engine, text: str, **options: int | float) -> tuple[str, ReplyStats]:
    events = list(engine.reply([Turn.of("user", text)], ReplyOptions(max_tokens=60, **options)))  # type: ignore[arg-type]
    assert isinstance(events[-1], Done)
    return "".join(event.text for event in events if isinstance(event, Text | Thought)), events[-1].stats


def test_without_drafts_every_token_is_a_run(engine: Engine) -> None:
    _, stats = ask(engine, "Who are you?", drafts=0)
    assert (stats.drafted_tokens, stats.accepted_tokens) == (0, 0)
    assert stats.target_passes == stats.generated_tokens - 1


@pytest.mark.parametrize("options", [{"temperature": 0}, {"seed": 4}, {"temperature": 0, "drafts": 1}])
def test_drafts_are_counted(engine: Engine, options: dict[str, float]) -> None:
    question = "Say it again: one two three one two three one two three"
    _, stats = ask(engine, question, **options)
    assert 0 <= stats.accepted_tokens <= stats.drafted_tokens <= stats.target_passes * options.get("drafts", 3)
    # a run brings the drafts that were right and one token more, unless the reply ends within it
    assert 0 <= 1 + stats.target_passes + stats.accepted_tokens - stats.generated_tokens <= 1


def test_a_longer_conversation_goes_on_from_what_speculation_left(engine: Engine) -> None:
    question = [Turn.of("user", "Hello")]
    first, _ = ask(engine, "Hello", temperature=0)
    turns = [*question, Turn.of("assistant", first), Turn.of("user", "Who are you?")]
    done = list(engine.reply(turns, ReplyOptions(temperature=0, max_tokens=20)))[-1]
    assert isinstance(done, Done)
    assert done.stats.reused_tokens > 5
