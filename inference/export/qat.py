"""Checkpoints that were trained for low precision: their integers are re-laid for ONNX Runtime, never rounded again.

Two layouts are known: compressed-tensors' ``pack-quantized`` (``*-qat-w4a16-ct``) and the blocks of GGUF's Q4_0. Both
hold what MatMulNBits holds, in another order. Checkpoints with ``q4_0-unquantized`` in their name hold bfloat16
weights that were trained to be rounded by Q4_0's rule; :func:`inference.export.quantize.quantize` follows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.errors import UnsupportedModelError
from inference.export.quantize import Bits, QuantizedMatrix

PACKED, SCALE, SHAPE = "weight_packed", "weight_scale", "weight_shape"
"""What compressed-tensors stores for a module in place of ``weight``."""

_FORMAT = "pack-quantized"
_Q4_0_BYTES = 18  # a float16 scale and 32 half-bytes


_BLOCK_SIZES = (32, 64, 128, 256, 16)
"""What ONNX Runtime's kernels take, in the order in which they are tried for groups of other sizes."""
_IN_PLACE = (None, False, "static", "weight")
"""Orders in which columns were rounded that leave them where they were."""


@dataclass(frozen=True, slots=True)
class PackedForm:
    """How a packed matrix is laid out."""

    shape: tuple[int, int]
    bits: Bits
    group_size: int
    """Columns that share a scale in the checkpoint; all of them for scales by row."""
    block_size: int
    """Columns that share one in the graph: as many, or a part of them."""


def check_quantization_config(config: dict[str, Any]) -> None:
    """Look at ``quantization_config`` of a checkpoint's ``config.json``.

    Raises:
        UnsupportedModelError: its integers are laid out in a way that we do not know.
    """
    found = config.get("quantization_config")
    if not found:
        return
    rules = _rules(found)
    plain = rules is not None and all(
        rule.get("num_bits") in (4, 8)
        and rule.get("type", "int") == "int"
        and rule.get("symmetric", True) is True
        and rule.get("strategy") in (None, "group", "channel")
        and rule.get("actorder") in _IN_PLACE
        for rule in rules
    )
    if not plain:
        raise UnsupportedModelError(
            "This checkpoint is quantised in a way that Larimar cannot read (known is compressed-tensors' "
            f"“{_FORMAT}” with 4 or 8 bits, symmetric). Choose the checkpoint whose name ends in w4a16-ct, or one that "
            "is not quantised."
        )


