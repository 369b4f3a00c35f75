"""How each weight is stored in a graph, and where it comes from when the file is written.

A plan hands out initialisers whose content is computed only while the file is being saved, one tensor at a time, so
that memory follows the largest tensor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inference.errors import CheckpointError
from inference.export.checkpoint import Checkpoint
from inference.export.quantize import BLOCK_SIZE, Bits, quantize_blockwise

Precision = Literal["q4", "q8", "fp32"]

PRECISIONS: tuple[Precision, ...] = ("q4", "q8", "fp32")

_BITS: dict[Precision, Bits | None] = {"q4": 4, "q8": 8, "fp32": None}

_CHUNK_WEIGHTS = 1 << 23
"""Weights converted at a time: bounds the float32 copies that quantisation makes."""


@dataclass(frozen=True)
class StoredMatrix:
    """Initialisers that hold a matrix: itself (``bits`` is None), or packed values and scales."""

    values: tuple[ir.Value, ...]
    bits: Bits | None


class WeightPlan:
    """Decides, by precision, how the weights of a checkpoint are stored.

    Matrices are quantised blockwise; vectors (norms, layer scalars) stay float32.
    """

    def __init__(self, checkpoint: Checkpoint, precision: Precision, block_size: int = BLOCK_SIZE) -> None:
        self._checkpoint = checkpoint
        self._bits = _BITS[precision]
        self.block_size = block_size
        self._last: tuple[str, tuple[NDArray[np.uint8], NDArray[np.float32]]] | None = None
        self._stored: dict[tuple[str, bool], StoredMatrix] = {}

    def linear(self, name: str, rows: int, columns: int) -> StoredMatrix:
        """Return the weight ``name``, [rows, columns] in the checkpoint, as a linear layer's operator takes it.

        Unquantised it is transposed to [columns, rows], for ``MatMul``.

        Raises:
            CheckpointError: the checkpoint has no such tensor, or one of another shape.
        """
        return self._matrix(name, rows, columns, transposed=True)

    def table(self, name: str, rows: int, columns: int) -> StoredMatrix:
        """Return the embedding table ``name``, [rows, columns], as a gather operator takes it."""
        return self._matrix(name, rows, columns, transposed=False)

    def keep(self, value: ir.Value, name: str) -> None:
        """Give the initialiser ``value`` the content of the tensor ``name``, unchanged in float32."""
        shape = tuple(int(size) for size in value.shape)
        self._expect(name, shape)
        value.const_value = _lazy(value.name or name, ir.DataType.FLOAT, shape, lambda: self._checkpoint.read(name))

    def _matrix(self, name: str, rows: int, columns: int, transposed: bool) -> StoredMatrix:
        key = (name, transposed)
        if key in self._stored:
            return self._stored[key]
        self._expect(name, (rows, columns))
        if self._bits is None:
            shape = (columns, rows) if transposed else (rows, columns)

            def read() -> NDArray[np.float32]:
                weights = self._checkpoint.read(name)
                return np.ascontiguousarray(weights.T) if transposed else weights

            stored = StoredMatrix((_initializer(name, ir.DataType.FLOAT, shape, read),), None)
        else:
            blocks = -(-columns // self.block_size)
            width = self.block_size * self._bits // 8
            packed_shape = (rows, blocks, width) if transposed else (rows, blocks * width)
            stored = StoredMatrix(
                (
                    _initializer(
                        f"{name}_q{self._bits}",
                        ir.DataType.UINT8,
                        packed_shape,
                        lambda: self._quantized(name)[0].reshape(packed_shape),
                    ),
                    _initializer(
                        f"{name}_scales",
                        ir.DataType.FLOAT,
                        (rows * blocks,) if transposed else (rows, blocks),
                        lambda: self._quantized(name)[1].reshape((rows * blocks,) if transposed else (rows, blocks)),
                    ),
                ),
                self._bits,
            )
        self._stored[key] = stored
        return stored

    def _quantized(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Quantise ``name``, remembering the last one: its values and its scales are asked for one after the other."""
        if self._last is None or self._last[0] != name:
            self._last = None
            assert self._bits is not None
            rows, columns = self._checkpoint.record(name).shape
            step = max(1, _CHUNK_WEIGHTS // columns)
            packed, scales = quantize_blockwise(
                self._checkpoint.read(name, slice(0, min(step, rows))), self._bits, self.block_size
            )
            all_packed = np.empty((rows, *packed.shape[1:]), np.uint8)
            all_scales = np.empty((rows, *scales.shape[1:]), np.float32)
            for start in range(0, rows, step):
                stop = min(start + step, rows)
                if start:
                    packed, scales = quantize_blockwise(
                        self._checkpoint.read(name, slice(start, stop)), self._bits, self.block_size
                    )
                all_packed[start:stop], all_scales[start:stop] = packed, scales
            self._last = (name, (all_packed, all_scales))
        return self._last[1]

    def _expect(self, name: str, shape: tuple[int, ...]) -> None:
        found = self._checkpoint.weights_record(name).shape
        if found != shape:
            raise CheckpointError(
                f"The tensor “{name}” has the shape {list(found)}, but the configuration asks for {list(shape)}: the "
                "files of this checkpoint do not belong together."
            )


def _initializer(
    name: str, dtype: ir.DataType, shape: tuple[int, ...], read: Callable[[], NDArray[np.generic]]
) -> ir.Value:
    value = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))
    value.const_value = _lazy(name, dtype, shape, read)
    return value


def _lazy(
    name: str, dtype: ir.DataType, shape: tuple[int, ...], read: Callable[[], NDArray[np.generic]]
) -> ir.LazyTensor:
    return ir.LazyTensor(lambda: ir.tensor(read(), name=name), dtype=dtype, shape=ir.Shape(shape), name=name)
