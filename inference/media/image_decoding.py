"""Picture files and bytes to RGB arrays, whatever their format, colours, orientation and size."""

from __future__ import annotations

import math
import warnings
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from inference.errors import MediaError
from inference.media.source import Source, name_of, opened

EXACT_PIXELS: Final = 50_000_000
"""Pictures up to here are decoded at full size, larger ones at half, a third, … of it."""
MAX_PIXELS: Final = 128_000_000
"""Larger pictures are refused: a small file could claim any size and fill the memory."""
MAX_JPEG_PIXELS: Final = 256_000_000
"""JPEG is decoded at reduced size without ever being held at full size."""

_COMMON: Final = ("JPEG", "PNG", "GIF", "BMP", "PPM")
"""What Pillow knows without loading all of its plugins."""
_REFUSED: Final = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
"""Formats that need another program (a PostScript interpreter, say), or that Pillow knows by name only."""
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation to what makes the picture upright."""


def load_image(source: Source) -> NDArray[np.uint8]:
    """Decode a picture as :func:`open_image` does, into uint8 [height, width, 3], read-only."""
    pixels = np.asarray(open_image(source))
    pixels.flags.writeable = False
    return pixels


def open_image(source: Source) -> Image.Image:
    """Decode a picture, in the mode RGB.

    The first frame of an animation; upright as its EXIF data say; transparency over white; 16 bits a channel and
    more scaled down to 8; CMYK, palettes and grey as RGB. Above :data:`EXACT_PIXELS` at a fraction of its size.

    Raises:
        MediaError: it cannot be read, is damaged or incomplete, too large, or no picture at all.
    """
    name = name_of(source, "picture")
    subject = name[0].upper() + name[1:]
    with opened(source, "picture") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata and large sizes, on which we decide ourselves
        try:
            with _open(stream) as image:
                _check_size(image, subject)
                return _decode(image)
        except MediaError:
            raise
        except Image.DecompressionBombError as error:
            raise _too_large(subject, "hundreds of") from error
        except MemoryError as error:
            raise MediaError(f"{subject} needs more memory than there is. Make it smaller first.") from error
        except UnidentifiedImageError as error:
            raise MediaError(
                f"{subject} is not a picture of a known kind. Open it in another program and save it as PNG or JPEG."
            ) from error
        except Exception as error:  # decoders raise anything on damaged data
            raise MediaError(
                f"{subject} cannot be read: it is damaged or incomplete. Get it again, or choose another picture."
            ) from error


def _open(stream: BinaryIO) -> Image.Image:
    try:
        return Image.open(stream, formats=_COMMON)
    except UnidentifiedImageError:
        stream.seek(0)
        return Image.open(stream, formats=_all_formats())
    except Image.DecompressionBombError:
        stream.seek(0)
        if stream.read(2) != b"\xff\xd8":
            raise
        stream.seek(0)
        # The library's limit is made for decoders that hold every pixel; this one can decode at reduced size.
        return JpegImagePlugin.JpegImageFile(stream)


def _all_formats() -> list[str]:
    Image.init()
    try:
        import pi_heif
    except ImportError:  # there is no wheel for every system
        pass
    else:
        pi_heif.register_heif_opener()
    return [name for name in Image.ID if name not in _REFUSED]


def _check_size(image: Image.Image, subject: str) -> None:
    width, height = image.size
    if width < 1 or height < 1:
        raise MediaError(f"{subject} has no pixels. Choose another picture.")
    reducible = isinstance(image, JpegImagePlugin.JpegImageFile) and not image.info.get("progressive")
    if width * height > (MAX_JPEG_PIXELS if reducible else MAX_PIXELS):
        raise _too_large(subject, f"{width * height / 1e6:,.0f}")


def _too_large(subject: str, megapixels: str) -> MediaError:
    return MediaError(
        f"{subject} has {megapixels} megapixels, more than can be opened safely. Make it smaller in another program."
    )


def _decode(image: Image.Image) -> Image.Image:
    """Return the upright picture in the mode RGB."""
    factor = math.ceil(math.sqrt(image.width * image.height / EXACT_PIXELS))
    if factor > 1:
        image.draft(None, (math.ceil(image.width / factor), math.ceil(image.height / factor)))
        factor = math.ceil(math.sqrt(image.width * image.height / EXACT_PIXELS))
    image.load()
    turn = _TURNS.get(_orientation(image))
    image = _to_8_bits(image)
    if factor > 1:
        image = image.reduce(factor)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image)
        image = white
    if image.mode != "RGB":
        image = image.convert("RGB")
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # a damaged note about the picture is no reason not to show it
        return 1


def _to_8_bits(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit, real-valued, palette and L*a*b* pictures to a mode of 8 bits a channel."""
    if image.mode in ("1", "P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode == "LAB":
        from PIL import ImageCms

        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        return image if converted is None else converted
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        values = np.nan_to_num(np.asarray(image, dtype=np.float32))
        return Image.fromarray(np.clip(values * (255.0 / _white_level(values)), 0, 255).round().astype(np.uint8))
    return image


def _white_level(values: NDArray[np.float32]) -> float:
    """Guess what counts as white: the least of the usual scales that holds the brightest pixel."""
    brightest = float(values.max(initial=0.0))
    return next((level for level in (1.0, 255.0, 65535.0) if brightest <= level), brightest)