def packed_form(
    config: dict[str, Any], packed: tuple[int, ...], scales: tuple[int, ...], given: tuple[int, ...] | None
) -> PackedForm | None:
    """Return how a ``pack-quantized`` matrix is laid out.

    Args:
        config: of the checkpoint.
        packed: shape of its words.
        scales: shape of its scales: [N, groups], or [N, 1] or [N] for one a row.
        given: its shape as the checkpoint says it; None where it does not.

    Returns:
        ``None`` where the parts do not fit together.

    Raises:
        UnsupportedModelError: they do, in a way that no kernel can take.
    """
    rules = _rules(config.get("quantization_config")) or []
    if len(packed) != 2 or len(scales) not in (1, 2) or not all(packed) or not all(scales):
        return None
    rows, words = packed
    groups = scales[1] if len(scales) == 2 else 1
    if given is None:
        widths = {int(rule["num_bits"]) for rule in rules}
        if len(widths) != 1:
            raise UnsupportedModelError(
                "This checkpoint says neither what shape its packed weights have (weight_shape) nor one number of bits "
                "for all of them, so that Larimar cannot read them. Choose one that is not quantised."
            )
        bits = widths.pop()
        shape = (rows, words * 32 // bits)
    else:
        if len(given) != 2 or min(given) < 1:
            return None
        shape = (given[0], given[1])
        widths = {4, 8} & {rule.get("num_bits") for rule in rules} or {4, 8}
        bits = next((width for width in sorted(widths) if words == -(-shape[1] * width // 32)), 8)
    columns = shape[1]
    if shape[0] != rows or scales[0] != rows or words != -(-columns * bits // 32):
        return None
    group = _group_size(columns, groups, rules)
    if group is None:
        return None
    block = group if group in _BLOCK_SIZES else next((size for size in _BLOCK_SIZES if group % size == 0), None)
    if block is None and groups == 1:
        block = _BLOCK_SIZES[0]  # its last block is filled up
    if block is None:
        raise UnsupportedModelError(
            f"In this checkpoint {group} weights share a scale, which no kernel of ONNX Runtime takes. Choose one with "
            "another group size, or one that is not quantised."
        )
    return PackedForm(shape, 4 if bits == 4 else 8, group, block)


def _group_size(columns: int, groups: int, rules: list[dict[str, Any]]) -> int | None:
    """Return how many columns share a scale; ``None`` where their number and what was promised do not go together."""
    sizes = {columns if rule.get("strategy") == "channel" else rule.get("group_size") for rule in rules}
    promised = {columns if size == -1 else size for size in sizes if type(size) is int and (size > 0 or size == -1)}
    fitting = [size for size in sorted(promised) if -(-columns // size) == groups]
    if fitting or promised:
        return min(fitting[0], columns) if fitting else None
    return columns // groups if columns % groups == 0 else None


def _rules(found: Any) -> list[dict[str, Any]] | None:
    """Return what a ``quantization_config`` says about weights, group by group; ``None`` where that is not known."""
    if not isinstance(found, dict) or found.get("quant_method") != "compressed-tensors":
        return None
    groups, sparse = found.get("config_groups") or {}, found.get("sparsity_config") or {}
    if not isinstance(groups, dict) or not isinstance(sparse, dict) or sparse.get("format", "dense") != "dense":
        return None
    rules = []
    for group in groups.values():
        rule = group.get("weights") if isinstance(group, dict) else None
        if not isinstance(rule, dict) or group.get("format", found.get("format")) != _FORMAT:
            return None
        rules.append(rule)
    return rules if found.get("format") in (_FORMAT, "mixed-precision") else None


def repack_compressed_tensors(
    packed: NDArray[np.int32],
    scales: NDArray[np.float32],
    columns: int,
    block_size: int | None = None,
    group_size: int | None = None,
    bits: Bits | None = None,
) -> QuantizedMatrix:
    """Re-lay rows of a ``pack-quantized`` matrix.

    Args:
        packed: int32 [N, ceil(K · bits / 32)], values offset by half their range, the earliest in the lowest bits.
        scales: float32 [N, ceil(K / group size)], or [N].
        columns: K.
        block_size: of the result; None: the group size.
        group_size: columns that share a scale; None: K over the number of scales in a row.
        bits: of a value; None: as K and the number of words say.

    Returns:
        The same integers and scales in MatMulNBits' layout. Where a block is smaller than a group, its scale is the
        group's; a last block that is not full is filled up with zeros.
    """
    rows = packed.shape[0]
    scales = scales.reshape(rows, -1)
    if group_size is None:
        if columns % scales.shape[1]:
            raise ValueError(f"{columns} columns do not fill {scales.shape[1]} groups")
        group_size = columns // scales.shape[1]
    block_size = block_size or group_size
    bits = bits or (4 if packed.shape[1] == -(-columns // 8) else 8)
    stored = np.ascontiguousarray(packed).view(np.uint8)  # little-endian words: their bytes are in order already
    blocks = -(-columns // block_size)
    width = blocks * block_size * bits // 8
    used = columns * bits // 8
    if stored.shape[1] != width or columns % block_size:
        zero = 0x88 if bits == 4 else 0x80
        wide = np.full((rows, width), zero, np.uint8)
        wide[:, :used] = stored[:, :used]
        if columns * bits % 8:
            wide[:, used] = (stored[:, used] & 15) | 0x80
        stored = wide
    if block_size != group_size:
        scales = scales[:, np.arange(blocks) * block_size // group_size]
    return QuantizedMatrix(stored.reshape(rows, blocks, -1), np.ascontiguousarray(scales))


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
