"""Pictures against transformers' processors: every value, position and count."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the parity tests need the export extra")
pytest.importorskip("transformers", reason="the parity tests need the export extra")

from pathlib import Path

import numpy as np
import reference_processors as reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_samples import noise, smooth

from inference.media.image import BUDGETS, ImageFeatures, aspect_preserving_size, image_features, load_image

pytestmark = pytest.mark.parity

side = st.one_of(st.integers(1, 1000), st.sampled_from([1, 2, 16, 47, 48, 49, 96, 672, 912]))
extreme = st.sampled_from(
    [(1, 1), (8000, 300), (300, 8000), (1, 1000), (1000, 1), (3, 4000), (4000, 3), (2, 2), (1, 47)]
)
sizes = st.one_of(st.tuples(side, side), st.tuples(side, side), extreme)
EXAMPLES = {70: 110, 140: 80, 280: 70, 560: 25, 1120: 15}  # 300 together; the large ones take the reference longest


def unhurried(examples: int) -> settings:
    slow = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
    return settings(max_examples=examples, deadline=None, database=None, derandomize=True, suppress_health_check=slow)


def assert_equal(made: ImageFeatures, expected: dict[str, object]) -> None:
    assert made.soft_tokens == expected["soft_tokens"]
    np.testing.assert_array_equal(made.position_ids, expected["position_ids"])
    assert made.pixel_values.dtype == np.float32
    np.testing.assert_array_equal(made.pixel_values, expected["pixel_values"])


@pytest.mark.parametrize("budget", BUDGETS)
def test_tower_layout(budget: int) -> None:
    @unhurried(EXAMPLES[budget])
    @given(sizes, st.integers(0, 2**32 - 1))
    def check(size: tuple[int, int], seed: int) -> None:
        pixels = noise(*size, seed)
        assert_equal(image_features(pixels, budget), reference.tower_image(pixels, budget))

    check()


@pytest.mark.parametrize("budget", BUDGETS)
def test_unified_layout(budget: int) -> None:
    @unhurried(EXAMPLES[budget] // 8)
    @given(sizes, st.integers(0, 2**32 - 1))
    def check(size: tuple[int, int], seed: int) -> None:
        pixels = noise(*size, seed)
        made, expected = image_features(pixels, budget, "unified"), reference.unified_image(pixels, budget)
        assert made.soft_tokens == expected["soft_tokens"]
        np.testing.assert_array_equal(made.position_ids, expected["position_ids"])
        # torch multiplies by 1/255 in single precision
        np.testing.assert_allclose(made.pixel_values, expected["pixel_values"], atol=1.2e-7, rtol=0)

    check()


def test_torchvision_resizes_within_a_step_or_two() -> None:
    """The two libraries round at different places; on a millionth of the values that adds up to two steps."""
    for budget, (height, width) in zip(
        BUDGETS, [(480, 640), (720, 1280), (333, 777), (1080, 720), (900, 900)], strict=True
    ):
        pixels = smooth(height, width)
        expected = reference.unified_image(pixels, budget, reference.resize_like_torchvision)["pixel_values"]
        steps = np.abs(image_features(pixels, budget, "unified").pixel_values - expected) * 255
        assert steps.max() < 2.01
        assert (steps > 1.01).mean() < 1e-4


@settings(max_examples=800, deadline=None, database=None, derandomize=True)
@given(st.integers(1, 30_000), st.integers(1, 30_000), st.sampled_from(BUDGETS))
def test_size(height: int, width: int, budget: int) -> None:
    from transformers.models.gemma4.image_processing_pil_gemma4 import get_aspect_ratio_preserving_size

    assert aspect_preserving_size(height, width, budget) == get_aspect_ratio_preserving_size(
        height, width, 16, 9 * budget, 3
    )


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("name", ["GoldenGate.png", "surprise.png"])
def test_real_pictures(shared_data: Path, name: str, budget: int) -> None:
    pixels = load_image(shared_data / "sample" / name)
    assert_equal(image_features(pixels, budget), reference.tower_image(pixels, budget))
