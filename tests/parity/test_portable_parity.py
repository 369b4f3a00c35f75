"""Folders in standard ONNX operators: as near to transformers as the others, and nothing but the standard in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import test_drafter_parity
import test_image_blocks
from fixtures_drafters import build_pair
from fixtures_encoders import Encoders, traced_once
from fixtures_multimodal import MEDIA_CONFIGS, build_multimodal_checkpoint, images, sounds
from test_text_parity import LOGIT_TOLERANCE, difference, greedy, prefill, prompts

from inference.cancellation import CancelToken
from inference.export import convert, portable_attention
from inference.graphs.audio import AudioEncoder

pytestmark = pytest.mark.parity

KINDS = ("e2b", "unified")
"""With KV-shared layers; with k = v, grouped heads, and pictures that see both ways."""


@pytest.fixture(scope="module")
def portable(converted: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """``portable(kind, precision)``: as ``converted``, in standard operators."""

    @cache
    def make(kind: str, precision: str = "fp32") -> Any:
        pair = converted(kind)
        out = tmp_path_factory.mktemp(f"{kind}_portable") / precision
        return replace(pair, folder=convert.convert_checkpoint(pair.checkpoint, out, precision, portable=True))

    return make


@pytest.fixture(scope="module")
def towers(tmp_path_factory: pytest.TempPathFactory) -> Encoders:
    """Encoders whose attention takes few rows at a time."""
    root = tmp_path_factory.mktemp("towers_portable")
    checkpoint = build_multimodal_checkpoint(root / "checkpoint", "e2b")
    with pytest.MonkeyPatch.context() as patch, traced_once("e2b"):
        patch.setattr(portable_attention, "_QUERY_ROWS", 7)
        patch.setattr(convert, "RECIPES", [recipe for recipe in convert.RECIPES if "encoder" in recipe.name])
        return Encoders(checkpoint, convert.convert_checkpoint(checkpoint, root / "out", "fp32", portable=True))


def every_node(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from every_node(attribute.g)


def assert_standard(folder: Path, graphs: int) -> None:
    files = sorted((folder / "onnx").glob("*.onnx"))
    assert len(files) == graphs
    for file in files:
        model = onnx.load(file, load_external_data=False)
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 21)]
        assert {node.domain for node in every_node(model.graph)} == {""}
        onnx.checker.check_model(file, full_check=True)
    assert json.loads((folder / "larimar.json").read_text())["operators"] == "onnx"


@pytest.mark.parametrize("kind", KINDS)
def test_answers_equal_transformers(portable: Any, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the engine: in chunks, past the window, back by some tokens, and to another beginning."""
    pair = portable(kind)
    assert_standard(pair.folder, graphs=2)
    for bound in ("SMALLEST", "LARGEST"):
        monkeypatch.setattr(f"inference.prefill_pace.{bound}", 7)
    model = pair.open()
    ids = prompts(1)[0]
    assert greedy(model, ids, 40) == pair.reference_greedy(ids, 40)
    first = [2, *range(120, 160)]
    for following in (first, [*first, 200, 201], [*first[:30], 300, 301, 302], first[:5], first):
        assert difference(prefill(model, following), pair.reference_logits(following)[-1]) < LOGIT_TOLERANCE
    several = model.verify([7, 8, 9, 10], CancelToken())
    expected = pair.reference_logits([*first, 7, 8, 9, 10])[-4:]
    assert difference(several, expected) < LOGIT_TOLERANCE
    model.roll_back(len(first) + 2)
    assert difference(model.step(50, CancelToken()), pair.reference_logits([*first, 7, 8, 50])[-1]) < LOGIT_TOLERANCE


@pytest.mark.parametrize("kind", KINDS)
def test_the_past_may_grow_as_it_does_elsewhere(portable: Any, kind: str) -> None:
    """As transformers.js does it: the past is the present of the call before, without room for more."""
    pair = portable(kind)
    graphs = test_image_blocks.Graphs(pair)
    ids = prompts(1, longest=3)[0] + list(range(140, 170))
    logits = [graphs.append(ids[:12]), graphs.append(ids[12:15]), *(graphs.append([token]) for token in ids[15:])]
    assert difference(np.concatenate(logits), pair.reference_logits(ids)) < LOGIT_TOLERANCE
    assert {past.shape[2] for past in graphs.past.values()} == {len(ids)}


def test_pictures_that_see_both_ways(portable: Any) -> None:
    test_image_blocks.test_image_blocks_equal_transformers(portable, "unified", (9, 21))


def test_quantized_answers_equal_those_of_the_other_form(portable: Any, converted: Any) -> None:
    ours, theirs = portable("odd", "q4").open(), converted("odd", "q4").open()
    ids = [2, *range(130, 160)]
    logits = prefill(ours, ids), prefill(theirs, ids)
    # one form rounds activations to 8 bits; the other does on some processors only
    assert difference(*logits) < 0.3
    assert np.corrcoef(*logits)[0, 1] > 0.99
    assert logits[0].argmax() == logits[1].argmax()


def test_a_drafter_that_is_added_takes_the_form_of_its_target(portable: Callable[..., Any], tmp_path: Path) -> None:
    pair = build_pair("e2b", portable("e2b"), tmp_path)
    assert_standard(pair.folder.path, graphs=3)
    test_drafter_parity.test_every_step_equals_transformers(pair)


def test_pictures_and_sound_equal_transformers(towers: Encoders) -> None:
    assert_standard(towers.folder, graphs=2)
    config = MEDIA_CONFIGS["e2b"]["vision_config"]
    merge = config.get("pooling_kernel_size", 3)
    for grids in ([(3, 4), (1, 7), (2, 3)], [(3, 4)]):
        pixels, positions = images(grids, 12 * merge**2, merge, 3 * config.get("patch_size", 16) ** 2)
        (features,) = towers.vision._session.run(None, {"pixel_values": pixels, "pixel_position_ids": positions})
        np.testing.assert_allclose(features, np.concatenate(towers.image_features(pixels, positions)), atol=1e-4)
    assert isinstance(towers.audio, AudioEncoder)
    heard, mask = sounds([(120, 120), (77, 77), (120, 33)])
    for tokens, expected in zip(
        towers.audio(heard, mask, CancelToken()), towers.audio_features(heard, mask), strict=True
    ):
        np.testing.assert_allclose(tokens, expected, atol=1e-4)
