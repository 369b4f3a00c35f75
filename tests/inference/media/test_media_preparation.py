"""Parts of a turn to features and prompt items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from media_samples import encoded, smooth, tone, video, wav

from inference.cancellation import CancelToken
from inference.errors import MediaError
from inference.media import preparation
from inference.media.audio import AudioFeatures
from inference.media.image import ImageFeatures
from inference.media.preparation import MediaPreparation, PreparedMedia
from inference.media.prompt import AudioItem, ImageItem, MediaTokens, VideoItem, expand_prompt
from inference.messages import Audio, Image, Video

SECOND = 16_000


def prepared(part: Image | Audio | Video, media: MediaPreparation | None = None) -> PreparedMedia:
    made = (media or MediaPreparation()).prepare(part)
    assert made is not None
    return made


def test_a_picture_with_its_budget() -> None:
    content = encoded(smooth(480, 640), "PNG")
    media = MediaPreparation(pad=True)
    made = prepared(Image(content, 560), media)
    assert [type(item) for item in made.items] == [ImageItem]
    assert made.items[0].soft_tokens == made.features[0].soft_tokens == 540
    assert prepared(Image(content, 560), media) is made
    default = prepared(Image(content), media)
    assert default.items[0].soft_tokens == 266
    assert default.items[0].content != made.items[0].content


def test_the_same_picture_from_elsewhere_is_known(tmp_path: Path) -> None:
    content = encoded(smooth(48, 64), "PNG")
    file = tmp_path / "picture.png"
    file.write_bytes(content)
    media = MediaPreparation()
    assert prepared(Image(content), media) is prepared(Image(file), media)


def test_long_sound_is_heard_in_clips() -> None:
    sound = tone(70 * SECOND, SECOND)
    sound[25 * SECOND : 26 * SECOND] = 0
    made = prepared(Audio(wav(sound, SECOND)))
    assert len(made.items) == len(made.features) >= 3
    assert all(isinstance(item, AudioItem) for item in made.items)
    assert len({item.content for item in made.items}) == len(made.items)
    assert sum(item.soft_tokens for item in made.items) == pytest.approx(70 * 25, abs=3)


def test_a_video_is_seen_and_heard(tmp_path: Path) -> None:
    film = Video(video(tmp_path / "a.mkv", 30, 10, sound=tone(3 * SECOND, SECOND)))
    made = prepared(film)
    assert [type(item) for item in made.items] == [VideoItem, AudioItem]
    assert [type(each) for each in made.features] == [ImageFeatures] * 3 + [AudioFeatures]
    deaf = prepared(film, MediaPreparation(hears=False))
    assert [type(item) for item in deaf.items] == [VideoItem]
    silent = prepared(Video(video(tmp_path / "b.mkv", 30, 10)))
    assert [type(item) for item in silent.items] == [VideoItem]


@pytest.mark.parametrize("layout", ["tower", "unified"])
def test_features_fit_the_prompt(layout: str, tmp_path: Path) -> None:
    """Run for run, the prompt has as much room as the encoders' outputs need."""
    media, tokens = MediaPreparation(layout), MediaTokens()  # type: ignore[arg-type]
    parts = [
        Image(encoded(smooth(100, 200), "PNG"), 70),
        Video(video(tmp_path / "a.mkv", 25, 10, sound=tone(2 * SECOND, SECOND))),
        Audio(wav(tone(35 * SECOND, SECOND), SECOND)),
    ]
    made = [prepared(part, media) for part in parts]
    prompt = expand_prompt(
        [5, tokens.image, 6, tokens.video, tokens.audio], [each.items for each in made], tokens, lambda text: [7]
    )
    features = [each for one in made for each in one.features]
    assert [run.stop - run.start for run in prompt.runs] == [each.soft_tokens for each in features]
    assert (prompt.types != 0).sum() == sum(each.soft_tokens for each in features)


def test_cancelled_work_is_not_kept(tmp_path: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    media = MediaPreparation()
    parts = [Audio(wav(tone(SECOND, SECOND), SECOND)), Video(video(tmp_path / "a.mkv", 30, 10))]
    for part in parts:
        assert media.prepare(part, cancel) is None
        assert len(prepared(part, media).features) in (1, 3)


def test_sound_that_is_too_long_for_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "MAX_SOUND_SECONDS", 40.0)
    with pytest.raises(MediaError, match=r"longer than 1 minutes|too long for one question"):
        prepared(Audio(wav(np.zeros(90 * SECOND, np.float32), SECOND)))


def test_errors_name_the_file(tmp_path: Path) -> None:
    for part in (Image(tmp_path / "a.png"), Audio(tmp_path / "a.wav"), Video(tmp_path / "a.mp4")):
        with pytest.raises(MediaError, match=f"“{part.source.name}”"):  # type: ignore[union-attr]
            prepared(part)
