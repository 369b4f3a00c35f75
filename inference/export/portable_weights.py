"""Quantised weights in standard operators.

A linear layer's matrix is laid out anew, [K, N] with blocks along K, and goes through ``DequantizeLinear`` before the
product: the form that ONNX Runtime, among others, computes with without unpacking it. It is done while the file is
written; one packed matrix at a time is in memory. Tables of embeddings stay as they are: their rows are gathered
packed, and unpacked by operations on bits, so that no runtime unpacks the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from inference.errors import UnsupportedModelError
from inference.export.portable_nodes import NodeWriter
from inference.export.streaming import StreamedTensor, row_ranges

_TYPES = {
    (4, True): ir.DataType.INT4,
    (4, False): ir.DataType.UINT4,
    (8, True): ir.DataType.INT8,
    (8, False): ir.DataType.UINT8,
}
"""By bits, and whether blocks go without zero points."""


_Content = tuple[ir.Value, ir.DataType, int, Callable[[], Iterable[NDArray[Any]]]]
"""What an initialiser stands for, its type, the size of its first axis, and what is in it."""


class PackedTensor(StreamedTensor):
    """A tensor of 4-bit numbers, two to a byte in its pieces."""

    def numpy(self) -> NDArray[Any]:
        """Return the whole content, one number to a byte."""
        packed = np.concatenate([np.asarray(piece).reshape(-1) for piece in self.pieces()])
        shape = tuple(int(size) for size in self.shape)
        single = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[: int(np.prod(shape))]
        if self.dtype == ir.DataType.INT4:
            single = ((single ^ 8).astype(np.int8) - np.int8(8)).astype(np.int8)
        content: NDArray[Any] = single.astype(self.dtype.numpy()).reshape(shape)
        return content


class PortableWeights:
    """Writes products and lookups out; each method takes a node and returns the value that stands for its output.

    Args:
        write: takes the nodes.
    """

    def __init__(self, write: NodeWriter) -> None:
        self._write = write
        self._laid_out: dict[tuple[ir.Graph, ir.Value], list[ir.Value]] = {}

    def product(self, node: ir.Node) -> list[ir.Value]:
        """Write a ``MatMulNBits`` out."""
        states, packed, *parameters = node.inputs
        if any(value is None or value.const_value is None for value in (packed, *parameters)) or len(parameters) > 2:
            raise UnsupportedModelError("This form of quantised weights has no portable form yet.")
        # ONNX Runtime wants the weights of a product inside a branch there, too
        graph = node.graph
        key = (graph, packed)
        if key not in self._laid_out:
            rows, columns, bits, block_size = (
                node.attributes[name].as_int() for name in ("N", "K", "bits", "block_size")
            )
            blocks = -(-columns // block_size)
            self._laid_out[key] = self._lay_out(graph, packed, parameters, rows, columns, bits, blocks)
        attributes = {"axis": 0, "block_size": node.attributes["block_size"].as_int()}
        matrix = self._write("DequantizeLinear", self._laid_out[key], attributes)
        return [self._write("MatMul", [states, matrix])]

    def _lay_out(
        self,
        graph: ir.Graph,
        packed: ir.Value,
        parameters: list[ir.Value],
        rows: int,
        columns: int,
        bits: int,
        blocks: int,
    ) -> list[ir.Value]:
        """Return the matrix, its scales, and perhaps its zero points, with N as their last axis."""
        dtype = _TYPES[bits, len(parameters) == 1]
        signed = len(parameters) == 1
        contents: list[_Content] = [
            (packed, dtype, columns, lambda: _columns_first(packed, rows, columns, bits, signed)),
            (parameters[0], ir.DataType.FLOAT, blocks, lambda: [_transposed(parameters[0], rows, blocks)]),
        ]
        if not signed:
            zeros = parameters[1]
            contents.append((zeros, dtype, blocks, lambda: _columns_first(zeros, rows, blocks, bits, signed)))
        return [
            _registered(graph, f"{old.name}.columns", kind, (height, rows), pieces)
            for old, kind, height, pieces in contents
        ]

    def lookup(self, node: ir.Node) -> list[ir.Value]:
        """Write a ``GatherBlockQuantized`` out: rows of a table."""
        attributes = {name: attribute.as_int() for name, attribute in node.attributes.items()}
        table, numbers, scales, *zero_points = node.inputs
        bits, block_size = attributes["bits"], attributes["block_size"]
        if table.dtype != ir.DataType.UINT8 or (attributes["gather_axis"], attributes["quantize_axis"]) != (0, 1):
            raise UnsupportedModelError("This form of quantised embeddings has no portable form yet.")
        write = self._write
        blocks = int(scales.shape[1])
        flat = write("Reshape", [numbers, write.integers(-1)])
        stored = self._singles(write("Gather", [table, flat], {"axis": 0}), bits)
        stored = write("Reshape", [stored, write.integers(-1, blocks, block_size)])
        offset = write.number(1 << (bits - 1))
        if zero_points:
            zeros = self._singles(write("Gather", [zero_points[0], flat], {"axis": 0}), bits)
            zeros = write("Slice", [zeros, write.integers(0), write.integers(blocks), write.integers(1)])
            offset = write("Unsqueeze", [zeros, write.integers(2)])
        scale = write("Unsqueeze", [write("Gather", [scales, flat], {"axis": 0}), write.integers(2)])
        wide = write("Mul", [write("Sub", [stored, offset]), scale])
        shape = write("Concat", [write("Shape", [numbers]), write.integers(blocks * block_size)], {"axis": 0})
        return [write("Reshape", [wide, shape])]

    def _singles(self, rows: ir.Value, bits: int) -> ir.Value:
        """Turn rows of bytes, [R, bytes], into float32 rows of the numbers in them."""
        write = self._write
        if bits == 4:
            halves = (
                write("BitwiseAnd", [rows, write.constant(np.array(15, np.uint8))]),
                write("BitShift", [rows, write.constant(np.array(4, np.uint8))], {"direction": "RIGHT"}),
            )
            pairs = [write("Unsqueeze", [half, write.integers(2)]) for half in halves]
            rows = write("Flatten", [write("Concat", pairs, {"axis": 2})], {"axis": 1})
        return write("Cast", [rows], {"to": ir.DataType.FLOAT.value})


def _registered(
    graph: ir.Graph,
    name: str,
    dtype: ir.DataType,
    shape: tuple[int, int],
    pieces: Callable[[], Iterable[NDArray[Any]]],
) -> ir.Value:
    kind = PackedTensor if dtype in (ir.DataType.INT4, ir.DataType.UINT4) else StreamedTensor
    value = ir.Value(name=name, shape=ir.Shape(shape), type=ir.TensorType(dtype))
    value.const_value = kind(name, dtype, shape, pieces)
    graph.register_initializer(value)
    return value


def _transposed(scales: ir.Value, rows: int, blocks: int) -> NDArray[Any]:
    return np.ascontiguousarray(_whole(scales).reshape(rows, blocks).T)


def _whole(value: ir.Value) -> NDArray[Any]:
    whole: NDArray[Any] = value.const_value.numpy()
    return whole


def _columns_first(packed: ir.Value, rows: int, columns: int, bits: int, signed: bool) -> Iterator[NDArray[np.uint8]]:
    """Yield the content of a matrix that is stored row by row, [rows, …], column by column: [columns, rows].

    Args:
        packed: uint8, each row filled up to whole blocks, two 4-bit numbers to a byte.
        rows: of the matrix.
        columns: of the matrix.
        bits: of a number.
        signed: numbers are to be stored less half their range, as signed ones.
    """
    whole = _whole(packed).reshape(rows, -1)
    for part in _even(row_ranges(columns, rows)) if bits == 4 else row_ranges(columns, rows):
        stop = min(part.stop, columns)
        if bits == 8:
            piece = whole[:, part.start : stop].T
            yield np.ascontiguousarray(piece ^ np.uint8(128) if signed else piece)
            continue
        pairs = whole[:, part.start // 2 : -(-stop // 2)]
        single = np.stack([pairs & 15, pairs >> 4], axis=-1).reshape(rows, -1)[:, : stop - part.start]
        flat = single.T.reshape(-1)
        if signed:
            flat = flat ^ np.uint8(8)
        if flat.size % 2:
            flat = np.append(flat, np.uint8(0))
        yield flat[0::2] | flat[1::2] << np.uint8(4)


def _even(ranges: Iterable[slice]) -> Iterator[slice]:
    """Yield ranges that cover the same and begin at even numbers."""
    for part in ranges:
        start, stop = part.start + part.start % 2, part.stop + part.stop % 2
        if start < stop:
            yield slice(start, stop)
