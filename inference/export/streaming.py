"""Tensors whose content is made while it is written, some rows at a time.

So the memory that a conversion needs follows the size of a piece, and not that of a table of two billion weights.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

T = TypeVar("T")

PIECE_WEIGHTS = 1 << 20
"""Weights that are worked on at a time, by one thread."""


class StreamedTensor(ir.LazyTensor):
    """A tensor that is the concatenation of pieces along its first axis.

    Args:
        name: of the tensor.
        dtype: of the tensor; pieces may also come as unsigned integers of the same width (bfloat16 does).
        shape: of the tensor.
        pieces: returns the pieces, anew at each call.
    """

    __slots__ = ("_pieces", "watch")

    def __init__(
        self, name: str, dtype: ir.DataType, shape: Sequence[int], pieces: Callable[[], Iterable[NDArray[Any]]]
    ) -> None:
        super().__init__(lambda: ir.Tensor(self.numpy(), name=name), dtype=dtype, shape=ir.Shape(shape), name=name)
        self._pieces = pieces
        self.watch: Callable[[int], None] | None = None
        """Called with the number of bytes after each piece that :meth:`tofile` has written; may raise, to stop."""

    def pieces(self) -> Iterable[NDArray[Any]]:
        """Return the pieces, in order."""
        return self._pieces()

    def reshaped(self, shape: Sequence[int]) -> StreamedTensor:
        """Return the same content under another shape of the same size."""
        return StreamedTensor(self.name, self.dtype, shape, self._pieces)

    def numpy(self) -> NDArray[Any]:
        """Return the whole content."""
        whole = np.concatenate([np.asarray(piece).reshape(-1) for piece in self._pieces()])
        content: NDArray[Any] = whole.view(self.dtype.numpy()).reshape(tuple(int(size) for size in self.shape))
        return content

    def tobytes(self) -> bytes:
        """Return the whole content as bytes, little-endian."""
        return b"".join(piece.tobytes() for piece in self._pieces())

    def tofile(self, file: Any) -> None:
        """Write piece by piece."""
        for piece in self._pieces():
            file.write(np.ascontiguousarray(piece).data)
            if self.watch is not None:
                self.watch(piece.nbytes)


def row_ranges(rows: int, columns: int) -> Iterator[slice]:
    """Cut a matrix into ranges of rows of about :data:`PIECE_WEIGHTS` weights."""
    step = max(1, PIECE_WEIGHTS // max(1, columns))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def in_threads(work: Callable[[slice], T], ranges: Iterable[slice]) -> Iterator[T]:
    """Yield ``work(range)`` for each range, in order, working ahead on as many as there are cores."""
    ranges = list(ranges)
    count = min(_cores(), len(ranges))
    if count < 2:
        yield from map(work, ranges)
        return
    with ThreadPoolExecutor(count, thread_name_prefix="weights") as pool:
        waiting: deque[Future[T]] = deque()
        try:
            for piece in ranges:
                waiting.append(pool.submit(work, piece))
                if len(waiting) > count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1
