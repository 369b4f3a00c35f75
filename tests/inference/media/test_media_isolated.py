"""Media decoded in a child process: the same results as in this one, and an end to what has none."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hostile_files import ORDINARY, RECURSION, document, jpeg_of_many_scans, many_paths, png_of_nothing, stream_bomb
from media_samples import encoded, recording, smooth, tone, video

from inference.cancellation import CancelToken
from inference.errors import MediaError
from inference.isolation import POOL, CallCancelled, Limits
from inference.media import audio_decoding, isolated, isolated_jobs
from inference.media import video as video_decoding
from inference.media.audio import load_clips
from inference.media.image import image_features, load_image

BOX = (96, 96)


@pytest.fixture(autouse=True)
def no_child_left() -> Iterator[None]:
    yield
    POOL.kill_all()


def test_pictures_are_the_same() -> None:
    content = encoded(smooth(300, 200), "JPEG")
    picture, size = isolated.open_picture(content)
    np.testing.assert_array_equal(np.asarray(picture), load_image(content))
    assert size == (200, 300)
    small, size = isolated.open_picture(content, within=BOX)
    assert (small.size, size) == ((64, 96), (200, 300))
    for layout in ("tower", "unified"):
        theirs = isolated.picture_features(content, 70, layout, pad=False)  # type: ignore[arg-type]
        ours = image_features(load_image(content), 70, layout, pad=False)  # type: ignore[arg-type]
        np.testing.assert_array_equal(theirs.pixel_values, ours.pixel_values)
        np.testing.assert_array_equal(theirs.position_ids, ours.position_ids)
        assert theirs.soft_tokens == ours.soft_tokens


def test_sound_is_the_same(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.flac", tone(35 * 48_000, 48_000), 48_000, "flac")
    assert isolated.probe_audio(path) == audio_decoding.probe_audio(path)
    theirs, ours = list(isolated.decode_audio(path)), list(audio_decoding.decode_audio(path))
    np.testing.assert_array_equal(np.concatenate(theirs), np.concatenate(ours))
    assert len(theirs) < 40 < len(ours), "small blocks are sent together"
    clips = list(isolated.load_clips(path))
    expected = list(load_clips(path))
    assert [clip.start for clip in clips] == [clip.start for clip in expected]
    np.testing.assert_array_equal(clips[0].samples, expected[0].samples)


def test_videos_are_the_same(tmp_path: Path) -> None:
    path = video(tmp_path / "a.mp4", 30, 10)
    assert isolated.probe_video(path) == video_decoding.probe_video(path)
    about, still = isolated.video_still(path, BOX)
    assert about.frames == 30
    assert still is not None
    assert max(still.shape) <= 96
    theirs = list(isolated.frames_features(path, 70, "tower"))
    ours = list(video_decoding.sampled_frames(path))
    assert [moment for _, moment in theirs] == [frame.time for frame in ours]
    for (features, _), frame in zip(theirs, ours, strict=True):
        np.testing.assert_array_equal(features.pixel_values, image_features(frame.pixels, 70).pixel_values)


def test_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(ORDINARY)
    assert isolated.count_pages(path) == 1
    content, small, size = isolated.draw_page(path, 0, 200_000, BOX)
    drawn = load_image(content)
    assert drawn.shape == (size[1], size[0], 3)
    assert drawn.shape[0] * drawn.shape[1] == pytest.approx(200_000, rel=0.02)
    assert max(small.shape) == 96
    assert drawn[0, 0].tolist() == [255, 255, 255]
    assert (drawn < 100).any(), "there are letters on it"


def test_files_are_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    isolated.warm()
    (tmp_path / "a.png").write_bytes(encoded(smooth(8, 8), "PNG"))
    monkeypatch.chdir(tmp_path)
    assert isolated.open_picture(Path("a.png"))[1] == (8, 8)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"%PDF-1.7\nnothing", "damaged, or no PDF file"),
        (b"hello" * 100, "damaged, or no PDF file"),
        (document([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"]), "damaged, or no PDF file"),
        (ORDINARY.replace(b"[0 0 595 842]", b"[0 0 0 842]  "), None),
        (ORDINARY.replace(b"[0 0 595 842]", b"[0 0 1e9 1]  "), None),
        (ORDINARY.replace(b"[0 0 595 842]", b"[0 0 1e99 9] "), None),
    ],
)
def test_pdfs_that_are_none(content: bytes, sentence: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    found = ""
    try:
        isolated.count_pages(path)
        isolated.draw_page(path, 0, 100_000, BOX)
    except MediaError as error:
        found = str(error)
    assert (sentence or "") in found
    assert not found or "“a.pdf”" in found
    with pytest.raises(MediaError, match=r"no page 8|damaged"):
        isolated.draw_page(path, 7, 100_000, BOX)


def refused(work: Callable[[], object]) -> str:
    """Return the sentence; the child that worked on it must be gone, and its memory bounded."""
    with pytest.raises(MediaError) as caught:
        work()
    assert len(POOL.pids) == 0
    return str(caught.value)


def test_a_form_that_draws_itself(tmp_path: Path) -> None:
    path = tmp_path / "recursion.pdf"
    path.write_bytes(RECURSION)
    assert isolated.count_pages(path) == 1
    sentence = refused(lambda: isolated.draw_page(path, 0, 2_500_000, BOX))
    assert sentence.startswith("Page 1 of “recursion.pdf” needs more memory than it may take")
    assert sentence.endswith("Choose other pages.")


def test_a_stream_that_unpacks_without_end(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pdf"
    path.write_bytes(stream_bomb(300))
    assert "needs more memory" in refused(lambda: isolated.draw_page(path, 0, 2_500_000, BOX))


def test_a_page_of_many_paths_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PDFium draws what took a minute in one second; with a limit of less, it must be stopped."""
    monkeypatch.setattr(isolated, "_PAGE", Limits(memory=512 << 20, seconds=0.2))
    path = tmp_path / "paths.pdf"
    path.write_bytes(many_paths(20_000))
    isolated.warm()
    assert "takes too long" in refused(lambda: isolated.draw_page(path, 0, 2_500_000, BOX))


