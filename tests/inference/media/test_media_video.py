"""Which frames of a video are shown, when, and that the rest is jumped over."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_samples import frame_number, noise, recording, tone, video

from inference.errors import MediaError
from inference.media import container as container_module
from inference.media import video as video_module
from inference.media.video import (
    VideoFrame,
    frames_features,
    placed,
    probe_video,
    sample_indices,
    sampled_frames,
    video_features,
)

DISPLAYED = [(0.0, 0.3, 10), (0.3, 2.5, 60), (2.5, 2.6, 110), (2.6, 5.8, 160), (5.8, 6.1, 210), (6.1, 7, 250)]
"""Of a screen recording: from, to, shade."""
FORMATS = [
    ("a.mp4", "mpeg4", 12),
    ("a.mp4", "libx264", 50),
    ("a.mkv", "libx264", 30),
    ("a.webm", "libvpx", 40),
    ("a.avi", "mpeg4", 12),
    ("a.ts", "libx264", 25),
    ("a.mov", "mjpeg", 1),
    ("a.mp4", "libx264", 1000),
]


@pytest.mark.parametrize(("name", "codec", "key_frames"), FORMATS)
@pytest.mark.parametrize(("frames", "rate"), [(145, 10), (700, 10), (5, 24)])
def test_the_frames_that_are_asked_for(
    name: str, codec: str, key_frames: int, frames: int, rate: int, tmp_path: Path
) -> None:
    if codec == "libvpx" and frames > 200:
        frames = 620  # this encoder takes its time
    file = video(tmp_path / name, frames, rate, codec=codec, key_frames=key_frames)
    info = probe_video(file)
    assert (info.width, info.height, info.rate, info.frames) == (192, 64, rate, frames)
    made = list(sampled_frames(file))
    indices = sample_indices(frames, rate)
    assert len(indices) == {145: 14, 700: 32, 620: 32, 5: 1}[frames]
    assert [frame_number(frame.pixels) for frame in made] == indices.tolist()
    assert [frame.time for frame in made] == pytest.approx(indices / rate)


def test_bytes_are_read_like_files(tmp_path: Path) -> None:
    file = video(tmp_path / "a.mp4", 30, 10)
    from_file, from_bytes = list(sampled_frames(file)), list(sampled_frames(file.read_bytes()))
    np.testing.assert_array_equal([f.pixels for f in from_file], [f.pixels for f in from_bytes])


@settings(max_examples=300, deadline=None, database=None)
@given(st.integers(1, 200_000), st.floats(1, 240))
def test_sampling(frames: int, rate: float) -> None:
    indices = sample_indices(frames, rate)
    assert (np.diff(indices) > 0).all()
    assert indices[0] == 0
    assert indices[-1] < frames
    if frames / rate > 60:
        assert len(indices) == 32
    else:
        assert len(indices) == max(1, int(frames / rate))


def test_a_minute_is_dense_and_more_is_sparse() -> None:
    assert sample_indices(60 * 30, 30.0).tolist() == list(range(0, 1800, 30))
    assert sample_indices(60 * 30 + 1, 30.0).tolist() == [n * 1801 // 32 for n in range(32)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_long_videos_are_not_decoded_whole(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = video(tmp_path / name, 3000, 5, key_frames=10)
    decoded = 0
    original = video_module.decoded_frames

    def counted(container: object, stream: object) -> object:
        nonlocal decoded
        for frame in original(container, stream):  # type: ignore[arg-type]
            decoded += 1
            yield frame

    monkeypatch.setattr(video_module, "decoded_frames", counted)
    made = [frame_number(frame.pixels) for frame in sampled_frames(file)]
    assert made == sample_indices(3000, 5.0).tolist()
    assert decoded < 3000 / 4


def test_features(tmp_path: Path) -> None:
    file = video(tmp_path / "a.mp4", 35, 10)
    made = video_features(file)
    assert made.times == (0.0, 1.1, 2.3)
    assert made.soft_tokens == (70, 70, 70) or set(made.soft_tokens) == {made.frames[0].soft_tokens}
    assert all(frame.pixel_values.shape == (630, 768) for frame in made.frames)
    assert made.nbytes == sum(frame.nbytes for frame in made.frames)
    assert all(frame.pixel_values.shape == (70, 6912) for frame in video_features(file, layout="unified").frames)


def test_frames_of_a_camera() -> None:
    made = frames_features([VideoFrame(noise(480, 640), 0.5), VideoFrame(noise(640, 480), 1.5)], pad=False)
    assert made.times == (0.5, 1.5)
    assert made.soft_tokens == (63, 63)
    assert made.frames[0].pixel_values.shape == (63 * 9, 768)


def test_sound_track_is_noticed(tmp_path: Path) -> None:
    assert probe_video(video(tmp_path / "a.mp4", 10, 10, sound=tone(16_000, 16_000))).has_sound
    assert not probe_video(video(tmp_path / "b.mp4", 10, 10)).has_sound


@pytest.mark.parametrize(
    ("matrix", "turned"),
    [((1, 0, 0, 1), 0), ((0, 1, -1, 0), -90), ((-1, 0, 0, -1), 180), ((0, -1, 1, 0), 90)],
)
def test_videos_of_a_telephone_held_upright(matrix: tuple[int, ...], turned: int, tmp_path: Path) -> None:
    """The file keeps the sensor's rows and notes how to turn them (0, 1, −1, 0: a quarter clockwise)."""
    file = video(tmp_path / "a.mp4", 5, 5)
    plain = next(sampled_frames(file)).pixels
    content = file.read_bytes()
    one = 1 << 16
    identity = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    a, b, c, d = (value * one for value in matrix)
    track = content.rindex(identity)
    patched = content[:track] + struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30) + content[track + 36 :]
    made = next(sampled_frames(patched)).pixels
    np.testing.assert_array_equal(made, np.rot90(plain, turned // 90))


ONE = 1 << 16


@pytest.mark.parametrize(
    ("a", "b", "c", "d", "shown"),
    [
        (1, 0, 0, 1, ["12", "34"]),
        (-1, 0, 0, 1, ["21", "43"]),  # a selfie camera: mirrored left to right
        (1, 0, 0, -1, ["34", "12"]),
        (-1, 0, 0, -1, ["43", "21"]),
        (0, 1, -1, 0, ["31", "42"]),
        (0, -1, 1, 0, ["24", "13"]),
        (0, 1, 1, 0, ["13", "24"]),
        (0, -1, -1, 0, ["42", "31"]),
        (0.7, 0.7, -0.7, 0.7, ["12", "34"]),  # odd angles, and what is no matrix, are left alone
        (0, 0, 0, 0, ["12", "34"]),
    ],
)
def test_turned_and_mirrored_frames(a: float, b: float, c: float, d: float, shown: list[str]) -> None:
    """Each pixel lands where the matrix puts it; (p, q) goes to (a·p + c·q, b·p + d·q), up to a shift."""
    pixels = np.array([[[1] * 3, [2] * 3], [[3] * 3, [4] * 3]], np.uint8)
    matrix = np.array([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30], np.int32)
    made = placed(pixels, matrix)
    assert ["".join(str(int(pixel[0])) for pixel in row) for row in made] == shown


def test_pictures_that_begin_after_the_sound_have_later_times(tmp_path: Path) -> None:
    file = tmp_path / "a.mkv"
    with av.open(str(file), "w") as container:
        sound = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        pictures = container.add_stream("ffv1", rate=1)
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv444p"
        for second in range(6):
            block = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.int16), format="s16", layout="mono")
            block.sample_rate, block.pts, block.time_base = 16_000, second * 16_000, Fraction(1, 16_000)
            container.mux(sound.encode(block))
            if second >= 3:
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
                frame.pts, frame.time_base = second, Fraction(1)
                container.mux(pictures.encode(frame))
        container.mux(pictures.encode(None))
    assert next(sampled_frames(file)).time == pytest.approx(3.0)


