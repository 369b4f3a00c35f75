"""What is brought back from marks, from memory and from disk leads to the logits of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.cancellation import CancelToken
from inference.language_model import LanguageModel
from inference.model_folder import ModelFolder

pytestmark = pytest.mark.parity


def words(seed: int, count: int) -> list[int]:
    return np.random.default_rng(seed).integers(110, 500, count).tolist()


def computed(model: LanguageModel, prompt: list[int]) -> int:
    first, *_ = list(model.prefill(prompt, CancelToken()))
    return len(prompt) - first


def test_thoughts_vanish_chats_change_and_the_program_starts_again(converted: Any, kind: str, tmp_path: Path) -> None:
    pair = converted(kind)

    def start() -> LanguageModel:
        return LanguageModel.open(ModelFolder.open(pair.folder), provider="cpu", threads=1, prefix_cache=tmp_path)

    def assert_right() -> None:
        expected = pair.reference_logits(list(model.cached_tokens))[-1]
        assert np.abs(model.logits - expected).max() < 2e-3

    model = start()
    one, other = [2, *words(1, 299)], [2, *words(2, 349)]
    computed(model, one)
    model.verify(words(3, 200), CancelToken())
    model.verify(words(4, 200), CancelToken())  # the window has left the prompt by now
    one += words(5, 20)
    assert computed(model, one) == 20
    assert_right()
    assert computed(model, other) >= 349
    assert_right()
    assert computed(model, [*one, 120]) == 1
    assert_right()
    model.close()
    model = start()
    for history in (other, one):
        assert computed(model, [*history, 121, 122]) == 2
        assert_right()
    model.close()
