"""What a file is follows from its content, whatever it is called."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from fuzzing import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_samples import encoded, recording, smooth, tone, video

from inference.errors import MediaError
from inference.media.audio import load_audio
from inference.media.kinds import ENDINGS, media_kind
from inference.media.video import sampled_frames

PICTURES = ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "JPEG2000", "PPM", "ICO", "PCX", "TGA", "AVIF"]


@pytest.mark.parametrize("name", ["a.mp4", "a.wav", "a", "a.txt"])
@pytest.mark.parametrize("kind", [each for each in PICTURES if each != "TGA"])
def test_pictures(kind: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(encoded(smooth(64, 64), kind))
    assert media_kind(file) == "image"


def sound(file: Path, codec: str, rate: int, layout: str = "mono", form: str | None = None) -> Path:
    with av.open(str(file), "w", format=form) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate)
        block = av.AudioFrame.from_ndarray(tone(rate, rate)[np.newaxis], format="flt", layout="mono")
        block.sample_rate, block.time_base = rate, Fraction(1, rate)
        size = stream.codec_context.frame_size or 1024
        fifo = av.AudioFifo()
        for made in resampler.resample(block):
            fifo.write(made)
        while (piece := fifo.read(size)) is not None:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return file


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.wav", "pcm_s16le", 16_000), ("a.flac", "flac", 16_000), ("a.ogg", "libopus", 48_000),
     ("a.wv", "wavpack", 16_000), ("a.m4a", "aac", 48_000), ("a.mka", "flac", 16_000),
     ("a.aiff", "pcm_s16be", 16_000), ("a.3gp", "aac", 48_000),
     ("a.mp4", "aac", 48_000), ("a.ts", "mp2", 48_000)],
)  # fmt: skip
def test_recordings(name: str, codec: str, rate: int, tmp_path: Path) -> None:
    file = sound(tmp_path / name, codec, rate)
    assert media_kind(file) == "audio"
    assert media_kind(file.rename(tmp_path / "renamed.png")) == "audio"


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mpeg4"), ("a.3gp", "mpeg4"), ("a.ts", "mpeg2video"), ("a.mts", "mpeg2video"), ("a.mxf", "mpeg2video"),
     ("a.webm", "libvpx"), ("a.avi", "mjpeg"), ("a.mkv", "ffv1")],
)  # fmt: skip
def test_videos(name: str, codec: str, tmp_path: Path) -> None:
    form = "mpegts" if name.endswith(".mts") else None
    file = tmp_path / name
    with av.open(str(file), "w", format=form) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 720, 576
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(smooth(576, 720), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert media_kind(file) == "video"
    assert next(sampled_frames(file)).pixels.shape == (576, 720, 3)
    assert media_kind(file.rename(tmp_path / "renamed.wav")) == "video"


def test_a_telephones_video_and_an_album_with_a_cover(shared_data: Path) -> None:
    assert media_kind(shared_data.parent / "cases" / "phone.3gp") == "video"
    assert media_kind(shared_data.parent / "cases" / "picture.heic") == "image"


def test_names_help_only_where_the_content_makes_no_sense(tmp_path: Path) -> None:
    def kind(name: str, content: bytes) -> str | None:
        file = tmp_path / name
        file.write_bytes(content)
        return media_kind(file)

    for expected, endings in ENDINGS.items():
        for ending in endings:
            assert kind(f"damaged.{ending.upper()}", b"\x00\x01\x02 nothing") == expected
    assert kind("component.ts", b"export const answer: number = 42;\n" * 20) is None
    assert kind("notes.txt", b"Dear diary, \x1b[1mtoday\x1b[0m " * 100) is None
    assert kind("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\na.ts\n#EXT-X-ENDLIST\n") is None
    assert kind("script.mp4", b"ffconcat version 1.0\nfile other.mp4\n") is None
    assert kind("page.jpg", b"\n\n%PDF-1.7\n") == "pdf"
    assert kind("unknown", bytes(1000)) is None
    with pytest.raises(MediaError, match="empty"):
        kind("empty.png", b"")
    with pytest.raises(MediaError, match="folder"):
        media_kind(tmp_path)


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(
        [
            b"",
            b"RIFF\0\0\0\0WAVE",
            b"RIFF\0\0\0\0AVI ",
            b"fLaC",
            b"OggS",
            b"\x1aE\xdf\xa3",
            b"\0\0\0\x18ftypisom",
            b"ID3",
            b"\xff\xfb\x90",
            b"G@\0\x10",
            b"#!AMR\n",
            b"caff\0\1",
            b".snd",
            b"FORM",
            b"\0\0\1\xba",
            b"FLV\1",
            b"GIF89a",
        ]
    ),
    rest=st.binary(max_size=600),
    name=st.sampled_from(["a", "a.gsm", "a.mp4", "a.ts", "a.3gp", "a.wv", "a.mxf", "a.txt", "a.nfo"]),
)
def test_any_beginning_ends_in_a_kind_or_none(start: bytes, rest: bytes, name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes((start + rest) or b"\0")
    kind = media_kind(file)
    assert kind is None or kind in ENDINGS
    for read in (load_audio, lambda source: next(iter(sampled_frames(source)), None)):
        with contextlib.suppress(MediaError):
            read(file)


def test_what_the_terminal_takes_the_window_takes(tmp_path: Path) -> None:
    raw = tmp_path / "a.gsm"
    raw.write_bytes(bytes([0xD0, *range(32)]) * 100)  # GSM 06.10 has no mark but its name
    assert media_kind(raw) == "audio"
    assert media_kind(recording(tmp_path / "b.wav", tone(16_000, 16_000), 16_000, "pcm_s16le")) == "audio"
    assert media_kind(video(tmp_path / "c.mkv", 5, 5)) == "video"
