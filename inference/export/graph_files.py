"""Writes finished graphs, and knows how much there is to write, how fast it goes and when to stop."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

import onnx_ir as ir

from inference.cancellation import CancelToken
from inference.errors import DiskSpaceError, LarimarError
from inference.export.stitching import GraphBuilder
from inference.export.streaming import StreamedTensor

_ALIGNMENT = 4096  # tables are mapped into memory page by page
_ESTIMATE_AFTER = 2.0  # seconds of writing before a guess at the time left is worth showing


class Progress(Protocol):
    """Hears how far a conversion is."""

    def __call__(self, stage: str, fraction: float, detail: str = "") -> None:
        """Take note: ``fraction`` (0 to 1) of ``stage`` is done; ``detail`` says how many bytes, and the time left."""


class ConversionCancelled(LarimarError):  # noqa: N818 — asked for, not a fault
    """The conversion was stopped by its cancel token."""


class Reporter:
    """Passes progress on, adds bytes and time left while graphs are written, and honours the cancel token.

    Args:
        progress: hears about it.
        cancel: ends the conversion between two pieces of work.
        total: bytes of all graphs that will be written.
        clock: returns seconds.
    """

    def __init__(
        self,
        progress: Progress | None = None,
        cancel: CancelToken | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._cancel = cancel
        self._clock = clock
        self._total = self._written = 0
        self._started = 0.0

    def __call__(self, stage: str, fraction: float, detail: str = "") -> None:
        """Pass progress on.

        Raises:
            ConversionCancelled: a stop was asked for.
        """
        if self._cancel is not None and self._cancel.cancelled:
            raise ConversionCancelled("The conversion was stopped. The same command goes on where it stopped.")
        if self._progress is not None:
            self._progress(stage, fraction, detail)

    def expect(self, total: int) -> None:
        """Say how many bytes will be written in all."""
        self._total, self._started = total, self._clock()

    def wrote(self, stage: str, fraction: float, count: int) -> None:
        """Pass on that ``count`` more bytes are written, which makes ``fraction`` of the graph."""
        self._written += count
        self(stage, fraction, self._detail())

    def _detail(self) -> str:
        if not self._total:
            return ""
        detail = f"{self._written / 1e9:.1f} of {self._total / 1e9:.1f} GB"
        elapsed = self._clock() - self._started
        if elapsed < _ESTIMATE_AFTER or not self._written:
            return detail
        return f"{detail}, {_duration(elapsed * max(0, self._total - self._written) / self._written)} left"


def weight_bytes(builder: GraphBuilder) -> int:
    """Return the size of a graph's weights in its file."""
    return sum(value.const_value.nbytes for value in _initializers(builder.graph) if value.const_value is not None)


def check_room(folder: Path, needed: int) -> None:
    """Raise :class:`DiskSpaceError` if the disk of ``folder`` lacks room for ``needed`` bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed * 1.02 + (1 << 24):
        raise DiskSpaceError(
            f"The converted model needs {needed / 1e9:.1f} GB, but the disk of {folder} has {free / 1e9:.1f} GB left. "
            "Nothing was written; make room and try again."
        )


def save_graph(builder: GraphBuilder, path: Path, name: str, report: Progress) -> None:
    """Write a graph, its weights beside it, piece by piece.

    Args:
        builder: the finished graph.
        path: of the ``.onnx`` file.
        name: of the graph, for ``report``.
        report: hears about it; a :class:`Reporter` is told the bytes too.
    """
    stage = f"Writing {name.replace('_', ' ')}"
    total, written = max(1, weight_bytes(builder)), 0

    def watch(count: int) -> None:
        nonlocal written
        written += count
        fraction = min(1.0, written / total)
        if isinstance(report, Reporter):
            report.wrote(stage, fraction, count)
        else:
            report(stage, fraction)

    for value in _initializers(builder.graph):
        if isinstance(value.const_value, StreamedTensor):
            value.const_value.watch = watch
    report(stage, 0.0)
    try:
        ir.save(
            builder.model(),
            path,
            external_data=f"{path.name}_data",
            callback=lambda tensor, _: None if isinstance(tensor, StreamedTensor) else watch(tensor.nbytes),
            max_workers=1,  # a streamed tensor uses all cores by itself
            alignment=_ALIGNMENT,
        )
    except ir.serde.SerdeError as error:
        raise _innermost(error) from error


def _initializers(graph: ir.Graph) -> Iterator[ir.Value]:
    """Yield the initialisers of a graph and of the branches inside it."""
    yield from graph.initializers.values()
    for inner in graph.subgraphs():
        yield from inner.initializers.values()


def external_data(names: Iterable[str], folder: Path) -> dict[str, int]:
    """Return, for each graph file among ``names``, how many files of weights lie beside it in ``folder``."""
    return {name: int((folder / f"{name}_data").exists()) for name in names if name.endswith(".onnx")}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON for people to read."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _innermost(error: BaseException) -> BaseException:
    """Return what went wrong while a weight was read, from under the wrappings of the serialiser."""
    while isinstance(error, ir.serde.SerdeError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
