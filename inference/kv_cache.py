"""The KV cache: preallocated buffers that the decoder reads and extends in place.

Every layer that owns keys and values has one pair of buffers, [1, Hkv, capacity, D]. The decoder's past inputs and
present outputs are bound to the same buffers, so that a step copies nothing; going back is forgetting a length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnxruntime
from numpy.typing import DTypeLike

from inference.errors import ContextFullError

_FIRST_CAPACITY = 512


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """Shape of one buffer."""

    heads: int
    size: int
    """Of a head."""
    dtype: DTypeLike


class KVCache:
    """Keys and values of the tokens so far.

    Args:
        specs: by input name (``past_key_values.0.key``, …).
        context_length: most positions that it may grow to.
        device: "cpu" or "cuda".
    """

    def __init__(self, specs: Mapping[str, CacheSpec], context_length: int, device: str = "cpu") -> None:
        self._specs = dict(specs)
        self._device = device
        self.context_length = context_length
        self.capacity = 0
        self._tokens: list[int] = []
        self.buffers: dict[str, onnxruntime.OrtValue] = {}
        self._resize(min(_FIRST_CAPACITY, context_length))

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens whose keys and values are valid."""
        return tuple(self._tokens)

    def common_prefix(self, ids: Sequence[int]) -> int:
        """Return how many leading tokens of ``ids`` are in the cache."""
        for index, (cached, wanted) in enumerate(zip(self._tokens, ids, strict=False)):
            if cached != wanted:
                return index
        return min(len(self._tokens), len(ids))

    def roll_back(self, length: int) -> None:
        """Forget all but the first ``length`` tokens. O(1) in tensors: nothing is moved or cleared."""
        if not 0 <= length <= len(self._tokens):
            raise ValueError(f"cannot roll back {len(self._tokens)} tokens to {length}")
        del self._tokens[length:]

    def reserve(self, count: int) -> bool:
        """Make room for ``count`` more tokens; return whether the buffers were replaced.

        Raises:
            ContextFullError: the context has fewer positions left.
        """
        needed = len(self._tokens) + count
        if needed <= self.capacity:
            return False
        if needed > self.context_length:
            raise ContextFullError(
                f"The conversation is longer than the {self.context_length} tokens that this model can keep in mind. "
                "Start a new chat, or shorten the last message."
            )
        self._resize(min(max(needed, self.capacity * 2), self.context_length))
        return True

    def append(self, ids: Sequence[int]) -> None:
        """Count ``ids`` as valid: the decoder has written their keys and values behind the others."""
        if len(self._tokens) + len(ids) > self.capacity:
            raise ValueError("append() without reserve()")
        self._tokens.extend(ids)

    def _resize(self, capacity: int) -> None:
        length = len(self._tokens)
        for name, spec in self._specs.items():
            grown = np.zeros((1, spec.heads, capacity, spec.size), spec.dtype)
            if length:
                grown[:, :, :length] = self.buffers[name].numpy()[:, :, :length]
            self.buffers[name] = onnxruntime.OrtValue.ortvalue_from_numpy(grown, self._device, 0)
        self.capacity = capacity
