"""Our ONNX graphs against transformers: fp32 logits within 2e-4 of their spread, and the same greedy tokens."""

from __future__ import annotations

import random
import threading
from typing import Any

import numpy as np
import pytest

from inference.cancellation import CancelToken
from inference.graphs import decoder as decoder_module
from inference.language_model import LanguageModel

pytestmark = pytest.mark.parity

LOGIT_TOLERANCE = 2e-4
"""Relative to the spread of the logits; 5e-5 was seen."""
TIE = 5e-5
"""Two best tokens as near as this, relative to the spread, are told apart by rounding alone: transformers' own logits
in float32 are 3e-5 away from those in float64."""
PROMPTS = 10
NEW_TOKENS = 64


def prompts(count: int = PROMPTS, longest: int = 40) -> list[list[int]]:
    """Return seeded prompts of 1 to ``longest`` ordinary tokens: shorter and longer than the sliding window."""
    draw = random.Random(4)
    return [[2] + [draw.randrange(110, 500) for _ in range(draw.randrange(longest))] for _ in range(count)]


def difference(logits: np.ndarray, expected: np.ndarray) -> float:
    """Return the largest difference, relative to the spread of what is expected."""
    return float(np.abs(logits - expected).max() / expected.std())


def prefill(model: LanguageModel, ids: list[int]) -> np.ndarray:
    assert list(model.prefill(ids, CancelToken()))[-1] == len(ids)
    return model.logits.copy()


def greedy(model: LanguageModel, ids: list[int], count: int) -> list[int]:
    tokens = [int(prefill(model, ids).argmax())]
    while len(tokens) < count:
        logits = model.step(tokens[-1], CancelToken())
        assert logits is not None
        tokens.append(int(logits.argmax()))
    return tokens


def test_greedy_tokens_equal_transformers(converted: Any, kind: str) -> None:
    pair = converted(kind)
    model = pair.open()
    ties = 0
    for ids in prompts():
        ours, theirs = greedy(model, ids, NEW_TOKENS), pair.reference_greedy(ids, NEW_TOKENS)
        if ours != theirs:
            ties += 1
            at = next(index for index, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b)
            logits = pair.reference_logits(ids + theirs[:at])[-1]
            # without a cache, transformers itself may say the other one
            assert abs(logits[theirs[at]] - logits[ours[at]]) < TIE * logits.std()
            assert logits.max() == max(logits[theirs[at]], logits[ours[at]])
    assert ties <= 1


def test_logits_equal_transformers(converted: Any, kind: str) -> None:
    pair = converted(kind)
    model = pair.open()
    for ids in prompts(6):
        assert difference(prefill(model, ids), pair.reference_logits(ids)[-1]) < LOGIT_TOLERANCE


def test_every_row_equals_transformers_when_all_logits_are_kept(converted: Any, kind: str) -> None:
    import onnxruntime

    pair = converted(kind)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    decoder, embedder = (
        onnxruntime.InferenceSession(pair.folder / "onnx" / f"{name}.onnx", options)
        for name in ("decoder_model_merged", "embed_tokens")
    )
    ids = prompts(1, longest=33)[0] + list(range(120, 150))
    names = [output.name for output in embedder.get_outputs()]
    embedded = dict(zip(names, embedder.run(names, {"input_ids": np.array([ids])}), strict=True))
    past = {
        node.name: np.zeros((1, node.shape[1], 0, node.shape[3]), np.float32)
        for node in decoder.get_inputs()
        if node.name.startswith("past_key_values.")
    }
    feeds = {
        **embedded,
        **past,
        "attention_mask": np.ones((1, len(ids)), np.int64),
        "position_ids": np.arange(len(ids))[None],
    }
    everything, hidden = decoder.run(["logits", "last_hidden_state"], feeds)
    assert difference(everything[0], pair.reference_logits(ids)) < LOGIT_TOLERANCE
    kept, kept_hidden = decoder.run(
        ["logits", "last_hidden_state"], {**feeds, "num_logits_to_keep": np.array(3, np.int64)}
    )
    assert kept.shape[1] == kept_hidden.shape[1] == 3
    np.testing.assert_allclose(kept, everything[:, -3:], atol=1e-4)
    np.testing.assert_allclose(kept_hidden, hidden[:, -3:], atol=1e-4)


def test_past_the_first_capacity_of_the_cache(converted: Any) -> None:
    pair = converted("e2b")
    ids = prompts(1)[0]
    assert greedy(pair.open(), ids, 560) == pair.reference_greedy(ids, 560)


