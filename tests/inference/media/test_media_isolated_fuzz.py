"""Damaged files through the child process: a result or a sentence, whatever becomes of the child.

A share of a few seconds; ``LARIMAR_FUZZ=25`` makes 3,000 inputs of it. The counts are printed (``pytest -s``).
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fuzz_media import damaged
from hostile_files import ORDINARY, document, jpeg_of_many_scans, page, stream_bomb
from media_samples import encoded, recording, smooth, tone, video

from inference.errors import MediaError
from inference.isolation import POOL, Limits
from inference.media import isolated
from tests.fuzzing import examples

BOX = (96, 96)
_SHORT = Limits(memory=512 << 20, seconds=15.0)


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("_PICTURE", "_PAGE", "_SOUND", "_VIDEO"):
        monkeypatch.setattr(isolated, name, _SHORT)
    yield
    POOL.kill_all()


def feed(decode: Callable[[Path], object], originals: dict[str, bytes], count: int, folder: Path, seed: int) -> Counter:
    """Decode ``count`` damaged versions of each file and as many of noise; return how often what came of it."""
    generator = random.Random(seed)
    results: Counter[str] = Counter()

    def contents() -> Iterator[tuple[str, bytes]]:
        for name, original in originals.items():
            for _ in range(count):
                yield name, damaged(original, generator)
            yield name, b"%PDF-1.7\n" + generator.randbytes(generator.randrange(1, 3000))

    for name, content in contents():
        file = folder / name
        file.write_bytes(content)
        try:
            decode(file)
        except MediaError as error:
            sentence = str(error)
            assert re.match(r"(“|There|The|Page|Choose)", sentence), sentence
            assert sentence.endswith("."), sentence
            results["ended its child" if re.search(r"given up|ends the program", sentence) else "refused"] += 1
        else:
            results["decoded"] += 1
    assert results.total() == len(originals) * (count + 1)
    print(f"\n{decode.__name__}: {dict(results)}")
    return results


def picture(file: Path) -> None:
    isolated.open_picture(file, within=BOX)


def encoder_input(file: Path) -> None:
    isolated.picture_features(file, 70, "tower")


def sound(file: Path) -> None:
    isolated.probe_audio(file)
    for _ in isolated.decode_audio(file):
        pass


def film(file: Path) -> None:
    isolated.video_still(file, BOX)
    for _ in isolated.frames_features(file, 70, "tower"):
        pass


def pages(file: Path) -> None:
    for number in range(min(3, isolated.count_pages(file))):
        isolated.draw_page(file, number, 50_000, BOX)


def test_pictures(tmp_path: Path) -> None:
    kinds = ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "ICO", "PPM", "JPEG2000", "QOI", "TGA")
    files = {f"a.{kind.lower()}": encoded(smooth(48, 64), kind) for kind in kinds}
    files["a.heic"] = Path(__file__).with_name("two_colours.heic").read_bytes()
    files["scans.jpg"] = jpeg_of_many_scans(64, 64, 20)
    assert feed(picture, files, examples(3), tmp_path, 17)["refused"] > 0
    feed(encoder_input, files, examples(1), tmp_path, 18)


def test_recordings(tmp_path: Path) -> None:
    formats = {"wav": "pcm_s16le", "flac": "flac", "mp3": "libmp3lame", "ogg": "libopus", "m4a": "aac", "mka": "aac"}
    files = {
        f"b.{ending}": recording(tmp_path / f"a.{ending}", tone(16_000, 48_000), 48_000, codec).read_bytes()
        for ending, codec in formats.items()
    }
    assert feed(sound, files, examples(4), tmp_path, 19)["decoded"] > 0


def test_videos(tmp_path: Path) -> None:
    formats = {"mp4": "libx264", "webm": "libvpx", "mkv": "mpeg4", "avi": "mpeg4", "ts": "libx264"}
    files = {
        f"b.{ending}": video(tmp_path / f"a.{ending}", 20, 10, codec=codec, size=(96, 64)).read_bytes()
        for ending, codec in formats.items()
    }
    assert feed(film, files, examples(3), tmp_path, 23)["decoded"] > 0


def test_pages(tmp_path: Path) -> None:
    shading = b"/Pattern cs /P scn 0 0 595 842 re f 10 10 m 20 20 30 30 40 40 c S (x) Tj BI /W 2 /H 2 /BPC 8 ID 1234 EI"
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Length 10>>stream\n0 0 m 9 9 l\nendstream"
    files = {
        "text.pdf": ORDINARY,
        "packed.pdf": page(ORDINARY, packed=True),
        "forms.pdf": page(b"/X Do q 2 0 0 2 0 0 cm /X Do Q", b"/XObject<</X 5 0 R>>", [form]),
        "odd.pdf": page(shading, b"/Pattern<</P 5 0 R>>", [b"<</PatternType 2/Shading<</ShadingType 2>>>>"]),
        "bomb.pdf": stream_bomb(1),
        "tree.pdf": document([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9>>"]),
    }
    assert feed(pages, files, examples(6), tmp_path, 29)["refused"] > 0


def test_what_people_really_send(tmp_path: Path, shared_data: Path) -> None:
    sounds = sorted(shared_data.rglob("*.wav"))[:3]
    cases = shared_data.parent / "cases"
    films = [file for file in (cases / "late_sound.mp4", cases / "gap.webm", cases / "phone.3gp") if file.exists()]
    photos = [file for file in (cases / "picture.heic",) if file.exists()]
    for decode, files in ((sound, sounds), (film, films), (picture, photos)):
        if files:
            feed(decode, {file.name: file.read_bytes() for file in files}, examples(2), tmp_path, 31)
