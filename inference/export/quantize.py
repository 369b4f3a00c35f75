"""Blockwise weight quantisation, in the layout of ONNX Runtime's MatMulNBits and GatherBlockQuantized.

A row of K weights is cut into blocks of ``block_size``; each block has one float32 scale and, when asymmetric, one
zero point. Stored values are unsigned; without zero points they are offset by half their range (8 for 4 bits, 128 for
8 bits), which is the runtime's default. Two 4-bit values share a byte, the earlier one in the low half.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Bits = Literal[4, 8]

BLOCK_SIZE = 32
BLOCK_SIZES = (16, 32, 64, 128, 256)


@dataclass(frozen=True, slots=True)
class Quantization:
    """How matrices are rounded."""

    bits: Bits
    block_size: int = BLOCK_SIZE
    """Weights that share a scale: 16, 32, 64, 128 or 256."""
    symmetric: bool = True
    half_scales: bool = False
    """Round scales to float16, for graphs that store them so and for checkpoints trained for GGUF's Q4_0.

    Otherwise scales stay float32, which loses less. For weights in bfloat16 the two agree unless the largest weight of
    a block is below 2⁻¹¹: a bfloat16 over -8 is a float16 as long as its exponent is.
    """


@dataclass(frozen=True, slots=True)
class QuantizedMatrix:
    """A matrix [N, K] in blocks."""

    packed: NDArray[np.uint8]
    """[N, blocks, block_size · bits / 8]."""
    scales: NDArray[np.float32]
    """[N, blocks]."""
    zero_points: NDArray[np.uint8] | None = None
    """[N, ceil(blocks · bits / 8)], packed like the values; ``None`` when symmetric."""


def quantize(weights: NDArray[np.float32], how: Quantization) -> QuantizedMatrix:
    """Quantise the rows of a matrix.

    Symmetric 4 bits follow the rule of GGUF's Q4_0, for which Google trained its QAT checkpoints: the scale is the
    entry of largest magnitude, sign included, over -8, so that this entry is stored exactly as -8; halves are rounded
    up. Symmetric 8 bits scale the largest magnitude to 127. Asymmetric blocks reach from their least to their greatest
    entry, zero included.

    Args:
        weights: float32 [N, K]; a last block shorter than the block size is filled up with zeros.
        how: the rule.

    Returns:
        The matrix in blocks.
    """
    rows, columns = weights.shape
    blocks = -(-columns // how.block_size)
    if columns % how.block_size:
        weights = np.pad(weights, ((0, 0), (0, blocks * how.block_size - columns)))
    grouped = weights.reshape(rows * blocks, how.block_size)
    least, greatest = _extremes(grouped)
    zero_points = None
    scales: NDArray[np.float32]
    if not how.symmetric:
        scales, zeros = _asymmetric_range(least, greatest, how.bits)
        stored = _round(grouped, _inverse(scales), zeros)
        np.clip(stored, np.float32(0), np.float32((1 << how.bits) - 1), out=stored)
        zero_points = pack_zero_points(zeros.astype(np.uint8).reshape(rows, blocks), how.bits)
    elif how.bits == 4:
        scales = _largest(grouped, least, greatest) / np.float32(-8)
        stored = _round(grouped, _inverse(scales), np.float32(8))
        np.minimum(stored, np.float32(15), out=stored)
    else:
        scales = np.divide(np.maximum(greatest, -least), 127, dtype=np.float32)
        stored = _round(grouped, _inverse(scales), np.float32(128))
    values = stored.astype(np.uint8)
    if how.bits == 4:
        values = _pairs(values)
    if how.half_scales:
        scales = scales.astype(np.float16).astype(np.float32)
    return QuantizedMatrix(values.reshape(rows, blocks, -1), scales.reshape(rows, blocks), zero_points)


def quantize_blockwise(
    weights: NDArray[np.float32], bits: Bits, block_size: int = BLOCK_SIZE
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Quantise the rows of a matrix symmetrically with float32 scales; see :func:`quantize`.

    Returns:
        Packed values, uint8 [N, ceil(K / block_size), block_size · bits / 8], and scales, float32
        [N, ceil(K / block_size)].
    """
    matrix = quantize(weights, Quantization(bits, block_size))
    return matrix.packed, matrix.scales


