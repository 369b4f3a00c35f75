"""What is computed again when a conversation goes on, is edited, answered anew, left and gone back to, in tokens.

On the real graphs of the demo model, whose sliding window is far shorter than these conversations.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from inference.cancellation import CancelToken
from inference.engine import Engine
from inference.language_model import LanguageModel
from inference.messages import Done, Prefill, ReplyOptions, Text, Turn
from inference.model_folder import ModelFolder, default_model_folder
from inference.prompt import Prompt

GREEDY = ReplyOptions(temperature=0, max_tokens=40)
LONG = " ".join(f"In the year {1000 + number} the town had {number * 37 % 900} houses." for number in range(112))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """The demo model with float32 activations: those of int8 make as much of a rounding as of another token."""
    made = tmp_path_factory.mktemp("models") / "float32"
    shutil.copytree(default_model_folder(), made, ignore=shutil.ignore_patterns("training"))
    graph = made / "onnx" / "decoder_model_merged_q4.onnx"
    decoder = onnx.load(graph, load_external_data=False)
    levels = [each for node in decoder.graph.node for each in node.attribute if each.name == "accuracy_level"]
    assert levels
    for level in levels:
        level.i = 1
    onnx.save(decoder, graph)
    return ModelFolder.open(made)


@pytest.fixture
def model(folder: ModelFolder) -> Iterator[LanguageModel]:
    model = LanguageModel.open(folder, provider="cpu", threads=1)
    yield model
    model.close()


@pytest.fixture(scope="module")
def reference(folder: ModelFolder) -> Iterator[LanguageModel]:
    model = LanguageModel.open(folder, provider="cpu", threads=1)
    yield model
    model.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine.open(default_model_folder(), provider="cpu", threads=1)
    yield engine
    engine.close()


def words(seed: int, count: int) -> list[int]:
    return np.random.default_rng(seed).integers(300, 2000, count).tolist()


def computed(model: LanguageModel, prompt: Prompt | Sequence[int]) -> int:
    """Read a prompt; return how many tokens of it were computed."""
    first, *_ = list(model.prefill(prompt, CancelToken()))
    return len(prompt) - first


def say(model: LanguageModel, tokens: Sequence[int]) -> None:
    """Append tokens as if the model had said them, some at a time as drafts are."""
    for start in range(0, len(tokens), 32):
        model.verify(tokens[start : start + 32], CancelToken())


def assert_as_if_fresh(model: LanguageModel, reference: LanguageModel) -> None:
    """What the model would say next is what one says that read all of it at once."""
    reference._decoder.cache.clear()
    reference._prefixes.clear()
    computed(reference, model.cached_tokens)
    difference = np.abs(model.logits - reference.logits).max()
    assert difference < 1e-4 * np.abs(reference.logits).max()  # 1e-6 is usual, one other token makes 1e-3 and more
    assert model.logits.argmax() == reference.logits.argmax()


def test_the_second_turn_of_a_long_conversation(engine: Engine) -> None:
    turns = [Turn.of("user", LONG)]
    events = list(engine.reply(turns, GREEDY))
    done = events[-1]
    assert isinstance(done, Done)
    assert done.stats.prompt_tokens >= 2000, "the text is too short for this tokenizer"
    before = len(engine._model.cached_tokens)  # type: ignore[attr-defined]
    answer = "".join(event.text for event in events if isinstance(event, Text))
    turns += [Turn.of("assistant", answer), Turn.of("user", "And how many houses in the year after that?")]
    first, *_, done = list(engine.reply(turns, GREEDY))
    assert isinstance(first, Prefill)
    assert isinstance(done, Done)
    new = done.stats.prompt_tokens - before
    assert 0 < done.stats.prompt_tokens - first.done <= new * 1.1
    assert done.stats.reused_tokens == first.done


def test_an_answer_without_its_thought(model: LanguageModel, reference: LanguageModel) -> None:
    question, thought, answer, more = words(1, 2000), words(2, 600), words(3, 50), words(4, 30)
    assert computed(model, question) == 2000
    say(model, thought + answer)
    assert computed(model, question + answer + more) == 80, "nothing before the answer"
    assert_as_if_fresh(model, reference)


def test_thoughts_between_tool_calls_vanish_together(model: LanguageModel, reference: LanguageModel) -> None:
    question, call, result, answer = words(1, 900), words(2, 20), words(3, 100), words(4, 30)
    computed(model, question)
    say(model, words(5, 350) + call)
    assert computed(model, question + words(5, 350) + call + result) == len(result)
    say(model, words(6, 350) + answer)
    assert computed(model, question + call + result + answer + words(7, 25)) == 20 + 100 + 30 + 25
    assert_as_if_fresh(model, reference)


def test_the_prefix_of_an_empty_thought_is_taken_back(model: LanguageModel, reference: LanguageModel) -> None:
    question, empty_thought, answer = words(1, 1000), words(2, 4), words(3, 600)
    computed(model, question + empty_thought)
    say(model, answer)
    assert computed(model, question + answer + words(4, 10)) == 610, "the answer, and what comes after it"
    assert_as_if_fresh(model, reference)


@pytest.mark.parametrize("length", [5, 500])
def test_another_try_computes_one_token(model: LanguageModel, reference: LanguageModel, length: int) -> None:
    question = words(1, 1500)
    computed(model, question)
    for seed in range(3):
        say(model, words(seed, length))
        assert computed(model, question) == 1
    assert_as_if_fresh(model, reference)


def test_an_edited_turn(model: LanguageModel, reference: LanguageModel) -> None:
    history, old, new = words(1, 1500), words(2, 200), words(3, 150)
    computed(model, history)
    say(model, words(4, 300))
    history = [*model.cached_tokens]
    prompt = Prompt.of(history + old)
    computed(model, Prompt(prompt.ids, prompt.reuse_ids, marks=(len(history),)))
    say(model, words(5, 500))
    for kept in (0, 20, 100):
        count = computed(model, [*history, *old[:kept], *new])
        assert count <= kept + len(new), "nothing before the turn"
        assert_as_if_fresh(model, reference)
        say(model, words(6, 500))


def test_a_new_chat_under_the_same_system_prompt(engine: Engine) -> None:
    system = Turn.of("system", LONG[:3000])
    for number, question in enumerate(("Hello", "What is 2 plus 3?", "Who are you?")):
        turns = [system, Turn.of("user", question)]
        for _ in range(2):  # long enough for the system prompt to leave the window
            *events, done = list(engine.reply(turns, GREEDY))
            assert isinstance(done, Done)
            if number and len(turns) == 2:
                first = events[0]
                assert isinstance(first, Prefill)
                assert first.total - first.done < 40, "the question, and hardly anything of the system prompt"
            answer = "".join(event.text for event in events if isinstance(event, Text)) or "…"
            turns += [Turn.of("assistant", answer), Turn.of("user", LONG[3000:6000])]


def test_switching_between_two_conversations(model: LanguageModel, reference: LanguageModel) -> None:
    histories = [words(1, 1200), words(2, 1500)]
    for turn in range(4):
        for index, history in enumerate(histories):
            new = words(10 * turn + index, 20)
            count = computed(model, history + new)
            assert count == 20 if turn else count == len(history) + 20
            history += new
            said = words(100 + turn, 350)
            say(model, said)  # a thought that vanishes
    assert_as_if_fresh(model, reference)


def test_a_restart(folder: ModelFolder, reference: LanguageModel, tmp_path: Path) -> None:
    history = words(1, 1200)

    def start() -> LanguageModel:
        return LanguageModel.open(folder, provider="cpu", threads=1, prefix_cache=tmp_path / "prefixes")

    model = start()
    assert computed(model, history) == 1200
    say(model, words(2, 400))
    model.keep()
    assert len(list(tmp_path.rglob("*.npz"))) == 1, "written when the reply ends, not only when the program does"
    assert computed(model, words(3, 700)) == 700
    model.close()
    model = start()
    assert computed(model, history + words(4, 20)) == 20
    assert_as_if_fresh(model, reference)
    assert computed(model, words(3, 700) + words(4, 20)) == 20
    assert_as_if_fresh(model, reference)
    model.close()


def test_nothing_is_written_unless_asked_for(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.prefix_store import PrefixStore

    def fail(*arguments: object) -> bool:
        raise AssertionError("a conversation was written to disk")

    monkeypatch.setattr(PrefixStore, "save", fail)
    list(engine.reply([Turn.of("user", LONG)], GREEDY))
    engine.close()


def test_a_model_that_changed_does_not_get_the_old_one_s_prefixes(folder: ModelFolder, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "model"
    shutil.copytree(folder.path, copy, ignore=shutil.ignore_patterns("training"))
    for expected in (300, 1, 300):
        model = LanguageModel.open(
            ModelFolder.open(copy), provider="cpu", threads=1, prefix_cache=tmp_path / "prefixes"
        )
        assert computed(model, words(1, 300)) == expected
        model.close()
        if expected == 1:
            (copy / "config.json").write_bytes((copy / "config.json").read_bytes() + b"\n")
