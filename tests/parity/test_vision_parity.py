"""The vision encoder against transformers: soft tokens of images within 1e-4."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import numpy as np
import onnx
import pytest
from fixtures_multimodal import MEDIA_CONFIGS, images

from inference.cancellation import CancelToken
from inference.graphs.session import RunCancelled

pytestmark = pytest.mark.parity

TOLERANCE = 1e-4
TOWERS = ("e2b", "31b", "odd")

GRIDS = [
    pytest.param([(3, 4)], 12, id="exactly-full"),
    pytest.param([(3, 4)], 20, id="padded"),
    pytest.param([(1, 1)], 1, id="one-soft-token"),
    pytest.param([(1, 70)], 70, id="wide"),
    pytest.param([(70, 1)], 70, id="tall"),
    pytest.param([(7, 9)], 70, id="budget-70"),
    pytest.param([(3, 4), (1, 7), (2, 3)], 12, id="several-of-different-sizes"),
    pytest.param([(2, 2), (2, 2), (1, 4), (4, 1)], 4, id="several-without-padding"),
]


def tower_images(kind: str, grids: list[tuple[int, int]], budget: int) -> tuple[Any, Any]:
    config = MEDIA_CONFIGS[kind]["vision_config"]
    merge, patch = config.get("pooling_kernel_size", 3), config.get("patch_size", 16)
    return images(grids, budget * merge**2, merge, 3 * patch**2, seed=budget)


def run(encoders: Any, pixels: Any, positions: Any) -> Any:
    """Run the graph as other runtimes do: all images at once, padding included."""
    session = encoders.vision._session
    return session.run(["image_features"], {"pixel_values": pixels, "pixel_position_ids": positions})[0]


@pytest.mark.parametrize("kind", TOWERS)
@pytest.mark.parametrize(("grids", "budget"), GRIDS)
def test_soft_tokens_equal_transformers(encoders: Any, kind: str, grids: list[tuple[int, int]], budget: int) -> None:
    made = encoders(kind)
    pixels, positions = tower_images(kind, grids, budget)
    expected = made.image_features(pixels, positions)
    at_once = run(made, pixels, positions)
    np.testing.assert_allclose(at_once, np.concatenate(expected), atol=TOLERANCE)
    one_by_one = made.vision(pixels, positions, CancelToken())
    assert [len(tokens) for tokens in one_by_one] == [rows * columns for rows, columns in grids]
    for tokens, reference in zip(one_by_one, expected, strict=True):
        np.testing.assert_allclose(tokens, reference, atol=TOLERANCE)


def test_a_whole_budget_of_280_soft_tokens(encoders: Any) -> None:
    made = encoders("e2b")
    pixels, positions = tower_images("e2b", [(14, 19)], 280)
    (expected,) = made.image_features(pixels, positions)
    np.testing.assert_allclose(run(made, pixels, positions), expected, atol=TOLERANCE)
    np.testing.assert_allclose(made.vision(pixels, positions, CancelToken())[0], expected, atol=TOLERANCE)


def test_what_lies_in_the_padding_changes_nothing(encoders: Any) -> None:
    made = encoders("e2b")
    pixels, positions = tower_images("e2b", [(2, 3)], 12)
    expected = run(made, pixels, positions)
    padding = (positions == -1).all(-1)
    pixels[padding] = np.random.default_rng(5).normal(0, 50, pixels[padding].shape)
    np.testing.assert_allclose(run(made, pixels, positions), expected, atol=TOLERANCE)


def test_the_limits_of_clipped_linears_matter(encoders: Any) -> None:
    """Otherwise the comparisons above would not notice if they were left out."""
    made = encoders("e2b")
    pixels, positions = tower_images("e2b", [(3, 4)], 12)
    expected = run(made, pixels, positions)
    buffers = dict(made.reference.vision_tower.named_buffers())
    kept = {name: buffer.clone() for name, buffer in buffers.items() if "put_m" in name}
    assert any(buffer.isinf() for buffer in kept.values())
    try:
        for name in kept:
            buffers[name].mul_(1e6)
        (unclipped,) = made.image_features(pixels, positions)
    finally:
        for name, value in kept.items():
            buffers[name].copy_(value)
    assert np.abs(unclipped - expected).max() > 0.05


@pytest.mark.parametrize(("kind", "limit"), [("e2b", 0.15), ("31b", 0.15), ("odd", 0.05)])
def test_eight_bits_stay_close(encoders: Any, kind: str, limit: float) -> None:
    """Tiny towers with peaked attention make much of each rounding; at true size 2 % were measured."""
    made = encoders(kind, "q8")
    pixels, positions = tower_images(kind, [(3, 4), (1, 7)], 12)
    expected = np.concatenate(encoders(kind).image_features(pixels, positions))
    error = np.linalg.norm(run(made, pixels, positions) - expected) / np.linalg.norm(expected)
    assert 1e-4 < error < limit


def test_sixteen_bits_stay_closer(encoders: Any) -> None:
    made = encoders("e2b", "fp16")
    for grids, budget in ([(3, 4)], 12), ([(3, 4), (1, 7)], 12):
        pixels, positions = tower_images("e2b", grids, budget)
        expected = np.concatenate(encoders("e2b").image_features(pixels, positions))
        error = np.linalg.norm(run(made, pixels, positions) - expected) / np.linalg.norm(expected)
        assert 1e-6 < error < 0.02


def test_only_matrices_of_layers_are_eight_bits(encoders: Any) -> None:
    integers = (onnx.TensorProto.UINT8,)
    for kind in TOWERS:
        model = onnx.load(encoders(kind, "q8").graph("vision_encoder"), load_external_data=False)
        kept = {tensor.name for tensor in model.graph.initializer if tensor.data_type not in integers}
        assert any("input_proj" in name for name in kept)
        assert not {name for name in kept if name.endswith("proj.linear.weight")}
        assert {name for name in kept if "position_embedding_table" in name}
        layers = MEDIA_CONFIGS[kind]["vision_config"]["num_hidden_layers"]
        packed = [tensor for tensor in model.graph.initializer if tensor.data_type in integers]
        assert len([tensor for tensor in packed if tensor.dims]) == 7 * layers


def test_a_stop_ends_a_run_under_way(encoders: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = encoders("e2b")
    pixels, positions = tower_images("e2b", [(14, 20)], 280)
    cancel, started = CancelToken(), threading.Event()
    session = made.vision._session

    class Announcing:
        def run(self, *arguments: Any) -> Any:
            started.set()
            return session.run(*arguments)

    monkeypatch.setattr(made.vision, "_session", Announcing())
    canceller = threading.Thread(target=lambda: (started.wait(), cancel.cancel()))
    canceller.start()
    with pytest.raises(RunCancelled):
        made.vision(np.repeat(pixels, 50, 0), np.repeat(positions, 50, 0), cancel)
    canceller.join()
    monkeypatch.undo()
    assert len(made.vision(pixels, positions, CancelToken())[0]) == 280


_PEAK = """
import resource, sys
import numpy as np
sys.path[:0] = sys.argv[2:]
from fixtures_multimodal import images
from pathlib import Path
from inference.graphs.vision import VisionEncoder

encoder = VisionEncoder(Path(sys.argv[1]), "cpu", threads=1)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
for grid in (28, 40), (27, 40):
    pixels, positions = images([grid], 10_080)
    before = peak()
    encoder._session.run(None, {"pixel_values": pixels, "pixel_position_ids": positions})
    print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads peak memory as Linux counts it")
def test_scores_of_the_largest_images_are_never_held_at_once(encoders: Any, project_root: Any) -> None:
    """10,080 patches: the scores of one head alone would take 406 MB; padded and not, the whole graph takes less."""
    command = [
        sys.executable,
        "-c",
        _PEAK,
        encoders("e2b").graph("vision_encoder"),
        project_root,
        project_root / "tests",
    ]
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
    growth = [int(line) for line in result.stdout.split()]
    assert len(growth) == 2
    assert max(growth) < 350, f"megabytes: {growth}"
