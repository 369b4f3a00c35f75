"""Keys and values in float16 beside a graph in float32."""

from __future__ import annotations

import numpy as np
import pytest

from inference.cancellation import CancelToken
from inference.engine import Engine
from inference.graphs.half_cache import with_half_cache
from inference.language_model import LanguageModel
from inference.messages import Done, ReplyOptions, Turn
from inference.model_folder import ModelFolder, default_model_folder


@pytest.fixture(scope="module")
def folder() -> ModelFolder:
    return ModelFolder.open(default_model_folder())


def test_half_the_memory_and_nearly_the_same_logits(folder: ModelFolder) -> None:
    words = np.random.default_rng(0).integers(300, 2000, 700).tolist()
    logits, sizes = [], []
    for half in (False, True):
        model = LanguageModel.open(folder, provider="cpu", threads=1, half_cache=half)
        list(model.prefill(words, CancelToken()))
        for token in words[:30]:
            model.step(token, CancelToken())
        # and back to where the window has been
        list(model.prefill([*words[:650], 5], CancelToken()))
        logits.append(model.logits.copy())
        sizes.append(model._decoder.cache.nbytes)
        model.close()
    assert sizes[1] == sizes[0] // 2
    assert not np.array_equal(*logits), "the cache has float32 all the same"
    assert np.abs(logits[0] - logits[1]).max() < 0.05 * np.abs(logits[0]).max()


def test_an_engine_with_it(folder: ModelFolder) -> None:
    engine = Engine.open(folder.path, provider="cpu", threads=1, half_cache=True)
    done = list(engine.reply([Turn.of("user", "Hello")], ReplyOptions(temperature=0, max_tokens=8)))[-1]
    assert isinstance(done, Done)
    engine.close()


def test_graphs_that_compute_with_the_cache_stay_as_they_are(folder: ModelFolder) -> None:
    content = folder.graph("decoder_model_merged").read_bytes()
    changed = with_half_cache(content)
    assert changed is not None
    assert len(changed) == len(content)
    assert with_half_cache(content + b"vision_block_ids") is None
    assert with_half_cache(content.replace(b"GroupQueryAttention", b"StandardAttention..")) is None
