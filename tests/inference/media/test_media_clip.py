"""Frames that are handed over as a video in memory."""

from __future__ import annotations

import numpy as np
import pytest

from inference.media.clip import STILLS_AT_MOST, clip_of
from inference.media.preparation import MediaPreparation
from inference.media.prompt import VideoItem
from inference.media.video import probe_video, sampled_frames
from inference.messages import Video


def stills(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    return [np.full((height, width, 3), (20 * n % 256, 100, 250 - 4 * n), np.uint8) for n in range(count)]


@pytest.mark.parametrize("count", [1, 2, 8, STILLS_AT_MOST])
def test_every_still_comes_back_with_its_second(count: int) -> None:
    given = stills(count)
    clip = clip_of(given)
    seen = list(sampled_frames(clip))
    assert [frame.time for frame in seen] == list(range(count))
    assert not probe_video(clip).has_sound
    for still, frame in zip(given, seen, strict=True):
        assert np.abs(frame.pixels.astype(int) - still).max() <= 6


def test_stills_of_other_sizes_are_fitted_to_the_last() -> None:
    (first, last) = sampled_frames(clip_of([stills(1, 33, 47)[0], stills(1, 31, 51)[0]]))
    assert first.pixels.shape == last.pixels.shape == (30, 50, 3)


@pytest.mark.parametrize("count", [0, STILLS_AT_MOST + 1])
def test_there_must_be_some_but_not_too_many(count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} stills"):
        clip_of(stills(1) * count)


def test_the_frames_reach_the_prompt_with_their_times() -> None:
    prepared = MediaPreparation(hears=True).prepare(Video(clip_of(stills(3, 480, 640))))
    assert prepared is not None
    (item,) = prepared.items
    assert isinstance(item, VideoItem)
    assert list(item.times) == [0.0, 1.0, 2.0]
    assert len(prepared.features) == 3