def test_prefill_in_chunks_equals_prefill_at_once(converted: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = converted(kind)
    ids = prompts(1, longest=2)[0] + [random.Random(7).randrange(110, 500) for _ in range(60)]
    at_once = prefill(pair.open(), ids)
    for bound in ("SMALLEST", "LARGEST"):
        monkeypatch.setattr(f"inference.prefill_pace.{bound}", 7)
    model = pair.open()
    progress = list(model.prefill(ids, CancelToken()))
    assert progress[0] == 0
    assert progress[-1] == len(ids)
    assert len(progress) == 2 + (len(ids) - 1) // 7
    np.testing.assert_allclose(model.logits, at_once, atol=1e-4)


def test_a_common_prefix_is_reused_and_changes_nothing(converted: Any, kind: str) -> None:
    pair = converted(kind)
    model = pair.open()
    first = [2, *range(120, 150)]
    prefill(model, first)
    for following in ([*first, 200, 201], [*first[:20], 300, 301, 302], first[:5], first):
        steps = list(model.prefill(following, CancelToken()))
        common = next((i for i, (a, b) in enumerate(zip(first, following, strict=False)) if a != b), len(following))
        assert steps[0] == min(common, len(first), len(following) - 1)
        assert model.cached_tokens == tuple(following)
        assert difference(model.logits, pair.reference_logits(following)[-1]) < LOGIT_TOLERANCE
        prefill(model, first)


def test_a_cancelled_prefill_can_be_continued(converted: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = converted(kind)
    for bound in ("SMALLEST", "LARGEST"):
        monkeypatch.setattr(f"inference.prefill_pace.{bound}", 8)
    model = pair.open()
    ids = [2, *range(120, 170)]
    cancel = CancelToken()
    seen = []
    for done in model.prefill(ids, cancel):
        seen.append(done)
        if done >= 16:
            cancel.cancel()
    assert seen == [0, 8, 16]
    assert model.cached_tokens == tuple(ids[:16])
    assert model.step(5, cancel) is None
    continued = list(model.prefill(ids, CancelToken()))
    assert continued[0] == 16
    assert difference(model.logits, pair.reference_logits(ids)[-1]) < LOGIT_TOLERANCE
    follow = greedy(model, ids, 12)
    assert follow == pair.reference_greedy(ids, 12)


def test_a_run_under_way_is_ended(converted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stop arrives while the runtime works: the cache stays as it was, and the next run is right."""
    pair = converted("e2b")
    for bound in ("SMALLEST", "LARGEST"):
        monkeypatch.setattr(f"inference.prefill_pace.{bound}", 4096)
    model = LanguageModel.open(_folder(pair), provider="cpu", threads=1)
    short = [2, *range(120, 130)]
    prefill(model, short)
    cancel = CancelToken()
    started = threading.Event()
    original = decoder_module.Decoder._run

    def announced(self: Any, *arguments: Any) -> None:
        started.set()
        original(self, *arguments)

    monkeypatch.setattr(decoder_module.Decoder, "_run", announced)
    long = short + [110 + index % 300 for index in range(900)]
    canceller = threading.Thread(target=lambda: (started.wait(), cancel.cancel()))
    canceller.start()
    done = list(model.prefill(long, cancel))
    canceller.join()
    assert done == [len(short)]
    assert model.cached_tokens == tuple(short)
    monkeypatch.undo()
    after = [*short, 400, 401]
    assert difference(prefill(model, after), pair.reference_logits(after)[-1]) < LOGIT_TOLERANCE


def _folder(pair: Any) -> Any:
    from inference.model_folder import ModelFolder

    return ModelFolder.open(pair.folder)


def test_a_long_reply_can_be_tried_again(converted: Any, kind: str) -> None:
    """The reply pushes the prompt out of the sliding windows; a mark brings them back for another one."""
    pair = converted(kind)
    model = pair.open()
    prompt = [2, *(random.Random(5).randrange(110, 500) for _ in range(120))]
    prefill(model, prompt)
    for token in random.Random(6).choices(range(110, 500), k=420):
        assert model.step(token, CancelToken()) is not None
    assert difference(model.logits, pair.reference_logits(list(model.cached_tokens))[-1]) < LOGIT_TOLERANCE
    again = [*prompt[:-2], 300, 301, 302]
    steps = list(model.prefill(again, CancelToken()))
    assert steps[0] == len(prompt) - 2
    assert difference(model.logits, pair.reference_logits(again)[-1]) < LOGIT_TOLERANCE
