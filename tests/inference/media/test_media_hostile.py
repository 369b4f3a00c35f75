"""Files that are damaged, lie, or are not what they seem: a clear sentence, in bounded time and memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from media_samples import encoded, png_that_claims, recording, smooth, tone, video

from inference.errors import MediaError
from inference.media.audio import load_audio, load_clips, probe_audio
from inference.media.image import load_image
from inference.media.video import probe_video, sampled_frames

ENTRIES: dict[str, Callable[[Path], object]] = {
    "image": load_image,
    "audio": load_audio,
    "clips": lambda source: list(load_clips(source)),
    "probe_audio": probe_audio,
    "video": lambda source: list(sampled_frames(source)),
    "probe_video": probe_video,
}
KINDS = {"image": "picture", "audio": "recording", "video": "video"}


@pytest.fixture(params=ENTRIES)
def entry(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return ENTRIES[request.param]


def make(kind: str, folder: Path) -> Path:
    file = folder / "file"
    match kind:
        case "empty":
            file.touch()
        case "text":
            file.write_text("Dear diary, " * 500)
        case "zeros":
            file.write_bytes(bytes(100_000))
        case "folder":
            file.mkdir()
        case "link loop":
            file.symlink_to(file)
        case "dangling link":
            file.symlink_to(folder / "nowhere")
        case "pipe":
            os.mkfifo(file)
        case "playlist":
            file.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://203.0.113.1/a.ts\n#EXT-X-ENDLIST\n")
        case "local playlist":
            content = recording(folder / "secret.wav", tone(16_000, 16_000), 16_000, "pcm_s16le")
            file = folder / "list.m3u8"
            file.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{content.name}\n#EXT-X-ENDLIST\n")
        case "concat script":
            recording(folder / "secret.wav", tone(16_000, 16_000), 16_000, "pcm_s16le")
            file.write_text("ffconcat version 1.0\nfile secret.wav\n")
        case "protocol in the name":
            file = folder / "concat:a|b"
        case "very long name":
            file = folder / ("a" * 5000)
    return file


@pytest.mark.parametrize(
    "kind",
    [
        "missing", "empty", "text", "zeros", "folder", "link loop", "dangling link", "pipe", "playlist",
        "local playlist", "concat script", "protocol in the name", "very long name",
    ],
)  # fmt: skip
def test_what_is_no_medium(kind: str, entry: Callable[[Path], object], tmp_path: Path) -> None:
    if sys.platform == "win32" and kind in ("link loop", "dangling link", "pipe", "protocol in the name"):
        pytest.skip("there is no such thing on Windows without special rights")
    file = make(kind, tmp_path)
    with pytest.raises(MediaError) as caught:
        entry(file)
    sentence = str(caught.value)
    assert file.name in sentence
    assert re.search(r"(Choose|Get|Open|Change) ", sentence), "it says what to do"


@pytest.mark.skipif(sys.platform == "win32" or not hasattr(os, "geteuid"), reason="needs file modes")
def test_files_that_may_not_be_read(entry: Callable[[Path], object], tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may read everything")
    file = tmp_path / "file"
    file.write_bytes(b"x")
    file.chmod(0)
    with pytest.raises(MediaError, match="may not be read"):
        entry(file)


def test_wrong_suffixes_do_not_matter(tmp_path: Path) -> None:
    sound = recording(tmp_path / "a.mp3", tone(48_000, 48_000), 48_000, "libmp3lame")
    film = video(tmp_path / "a.mp4", 10, 10)
    assert len(load_audio(sound.rename(tmp_path / "sound.wav"))) == pytest.approx(16_000, abs=800)
    assert len(list(sampled_frames(film.rename(tmp_path / "film.mp3")))) == 1


def test_media_of_another_kind(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(encoded(smooth(32, 32), "PNG"))
    sound = recording(tmp_path / "a.wav", tone(16_000, 16_000), 16_000, "pcm_s16le")
    with pytest.raises(MediaError, match=r"“a.wav” is not a picture of a known kind"):
        load_image(sound)
    with pytest.raises(MediaError, match=r"“a.png” has no sound"):
        load_audio(picture)
    with pytest.raises(MediaError, match=r"“a.wav” has no moving picture"):
        list(sampled_frames(sound))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_cut_off_pictures(kind: str) -> None:
    content = encoded(smooth(200, 200), kind)
    for length in (1, 10, len(content) // 4, len(content) // 2):
        with pytest.raises(MediaError, match=r"damaged or incomplete|not a picture of a known kind"):
            load_image(content[:length])


def test_cut_off_recordings_are_heard_up_to_there(tmp_path: Path) -> None:
    for name, codec in (("a.wav", "pcm_s16le"), ("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.ogg", "libopus")):
        content = recording(tmp_path / name, tone(6 * 48_000, 48_000), 48_000, codec).read_bytes()
        assert 30_000 < len(load_audio(content[: len(content) // 2])) < 66_000
        with pytest.raises(MediaError):
            load_audio(content[:20])


def fuzz(kind: str, files: list[Path], count: int, seed: int) -> str:
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "OPENBLAS_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
    command = [
        sys.executable,
        "-W",
        "error",
        str(Path(__file__).with_name("fuzz_media.py")),
        kind,
        str(seed),
        str(count),
    ]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the limits are POSIX's")
class TestFuzz:
    """A child process, so that a crash, a hang or a full memory is a failed test and not the end of all."""

    def check(self, kind: str, files: list[Path], count: int) -> None:
        read, refused = map(int, re.findall(r"(\d+) (?:read|refused)", fuzz(kind, files, count, seed=2026)))
        assert read + refused == count * (len(files) + 1)
        assert refused > count  # the noise at least

    def test_pictures(self, tmp_path: Path) -> None:
        files = []
        for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "ICO", "PPM", "JPEG2000", "QOI", "TGA"):
            files.append(tmp_path / kind)
            files[-1].write_bytes(encoded(smooth(48, 64), kind))
        files.append(Path(__file__).with_name("two_colours.heic"))
        self.check("image", files, 100)

    def test_recordings(self, tmp_path: Path) -> None:
        formats = {
            "wav": "pcm_s16le",
            "flac": "flac",
            "mp3": "libmp3lame",
            "ogg": "libopus",
            "m4a": "aac",
            "mka": "aac",
        }
        files = [
            recording(tmp_path / f"a.{suffix}", tone(16_000, 48_000), 48_000, codec)
            for suffix, codec in formats.items()
        ]
        self.check("audio", files, 60)

    def test_videos(self, tmp_path: Path) -> None:
        formats = {"mp4": "libx264", "webm": "libvpx", "mkv": "mpeg4", "avi": "mpeg4", "ts": "libx264"}
        files = [
            video(tmp_path / f"a.{suffix}", 30, 10, codec=codec, size=(96, 64)) for suffix, codec in formats.items()
        ]
        self.check("video", files, 60)


def test_the_limits_of_the_fuzzer_hold(tmp_path: Path) -> None:
    """A file whose original cannot be read must fail the run."""
    file = tmp_path / "a.png"
    file.write_bytes(png_that_claims(10, 10))
    if sys.platform != "win32":
        with pytest.raises(AssertionError, match="MediaError"):
            fuzz("image", [file], 1, 0)
