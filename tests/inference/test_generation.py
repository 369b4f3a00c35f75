"""The loop over tokens: where it ends and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from inference.cancellation import CancelToken
from inference.errors import ContextFullError
from inference.generation import Finished, GenerationEvent, Token, generate_tokens
from inference.messages import Prefill
from inference.sampling import Sampler

STOP = frozenset({106, 1})


def run(
    model: Any, prompt: list[int], *, max_tokens: int | None = None, cancel: CancelToken | None = None
) -> list[GenerationEvent]:
    return list(generate_tokens(model, prompt, Sampler(0), STOP, max_tokens, cancel or CancelToken()))


def test_prefill_then_tokens_then_the_end(scripted: Callable[..., Any]) -> None:
    model = scripted([7, 8, 106], chunk=3)
    assert run(model, [2, 5, 5, 5]) == [
        Prefill(0, 4), Prefill(3, 4), Prefill(4, 4), Token(7), Token(8), Token(106), Finished("stop"),
    ]  # fmt: skip
    assert model.cached_tokens == (2, 5, 5, 5, 7, 8), "the stop token was never read"


def test_what_is_cached_is_reused(scripted: Callable[..., Any]) -> None:
    model = scripted([7, 106], [106])
    run(model, [2, 5])
    assert run(model, [2, 5, 7, 106, 9])[:2] == [Prefill(3, 5), Prefill(5, 5)]


@pytest.mark.parametrize("max_tokens", [0, 1, 2])
def test_the_limit_of_tokens(scripted: Callable[..., Any], max_tokens: int) -> None:
    events = run(scripted([7, 8, 9, 106]), [2], max_tokens=max_tokens)
    assert sum(isinstance(event, Token) for event in events) == max_tokens
    assert events[-1] == Finished("length")


def test_a_stop_token_at_the_limit_is_a_stop(scripted: Callable[..., Any]) -> None:
    assert run(scripted([7, 106]), [2], max_tokens=2)[-1] == Finished("stop")


def test_the_end_of_the_context(scripted: Callable[..., Any]) -> None:
    model = scripted([7] * 20, context_length=6)
    events = run(model, [2, 5, 5])
    assert [event for event in events if isinstance(event, Token)] == [Token(7)] * 4
    assert events[-1] == Finished("context")
    assert len(model.cached_tokens) == 6


def test_a_prompt_that_just_fits(scripted: Callable[..., Any]) -> None:
    assert run(scripted([106], context_length=4), [2, 5, 5])[-1] == Finished("stop")


@pytest.mark.parametrize("length", [4, 5])
def test_a_prompt_that_does_not_fit(scripted: Callable[..., Any], length: int) -> None:
    model = scripted([106], context_length=4)
    with pytest.raises(ContextFullError, match=rf"it has {length} tokens, and this model's context holds 4"):
        run(model, [5] * length)
    assert model.prompts == [], "nothing was computed"


def test_an_empty_prompt_is_a_mistake(scripted: Callable[..., Any]) -> None:
    with pytest.raises(ValueError, match="empty"):
        run(scripted(), [])


def test_cancelled_before_the_start(scripted: Callable[..., Any]) -> None:
    cancel = CancelToken()
    cancel.cancel()
    model = scripted([7])
    assert run(model, [2, 5], cancel=cancel) == [Prefill(0, 2), Finished("cancelled")]


def test_cancelled_during_prefill(scripted: Callable[..., Any]) -> None:
    cancel = CancelToken()
    model = scripted([7], chunk=2)
    events: list[GenerationEvent] = []
    for event in generate_tokens(model, [2, 5, 5, 5], Sampler(0), STOP, None, cancel):
        events.append(event)
        if event == Prefill(2, 4):
            cancel.cancel()
    assert events == [Prefill(0, 4), Prefill(2, 4), Finished("cancelled")]
    assert model.cached_tokens == (2, 5)


def test_cancelled_after_the_last_chunk(scripted: Callable[..., Any]) -> None:
    cancel = CancelToken()
    events: list[GenerationEvent] = []
    for event in generate_tokens(scripted([7]), [2, 5], Sampler(0), STOP, None, cancel):
        events.append(event)
        if event == Prefill(2, 2):
            cancel.cancel()
    assert events[-1] == Finished("cancelled")
    assert not any(isinstance(event, Token) for event in events)


def test_cancelled_between_steps(scripted: Callable[..., Any]) -> None:
    cancel = CancelToken()
    model = scripted([7, 8, 9])
    events: list[GenerationEvent] = []
    for event in generate_tokens(model, [2], Sampler(0), STOP, None, cancel):
        events.append(event)
        if event == Token(8):
            cancel.cancel()
    assert events[-2:] == [Token(8), Finished("cancelled")]
    assert model.cached_tokens == (2, 7)


def test_cancelled_at_the_last_token(scripted: Callable[..., Any]) -> None:
    """What the user did counts, not that it would have ended anyway."""
    cancel = CancelToken()
    events: list[GenerationEvent] = []
    for event in generate_tokens(scripted([7, 8, 9]), [2], Sampler(0), STOP, 2, cancel):
        events.append(event)
        if event == Token(8):
            cancel.cancel()
    assert events[-1] == Finished("cancelled")


def test_cancelled_within_a_step(scripted: Callable[..., Any]) -> None:
    cancel = CancelToken()
    model = scripted([7, 8, 9])
    model.during_step = cancel.cancel
    assert run(model, [2], cancel=cancel)[-2:] == [Token(7), Finished("cancelled")]
    assert model.cached_tokens == (2,)


def test_closed_in_the_middle(scripted: Callable[..., Any]) -> None:
    model = scripted([7, 8, 9], [106])
    events = generate_tokens(model, [2, 5], Sampler(0), STOP, None, CancelToken())
    while next(events) != Token(8):
        pass
    events.close()  # type: ignore[attr-defined]
    assert model.cached_tokens == (2, 5, 7)
    assert run(model, [2, 5, 7, 3])[0] == Prefill(3, 4)
