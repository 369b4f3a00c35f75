"""Small files that ask for much: pages, pictures, and what a picture may claim."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Sequence

from PIL import Image


def document(objects: Sequence[bytes]) -> bytes:
    """A PDF file of these objects; the first is its catalogue."""
    content, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(content))
        content += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    count = len(objects) + 1
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (count, len(content))
    return content + b"xref\n0 %d\n0000000000 65535 f \n" % count + table + end


def page(content: bytes, resources: bytes = b"", more: Sequence[bytes] = (), *, packed: bool = False) -> bytes:
    """A PDF file of one page of the size A4 that draws ``content``."""
    data = zlib.compress(content) if packed else content
    return page_of_stream(data, resources, more, b"/Filter/FlateDecode" if packed else b"")


def page_of_stream(data: bytes, resources: bytes = b"", more: Sequence[bytes] = (), filters: bytes = b"") -> bytes:
    return document(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<<" + resources + b">>>>",
            b"<</Length %d%s>>stream\n" % (len(data), filters) + data + b"\nendstream",
            *more,
        ]
    )


_LINES = b"".join(b"(The quick brown fox jumps over the lazy dog, line %d) Tj T*\n" % line for line in range(50))
ORDINARY = page(
    b"BT /F1 11 Tf 60 780 Td 14 TL\n" + _LINES + b"ET",
    b"/Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>",
)
"""A page of text."""

RECURSION = page(
    b"/X Do",
    b"/XObject<</X 5 0 R>>",
    [
        b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 5 0 R>>>>/Length 12>>stream\n"
        b"/X Do /X Do \nendstream"
    ],
)
"""A page whose form draws itself twice, 2 to the power of its depth in all."""


def stream_bomb(megabytes: int) -> bytes:
    """A page whose content is so large once it is unpacked: drawing operations, which each become an object."""
    packer = zlib.compressobj(9)
    block = b"0 0 m 1 1 l S\n" * 74_899
    data = b"".join(packer.compress(block) for _ in range(megabytes)) + packer.flush()
    return page_of_stream(data, filters=b"/Filter/FlateDecode")


def many_paths(number: int) -> bytes:
    """A page of so many dashed curves across it."""
    generator = random.Random(1)
    curves = (
        b"%d %d m %d %d %d %d %d %d c S\n" % tuple(generator.randrange(0, 800) for _ in range(8)) for _ in range(number)
    )
    return page(b"[0.01 0.01] 0 d 0.01 w\n" + b"".join(curves), packed=True)


def jpeg_of_many_scans(width: int, height: int, scans: int = 3000) -> bytes:
    """A progressive JPEG that goes over all of its coefficients again and again."""
    with io.BytesIO() as file:
        Image.new("RGB", (width, height), (90, 120, 150)).save(file, "JPEG", progressive=True, quality=50)
        content = file.getvalue()
    starts = []
    at = 2
    while content[at + 1] != 0xD9:  # the end of the picture
        marker, length = content[at + 1], struct.unpack(">H", content[at + 2 : at + 4])[0]
        if marker == 0xDA:  # a scan: its data end before the next marker that is none of its own
            end = at + 2 + length
            while content[end] != 0xFF or content[end + 1] in (0, *range(0xD0, 0xD8)):
                end += 1
            starts.append((at, end))
            at = end
        else:
            at += 2 + length
    first, last = starts[1]
    # the tables that the scan uses stand before it, and are still valid
    return content[:last] + content[first:last] * scans + content[last:]


def png_of_nothing(width: int, height: int) -> bytes:
    """A valid PNG of so many black pixels, a thousandth of their size."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(1)
    row = bytes(1 + 3 * width)
    data = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
