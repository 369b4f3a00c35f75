"""How each weight is stored in a graph, and where it comes from when the file is written.

A plan hands out initialisers whose content is computed only while the file is being saved, some rows at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inference.errors import CheckpointError
from inference.export.checkpoint import Checkpoint
from inference.export.qat import fits_float16
from inference.export.quantize import (
    BLOCK_SIZE,
    Bits,
    Quantization,
    QuantizedMatrix,
    dequantize_blockwise,
    quantize,
)
from inference.export.streaming import StreamedTensor, in_threads, row_ranges

Precision = Literal["q4", "q8", "q4f16", "fp16", "fp32"]
HeadPrecision = Literal["q8"]

PRECISIONS: tuple[Precision, ...] = ("q4", "q8", "q4f16", "fp16", "fp32")

_BITS: dict[Precision, Bits | None] = {"q4": 4, "q8": 8, "q4f16": 4, "fp16": None, "fp32": None}

FLOAT32_ONLY = "larimar.float32_only"
"""Key in an initialiser's ``meta``: its values are no float16 numbers, so the node that reads it stays float32."""

_STORED_TYPES = {"F64": None, "F32": ir.DataType.FLOAT, "F16": ir.DataType.FLOAT16, "BF16": ir.DataType.BFLOAT16}


@dataclass(frozen=True)
class StoredMatrix:
    """Initialisers that hold a matrix: itself (``bits`` is None), or packed values, scales, perhaps zero points."""

    values: tuple[ir.Value, ...]
    bits: Bits | None
    block_size: int = BLOCK_SIZE


_UNQUANTIZED = (".router.proj.weight",)
"""Endings of the names of matrices that are never quantised."""