def test_varying_frame_rates_show_what_was_on_display(tmp_path: Path) -> None:
    """A screen recording: frames only when something changes."""
    file = tmp_path / "a.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv444p"
        for start, _, shade in DISPLAYED:
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), shade, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(start * 10), Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    rate = probe_video(file).rate
    shown = [(frame.time, int(frame.pixels[16, 16, 0])) for frame in sampled_frames(file)]
    assert len({shade for _, shade in shown}) > 2
    for time, shade in shown:
        # half a frame's time, on average, is as near as it gets
        near = {seen for start, end, seen in DISPLAYED if start - 0.5 / rate <= time <= end + 0.5 / rate}
        assert any(abs(shade - each) < 5 for each in near), f"{shade} at {time} s"


def test_a_recording_without_a_length(tmp_path: Path) -> None:
    """What a browser records: frames as they come, no duration, no index."""
    file = tmp_path / "a.webm"
    with av.open(str(file), "w", options={"live": "1"}) as container:
        stream = container.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 192, 64, "yuv420p"
        for number in range(35):
            bits = np.repeat(np.array([220 if number >> bit & 1 else 30 for bit in range(12)], np.uint8), 16)
            frame = av.VideoFrame.from_ndarray(
                np.broadcast_to(bits[None, :, None], (64, 192, 3)).copy(), format="rgb24"
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(file)) as container:
        assert container.duration is None
        assert not container.streams.video[0].frames
    made = [frame_number(frame.pixels) for frame in sampled_frames(file)]
    assert made == [0, 11, 23]


def test_a_cut_off_video_shows_what_is_there(tmp_path: Path) -> None:
    file = video(tmp_path / "a.mkv", 100, 10)
    content = file.read_bytes()
    made = [frame_number(frame.pixels) for frame in sampled_frames(content[: len(content) // 2])]
    assert 2 <= len(made) < 10
    assert made == sorted(made)


def test_what_is_no_video(tmp_path: Path) -> None:
    sound = recording(tmp_path / "a.mp3", tone(16_000, 16_000), 16_000, "libmp3lame")
    with pytest.raises(MediaError, match=r"“a.mp3” has no moving picture"):
        list(sampled_frames(sound))
    album = recording(tmp_path / "b.mp3", tone(44_100, 44_100), 44_100, "libmp3lame", cover=True)
    with av.open(str(album)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(MediaError, match="no moving picture"):
        probe_video(album)


def test_enormous_frames_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = video(tmp_path / "a.mp4", 5, 5)
    assert len(list(sampled_frames(file))) == 1
    monkeypatch.setattr(container_module, "_MAX_FRAME_PIXELS", 64 * 64)
    with pytest.raises(MediaError, match=r"no frame that can be decoded|cannot be read"):
        list(sampled_frames(file))


def test_a_video_without_frames(tmp_path: Path) -> None:
    content = video(tmp_path / "a.mkv", 20, 10).read_bytes()
    with av.open(str(tmp_path / "a.mkv")) as container:
        first = min(packet.pos for packet in container.demux(video=0) if packet.pos is not None)
    with pytest.raises(MediaError, match=r"no frame that can be decoded|cannot be read"):
        list(sampled_frames(content[:first]))
