"""Work done ahead: how much of it counts, how it ends, and that no answer ever depends on it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest

from inference.cancellation import CancelToken
from inference.engine import Engine
from inference.errors import EngineBusyError, UnsupportedInputError
from inference.messages import Done, Image, Prefill, ReplyEvent, ReplyOptions, Text, Thought, ToolResult, Turn
from inference.model_folder import default_model_folder
from inference.unfinished import certain_text, continuations

GREEDY = ReplyOptions(temperature=0, max_tokens=12)
THINKING = ReplyOptions(temperature=0, max_tokens=20, thinking=True)
TEXT = "Please tell me, as well as you can, what the sum of twelve and thirty is, and why you think so."


def open_demo() -> Engine:
    return Engine.open(default_model_folder(), provider="cpu", threads=1)


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    """One engine for all tests: what went on before must not matter to any of them."""
    engine = open_demo()
    yield engine
    engine.close()


def said(events: list[ReplyEvent]) -> list[ReplyEvent]:
    return [event for event in events if isinstance(event, Text | Thought)]


def reply_stats(engine: Engine, turns: list[Turn], options: ReplyOptions = GREEDY) -> Any:
    done = list(engine.reply(turns, options))[-1]
    assert isinstance(done, Done)
    return done.stats


@pytest.mark.parametrize(
    ("typed", "certain"),
    [
        ("", ""),
        ("Hel", ""),
        ("Hello wor", "Hello"),
        ("Hello world ", "Hello world"),
        ("Hello\n\n", "Hello"),
        ("a b\tc", "a b"),
        ("你" * 50, "你" * 38),
        ("see " + "x" * 30, "see " + "x" * 18),
    ],
)
def test_whole_words_are_certain(typed: str, certain: str) -> None:
    assert certain_text(typed) == certain


def test_what_may_yet_come() -> None:
    one = Turn.of("user", "Hello")
    assert [turns[-1].text for turns in continuations([one])] == [" a", "\n\n1."]
    picture = Turn("user", (Image(b""),))
    for turns in continuations([picture]):
        assert turns[0].parts[0] == Image(b"")
        assert isinstance(turns[0].parts[1], Text)
    answered = [one, Turn.of("assistant", "Hi")]
    assert all(turns[:2] == answered and turns[2].role == "user" for turns in continuations(answered))
    assert all(turns[0].role == "user" for turns in continuations([]))
    called = [one, Turn("tool", (ToolResult("look", "x"),))]
    assert continuations(called) == [called]


@pytest.mark.parametrize("options", [GREEDY, THINKING])
def test_typing_spares_the_reply_its_prefill(shared: Engine, options: ReplyOptions) -> None:
    turns = [Turn.of("system", "You count things."), Turn.of("user", TEXT)]
    for end in range(0, len(TEXT), 9):
        list(shared.prepare([turns[0], Turn.of("user", TEXT[:end])], options))
    stats = reply_stats(shared, turns, options)
    left = stats.prompt_tokens - stats.reused_tokens
    # the last words, the end of the turn and the beginning of the answer
    assert left <= 20
    assert stats.reused_tokens >= stats.prompt_tokens * 0.6


def test_longer_text_goes_on_where_the_last_call_ended(shared: Engine) -> None:
    list(shared.prepare([Turn.of("user", "Quite another thing that was typed before.")], GREEDY))
    *_, whole = shared.prepare([Turn.of("user", TEXT[:60])], GREEDY)
    first, *_, last = shared.prepare([Turn.of("user", TEXT)], GREEDY)
    assert isinstance(first, Prefill)
    assert first.done == whole.done
    assert last.done == last.total > whole.total
    (again,) = shared.prepare([Turn.of("user", TEXT)], GREEDY)
    assert again.done == again.total == last.total, "nothing is computed twice"


def test_an_answer_is_read_without_its_thought_while_the_user_thinks(shared: Engine) -> None:
    turns = [Turn.of("user", "What is 2 plus 3?")]
    answer = "".join(event.text for event in list(shared.reply(turns, THINKING)) if isinstance(event, Text)) or "Five."
    turns.append(Turn.of("assistant", answer))
    list(shared.prepare(turns, THINKING))
    stats = reply_stats(shared, [*turns, Turn.of("user", "Why?")], THINKING)
    assert stats.prompt_tokens - stats.reused_tokens <= 12


def test_a_tool_s_result_is_certain(shared: Engine) -> None:
    from inference.messages import ToolCall

    turns = [
        Turn.of("user", "What time is it?"),
        Turn("assistant", (ToolCall("clock", {}, "1"),)),
        Turn("tool", (ToolResult("clock", "noon", "1"),)),
    ]
    *_, last = shared.prepare(turns, GREEDY)
    stats = reply_stats(shared, turns)
    assert last.total == stats.prompt_tokens
    assert stats.prompt_tokens - stats.reused_tokens == 1


def test_cancelled_before_and_in_between(shared: Engine) -> None:
    cancel = CancelToken()
    cancel.cancel()
    assert list(shared.prepare([Turn.of("user", TEXT)], GREEDY, cancel)) == []
    list(shared.reply([Turn.of("user", "Hi")], GREEDY))
    cancel = CancelToken()
    seen = []
    long = [Turn.of("user", " ".join([TEXT] * 30))]
    for event in shared.prepare(long, GREEDY, cancel):
        seen.append(event)
        if len(seen) == 2:
            cancel.cancel()
    assert len(seen) == 2
    assert seen[-1].done < seen[-1].total
    # what was done is not lost
    first = next(shared.prepare(long, GREEDY))
    assert first.done == seen[-1].done


def test_one_thing_at_a_time(shared: Engine) -> None:
    work = shared.prepare([Turn.of("user", " ".join([TEXT] * 30))], GREEDY)
    next(work)
    with pytest.raises(EngineBusyError):
        next(shared.reply([Turn.of("user", "Hi")], GREEDY))
    work.close()
    assert said(list(shared.reply([Turn.of("user", "Hi")], GREEDY)))


def test_media_that_the_model_cannot_take_are_said_early(shared: Engine) -> None:
    shared_modalities, shared.modalities = shared.modalities, frozenset()
    try:
        with pytest.raises(UnsupportedInputError):
            next(shared.prepare([Turn("user", (Image(b""),))], GREEDY))
    finally:
        shared.modalities = shared_modalities


def test_more_than_the_context_holds_is_left_to_the_reply(shared: Engine) -> None:
    assert list(shared.prepare([Turn.of("user", TEXT * 300)], GREEDY)) == []


CONVERSATIONS: list[tuple[list[Turn], ReplyOptions]] = [
    ([Turn.of("user", TEXT)], GREEDY),
    ([Turn.of("user", "What is 2 plus 3?"), Turn.of("assistant", "Five."), Turn.of("user", TEXT)], GREEDY),
    ([Turn.of("system", "Be brief. " * 40), Turn.of("user", "Who are you?" + " Well?" * 120)], GREEDY),
    ([Turn.of("user", TEXT + " Really, " + TEXT)], THINKING),
]


@cache
def fresh_answer(index: int) -> list[ReplyEvent]:
    engine = open_demo()
    turns, options = CONVERSATIONS[index]
    try:
        return said(list(engine.reply(turns, options)))
    finally:
        engine.close()


@pytest.mark.parametrize("seed", range(8))
def test_no_interleaving_changes_an_answer(shared: Engine, seed: int) -> None:
    """Prepares of half texts, replies, cancellations after any event: then a reply equals a fresh engine's."""
    draw = random.Random(seed)
    for _ in range(draw.randrange(2, 7)):
        turns, options = CONVERSATIONS[draw.randrange(len(CONVERSATIONS))]
        cancel = CancelToken()
        work: Any
        if draw.random() < 0.6:
            text = turns[-1].text
            typed = Turn.of("user", text[: draw.randrange(len(text) + 1)] + draw.choice(("", " ", "zz", "\n")))
            work = shared.prepare([*turns[:-1], typed], options, cancel)
        else:
            work = shared.reply(turns, options, cancel)
        ending, after = draw.choice(("read", "cancel", "close")), draw.randrange(8)
        for number, _event in enumerate(work):
            if number == after and ending == "cancel":
                cancel.cancel()
            elif number == after and ending == "close":
                work.close()
    index = draw.randrange(len(CONVERSATIONS))
    turns, options = CONVERSATIONS[index]
    assert said(list(shared.reply(turns, options))) == fresh_answer(index)


