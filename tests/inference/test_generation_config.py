"""What a folder says about sampling and stopping, and what a reply asks for on top."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.errors import ModelFolderError
from inference.generation_config import GenerationConfig
from inference.messages import ReplyOptions
from inference.model_folder import ModelFolder
from inference.tokenizer import Tokenizer


def read(tokenizer: Tokenizer, config: dict[str, Any] | None = None, **generation: Any) -> GenerationConfig:
    folder = ModelFolder(Path("model"), config or {}, generation, chat_template="", suffix="")
    return GenerationConfig.of(folder, tokenizer)


def test_google_s_defaults(tokenizer: Tokenizer) -> None:
    assert read(tokenizer) == GenerationConfig(1.0, 64, 0.95, 0.0, frozenset({106, 50}), ())


def test_the_folder_s_own_settings(tokenizer: Tokenizer) -> None:
    config = read(
        tokenizer,
        temperature=0.7,
        top_k=10,
        top_p=0.5,
        min_p=0.1,
        eos_token_id=[1, 106, 50],
        suppress_tokens=[258883, 258882],
    )
    assert config == GenerationConfig(0.7, 10, 0.5, 0.1, frozenset({1, 106, 50}), (258883, 258882))


def test_a_single_end_token_and_no_sampling(tokenizer: Tokenizer) -> None:
    config = read(tokenizer, eos_token_id=1, do_sample=False, top_k=None)
    assert config.stop_ids == {1, 106, 50}
    assert (config.temperature, config.top_k) == (0.0, 64)


def test_end_tokens_of_the_model_s_config(tokenizer: Tokenizer) -> None:
    assert 1 in read(tokenizer, {"eos_token_id": [1, 106]}).stop_ids
    assert 1 in read(tokenizer, {"text_config": {"eos_token_id": 1}}).stop_ids


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "hot"),
        ("temperature", -1),
        ("temperature", float("nan")),
        ("top_k", True),
        ("top_p", [1]),
        ("eos_token_id", "1"),
        ("eos_token_id", [1, None]),
        ("eos_token_id", True),
        ("suppress_tokens", [-1]),
    ],
)
def test_unusable_settings_are_said_in_a_sentence(tokenizer: Tokenizer, name: str, value: Any) -> None:
    with pytest.raises(ModelFolderError, match=f"says something unusable about {name}"):
        read(tokenizer, **{name: value})


def test_a_reply_may_ask_for_something_else(tokenizer: Tokenizer) -> None:
    config = read(tokenizer, suppress_tokens=[0])
    logits = np.arange(10, dtype=np.float32)[::-1].copy()
    assert len(config.sampler(ReplyOptions(top_k=3, top_p=1.0)).probabilities(logits)[0]) == 3
    assert len(config.sampler(ReplyOptions(top_k=0, top_p=1.0)).probabilities(logits)[0]) == 9
    greedy = config.sampler(ReplyOptions(temperature=0))
    assert greedy.greedy
    assert greedy.sample(logits) == 1
