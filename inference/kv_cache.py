"""The KV cache: preallocated buffers that the decoder reads and extends in place.

Every layer that owns keys and values has one pair of buffers, [1, Hkv, capacity, D]. The decoder's past inputs and
present outputs are bound to the same buffers, so that a step copies nothing; going back is forgetting a length.

Full layers keep every position and grow. Sliding layers keep a window and some room behind it, whatever the length of
the conversation: when the room is used up, the last window moves to the front. What has left the window cannot be
gone back to, except to a *mark*: a copy of the window as it was, taken where a conversation is likely to be resumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnxruntime
from numpy.typing import DTypeLike, NDArray

from inference.errors import ContextFullError

_FIRST_CAPACITY = 512
ROLLBACK_MARGIN = 64
"""Positions kept behind a sliding window, so that drafts and the last few tokens can always be taken back."""
_ROOM = 256
"""Positions that a sliding buffer takes in before the window moves to the front again."""
_MARK_BYTES = 256 << 20
"""Most memory that marks may take."""


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """Shape of one buffer."""

    heads: int
    size: int
    """Of a head."""
    dtype: DTypeLike
    window: int | None = None
    """Positions that the layer looks back at, its own included; None: all."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """The sliding windows as they were after ``tokens``."""

    tokens: tuple[int, ...]
    start: int
    """Position of the first row."""
    rows: dict[str, NDArray[np.generic]] = field(repr=False)

    @property
    def nbytes(self) -> int:
        return sum(rows.nbytes for rows in self.rows.values())


class KVCache:
    """Keys and values of the tokens so far.

    Args:
        specs: by input name (``past_key_values.0.key``, …).
        context_length: most positions that it may grow to.
        device: "cpu" or "cuda".
    """

    def __init__(self, specs: Mapping[str, CacheSpec], context_length: int, device: str = "cpu") -> None:
        self._specs = dict(specs)
        self._sliding = [name for name, spec in specs.items() if spec.window is not None]
        self._window = max((spec.window for spec in specs.values() if spec.window is not None), default=0)
        self._device = device
        self.context_length = context_length
        self._tokens: list[int] = []
        self._sliding_start = 0
        self._marks: list[_Mark] = []
        self.buffers: dict[str, onnxruntime.OrtValue] = {}
        self.capacity = 0
        self._sliding_capacity = 0
        self._grow(min(_FIRST_CAPACITY, context_length))
        self._grow_sliding(min(self._kept + _ROOM, context_length))

    def __len__(self) -> int:
        return len(self._tokens)

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens whose keys and values are valid."""
        return tuple(self._tokens)

    @property
    def sliding_length(self) -> int:
        """Number of valid positions in the buffers of sliding layers, at their front."""
        return len(self._tokens) - self._sliding_start

    @property
    def _kept(self) -> int:
        """Rows that stay in a sliding buffer when the window moves to the front."""
        return self._window - 1 + ROLLBACK_MARGIN if self._sliding else 0

    def common_prefix(self, ids: Sequence[int]) -> int:
        """Return how many leading tokens of ``ids`` are in the cache."""
        return _common_prefix(self._tokens, ids)

    def resume(self, ids: Sequence[int]) -> int:
        """Go back to the longest prefix of ``ids`` that the cache can go on from, and return its length."""
        common = self.common_prefix(ids)
        if self._reaches(common):
            self.roll_back(common)
            return common
        # full layers hold the common prefix; a mark may bring back the windows for some of it
        reachable: list[tuple[int, _Mark | None]] = [(0, None)]
        for mark in self._marks:
            shared = _common_prefix(mark.tokens, ids[:common])
            if mark.start <= max(0, shared - (self._window - 1)):
                reachable.append((shared, mark))
        length, best = max(reachable, key=lambda pair: pair[0])
        del self._tokens[length:]
        self._sliding_start = 0
        if best is not None:
            self._sliding_start = best.start
            for name, rows in best.rows.items():
                self._write_front(name, rows[:, :, : length - best.start])
        return length

    def roll_back(self, length: int) -> None:
        """Forget all but the first ``length`` tokens. O(1) in tensors: nothing is moved or cleared.

        Raises:
            ValueError: ``length`` is more than there is, or has left the sliding window: see :meth:`resume`.
        """
        if not 0 <= length <= len(self._tokens) or not self._reaches(length):
            raise ValueError(f"cannot roll back {len(self._tokens)} tokens to {length}")
        del self._tokens[length:]
        self._sliding_start = min(self._sliding_start, length)

    def reserve(self, count: int) -> bool:
        """Make room for ``count`` more tokens; return whether buffers were replaced.

        Raises:
            ContextFullError: the context has fewer positions left.
        """
        needed = len(self._tokens) + count
        if needed > self.context_length:
            raise ContextFullError(
                f"The conversation is longer than the {self.context_length} tokens that this model can keep in mind. "
                "Start a new chat, or shorten the last message."
            )
        replaced = False
        if needed > self.capacity:
            self._grow(min(max(needed, self.capacity * 2), self.context_length))
            replaced = True
        if self._sliding and self.sliding_length + count > self._sliding_capacity:
            self._move_window_to_front()
            if self.sliding_length + count > self._sliding_capacity:
                self._grow_sliding(self._kept + count)
                replaced = True
        return replaced

    def append(self, ids: Sequence[int]) -> None:
        """Count ``ids`` as valid: the decoder has written their keys and values behind the others."""
        if len(self._tokens) + len(ids) > self.capacity:
            raise ValueError("append() without reserve()")
        self._tokens.extend(ids)

    def mark(self) -> None:
        """Remember the sliding windows as they are, so that :meth:`resume` can come back here from any distance.

        The oldest marks are dropped when they take too much memory. Nothing happens for models without sliding layers,
        and while no position has left the window yet.
        """
        if not self._sliding or any(mark.tokens == self.tokens for mark in self._marks):
            return
        length = self.sliding_length
        first = max(0, length - self._kept)
        rows = {name: self.buffers[name].numpy()[:, :, first:length].copy() for name in self._sliding}
        self._marks.append(_Mark(self.tokens, self._sliding_start + first, rows))
        while len(self._marks) > 1 and sum(mark.nbytes for mark in self._marks) > _MARK_BYTES:
            self._marks.pop(0)

    def _reaches(self, length: int) -> bool:
        """Return whether the sliding buffers still hold the whole window of position ``length``."""
        return self._sliding_start <= max(0, length - (self._window - 1)) if self._sliding else True

    def _move_window_to_front(self) -> None:
        length = self.sliding_length
        keep = min(length, self._kept)
        for name in self._sliding:
            self._write_front(name, self.buffers[name].numpy()[:, :, length - keep : length])
        self._sliding_start = len(self._tokens) - keep

    def _write_front(self, name: str, rows: NDArray[np.generic]) -> None:
        whole = self.buffers[name].numpy()
        if self._device == "cpu":  # numpy() shares the buffer's memory there
            whole[:, :, : rows.shape[2]] = rows.copy()
        else:
            whole = whole.copy()
            whole[:, :, : rows.shape[2]] = rows
            self.buffers[name].update_inplace(whole)

    def _grow(self, capacity: int) -> None:
        """Replace the buffers of full layers by larger ones."""
        full = [name for name in self._specs if name not in self._sliding]
        self._replace(full, capacity, len(self._tokens))
        self.capacity = capacity

    def _grow_sliding(self, capacity: int) -> None:
        self._replace(self._sliding, capacity, self.sliding_length)
        self._sliding_capacity = capacity

    def _replace(self, names: Sequence[str], capacity: int, length: int) -> None:
        for name in names:
            spec = self._specs[name]
            grown = np.zeros((1, spec.heads, capacity, spec.size), spec.dtype)
            if length:
                grown[:, :, :length] = self.buffers[name].numpy()[:, :, :length]
            self.buffers[name] = onnxruntime.OrtValue.ortvalue_from_numpy(grown, self._device, 0)


def _common_prefix(known: Sequence[int], wanted: Sequence[int]) -> int:
    for index, (first, second) in enumerate(zip(known, wanted, strict=False)):
        if first != second:
            return index
    return min(len(known), len(wanted))