def test_a_picture_of_many_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_PICTURE", Limits(memory=1 << 30, seconds=0.5))
    isolated.warm()
    content = jpeg_of_many_scans(4000, 3000)
    assert refused(lambda: isolated.open_picture(content)).startswith("The picture takes too long to read")


@pytest.mark.parametrize("job", ["page", "picture"])
def test_cancelling_ends_it_at_once(job: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(many_paths(60_000) if job == "page" else jpeg_of_many_scans(4000, 3000))
    isolated.warm()
    cancel = CancelToken()
    threading.Timer(0.2, cancel.cancel).start()
    work = (
        partial(isolated.draw_page, path, 0, 2_500_000, BOX) if job == "page" else partial(isolated.open_picture, path)
    )
    with pytest.raises(CallCancelled):
        work(cancel=cancel)
    assert POOL.pids == []


def test_a_stream_that_is_left_early_ends_its_child(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.flac", tone(600 * 16_000, 16_000), 16_000, "flac")
    with closing(isolated.decode_audio(path)) as blocks:
        assert len(next(blocks)) >= 16_000
    assert POOL.pids == []


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_PICTURE", Limits(memory=300 << 20, seconds=60))
    content = png_of_nothing(10_000, 10_000)
    assert "needs more memory" in refused(lambda: isolated.open_picture(content))


def test_what_the_child_says_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[object] = [
        None, 3, (), (np.zeros((2, 2), np.uint8), (2, 2)), (np.zeros((2, 2, 3), np.float32), (2, 2)),
        (np.zeros((2, 2, 3), np.uint8), (0, 2)), (np.zeros((2, 2, 3), np.uint8), "22"),
    ]  # fmt: skip
    for answer in answers:
        monkeypatch.setattr(POOL, "call", lambda *_, answer=answer, **__: answer)
        with pytest.raises(MediaError, match="cannot be read"):
            isolated.open_picture(b"x")
        if not isinstance(answer, int):
            with pytest.raises(MediaError, match="cannot be read"):
                isolated.count_pages(Path("a.pdf"))


def test_jobs_need_only_what_they_use() -> None:
    assert isolated_jobs.picture(encoded(smooth(8, 8), "PNG"), None)[1] == (8, 8)