def test_the_engine_encodes_what_is_attached(make_engine_with_encoder: Any) -> None:
    engine, encoded = make_engine_with_encoder
    list(engine.prepare([Turn("user", (Image(b"first"),))]))
    assert encoded == [b"first"]


@pytest.fixture
def make_engine_with_encoder(tokenizer: Any, template_source: str, scripted: Callable[..., Any]) -> Any:
    from pathlib import Path

    import numpy as np

    from inference.chat_template import ChatTemplate
    from inference.generation_config import GenerationConfig
    from inference.media.prompt import ImageItem
    from inference.media_encoders import EncodedMedia
    from inference.model_folder import ModelFolder

    folder = ModelFolder(Path("model"), {"model_type": "gemma4"}, {}, chat_template=template_source, suffix="")
    encoded: list[bytes] = []

    class Encoders:
        def encode(self, part: Any, cancel: CancelToken) -> EncodedMedia:
            if part.source not in encoded:
                encoded.append(part.source)
            return EncodedMedia((ImageItem(3, part.source.hex()),), (np.zeros((3, 4), np.float32),))

    model = scripted([9259, 106])
    compiled = ChatTemplate(folder.chat_template, guarded=tokenizer.guarded_characters)
    engine = Engine(folder, tokenizer, compiled, GenerationConfig.of(folder, tokenizer), model, Encoders())
    engine.modalities = frozenset({"image"})
    return engine, encoded


def test_an_attachment_alone_is_read_up_to_its_end(make_engine_with_encoder: Any, tokenizer: Any) -> None:
    engine, _ = make_engine_with_encoder
    list(engine.prepare([Turn("user", (Image(b"first"),))]))
    (prefix,) = engine._model.prepared
    begin, end = 255999, 258882
    assert prefix[-5] == begin
    assert prefix[-1] == end
    assert len(set(prefix[-4:-1])) == 1, "the soft tokens"
    list(engine.reply([Turn("user", (Image(b"first"), Text("Describe this image in detail.")))]))
    assert engine._model.prompts[0][: len(prefix)] == prefix
