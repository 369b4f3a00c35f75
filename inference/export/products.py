"""The node that multiplies states with a stored matrix."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from inference.export.weights import StoredMatrix


def product(
    states: ir.Value, stored: StoredMatrix, rows: int, columns: int, values: Sequence[ir.Value] | None = None
) -> ir.Node:
    """Return a node for ``states [..., columns] · weight [rows, columns]ᵀ``.

    Args:
        states: the left side.
        stored: how the weight is stored.
        rows: of the weight, the width of the result.
        columns: of the weight.
        values: in place of the stored initialisers, values of the same form (one matrix out of a stack).
    """
    operands = [states, *(stored.values if values is None else values)]
    if stored.bits is None:
        return ir.node("MatMul", operands)
    attributes = {
        "K": columns,
        "N": rows,
        "bits": stored.bits,
        "block_size": stored.block_size,
        # activations rounded to int8: the kernel is several times faster than with float32 ones
        "accuracy_level": 4,
    }
    return ir.node("MatMulNBits", operands, attributes=attributes, domain="com.microsoft")
