"""The audio encoder against transformers: soft tokens of sound within 1e-4."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from fixtures_multimodal import MEDIA_CONFIGS, sounds

from inference.cancellation import CancelToken
from inference.graphs.session import RunCancelled

pytestmark = pytest.mark.parity

TOLERANCE = 1e-4
KINDS = ("e2b", "odd")

# frames of the padded waveform and real ones among them; the lengths that the feature extractor gives
LENGTHS = [
    *([(frames, real)] for frames, real in ((10, 9), (50, 49), (99, 99), (299, 299), (305, 304), (999, 999))),
    # shorter than a chunk, shorter than the convolutions reach, none of the sizes that divide
    *([(frames, frames)] for frames in (1, 2, 3, 4, 5, 47, 48, 49)),
    [(120, 120), (77, 77), (120, 33), (120, 1)],
]


def run(encoders: Any, features: Any, mask: Any) -> Any:
    """Run the graph as other runtimes do: all clips at once."""
    session = encoders.audio._session
    return session.run(["audio_features"], {"input_features": features, "input_features_mask": mask})[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", LENGTHS, ids=lambda lengths: "+".join(f"{real}of{all_}" for all_, real in lengths))
def test_soft_tokens_equal_transformers(encoders: Any, kind: str, lengths: list[tuple[int, int]]) -> None:
    made = encoders(kind)
    features, mask = sounds(lengths, seed=len(lengths))
    expected = made.audio_features(features, mask)
    np.testing.assert_allclose(run(made, features, mask), np.concatenate(expected), atol=TOLERANCE)
    one_by_one = made.audio(features, mask, CancelToken())
    assert [len(tokens) for tokens in one_by_one] == [-(-real // 4) for _, real in lengths]
    for tokens, reference in zip(one_by_one, expected, strict=True):
        np.testing.assert_allclose(tokens, reference, atol=TOLERANCE)


def test_transformers_can_be_timed(encoders: Any) -> None:
    """As ``main.py bench encoders --against transformers`` does."""
    from inference.export.bench_peer import TransformersEncoders

    made = encoders("e2b")
    features, mask = sounds([(50, 50)])
    peer = TransformersEncoders(made.checkpoint, threads=1)
    assert peer.encode("audio_encoder", {"input_features": features, "input_features_mask": mask}) > 0


def test_thirty_seconds(encoders: Any) -> None:
    made = encoders("e2b")
    features, mask = sounds([(2999, 2999)])
    expected = made.audio_features(features, mask)[0]
    assert len(expected) == 750
    np.testing.assert_allclose(run(made, features, mask), expected, atol=TOLERANCE)


def test_gaps_in_the_mask(encoders: Any) -> None:
    """No extractor gives them; the graph follows transformers all the same."""
    made = encoders("e2b")
    features, mask = sounds([(200, 200)])
    mask[:, 40:100] = False
    expected = made.audio_features(features, mask)[0]
    np.testing.assert_allclose(run(made, features, mask), expected, atol=TOLERANCE)


def test_what_lies_in_the_padding_changes_nothing(encoders: Any) -> None:
    made = encoders("e2b")
    features, mask = sounds([(100, 61)])
    expected = run(made, features, mask)
    features[~mask] = np.random.default_rng(3).normal(0, 100, features[~mask].shape)
    np.testing.assert_allclose(run(made, features, mask), expected, atol=TOLERANCE)


@pytest.mark.parametrize(
    ("attribute", "value"), [("gradient_clipping", 1e10), ("residual_weight", 0.5)], ids=["clamps", "residual"]
)
def test_the_clamps_of_the_layers_matter(encoders: Any, attribute: str, value: float) -> None:
    """Otherwise the comparisons above would not notice if they were left out."""
    made = encoders("odd")
    features, mask = sounds([(99, 99)])
    expected = run(made, features, mask)
    modules = [module for module in made.reference.audio_tower.modules() if hasattr(module, attribute)]
    modules += [module for module in made.reference.audio_tower.modules() if hasattr(module, "post_layer_scale")]
    name = {"residual_weight": "post_layer_scale"}.get(attribute, attribute)
    kept = [(module, getattr(module, name)) for module in modules if hasattr(module, name)]
    assert kept
    try:
        for module, _ in kept:
            setattr(module, name, value)
        changed = made.audio_features(features, mask)[0]
    finally:
        for module, original in kept:
            setattr(module, name, original)
    assert np.abs(changed - expected).max() > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_eight_bits_stay_close(encoders: Any, kind: str) -> None:
    made = encoders(kind, "q8")
    features, mask = sounds([(99, 99), (77, 77)])
    expected = np.concatenate(encoders(kind).audio_features(features, mask))
    error = np.linalg.norm(run(made, features, mask) - expected) / np.linalg.norm(expected)
    assert 1e-4 < error < 0.08


def test_sixteen_bits_stay_closer(encoders: Any) -> None:
    made = encoders("e2b", "fp16")
    features, mask = sounds([(99, 99), (77, 77)])
    expected = np.concatenate(encoders("e2b").audio_features(features, mask))
    error = np.linalg.norm(run(made, features, mask) - expected) / np.linalg.norm(expected)
    assert 1e-6 < error < 0.005


def test_only_matrices_of_layers_are_eight_bits(encoders: Any) -> None:
    integers = (onnx.TensorProto.UINT8,)
    model = onnx.load(encoders("e2b", "q8").graph("audio_encoder"), load_external_data=False)
    packed = [tensor for tensor in model.graph.initializer if tensor.data_type in integers and tensor.dims]
    assert len(packed) == 10 * MEDIA_CONFIGS["e2b"]["audio_config"]["num_hidden_layers"]
    kept = {tensor.name for tensor in model.graph.initializer if tensor.data_type not in integers}
    for part in ("conv.weight", "input_proj_linear", "output_proj", "embedding_projection", "relative_k_proj"):
        assert any(part in name for name in kept), part


def test_keys_of_relative_positions_are_computed_at_conversion(encoders: Any) -> None:
    model = onnx.load(encoders("e2b").graph("audio_encoder"), load_external_data=False)
    shapes = {tuple(tensor.dims) for tensor in model.graph.initializer if "relative_k_proj" in tensor.name}
    assert shapes == {(13, 60)}


def test_a_stop_is_heard(encoders: Any) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(RunCancelled):
        encoders("e2b").audio(*sounds([(99, 99)]), cancel)
