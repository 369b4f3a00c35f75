"""Checkpoints that were trained for low precision: their integers are re-laid for ONNX Runtime, never rounded again.

Two layouts are known: compressed-tensors' ``pack-quantized`` (``*-qat-w4a16-ct``) and the blocks of GGUF's Q4_0. Both
hold what MatMulNBits holds, in another order. Checkpoints with ``q4_0-unquantized`` in their name hold bfloat16
weights that were trained to be rounded by Q4_0's rule; :func:`inference.export.quantize.quantize` follows it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import UnsupportedModelError
from inference.export.quantize import QuantizedMatrix

PACKED, SCALE, SHAPE = "weight_packed", "weight_scale", "weight_shape"
"""What compressed-tensors stores for a module in place of ``weight``."""

_FORMAT = "pack-quantized"
_Q4_0_BYTES = 18  # a float16 scale and 32 half-bytes


def check_quantization_config(config: dict[str, Any]) -> None:
    """Look at ``quantization_config`` of a checkpoint's ``config.json``.

    Raises:
        UnsupportedModelError: its integers are laid out in a way that we do not know.
    """
    found = config.get("quantization_config")
    if not found:
        return
    form = found.get("format")
    groups = list((found.get("config_groups") or {}).values())
    weights = [group.get("weights") or {} for group in groups]
    formats = {form, *(group.get("format", form) for group in groups)}
    plain = all(
        rule.get("num_bits") in (4, 8)
        and rule.get("type") == "int"
        and rule.get("symmetric")
        and not rule.get("actorder")
        for rule in weights
    )
    if found.get("quant_method") != "compressed-tensors" or formats != {_FORMAT} or not plain:
        raise UnsupportedModelError(
            "This checkpoint is quantised in a way that Larimar cannot read (known is compressed-tensors' "
            f"“{_FORMAT}” with 4 or 8 bits, symmetric). Choose the checkpoint whose name ends in w4a16-ct, or one that "
            "is not quantised."
        )


def repack_compressed_tensors(packed: NDArray[np.int32], scales: NDArray[np.float32], columns: int) -> QuantizedMatrix:
    """Re-lay rows of a ``pack-quantized`` matrix.

    Args:
        packed: int32 [N, ceil(K · bits / 32)], values offset by half their range, the earliest in the lowest bits.
        scales: float32 [N, K / group size].
        columns: K.

    Returns:
        The same integers and scales in MatMulNBits' layout; its block size is the group size.
    """
    rows, groups = scales.shape
    stored = np.ascontiguousarray(packed).view(np.uint8)  # little-endian words: their bytes are in order already
    if columns % groups or stored.shape[1] % groups:
        raise ValueError(f"{columns} columns do not fill {groups} groups")
    return QuantizedMatrix(stored.reshape(rows, groups, -1), scales)


def repack_q4_0(blocks: NDArray[np.uint8]) -> QuantizedMatrix:
    """Re-lay rows of GGUF Q4_0 blocks.

    Args:
        blocks: uint8 [N, K / 32, 18]: a float16 scale, then 16 bytes that hold value j low and value j + 16 high.

    Returns:
        The same integers and scales in MatMulNBits' layout, block size 32.
    """
    rows, count, size = blocks.shape
    if size != _Q4_0_BYTES:
        raise ValueError(f"a Q4_0 block has {_Q4_0_BYTES} bytes, not {size}")
    scales = np.ascontiguousarray(blocks[..., :2]).view(np.float16)[..., 0].astype(np.float32)
    halves = blocks[..., 2:]
    values = np.concatenate([halves & 15, halves >> 4], axis=-1)
    return QuantizedMatrix((values[..., 0::2] | (values[..., 1::2] << 4)).reshape(rows, count, 16), scales)


def fits_float16(scales: NDArray[np.float32]) -> bool:
    """Return whether every scale is a float16 exactly (a bfloat16 is one from 2⁻¹⁴ to 65504, and some below)."""
    with np.errstate(over="ignore"):
        return bool((scales.astype(np.float16).astype(np.float32) == scales).all())
