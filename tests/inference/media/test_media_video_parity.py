"""Videos against transformers' video processors: frames, times, patches."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the parity tests need the export extra")
pytest.importorskip("transformers", reason="the parity tests need the export extra")

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import reference_processors as reference
from media_samples import noise, smooth, video
from transformers.video_utils import VideoMetadata, default_sample_indices_fn, read_video_pyav

from inference.media.prompt import time_stamps
from inference.media.video import VideoFrame, frames_features, sample_indices, sampled_frames

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("rate", [1.0, 5.0, 23.976, 24.0, 29.97, 30.0, 59.94])
def test_sampling(rate: float) -> None:
    for frames in [*range(1, 400), *range(400, 20_000, 313)]:
        metadata = VideoMetadata(total_num_frames=frames, fps=rate)
        dense = frames / rate <= 60
        if frames < 32 and not dense:
            continue
        wanted = {"fps": 1} if dense else {"num_frames": 32}
        metadata.frames_indices = default_sample_indices_fn(metadata, **wanted)
        indices = sample_indices(frames, rate)
        np.testing.assert_array_equal(indices, metadata.frames_indices)
        stamps = [f"{int(seconds // 60):02d}:{int(seconds % 60):02d}" for seconds in metadata.timestamps]
        assert time_stamps(list(indices / rate)) == stamps


@pytest.mark.parametrize("layout", ["tower", "unified"])
@pytest.mark.parametrize("size", [(120, 160), (64, 192), (333, 100), (16, 16)])
def test_patches(size: tuple[int, int], layout: str) -> None:
    frames = np.stack([noise(*size, seed) for seed in range(2)] + [smooth(*size)])
    expected = reference.video_frames(frames, layout)
    made = frames_features([VideoFrame(frame, 0.0) for frame in frames], layout=layout)  # type: ignore[arg-type]
    assert len(expected["pixel_values_videos"]) == len(made.frames)
    assert set(made.soft_tokens) == set(expected["num_soft_tokens_per_video"])
    for frame, pixels, positions in zip(
        made.frames, expected["pixel_values_videos"], expected["video_position_ids"], strict=True
    ):
        np.testing.assert_array_equal(frame.position_ids, positions)
        np.testing.assert_allclose(frame.pixel_values, pixels, atol=1.2e-7, rtol=0)


@pytest.mark.parametrize(("frames", "rate"), [(75, 10), (640, 10)])
def test_decoded_frames(frames: int, rate: int, tmp_path: Path) -> None:
    """The same frames, pixel for pixel, that the reference's own reader takes."""
    file = video(tmp_path / "a.mp4", frames, rate, codec="libx264", key_frames=20)
    expected, metadata = read_video_pyav(str(file), lambda metadata, **_: sample_indices(frames, metadata.fps))
    made = list(sampled_frames(file))
    np.testing.assert_array_equal([frame.pixels for frame in made], expected)
    assert [frame.time for frame in made] == pytest.approx(
        list(SimpleNamespace(**vars(metadata)).frames_indices / rate)
    )
