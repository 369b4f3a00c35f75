"""A conversation that outgrows the context: what goes, what stays, and how often anything changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.chat_template import ChatTemplate
from inference.context_fitting import fit_into_context, without
from inference.engine import Engine
from inference.errors import ContextFullError
from inference.generation_config import GenerationConfig
from inference.messages import Done, ReplyOptions, Turn
from inference.model_folder import ModelFolder
from inference.prompt import Prompt

SYSTEM = Turn.of("system", "s" * 20)


def build(turns: Sequence[Turn]) -> Prompt:
    """A prompt in which a letter is a token, and a turn costs three more."""
    return Prompt.of([index for turn in turns for index in range(len(turn.text) + 3)] + [0, 0])


def chat(*lengths: int) -> list[Turn]:
    return [Turn.of("assistant" if index % 2 else "user", "x" * length) for index, length in enumerate(lengths)]


def test_nothing_goes_before_it_must() -> None:
    turns = [SYSTEM, *chat(200, 200, 200, 200, 50)]
    _, dropped = fit_into_context(turns, build, 1024 * 2, None)
    assert dropped == 0


def test_the_oldest_exchanges_go_and_the_system_turn_stays() -> None:
    turns = [SYSTEM, *chat(*[100] * 21)]
    prompt, dropped = fit_into_context(turns, build, 1000, None)
    assert dropped % 2 == 0
    assert len(prompt) <= 750
    assert prompt.reuse_ids == build([SYSTEM, *turns[1 + dropped :]]).reuse_ids


def test_the_last_exchange_always_stays() -> None:
    turns = [SYSTEM, *chat(100, 100, 980, 50)]
    prompt, dropped = fit_into_context(turns, build, 1000, None)
    assert dropped == 2
    assert len(prompt) > 1000, "for the caller to say"
    only = [SYSTEM, *chat(5000)]
    assert fit_into_context(only, build, 1000, None)[1] == 0


def test_a_greeting_goes_with_the_first_exchange() -> None:
    turns = [Turn.of("assistant", "x" * 300), *chat(300, 300, 300)]
    prompt, dropped = fit_into_context(turns, build, 1000, None)
    assert dropped in (1, 3)
    assert len(prompt) <= 1000


def test_a_short_answer_needs_less_room() -> None:
    turns = chat(400, 400, 100)
    assert fit_into_context(turns, build, 1000, None)[1] == 2
    assert fit_into_context(turns, build, 1000, 10)[1] == 0


@settings(max_examples=150, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=80).filter(lambda lengths: len(lengths) % 2 == 1),
    context=st.integers(400, 3000),
    system=st.booleans(),
)
def test_what_fits_is_kept_for_a_while(lengths: list[int], context: int, system: bool) -> None:
    head = [SYSTEM] if system else []
    turns = head + chat(*lengths)
    seen: list[int] = []
    for end in range(len(head) + 1, len(turns) + 1, 2):
        prompt, dropped = fit_into_context(turns[:end], build, context, None)
        kept = without(turns[:end], dropped)
        assert prompt.reuse_ids == build(kept).reuse_ids
        assert kept[: len(head)] == head
        assert kept[len(head)].role == "user"
        assert kept[-1] == turns[end - 1]
        if len(build([*head, turns[end - 1]])) + context // 8 <= context:
            assert len(prompt) <= context - context // 8
        seen.append(dropped)
    assert seen == sorted(seen), "what is gone stays gone"
    # each time at least a quarter of the context goes, as long as whole exchanges are smaller than that
    total = sum(length + 3 for length in lengths)
    assert len(set(seen)) <= 2 + total / (context / 4)


@pytest.fixture
def make(tokenizer: Any, template_source: str, scripted: Any) -> Any:
    def make(context_length: int) -> tuple[Engine, Any]:
        folder = ModelFolder(
            Path("model"), {"model_type": "gemma4"}, {"eos_token_id": [106]}, chat_template=template_source, suffix=""
        )
        model = scripted(*([9259, 106] for _ in range(50)), context_length=context_length, chunk=512)
        compiled = ChatTemplate(folder.chat_template, guarded=tokenizer.guarded_characters)
        return Engine(folder, tokenizer, compiled, GenerationConfig.of(folder, tokenizer), model), model

    return make


def test_a_long_conversation_goes_on_and_says_what_was_left_out(make: Any) -> None:
    engine, model = make(300)
    turns = [Turn.of("system", "Be kind.")]
    dropped = []
    reread = 0
    for number in range(30):
        turns.append(Turn.of("user", f"{number}: describe this image in detail."))
        done = list(engine.reply(turns))[-1]
        assert isinstance(done, Done)
        assert done.reason == "stop"
        assert done.stats.prompt_tokens <= 300
        reread += bool(dropped) and done.stats.reused_tokens < done.stats.prompt_tokens - 60
        dropped.append(done.stats.dropped_turns)
        turns.append(Turn.of("assistant", "Hello"))
    assert dropped[0] == 0
    assert dropped[-1] > 20
    assert len(set(dropped)) - 1 == reread <= 12, "the prompt changes at its beginning only when something goes"
    assert len(model.prompts) == 30


def test_a_clear_stop_instead(make: Any) -> None:
    engine, model = make(100)
    turns = [Turn.of("user", "Hello"), Turn.of("assistant", "Hello" * 100), Turn.of("user", "Hello")]
    with pytest.raises(ContextFullError, match="too long"):
        list(engine.reply(turns, ReplyOptions(when_full="stop")))
    assert not model.prompts
    done = list(engine.reply(turns))[-1]
    assert isinstance(done, Done)
    assert done.stats.dropped_turns == 2


def test_a_last_turn_that_is_too_long_alone(make: Any) -> None:
    engine, model = make(100)
    turns = [Turn.of("user", "Hello"), Turn.of("assistant", "Hello"), Turn.of("user", "Hello" * 100)]
    with pytest.raises(ContextFullError, match="too long"):
        list(engine.reply(turns))
    assert not model.prompts
    assert list(engine.prepare(turns)) == []
