"""Pictures of all kinds to arrays, and arrays to patches."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_samples import encoded, noise, png_that_claims, smooth
from PIL import Image, ImageOps

from inference.errors import MediaError
from inference.media import image_decoding
from inference.media.image import (
    BUDGETS,
    aspect_preserving_size,
    image_features,
    image_soft_tokens,
    load_image,
    open_image,
    resize,
)

GOLDEN_SIZES = {
    (480, 640): [(336, 432), (480, 624), (672, 912), (960, 1296), (1344, 1824)],
    (3000, 4000): [(336, 432), (480, 624), (672, 912), (960, 1296), (1344, 1824)],
    (1080, 1920): [(288, 528), (384, 720), (576, 1056), (816, 1488), (1200, 2112)],
    (2480, 3508): [(336, 432), (432, 672), (672, 912), (912, 1344), (1344, 1872)],
    (1, 1000): [(48, 3360), (48, 6720), (48, 13440), (48, 26880), (48, 50784)],
}
GOLDEN_TOKENS = {
    (480, 640): [63, 130, 266, 540, 1064],
    (3000, 4000): [63, 130, 266, 540, 1064],
    (1080, 1920): [66, 120, 264, 527, 1100],
    (2480, 3508): [126 // 2, 126, 266, 532, 1092],
    (1, 1000): [70, 140, 280, 560, 1058],
}
PUBLISHED = {(480, 640): 266, (408, 612): 260, (224, 224): 256, (640, 1280): 253, (876, 1300): 260, (686, 960): 266}
"""Height and width to soft tokens at 280: other implementations' tests, and placeholders of real checkpoints' runs."""


@pytest.mark.parametrize("size", GOLDEN_SIZES)
def test_golden_sizes(size: tuple[int, int]) -> None:
    assert [aspect_preserving_size(*size, budget) for budget in BUDGETS] == GOLDEN_SIZES[size]
    assert [image_soft_tokens(*size, budget) for budget in BUDGETS] == GOLDEN_TOKENS[size]


@pytest.mark.parametrize("size", PUBLISHED)
def test_published_counts(size: tuple[int, int]) -> None:
    assert image_features(noise(*size)).soft_tokens == image_soft_tokens(*size) == PUBLISHED[size]


def test_last_position_of_the_published_picture() -> None:
    made = image_features(noise(876, 1300))
    assert aspect_preserving_size(876, 1300) == (624, 960)
    assert made.position_ids[260 * 9 - 1].tolist() == [59, 38]
    assert (made.position_ids[260 * 9 :] == -1).all()


@settings(max_examples=500, deadline=None, database=None)
@given(st.integers(1, 100_000), st.integers(1, 100_000), st.sampled_from(BUDGETS))
def test_size_keeps_the_shape_within_the_budget(height: int, width: int, budget: int) -> None:
    rows, columns = (side // 48 for side in aspect_preserving_size(height, width, budget))
    assert rows >= 1
    assert columns >= 1
    assert rows * columns <= budget
    if rows > 1 and columns > 1:
        # one more in each direction would break the budget or the shape
        assert (rows + 1) * (columns + 1) > budget * 0.99
        assert rows / (columns + 1) < height / width < (rows + 1) / columns


@pytest.mark.parametrize("budget", [0, 71, 2240, -70])
def test_other_budgets_are_refused(budget: int) -> None:
    with pytest.raises(ValueError, match="budget"):
        image_features(noise(10, 10), budget)


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8)])
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8"):
        image_features(array)


@pytest.mark.parametrize(("layout", "side"), [("tower", 16), ("unified", 48)])
def test_patches_are_the_picture(layout: str, side: int) -> None:
    pixels = noise(123, 457)
    made = image_features(pixels, 140, layout)  # type: ignore[arg-type]
    height, width = aspect_preserving_size(123, 457, 140)
    real = made.position_ids[:, 0] >= 0
    assert real.sum() * side * side == height * width
    assert not made.pixel_values[~real].any()
    again = np.zeros((height, width, 3), np.float32)
    for (column, row), patch in zip(made.position_ids[real], made.pixel_values[real], strict=True):
        again[row * side :, column * side :][:side, :side] = patch.reshape(side, side, 3)
    np.testing.assert_array_equal(np.round(again * 255).astype(np.uint8), resize(pixels, height, width))


def test_without_padding_only_the_padding_is_missing() -> None:
    for layout in ("tower", "unified"):
        padded, bare = (image_features(smooth(100, 300), 70, layout, pad=pad) for pad in (True, False))  # type: ignore[arg-type]
        count = len(bare.pixel_values)
        assert (padded.soft_tokens, len(padded.pixel_values) > count) == (bare.soft_tokens, True)
        np.testing.assert_array_equal(padded.pixel_values[:count], bare.pixel_values)
        np.testing.assert_array_equal(padded.position_ids[:count], bare.position_ids)


def test_a_picture_of_the_right_size_is_not_resampled() -> None:
    pixels = noise(672, 912)
    assert resize(pixels, *aspect_preserving_size(672, 912)) is pixels


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "TGA", "SGI", "QOI", "ICO", "DDS", "PCX"])
def test_lossless_formats(kind: str, tmp_path: Path) -> None:
    pixels = noise(40, 40)
    file = tmp_path / "picture"
    Image.fromarray(pixels).save(file, kind, **({"sizes": [(40, 40)]} if kind == "ICO" else {}))
    np.testing.assert_array_equal(load_image(file), pixels)
    np.testing.assert_array_equal(load_image(file.read_bytes()), pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "JPEG2000", "MPO"])
def test_lossy_formats(kind: str) -> None:
    if kind not in Image.SAVE:
        Image.init()
    pixels = smooth(64, 96)
    assert np.abs(load_image(encoded(pixels, kind, quality=95)).astype(int) - pixels).mean() < 6


def test_heic(request: pytest.FixtureRequest) -> None:
    """The file, red beside blue, was made for this test: Pillow and pi-heif cannot write HEIC."""
    pytest.importorskip("pi_heif", reason="there is no wheel of pi-heif for this system")
    pixels = load_image(Path(request.path).parent / "two_colours.heic")
    assert pixels.shape == (48, 64, 3)
    np.testing.assert_allclose(pixels[24, [8, 56]], [(200, 30, 40), (20, 60, 210)], atol=3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(smooth(30, 50))
    content = encoded(image, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    made = load_image(content)
    assert made.shape[:2] == ((30, 50) if orientation < 5 else (50, 30))
    np.testing.assert_array_equal(made, np.asarray(expected))


def test_transparency_lies_over_white() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (255, 0, 0, 255)
    pixels[:, 4:6] = (0, 0, 0, 128)
    for made in (load_image(encoded(Image.fromarray(pixels), kind)) for kind in ("PNG", "TIFF")):
        assert made[0, 0].tolist() == [255, 0, 0]
        assert made[0, 4].tolist() == [127, 127, 127]
        assert made[0, 7].tolist() == [255, 255, 255]


def test_transparent_palette_and_grey() -> None:
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((0, 0), 0)
    made = load_image(encoded(palette, "PNG", transparency=0))
    assert made[0, 0].tolist() == [255, 255, 255]
    assert made[1, 1].tolist() == [40, 50, 60]
    grey = load_image(encoded(Image.merge("LA", [Image.new("L", (4, 4), 80), Image.new("L", (4, 4), 0)]), "PNG"))
    assert grey[0, 0].tolist() == [255, 255, 255]


def test_sixteen_bits_are_scaled_not_cut_off() -> None:
    ramp = np.linspace(0, 65535, 64, dtype=np.uint16).reshape(8, 8)
    expected = np.round(ramp / 257).astype(np.uint8)
    for kind in ("PNG", "TIFF"):
        np.testing.assert_array_equal(load_image(encoded(Image.fromarray(ramp), kind))[..., 0], expected)


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_real_valued_pictures(top: float) -> None:
    ramp = np.linspace(0, top, 64, dtype=np.float32).reshape(8, 8)
    ramp[0, 1] = np.nan
    made = load_image(encoded(Image.fromarray(ramp), "TIFF"))
    assert made[0, 0].tolist() == [0, 0, 0]
    assert made[0, 1].tolist() == [0, 0, 0]
    assert made[7, 7].tolist() == [255, 255, 255]
    assert abs(int(made[4, 0, 0]) - 130) <= 1


def test_cmyk_one_bit_and_lab() -> None:
    cmyk = load_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95))
    np.testing.assert_allclose(cmyk[0, 0], (255, 0, 0), atol=4)
    assert load_image(encoded(Image.new("1", (4, 4), 1), "PNG"))[0, 0].tolist() == [255, 255, 255]
    lab = load_image(encoded(Image.new("LAB", (4, 4), (137, 128, 128)), "TIFF"))
    assert np.ptp(lab[0, 0].astype(int)) < 6


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG", "AVIF"):
        content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50)
        np.testing.assert_allclose(load_image(content)[8, 8], (255, 0, 0), atol=6)


def test_wrong_suffix_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(encoded(noise(5, 7), "PNG"))
    assert load_image(file).shape == (5, 7, 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_huge_pictures_are_reduced(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_decoding, "EXACT_PIXELS", 5000)
    pixels = smooth(150, 300)
    made = load_image(encoded(pixels, kind))
    assert made.shape[0] * made.shape[1] <= 5000 * 1.05
    assert made.shape[1] / made.shape[0] == pytest.approx(2, rel=0.05)
    small = np.asarray(Image.fromarray(pixels).resize(made.shape[1::-1], Image.Resampling.BOX))
    assert np.abs(made.astype(int) - small).mean() < 12


def test_a_large_jpeg_is_decoded_at_a_fraction(monkeypatch: pytest.MonkeyPatch) -> None:
    """A telephone's 200 megapixels are beyond the library's own limit, and still a picture."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    monkeypatch.setattr(image_decoding, "EXACT_PIXELS", 3300)
    assert load_image(encoded(smooth(80, 160), "JPEG")).shape == (40, 80, 3)
    with pytest.raises(MediaError, match="megapixels"):
        load_image(encoded(smooth(80, 160), "PNG"))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(png_that_claims(40_000, 30_000), id="PNG"),
        pytest.param(png_that_claims(13_000, 10_000), id="PNG within the library's limit"),
        pytest.param(
            encoded(noise(8, 8), "JPEG").replace(b"\0\x08\0\x08\x03", b"\xff\xdc\xff\xdc\x03"),
            id="JPEG, 4 gigapixels",
        ),
    ],
)
def test_decompression_bombs_are_refused(content: bytes) -> None:
    with pytest.raises(MediaError, match=r"megapixels.*Make it smaller"):
        load_image(content)


def test_no_other_program_is_started() -> None:
    """PostScript would run Ghostscript."""
    with pytest.raises(MediaError, match="not a picture of a known kind"):
        load_image(encoded(noise(8, 8), "EPS"))


@pytest.mark.parametrize("name", ["GoldenGate.png", "surprise.png"])
def test_real_pictures(shared_data: Path, name: str) -> None:
    made = load_image(shared_data / "sample" / name)
    np.testing.assert_array_equal(made, np.asarray(Image.open(shared_data / "sample" / name).convert("RGB")))


def test_a_decoded_picture_need_not_become_an_array_first() -> None:
    for content in (encoded(smooth(100, 150), "PNG"), encoded(smooth(768, 768), "PNG")):
        direct, copied = image_features(open_image(content)), image_features(load_image(content))
        np.testing.assert_array_equal(direct.pixel_values, copied.pixel_values)
        np.testing.assert_array_equal(direct.position_ids, copied.position_ids)
    with pytest.raises(ValueError, match="RGB"):
        image_features(Image.new("L", (9, 9)))


def test_the_array_is_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        load_image(encoded(noise(4, 4), "PNG"))[0, 0] = 0