def dequantize_blockwise(
    packed: NDArray[np.uint8],
    scales: NDArray[np.float32],
    bits: Bits,
    columns: int,
    zero_points: NDArray[np.uint8] | None = None,
) -> NDArray[np.float32]:
    """Undo :func:`quantize`.

    Returns:
        float32 [N, columns].
    """
    offset: NDArray[np.float32] | np.float32 = np.float32(1 << (bits - 1))
    if zero_points is not None:
        offset = _unpack(zero_points, bits)[:, : scales.shape[1], None].astype(np.float32)
    wide = (_unpack(packed, bits).astype(np.float32) - offset) * scales[..., None]
    return wide.reshape(packed.shape[0], -1)[:, :columns]


def pack_zero_points(zeros: NDArray[np.uint8], bits: Bits) -> NDArray[np.uint8]:
    """Pack one zero point per block, [N, blocks], as the operators read them: two to a byte for 4 bits."""
    if bits == 8:
        return zeros
    if zeros.shape[1] % 2:
        zeros = np.pad(zeros, ((0, 0), (0, 1)))
    return _pairs(zeros)


def _pairs(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put two 4-bit values of the last axis into a byte, the earlier one low."""
    return np.bitwise_or(values[..., 0::2], np.left_shift(values[..., 1::2], np.uint8(4)))


def _unpack(packed: NDArray[np.uint8], bits: Bits) -> NDArray[np.uint8]:
    """Return single values along the last axis."""
    if bits == 8:
        return packed
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)


def _extremes(grouped: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return least and greatest entry of each row, [rows, 1]: halving is faster than a reduction of short rows."""
    least = greatest = grouped
    width = grouped.shape[1]
    while width > 1 and width % 2 == 0:
        width //= 2
        least = np.minimum(least[:, :width], least[:, width:])
        greatest = np.maximum(greatest[:, :width], greatest[:, width:])
    return least.min(1, keepdims=True), greatest.max(1, keepdims=True)


def _largest(
    grouped: NDArray[np.float32], least: NDArray[np.float32], greatest: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the entry of largest magnitude of each row, the first of them where two differ only in sign."""
    largest: NDArray[np.float32] = np.where(greatest > -least, greatest, least)
    tied = np.flatnonzero((greatest == -least)[:, 0])
    if tied.size:
        rows = grouped[tied]
        largest[tied] = np.take_along_axis(rows, np.abs(rows).argmax(-1)[:, None], -1)
    return largest


def _asymmetric_range(
    least: NDArray[np.float32], greatest: NDArray[np.float32], bits: Bits
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    top = np.float32((1 << bits) - 1)
    least, greatest = np.minimum(least, np.float32(0)), np.maximum(greatest, np.float32(0))
    scales = (greatest - least) / top
    zeros = np.clip(np.rint(-least * _inverse(scales)), np.float32(0), top)
    return scales, zeros


def _inverse(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(divide="ignore", over="ignore"):
        inverse = np.float32(1) / scales
    inverse[~np.isfinite(inverse)] = 0
    return inverse


def _round(
    grouped: NDArray[np.float32], inverse: NDArray[np.float32], offset: NDArray[np.float32] | np.float32
) -> NDArray[np.float32]:
    """Return the nearest whole number to ``grouped * inverse + offset``, halves up, for results that are not negative.

    Halves are common: weights in bfloat16 over a scale that is one of them.
    """
    stored = grouped * inverse
    stored += offset + np.float32(0.5)
    np.floor(stored, out=stored)
    return stored
