"""Sound against transformers' feature extractors, from the file to the last frame."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the parity tests need the export extra")
pytest.importorskip("transformers", reason="the parity tests need the export extra")

import os
from pathlib import Path

import numpy as np
import reference_processors as reference
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from media_samples import tone, wav
from numpy.typing import NDArray

from inference.media.audio import MAX_CLIP_SAMPLES, AudioFeatures, audio_features, audio_soft_tokens, load_audio

pytestmark = pytest.mark.parity

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000]
seconds = st.one_of(st.floats(0.01, 0.1), st.floats(0.1, 2), st.floats(0.1, 2), st.floats(2, 31))


def assert_equal(made: AudioFeatures, samples: NDArray[np.float32], layout: str) -> None:
    expected = reference.audio_extractor(layout)([samples], return_tensors="np")
    np.testing.assert_array_equal(made.mask, expected["input_features_mask"][0])
    assert made.values.dtype == np.float32
    # the same to the last bit but one: the sums over a band's bins are added up in another order
    np.testing.assert_allclose(made.values, expected["input_features"][0], atol=1e-6, rtol=0)
    assert made.soft_tokens == reference_count(expected["input_features_mask"][0], layout)


def reference_count(mask: NDArray[np.bool_], layout: str) -> int:
    """The placeholders that transformers' processors write, by their own functions."""
    from types import SimpleNamespace

    from transformers.models.gemma4.processing_gemma4 import Gemma4Processor
    from transformers.models.gemma4_unified.processing_gemma4_unified import Gemma4UnifiedProcessor

    processor = Gemma4Processor if layout == "tower" else Gemma4UnifiedProcessor
    names = SimpleNamespace(boa_token="<", audio_token="a", eoa_token=">")
    return processor.replace_audio_token(names, {"input_features_mask": [mask]}, 0).count("a")


@settings(max_examples=110, deadline=None, database=None, derandomize=True)
@given(st.sampled_from(RATES), seconds, st.integers(1, 2), st.sampled_from([1, 2, 3, 4]), st.integers(0, 99))
def test_recordings(rate: int, length: float, channels: int, width: int, seed: int) -> None:
    original = np.stack([tone(round(length * rate), rate, seed + each) for each in range(channels)], -1)
    loaded = load_audio(wav(original, rate, width))
    # the file as the usual loader of the reference reads it: mean of the channels, then soxr at once
    stored = np.round(original.astype(np.float64) * (2 ** (8 * width - 1) - 1)) / 2 ** (8 * width - 1)
    expected = soxr.resample(stored.astype(np.float32).mean(axis=1, dtype=np.float32), rate, 16_000)
    assert abs(len(loaded) - length * 16_000) <= 16_000 / rate + 1
    np.testing.assert_allclose(loaded, expected, atol=2e-7)
    clip = loaded[:MAX_CLIP_SAMPLES]
    for layout in ("tower", "unified"):
        assert_equal(audio_features(clip, layout), clip, layout)  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [1, 100, 160, 161, 320, 321, 639, 640, 641, 1_600, 8_000, 38_560, 48_800, 480_000])
def test_lengths(samples: int) -> None:
    sound = tone(samples, 16_000)
    assert_equal(audio_features(sound, "unified"), sound, "unified")
    if samples > 128:  # below, the reference fails on features without a single frame
        assert_equal(audio_features(sound), sound, "tower")


@pytest.mark.parametrize("level", [0.0, 1e-6, 1e-3, 1.0, 30.0])
def test_levels(level: float) -> None:
    sound = level * tone(5_000, 16_000)
    assert_equal(audio_features(sound), sound, "tower")


def test_counts_of_any_length() -> None:
    """The counts that transformers computes from lengths alone (its own formula, capped)."""
    from types import SimpleNamespace

    from transformers.models.gemma4.processing_gemma4 import Gemma4Processor

    names = SimpleNamespace(feature_extractor=reference.audio_extractor("tower"), audio_seq_length=750)
    for samples in [*range(0, 3000, 7), *range(3000, 700_000, 7919)]:
        expected = Gemma4Processor._compute_audio_num_tokens(names, np.zeros(samples), 16_000)
        assert audio_soft_tokens(samples) == expected


def test_real_recordings(shared_data: Path) -> None:
    """With ``LARIMAR_ALL_RECORDINGS=1`` every one of the digits, which takes a minute; otherwise one of 50."""
    every = 1 if os.environ.get("LARIMAR_ALL_RECORDINGS") else 50
    digits = sorted((shared_data / "fsdd").glob("*.wav"))
    files = [*sorted((shared_data / "sample").glob("*.wav")), *digits[::every]]
    assert len(files) > 50
    for file in files:
        sound = load_audio(file)
        for layout in ("tower", "unified"):
            assert_equal(audio_features(sound, layout), sound, layout)  # type: ignore[arg-type]
