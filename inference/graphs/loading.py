"""Brings the weights of graphs into memory before they are opened, with progress, and so that it can be stopped.

Opening a graph is one call that says nothing while it lasts. Most of that, on a first start, is waiting for the disk:
so the files are read here first, piece by piece, into the cache of files, from where the runtime maps them.
"""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from inference.cancellation import CancelToken
from inference.errors import ForeignFileError, LoadCancelledError, ModelFolderError
from inference.foreign_files import check_file
from inference.memory import available_bytes, unmap_pages

LoadProgress = Callable[[str, float], None]
"""Called with what is done, for people, and the fraction of the whole loading that lies behind, 0 to 1."""

_PIECE = 64 << 20
_READING = 0.6  # share of the progress; a disk that is cold takes longer, one that is warm less


def weight_files(graph: Path) -> list[Path]:
    """Return the files of external data of a graph: ``NAME.onnx_data``, ``NAME.onnx_data_1``, ``NAME.onnx.data``."""
    return sorted(file for mark in "_." for file in graph.parent.glob(f"{graph.name}{mark}data*"))


class MappedWeights:
    """The weight files of a graph that is open. After its first run it has copies of what it needs of them, as a rule.

    Args:
        graph: its file.
    """

    def __init__(self, graph: Path) -> None:
        self._files = weight_files(graph)

    def let_go(self) -> None:
        """Hand their pages back after the first run; what is read of them again comes from the system's cache."""
        if self._files:
            unmap_pages(self._files)
            self._files = []


class Loading:
    """One loading of a model: tells how far it is, and ends when it is no longer wanted."""

    def __init__(self, progress: LoadProgress | None = None, cancel: CancelToken | None = None) -> None:
        self._progress = progress
        self.cancel = cancel or CancelToken()

    def report(self, stage: str, fraction: float) -> None:
        """Tell how far it is.

        Raises:
            LoadCancelledError: it is no longer wanted.
        """
        if self.cancel.cancelled:
            raise LoadCancelledError("The model was not loaded: it was stopped before it was ready.")
        if self._progress is not None:
            self._progress(stage, fraction)

    def read_ahead(self, graphs: Sequence[Path]) -> None:
        """Read the weights of graphs, of which all bytes will be needed soon.

        Nothing is read when the memory does not have room for them: the system would have to drop the first to read
        the last.

        Raises:
            ModelFolderError: a file cannot be read.
            LoadCancelledError: the loading is no longer wanted.
        """
        self.report("Reading the model", 0.0)
        try:
            sizes = {file: check_file(file).st_size for graph in graphs for file in weight_files(graph)}
        except ForeignFileError as error:
            raise ModelFolderError(
                f"{str(error).removesuffix('.')}: the model is damaged or incomplete. Convert or download it again."
            ) from error
        whole = sum(sizes.values())
        room = available_bytes()
        if room is not None and whole > room:
            return
        done = 0
        for file, size in sizes.items():
            if not size:
                continue
            try:
                with file.open("rb") as stream, mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_READ) as mapped:
                    for start in range(0, size, _PIECE):
                        end = min(start + _PIECE, size)
                        # a byte of each page is enough to have the page
                        np.frombuffer(mapped, np.uint8, end - start, start)[:: mmap.PAGESIZE].max()
                        done += end - start
                        self.report("Reading the model", _READING * done / whole)
            except OSError as error:
                if error.errno == errno.ENOMEM:
                    return  # no room in the address space: the runtime will say so, or do without
                raise ModelFolderError(f"{file} cannot be read: {error.strerror}.") from error
