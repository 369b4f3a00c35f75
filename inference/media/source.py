"""Where media come from: a file, or bytes in memory. Nothing here knows what is inside."""

from __future__ import annotations

import errno
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from inference.errors import MediaError

Source = Path | bytes


def name_of(source: Source, kind: str) -> str:
    """Return how to call a source in a sentence: the file's name in quotes, or “the <kind>” for bytes."""
    return f"“{source.name or source}”" if isinstance(source, Path) else f"the {kind}"


@contextmanager
def opened(source: Source, kind: str) -> Iterator[BinaryIO]:
    """Open a source for reading from its beginning; ``kind`` ("picture", "recording", "video") words the errors.

    Raises:
        MediaError: there is no such file, it is not an ordinary one, it is empty, or it may not be read.
    """
    if isinstance(source, bytes):
        if not source:
            raise MediaError(f"The {kind} is empty: it has no bytes. Choose another one.")
        with io.BytesIO(source) as stream:
            yield stream
        return
    name = name_of(source, kind)
    try:
        status = source.stat()
        # Opening a pipe or a device may wait for ever.
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "not an ordinary file"
            raise MediaError(f"{name} is {what}. Choose a {kind}.")
        if status.st_size == 0:
            raise MediaError(f"{name} is empty: it has no bytes. Choose another {kind}.")
        file = source.open("rb")
    except FileNotFoundError as error:
        raise MediaError(f"There is no file {name} any more. Choose another {kind}.") from error
    except PermissionError as error:
        raise MediaError(f"{name} may not be read. Change its permissions, or choose another {kind}.") from error
    except (OSError, ValueError, RuntimeError) as error:
        if getattr(error, "errno", None) == errno.ELOOP or isinstance(error, RuntimeError):
            raise MediaError(f"{name} is a link that leads back to itself. Choose another {kind}.") from error
        raise MediaError(f"{name} cannot be opened ({error}). Choose another {kind}.") from error
    with file:
        yield file
