"""Blockwise weight quantisation, in the layout of ONNX Runtime's MatMulNBits and GatherBlockQuantized.

A row of K weights is cut into blocks of ``block_size``; each block has one float32 scale. Stored values are unsigned,
offset by half their range (8 for 4 bits, 128 for 8 bits), which is the runtime's default zero point; two 4-bit values
share a byte, the earlier one in the low half.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Bits = Literal[4, 8]

BLOCK_SIZE = 32


def quantize_blockwise(
    weights: NDArray[np.float32], bits: Bits, block_size: int = BLOCK_SIZE
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Quantise the rows of a matrix symmetrically.

    4 bits follow the rule of GGUF's Q4_0, for which Google trained its QAT checkpoints: the scale is the entry of
    largest magnitude, sign included, over -8, so that this entry is stored exactly as -8. 8 bits scale the largest
    magnitude to 127.

    Args:
        weights: float32 [N, K]; a last block shorter than ``block_size`` is filled up with zeros.
        bits: 4 or 8.
        block_size: weights that share a scale; even.

    Returns:
        Packed values, uint8 [N, ceil(K / block_size), block_size · bits / 8], and scales, float32
        [N, ceil(K / block_size)].
    """
    rows, columns = weights.shape
    blocks = -(-columns // block_size)
    if columns % block_size:
        weights = np.pad(weights, ((0, 0), (0, blocks * block_size - columns)))
    grouped = weights.reshape(rows, blocks, block_size)
    if bits == 4:
        largest = np.take_along_axis(grouped, np.abs(grouped).argmax(-1, keepdims=True), -1)
        scales = largest / np.float32(-8)
        low, high, offset = -8, 7, 8
    else:
        scales = np.abs(grouped).max(-1, keepdims=True) / np.float32(127)
        low, high, offset = -127, 127, 128
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = np.where(scales == 0, np.float32(0), np.float32(1) / scales)
    stored = np.clip(np.rint(grouped * inverse), low, high).astype(np.int16) + offset
    if bits == 4:
        stored = stored[..., 0::2] | (stored[..., 1::2] << 4)
    return stored.astype(np.uint8), scales[..., 0].astype(np.float32)


def dequantize_blockwise(
    packed: NDArray[np.uint8], scales: NDArray[np.float32], bits: Bits, columns: int
) -> NDArray[np.float32]:
    """Undo :func:`quantize_blockwise`.

    Returns:
        float32 [N, columns].
    """
    if bits == 4:
        packed = np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)
    offset = np.float32(1 << (bits - 1))
    wide = (packed.astype(np.float32) - offset) * scales[..., None]
    return wide.reshape(packed.shape[0], -1)[:, :columns]