class WeightPlan:
    """Decides, by precision, how the weights of a checkpoint are stored.

    Matrices are quantised blockwise; vectors (norms, layer scalars) stay float32. What a QAT checkpoint holds as
    integers keeps them. What it left in bfloat16 beside them was not trained for 4 bits and is kept higher: tables of
    embeddings as they are (they are read row by row from the disk, so that their size hardly matters), matrices
    in 8 bits.

    Args:
        checkpoint: where the weights come from.
        precision: of the graphs; for ``fp16`` and ``q4f16`` :mod:`inference.export.half_precision` does the rest.
        block_size: weights that share a scale: 16, 32, 64, 128 or 256.
        symmetric: whether blocks go without zero points.
        lm_head: ``q8`` to keep the matrix that makes logits in 8 bits where the others have 4; the embeddings it may be
            tied to are stored apart, and as before.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        precision: Precision,
        block_size: int = BLOCK_SIZE,
        symmetric: bool = True,
        lm_head: HeadPrecision | None = None,
    ) -> None:
        self._checkpoint = checkpoint
        self.precision = precision
        self.block_size = block_size
        self._quantized_precision = _BITS[precision] is not None
        bits = _BITS[precision]
        if bits == 4 and checkpoint.is_packed:
            bits = 8
        half = precision == "q4f16" or (bits == 4 and checkpoint.trained_for_q4_0)
        self._rule = None if bits is None else Quantization(bits, block_size, symmetric, half)
        self._wide: dict[str, Quantization] = {}
        if self._rule is not None and lm_head is not None:
            self._wide[checkpoint.lm_head] = Quantization(8, block_size, symmetric, self._rule.half_scales)
        self._stored: dict[tuple[str, bool], StoredMatrix] = {}

    def linear(self, name: str, rows: int, columns: int) -> StoredMatrix:
        """Return the weight ``name``, [rows, columns] in the checkpoint, as a linear layer's operator takes it.

        Unquantised it is transposed to [columns, rows], for ``MatMul``. Routers of a mixture of experts always are: a
        small matrix, whose errors would send tokens to other experts.

        Raises:
            CheckpointError: the checkpoint has no such tensor, or one of another shape.
        """
        if name.endswith(_UNQUANTIZED):
            self._expect(name, (rows, columns))
            return self._unquantized(name, rows, columns, linear=True)
        return self._matrix(name, rows, columns, linear=True)

    def table(self, name: str, rows: int, columns: int) -> StoredMatrix:
        """Return the embedding table ``name``, [rows, columns], as a gather operator takes it.

        Unquantised it may be bfloat16 or float16, to be cast behind the operator.
        """
        return self._matrix(name, rows, columns, linear=False)

    def stack(self, name: str, count: int, rows: int, columns: int) -> StoredMatrix:
        """Return a stack of linear weights, [count, rows, columns] in the checkpoint, to be gathered by its first axis.

        Each matrix of it is then as :meth:`linear` gives it.
        """
        self._expect(name, (count, rows, columns))
        checkpoint = self._checkpoint
        if self._rule is None:
            return _plain(
                StreamedTensor(
                    name,
                    ir.DataType.FLOAT,
                    (count, columns, rows),
                    lambda: (
                        np.ascontiguousarray(checkpoint.read(name, slice(index, index + 1)).swapaxes(1, 2))
                        for index in range(count)
                    ),
                )
            )
        stored = self._quantized(
            _RoundedStack(checkpoint, name, self._rule), self._rule.bits, self._rule.block_size, linear=True
        )
        for value in stored.values:
            value.const_value = value.const_value.reshaped((count, *_per_matrix(value.shape, count)))
            value.shape = value.const_value.shape
        return stored

    @property
    def experts_apart(self) -> bool:
        """Whether each expert has matrices of its own, rather than a place in a stack; see :meth:`entry`."""
        return self._rule is not None and self.precision != "q4f16"

    def entry(self, name: str, index: int, shape: tuple[int, int, int]) -> StoredMatrix:
        """Return one matrix of a stack of linear weights, ``shape`` in the checkpoint, as :meth:`linear` gives it."""
        assert self._rule is not None
        self._expect(name, shape)
        source = _RoundedEntry(self._checkpoint, name, index, self._rule)
        return self._quantized(source, self._rule.bits, self._rule.block_size, linear=True)

    def keep(self, value: ir.Value, name: str) -> None:
        """Give the initialiser ``value`` the content of the tensor ``name``, unchanged in float32."""
        shape = tuple(int(size) for size in value.shape)
        self._expect(name, shape)
        value.const_value = StreamedTensor(
            value.name or name, ir.DataType.FLOAT, shape, lambda: [self._checkpoint.read(name)]
        )

    def effective(self, name: str, table: bool = False) -> NDArray[np.float32]:
        """Return what the graphs compute with in place of the weight ``name``: the numbers after rounding.

        Args:
            name: the weight; matrices and stacks of them are rounded, vectors are not.
            table: whether it is looked up by token, rather than multiplied with.
        """
        return self.effective_rows(name, slice(None), table)

    def effective_rows(self, name: str, rows: slice, table: bool = False) -> NDArray[np.float32]:
        """Return some entries of the first axis of what :meth:`effective` returns."""
        weights = self._checkpoint.read(name, rows)
        if weights.ndim < 2 or (self._rule and name.endswith(_UNQUANTIZED)):
            return weights
        if self._rule is None:
            return weights.astype(np.float16).astype(np.float32) if self.precision == "fp16" else weights
        if self._checkpoint.packed(name) or (table and self._checkpoint.is_packed):
            return weights
        flat = weights.reshape(-1, weights.shape[-1])
        rule = self._rule_of(name, linear=not table)
        assert rule is not None
        for part in row_ranges(*flat.shape):
            matrix = quantize(flat[part], rule)
            flat[part] = dequantize_blockwise(
                matrix.packed, matrix.scales, rule.bits, flat.shape[1], matrix.zero_points
            )
        return weights

    def _matrix(self, name: str, rows: int, columns: int, linear: bool) -> StoredMatrix:
        key = (name, linear)
        if key not in self._stored:
            self._expect(name, (rows, columns))
            packed = self._checkpoint.packed(name) if self._quantized_precision else None
            if packed:
                stored = self._quantized(_Repacked(self._checkpoint, name), packed.bits, packed.block_size, linear)
            elif (rule := self._rule_of(name, linear)) is None or (self._checkpoint.is_packed and not linear):
                stored = self._unquantized(name, rows, columns, linear)
            else:
                source = _Rounded(self._checkpoint, name, rule)
                stored = self._quantized(source, rule.bits, rule.block_size, linear)
            self._stored[key] = stored
        return self._stored[key]

    def _rule_of(self, name: str, linear: bool) -> Quantization | None:
        return self._wide.get(name, self._rule) if linear else self._rule

    def _unquantized(self, name: str, rows: int, columns: int, linear: bool) -> StoredMatrix:
        checkpoint = self._checkpoint
        if linear:
            return _plain(
                StreamedTensor(name, ir.DataType.FLOAT, (columns, rows), lambda: _transposed(checkpoint, name))
            )
        dtype = None if checkpoint.packed(name) else _STORED_TYPES[checkpoint.record(name).dtype]
        if self._rule is None or dtype is None:
            return _plain(
                StreamedTensor(
                    name,
                    ir.DataType.FLOAT,
                    (rows, columns),
                    lambda: in_threads(lambda part: checkpoint.read(name, part), row_ranges(rows, columns)),
                )
            )
        return _plain(
            StreamedTensor(
                name,
                dtype,
                (rows, columns),
                lambda: in_threads(lambda part: checkpoint.read_stored(name, part), row_ranges(rows, columns)),
            )
        )

    def _quantized(self, source: _Blocks, bits: Bits, block_size: int, linear: bool) -> StoredMatrix:
        rows, columns = source.shape
        blocks = -(-columns // block_size)
        width = block_size * bits // 8
        shapes = {
            f"q{bits}": (rows, blocks, width) if linear else (rows, blocks * width),
            "scales": (rows * blocks,) if linear else (rows, blocks),
        }
        if source.has_zero_points:
            zeros = -(-blocks * bits // 8)
            shapes["zero_points"] = (rows * zeros,) if linear else (rows, zeros)
        pieces: dict[str, Callable[[], Iterable[NDArray[Any]]]] = {
            f"q{bits}": source.values,
            "scales": source.scales,
            "zero_points": source.zero_points,
        }
        values = []
        for suffix, shape in shapes.items():
            dtype = ir.DataType.FLOAT if suffix == "scales" else ir.DataType.UINT8
            values.append(_initializer(StreamedTensor(f"{source.name}_{suffix}", dtype, shape, pieces[suffix])))
        if self.precision == "q4f16" and not source.scales_fit_float16():
            values[1].meta[FLOAT32_ONLY] = True
        return StoredMatrix(tuple(values), bits, block_size)

    def _expect(self, name: str, shape: tuple[int, ...]) -> None:
        found = self._checkpoint.shape(name)
        if found != shape:
            raise CheckpointError(
                f"The tensor “{name}” has the shape {list(found)}, but the configuration asks for {list(shape)}: the "
                "files of this checkpoint do not belong together."
            )


class _Blocks:
    """A matrix in blocks, made row by row; its values are written before its scales, which are small and wait."""

    has_zero_points = False

    def __init__(self, checkpoint: Checkpoint, name: str, shape: tuple[int, int] | None = None) -> None:
        self._checkpoint = checkpoint
        self.name = name
        rows, columns = shape or checkpoint.shape(name)
        self.shape = (rows, columns)
        self._waiting: dict[str, list[NDArray[Any]]] = {}

    def rows(self, part: slice) -> QuantizedMatrix:
        """Return some rows."""
        raise NotImplementedError

    def values(self) -> Iterator[NDArray[np.uint8]]:
        """Yield the packed values, and remember scales and zero points for the calls that follow."""
        waiting: dict[str, list[NDArray[Any]]] = {"scales": [], "zero_points": []}
        for matrix in in_threads(self.rows, row_ranges(*self.shape)):
            waiting["scales"].append(matrix.scales)
            if matrix.zero_points is not None:
                waiting["zero_points"].append(matrix.zero_points)
            yield matrix.packed
        self._waiting = waiting

    def scales(self) -> Iterable[NDArray[np.float32]]:
        """Return the scales, which can be had once after :meth:`values` without computing them again."""
        return self._take("scales")

    def zero_points(self) -> Iterable[NDArray[np.uint8]]:
        """Return the zero points, as :meth:`scales` does."""
        return self._take("zero_points")

    def scales_fit_float16(self) -> bool:
        """Return whether all scales are float16 numbers."""
        return True

    def _take(self, what: str) -> list[NDArray[Any]]:
        if what not in self._waiting:
            for _ in self.values():
                pass
        return self._waiting.pop(what)


class _Rounded(_Blocks):
    """Floating-point weights, quantised here."""

    def __init__(
        self, checkpoint: Checkpoint, name: str, rule: Quantization, shape: tuple[int, int] | None = None
    ) -> None:
        super().__init__(checkpoint, name, shape)
        self._rule = rule
        self.has_zero_points = not rule.symmetric

    def rows(self, part: slice) -> QuantizedMatrix:
        return quantize(self._checkpoint.read(self.name, part), self._rule)


class _RoundedStack(_Rounded):
    """A stack of matrices, quantised as one tall matrix."""

    def __init__(self, checkpoint: Checkpoint, name: str, rule: Quantization) -> None:
        count, rows, columns = checkpoint.shape(name)
        super().__init__(checkpoint, name, rule, (count * rows, columns))
        self._height = rows

    def rows(self, part: slice) -> QuantizedMatrix:
        first, last = part.start // self._height, -(-part.stop // self._height)
        matrices = self._checkpoint.read(self.name, slice(first, last)).reshape(-1, self.shape[1])
        start = first * self._height
        return quantize(matrices[part.start - start : part.stop - start], self._rule)


class _RoundedEntry(_Rounded):
    """One matrix of a stack."""

    def __init__(self, checkpoint: Checkpoint, stack: str, index: int, rule: Quantization) -> None:
        _, rows, columns = checkpoint.shape(stack)
        super().__init__(checkpoint, f"{stack}.{index}", rule, (rows, columns))
        self._stack, self._index = stack, index

    def rows(self, part: slice) -> QuantizedMatrix:
        matrix = self._checkpoint.read(self._stack, slice(self._index, self._index + 1))[0]
        return quantize(matrix[part], self._rule)


class _Repacked(_Blocks):
    """Weights that the checkpoint holds as integers."""

    def rows(self, part: slice) -> QuantizedMatrix:
        return self._checkpoint.read_packed(self.name, part)

    def scales_fit_float16(self) -> bool:
        return all(fits_float16(self.rows(part).scales) for part in row_ranges(*self.shape))


def _per_matrix(shape: ir.Shape, count: int) -> tuple[int, ...]:
    """Return the shape of one of ``count`` equal parts of the first axis."""
    first, *others = (int(size) for size in shape)
    return (first // count, *others)


def _transposed(checkpoint: Checkpoint, name: str) -> Iterator[NDArray[np.float32]]:
    """Yield rows of the transposed matrix; the whole matrix is held in memory as the checkpoint stores it."""
    rows, columns = checkpoint.shape(name)
    if checkpoint.packed(name):
        whole = checkpoint.read(name)
        for part in row_ranges(columns, rows):
            yield np.ascontiguousarray(whole[:, part].T)
        return
    stored = checkpoint.read_stored(name)
    for part in row_ranges(columns, rows):
        yield checkpoint.widen(name, np.ascontiguousarray(stored[:, part].T))


def _plain(tensor: StreamedTensor) -> StoredMatrix:
    return StoredMatrix((_initializer(tensor),), None)


def _initializer(tensor: StreamedTensor) -> ir.Value:
    value = ir.Value(name=tensor.name, shape=tensor.shape, type=ir.TensorType(tensor.dtype))
    value.const_value = tensor
    return value
