"""Where the weights of the encoders' graphs come from: scalars, parts and combinations of tensors, int8 matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inference.errors import CheckpointError
from inference.export.checkpoint import Checkpoint
from inference.export.quantize import BLOCK_SIZE, quantize_blockwise
from inference.export.stitching import GraphBuilder
from inference.export.weights import Precision


class EncoderWeights:
    """Hands out initialisers whose content is computed while the file is being saved, one tensor at a time.

    Args:
        checkpoint: the source.
        precision: of the graphs. ``q4`` and ``q8`` both store the matrices of the towers' layers as int8: four bits
            are for the language model, whose matrices are many times larger.
    """

    def __init__(self, checkpoint: Checkpoint, precision: Precision) -> None:
        self._checkpoint = checkpoint
        self._quantized = precision in ("q4", "q8")
        self.for_cpu = precision not in ("fp16", "q4f16")
        """Whether the graph is made for the CPU first; otherwise :mod:`inference.export.half_precision` changes it."""
        self._last: tuple[str, Any] = ("", None)

    def quantizes(self, name: str) -> bool:
        """Whether the matrix ``name`` is stored as int8.

        The few outside the layers are not: what they read is either close to the pixels or summed up for the language
        model, and all together they take little time and room.
        """
        return self._quantized and ".layers." in name

    def scalar(self, name: str) -> float:
        """Return the value of the scalar tensor ``name``, read now."""
        self._expect(name, ())
        return float(self._checkpoint.read(name))

    def matrix(self, name: str, rows: int, columns: int) -> ir.Value:
        """Return ``name``, [rows, columns] in the checkpoint, as ``MatMul`` takes it: float32 [columns, rows]."""
        self._expect(name, (rows, columns))
        return _initializer(name, ir.DataType.FLOAT, (columns, rows), lambda: _transposed(self._checkpoint.read(name)))

    def blockwise(self, name: str, rows: int, columns: int) -> tuple[ir.Value, ir.Value]:
        """Return ``name``, [rows, columns] in the checkpoint, as ``MatMulNBits`` with 8 bits takes it.

        Returns:
            uint8 [rows, blocks, block size], and float32 scales [rows · blocks].
        """
        self._expect(name, (rows, columns))
        blocks = -(-columns // BLOCK_SIZE)

        def read(part: int) -> NDArray[Any]:
            matrix: NDArray[Any] = self._once(name, lambda weights: quantize_blockwise(weights, 8))[part]
            return matrix

        return (
            _initializer(f"{name}_q8", ir.DataType.UINT8, (rows, blocks, BLOCK_SIZE), lambda: read(0)),
            _initializer(f"{name}_scales", ir.DataType.FLOAT, (rows * blocks,), lambda: read(1).reshape(-1)),
        )

    def part(self, builder: GraphBuilder, name: str, tensor: str, index: int) -> None:
        """Make the graph's weight ``name`` entry ``index`` of the checkpoint's ``tensor``."""
        value = builder.weights.pop(name)  # not copied from the checkpoint as it is
        shape = _shape(value)
        self._expect(tensor, shape, of_entry=True)
        _fill(builder, value, lambda: self._checkpoint.read(tensor, slice(index, index + 1))[0])

    def product(self, builder: GraphBuilder, name: str, states: NDArray[np.float32]) -> None:
        """Make the graph's weight ``name`` the output of the linear layer of that name for ``states``, [R, K]."""
        value = builder.weights.pop(name)
        self._expect(name, (_shape(value)[1], states.shape[1]))
        _fill(builder, value, lambda: states @ self._checkpoint.read(name).T)

    def _once(self, name: str, quantize: Callable[[NDArray[np.float32]], Any]) -> Any:
        """Quantise ``name``, remembering the last one: its values and its scales are asked for one after the other."""
        if self._last[0] != name:
            self._last = ("", None)
            self._last = (name, quantize(self._checkpoint.read(name)))
        return self._last[1]

    def _expect(self, name: str, shape: tuple[int, ...], of_entry: bool = False) -> None:
        found = self._checkpoint.shape(name)
        if (found[1:] if of_entry else found) != shape:
            raise CheckpointError(
                f"The tensor “{name}” has the shape {list(found)}, but the configuration asks for {list(shape)}: the "
                "files of this checkpoint do not belong together."
            )


def _shape(value: ir.Value) -> tuple[int, ...]:
    return tuple(int(size) for size in value.shape)


def _fill(builder: GraphBuilder, value: ir.Value, read: Callable[[], NDArray[np.generic]]) -> None:
    value.const_value = _lazy(value.name or "", ir.DataType.FLOAT, _shape(value), read)
    builder.graph.register_initializer(value)


def _transposed(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array.T)


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
