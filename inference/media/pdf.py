"""Pages of PDF files as pictures, drawn with PDFium. For a child process alone: see :mod:`inference.media.isolated`.

A page is a program, which may draw without end or fill any memory, and PDFium ends the process when it gets none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from PIL import Image

from inference.errors import MediaError
from inference.media.source import opened

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

_PASSWORD: Final = 4  # FPDF_ERR_PASSWORD
_LONGEST_SIDE: Final = 32_000


def count_pages(path: Path) -> int:
    """Return how many pages a PDF file has, at least 1.

    Raises:
        MediaError: it cannot be opened.
    """
    with _opened(path) as document:
        return len(document)


def draw_page(path: Path, page: int, pixels: int) -> Image.Image:
    """Draw a page, numbered from 0, on white paper, with what was filled into its forms.

    Args:
        path: the file.
        page: which.
        pixels: how many the picture has, roughly; its shape is the page's.

    Raises:
        MediaError: it cannot be opened or drawn.
    """
    import pypdfium2

    with _opened(path) as document:
        if not 0 <= page < len(document):
            raise MediaError(f"“{path.name}” has no page {page + 1}. Choose other pages.")
        try:
            if document.get_formtype():
                document.init_forms()
            sheet = document[page]
            width, height = sheet.get_size()
            if not (math.isfinite(width * height) and width > 0 and height > 0):
                raise MediaError(f"Page {page + 1} of “{path.name}” is empty. Choose other pages.")
            scale = min(math.sqrt(pixels / (width * height)), _LONGEST_SIDE / max(width, height))
            drawn: Image.Image = sheet.render(scale=scale, rev_byteorder=True, maybe_alpha=False).to_pil()
            return drawn.convert("RGB")
        except pypdfium2.PdfiumError as error:
            raise MediaError(f"Page {page + 1} of “{path.name}” cannot be drawn. Choose other pages.") from error


@contextmanager
def _opened(path: Path) -> Iterator[PdfDocument]:
    import pypdfium2

    with opened(path, "PDF file"):  # says why it may not be read
        pass
    try:
        document = pypdfium2.PdfDocument(path)
    except pypdfium2.PdfiumError as error:
        if getattr(error, "err_code", None) == _PASSWORD:
            raise MediaError(f"“{path.name}” is protected by a password. Save a copy without one first.") from error
        raise _damaged(path) from error
    try:
        if len(document) < 1:
            raise _damaged(path)
        yield document
    finally:
        document.close()


def _damaged(path: Path) -> MediaError:
    return MediaError(f"“{path.name}” cannot be read: it is damaged, or no PDF file. Get it again.")
