"""What our own operators take, and what they make of it, by their definitions, in NumPy.

The second telling of what ``inference/native`` says in C++: for tests that compare the two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 32
Array = NDArray[Any]
Given = Sequence[Array | None]
"""Inputs in order, ``None`` for those that are left out."""


class MisfitError(Exception):
    """An operator has to refuse this."""


def expected(op: str, attributes: Mapping[str, Any], given: Given, outputs: Sequence[bool]) -> list[Array]:
    """Return what an operator makes of its inputs; ``outputs`` says which of its outputs the node names.

    Raises:
        MisfitError: it has to refuse.
    """
    return CONTRACTS[op](attributes, given, outputs)


def _need(condition: Any) -> None:
    if not condition:
        raise MisfitError


def _integer(attributes: Mapping[str, Any], name: str, least: int, most: int) -> int:
    value = attributes.get(name)
    _need(type(value) is int and least <= value <= most)
    return int(value)  # type: ignore[arg-type]


def _number(attributes: Mapping[str, Any], name: str) -> float:
    value = attributes.get(name)
    _need(type(value) is float and math.isfinite(np.float32(value)))
    return float(np.float32(value))  # type: ignore[arg-type]


def _input(given: Given, place: int, dtype: type = np.float32, *, optional: bool = False) -> Array:
    value = given[place] if place < len(given) else None
    if value is None:
        _need(optional)
        return np.zeros(0, dtype)
    _need(value.dtype == dtype and value.ndim <= 8)
    return value


def _matmul(bits: int) -> Callable[[Mapping[str, Any], Given, Sequence[bool]], list[Array]]:
    def matmul(attributes: Mapping[str, Any], given: Given, outputs: Sequence[bool]) -> list[Array]:
        depth = _integer(attributes, "K", 1, 1 << 30)
        if bits == 4:
            _integer(attributes, "pack", 0, 1)
        rows, weights, scales = _input(given, 0), _input(given, 1, np.uint8), _input(given, 2)
        blocks = -(-depth // BLOCK)
        _need(len(given) == 3 and list(outputs) == [True])
        _need(weights.ndim == 3 and weights.shape[1:] == (blocks, BLOCK * bits // 8))
        _need(scales.size == len(weights) * blocks and rows.ndim and rows.shape[-1] == depth)
        flat = rows.reshape(-1, depth).astype(np.float64)
        if bits == 4:
            values = np.stack([weights & 15, weights >> 4], axis=-1).astype(np.float64) - 8
            flat = np.pad(flat, ((0, 0), (0, blocks * BLOCK - depth)))
            parts = flat.reshape(-1, blocks, BLOCK)
            steps = np.abs(parts).max(-1, keepdims=True) / 127
            flat = (np.rint(parts / np.where(steps, steps, 1)) * steps).reshape(-1, blocks * BLOCK)
        else:
            values = weights.astype(np.float64) - 128
        matrix = values.reshape(len(weights), blocks, BLOCK) * scales.reshape(-1, blocks, 1)
        matrix = matrix.reshape(len(weights), -1)[:, : flat.shape[1]]
        return [(flat @ matrix.T).reshape(*rows.shape[:-1], len(weights))]

    return matmul


def _attention(owns: bool) -> Callable[[Mapping[str, Any], Given, Sequence[bool]], list[Array]]:
    def attention(attributes: Mapping[str, Any], given: Given, outputs: Sequence[bool]) -> list[Array]:
        heads, kv_heads = (_integer(attributes, name, 1, 1 << 16) for name in ("num_heads", "kv_num_heads"))
        window = _integer(attributes, "window", 0, (1 << 31) - 1)
        scale = _number(attributes, "scale")
        _need(heads % kv_heads == 0)
        query, *new = (_input(given, place) for place in range(3 if owns else 1))
        past = len(new) + 1
        keys, values = _input(given, past), _input(given, past + 1)
        last = _input(given, past + 2, np.int32)
        _need(len(given) == past + 3 and list(outputs) == ([True] * 3 if owns else [True]))
        _need(query.ndim == 3 and keys.ndim == 4 and query.shape[0] == keys.shape[0] == 1)
        _need(values.shape == keys.shape and last.size == 1 and keys.shape[1] == kv_heads)
        rows, size, capacity = query.shape[1], keys.shape[3], keys.shape[2]
        _need(size and size % 8 == 0 and query.shape[2] == heads * size)
        end = int(last.reshape(())) + 1
        start = end - rows
        _need(start >= 0 and end <= capacity and end <= (1 << 31) - 1)
        present = []
        for cache, added in zip((keys, values), new, strict=False):
            _need(added.shape == (1, rows, kv_heads * size))
            cache = cache.copy()
            cache[0, :, start:end] = added.reshape(rows, kv_heads, size).transpose(1, 0, 2)
            present.append(cache)
        if owns:
            keys, values = present
        result = np.zeros((rows, heads, size))
        asked = query.reshape(rows, heads, size).astype(np.float64)
        for row in range(rows):
            seen = slice(max(0, start + row + 1 - window) if window else 0, start + row + 1)
            for head in range(heads):
                scores = keys[0, head // (heads // kv_heads), seen] @ asked[row, head] * scale
                weights = np.exp(scores - scores.max())
                result[row, head] = weights @ values[0, head // (heads // kv_heads), seen] / weights.sum()
        return [result.reshape(query.shape), *present]

    return attention


def _gated_gelu(attributes: Mapping[str, Any], given: Given, outputs: Sequence[bool]) -> list[Array]:
    gates, others = _input(given, 0), _input(given, 1)
    _need(len(given) == 2 and list(outputs) == [True] and gates.shape == others.shape and gates.size % 8 == 0)
    x = gates.astype(np.float64)
    return [x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2 * others]


def _epsilon(attributes: Mapping[str, Any]) -> float:
    epsilon = _number(attributes, "epsilon")
    _need(epsilon >= 0)
    return epsilon


def _norm(rows: Array, weight: Array, epsilon: float) -> Array:
    rows = rows.astype(np.float64)
    return np.asarray(rows / np.sqrt((rows**2).mean(-1, keepdims=True) + epsilon) * weight)


def _is_weight(weight: Array) -> bool:
    return weight.ndim == 1 and weight.size > 0 and weight.size % 8 == 0


def _add_norm(attributes: Mapping[str, Any], given: Given, outputs: Sequence[bool]) -> list[Array]:
    epsilon = _epsilon(attributes)
    rows, weight, residual = (_input(given, place) for place in range(3))
    has_factor, has_after = (place < len(given) and given[place] is not None for place in (3, 4))
    factor, after = _input(given, 3, optional=True), _input(given, 4, optional=True)
    _need(len(given) <= 5 and 1 <= len(outputs) <= 2 and outputs[0])
    _need(_is_weight(weight) and rows.ndim and rows.shape[-1] == weight.size and residual.shape == rows.shape)
    _need(not has_factor or factor.size == 1)
    _need(not has_after or after.shape == weight.shape)
    _need(has_after == (len(outputs) == 2 and outputs[1]))
    total = residual + _norm(rows, weight, epsilon)
    if has_factor:
        total = total * float(factor.reshape(()))
    return [total, _norm(total, after, epsilon)] if has_after else [total]


def _heads(turns: bool) -> Callable[[Mapping[str, Any], Given, Sequence[bool]], list[Array]]:
    def heads_of(attributes: Mapping[str, Any], given: Given, outputs: Sequence[bool]) -> list[Array]:
        epsilon, heads = _epsilon(attributes), _integer(attributes, "num_heads", 1, 1 << 16)
        states, weight = _input(given, 0), _input(given, 1)
        _need(len(given) == (5 if turns else 2) and list(outputs) == [True])
        _need(_is_weight(weight) and states.ndim and states.shape[-1] == heads * weight.size)
        normed = _norm(states.reshape(-1, heads, weight.size), weight, epsilon)
        if turns:
            positions, cosines, sines = _input(given, 2, np.int64), _input(given, 3), _input(given, 4)
            _need(cosines.ndim == 2 and sines.shape == cosines.shape and cosines.shape[1] <= weight.size // 2)
            _need(positions.size == len(normed))
            _need(((positions >= 0) & (positions < len(cosines))).all())
            places = positions.reshape(-1)
            cosine, sine = (table[places].astype(np.float64)[:, None] for table in (cosines, sines))
            angles = cosines.shape[1]
            left, right = normed[..., :angles].copy(), normed[..., angles : 2 * angles].copy()
            normed[..., :angles] = left * cosine - right * sine
            normed[..., angles : 2 * angles] = right * cosine + left * sine
        return [normed.reshape(states.shape)]

    return heads_of


CONTRACTS: dict[str, Callable[[Mapping[str, Any], Given, Sequence[bool]], list[Array]]] = {
    "Int4MatMul": _matmul(4),
    "Int8MatMul": _matmul(8),
    "Attention": _attention(True),
    "SharedAttention": _attention(False),
    "GatedGelu": _gated_gelu,
    "AddNorm": _add_norm,
    "NormedHeads": _heads(False),
    "NormedRotary": _heads(True),
}
