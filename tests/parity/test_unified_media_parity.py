"""The media graphs of 12B Unified against transformers: soft tokens within 1e-4, whatever the precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fixtures_multimodal import images, sounds

from inference.cancellation import CancelToken

pytestmark = pytest.mark.parity

TOLERANCE = 1e-4
PRECISIONS = ("fp32", "q8", "q4")
"""The projections stay float32 in all of them."""


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize(
    ("grids", "budget"), [([(3, 4)], 12), ([(7, 9)], 70), ([(1, 1)], 1), ([(3, 4), (1, 7), (39, 1)], 40)]
)
def test_images(encoders: Any, precision: str, grids: list[tuple[int, int]], budget: int) -> None:
    made = encoders("unified", precision)
    pixels, positions = images(grids, budget, merge=1, values=6912, seed=budget)
    expected = encoders("unified").image_features(pixels, positions)
    encoded = made.vision(pixels, positions, CancelToken())
    at_once = made.vision._session.run(None, {"pixel_values": pixels, "pixel_position_ids": positions})[0]
    assert [len(tokens) for tokens in encoded] == [rows * columns for rows, columns in grids]
    np.testing.assert_allclose(np.concatenate(encoded), np.concatenate(expected), atol=TOLERANCE)
    np.testing.assert_allclose(at_once, np.concatenate(expected), atol=TOLERANCE)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("lengths", [[(1, 1)], [(25, 25)], [(750, 750)], [(40, 40), (33, 33), (40, 1)]])
def test_sound(encoders: Any, precision: str, lengths: list[tuple[int, int]]) -> None:
    made = encoders("unified", precision)
    features, mask = sounds(lengths, size=640)
    expected = encoders("unified").audio_features(features, mask)
    encoded = made.audio(features, mask, CancelToken())
    at_once = made.audio._session.run(None, {"input_features": features, "input_features_mask": mask})[0]
    assert [len(tokens) for tokens in encoded] == [real for _, real in lengths]
    np.testing.assert_allclose(np.concatenate(encoded), np.concatenate(expected), atol=TOLERANCE)
    np.testing.assert_allclose(at_once, np.concatenate(expected), atol=TOLERANCE)


def test_graphs_say_what_they_take(encoders: Any) -> None:
    made = encoders("unified")
    assert (made.vision.patch_values, made.vision.hidden_size) == (6912, 64)
    assert (made.audio.frame_values, made.audio.hidden_size) == (640, 64)
