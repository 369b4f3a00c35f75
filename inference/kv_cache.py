"""The KV cache: preallocated buffers that the decoder reads and extends in place.

Every layer that owns keys and values has one pair of buffers, [1, Hkv, capacity, D]. The decoder's past inputs and
present outputs are bound to the same buffers, so that a step copies nothing; going back is forgetting a length.

Full layers keep every position and grow. Sliding layers keep a window and some room behind it, whatever the length of
the conversation: when the room is used up, the last window moves to the front. What has left the window cannot be
gone back to, except to a *mark*: a place where a conversation is likely to be resumed. Its rows are copied aside at the
moment when they would be lost, so that a mark that is not needed costs nothing.

A *snapshot* is all of that in a form that can be put aside, in memory or on disk, and put back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnxruntime
from numpy.typing import DTypeLike, NDArray

from inference.errors import ContextFullError, OutOfMemoryError
from inference.memory import available_bytes
from inference.prompt import common_prefix

_NO_ROOM = (
    "There is not enough memory for a conversation of this length. Close other programs, start a new chat, or choose a "
    "smaller model."
)
_FIRST_CAPACITY = 512
_BLOCK = 512
"""Full layers grow by this many positions, or by a quarter where that is more."""
ROLLBACK_MARGIN = 64
"""Positions kept behind a sliding window, so that drafts and the last few tokens can always be taken back."""
_ROOM = 256
"""Positions that a sliding buffer takes in before the window moves to the front again."""
_VIEW, _LEAST_VIEW = 128, 256
"""Attention that is written out sees a multiple of so many rows, if few are computed. What is masked then adds only
zeros behind the rest, in whole strides of the runtime’s sums, so that a row comes to the same bits however many rows
run with it."""
_FEW_ROWS = 16
_VIEW_OF_MANY = 32
_WINDOW_BYTES = 128 << 20
"""Most memory that the windows of marks may take; one is always kept."""
_SNAPSHOT_WINDOWS = 3
"""Windows that a snapshot takes along: that of the shortest mark, of the longest, and the one at the end."""


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
class Window:
    """The rows of the sliding layers as they were after ``tokens``."""

    tokens: tuple[int, ...]
    start: int
    """Position of the first row; the last row is that of the last token."""
    rows: Mapping[str, NDArray[np.generic]] = field(repr=False)
    """By buffer, [1, Hkv, len(tokens) - start, D]."""

    @property
    def nbytes(self) -> int:
        """Memory that the rows take."""
        return sum(rows.nbytes for rows in self.rows.values())


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A conversation's keys and values, apart from the buffers that the decoder works on."""

    tokens: tuple[int, ...]
    rows: Mapping[str, NDArray[np.generic]] = field(repr=False)
    """Of the full layers, [1, Hkv, len(tokens), D]."""
    windows: tuple[Window, ...] = ()
    """Of the sliding layers, the one after all tokens last; empty for a model without such layers."""

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return sum(rows.nbytes for rows in self.rows.values()) + sum(window.nbytes for window in self.windows)


class KVCache:
    """Keys and values of the tokens so far.

    Args:
        specs: by input name (``past_key_values.0.key``, …).
        context_length: most positions that it may grow to.
        device: "cpu" or "cuda".

    Raises:
        OutOfMemoryError: there is no room even for the first buffers.
    """

    def __init__(self, specs: Mapping[str, CacheSpec], context_length: int, device: str = "cpu") -> None:
        self.specs: Mapping[str, CacheSpec] = dict(specs)
        self._sliding = [name for name, spec in specs.items() if spec.window is not None]
        self._full = [name for name, spec in specs.items() if spec.window is None]
        self._window = max((spec.window for spec in specs.values() if spec.window is not None), default=0)
        self._device = device
        self.context_length = context_length
        self._tokens: list[int] = []
        self._sliding_start = 0
        self._windows: list[Window] = []
        self._marked: list[int] = []
        """Lengths that were marked, whose rows still lie in the sliding buffers."""
        self.buffers: dict[str, onnxruntime.OrtValue] = {}
        self._views: dict[str, onnxruntime.OrtValue] = {}
        self.generation = 0
        """Rises when buffers are replaced: what is bound to them must be bound anew."""
        self.before_replacing: list[Callable[[], None]] = []
        """Called before that, so that those who have bound buffers let them go and none is there twice."""
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
    def room(self) -> int:
        """Tokens that can be appended before the windows of sliding layers move, which changes how sums are rounded."""
        return self._sliding_capacity - self.sliding_length if self._sliding else self.context_length - len(self)

    def view(self, name: str, count: int = 0) -> onnxruntime.OrtValue:
        """Return the part of a buffer that holds valid rows and ``count`` more; the whole where a part is no less work.

        The same object as long as the part is the same; bound in place like the buffer itself.
        """
        spec = self.specs[name]
        sliding = spec.window is not None
        capacity = self._sliding_capacity if sliding else self.capacity
        valid = (self.sliding_length if sliding else len(self)) + count
        few = count <= _FEW_ROWS
        step = _VIEW if few else _VIEW_OF_MANY
        rows = max(_LEAST_VIEW if few else 0, -(-valid // step) * step)
        if self._device != "cpu" or spec.heads != 1 or rows >= capacity:
            return self.buffers[name]
        known = self._views.get(name)
        if known is None or known.shape()[2] != rows:
            known = onnxruntime.OrtValue.ortvalue_from_numpy(self.buffers[name].numpy()[:, :, :rows])
            self._views[name] = known
        return known

    @property
    def nbytes(self) -> int:
        """Bytes of all buffers, used or not yet; without what marks hold aside."""
        return sum(
            int(np.prod(buffer.shape())) * np.dtype(self.specs[name].dtype).itemsize
            for name, buffer in self.buffers.items()
        )

    @property
    def _kept(self) -> int:
        """Rows that stay in a sliding buffer when the window moves to the front."""
        return self._window - 1 + ROLLBACK_MARGIN if self._sliding else 0

    def common_prefix(self, ids: Sequence[int]) -> int:
        """Return how many leading tokens of ``ids`` are in the cache."""
        return common_prefix(self._tokens, ids)

    def reach(self, ids: Sequence[int], snapshot: Snapshot | None = None) -> int:
        """Return how many leading tokens of ``ids`` need not be computed: what :meth:`resume` would return.

        Args:
            ids: a prompt.
            snapshot: what the cache is thought to hold; ``None`` for what it holds.
        """
        if snapshot is None:
            common = self.common_prefix(ids)
            if self._reaches(common):
                return common
            return self._best_window(self._windows, ids[:common])[0]
        common = common_prefix(snapshot.tokens, ids)
        return self._best_window(snapshot.windows, ids[:common])[0] if self._sliding else common

    def resume(self, ids: Sequence[int]) -> int:
        """Go back to the longest prefix of ``ids`` that the cache can go on from, and return its length."""
        common = self.common_prefix(ids)
        best: Window | None = None
        if self._reaches(common):
            length = common
        else:
            # full layers hold the common prefix; a mark may bring back the windows for some of it
            length, best = self._best_window(self._windows, ids[:common])
        self._windows = self._of_use(ids)
        self._marked = [marked for marked in self._marked if marked <= length]
        if self._reaches(length):
            self.roll_back(length)
            return length
        self._put_aside(len(self._tokens))
        del self._tokens[length:]
        self._sliding_start = 0
        if best is not None:
            self._sliding_start = best.start
            self._write_sliding(best.rows, length - best.start)
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
        while self._marked and self._marked[-1] > length:
            self._marked.pop()

    def reserve(self, count: int, expected: int = 0) -> bool:
        """Make room for ``count`` more tokens; return whether buffers were replaced.

        Args:
            count: that come now.
            expected: how many tokens there will be in all before long; makes the full layers grow once and not often.

        Raises:
            ContextFullError: the context has fewer positions left.
            OutOfMemoryError: the buffers cannot grow; what they hold stays valid.
        """
        needed = len(self._tokens) + count
        if needed > self.context_length:
            raise ContextFullError(
                f"The conversation is longer than the {self.context_length} tokens that this model can keep in mind. "
                "Start a new chat, or shorten the last message."
            )
        replaced = False
        if needed > self.capacity:
            step = max(_BLOCK, self.capacity // 4)
            wanted = max(needed, expected, self.capacity + step)
            self._grow(min(-(-wanted // _BLOCK) * _BLOCK, self.context_length))
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

    def mark(self, length: int | None = None) -> None:
        """Remember a place, so that :meth:`resume` can come back to it from any distance.

        The same holds for the ``ROLLBACK_MARGIN`` positions before it. Nothing happens for models without sliding
        layers. Marks between the first and the latest are dropped when they take too much memory.

        Args:
            length: after how many of the tokens; ``None``: after all. A place that the sliding window has left, and
                one that is not reached yet, cannot be marked: nothing happens then.
        """
        length = len(self._tokens) if length is None else length
        if not self._sliding or length in self._marked or length > len(self._tokens) or not self._reaches(length):
            return
        if any(list(window.tokens) == self._tokens[:length] for window in self._windows):
            return
        self._marked.append(length)
        self._marked.sort()

    def reaches_by_mark(self, length: int) -> bool:
        """Return whether a mark lets :meth:`resume` come back to the first ``length`` tokens, now and later."""
        if not self._sliding:
            return True
        ids = self._tokens[:length]
        near = any(length <= marked <= length + ROLLBACK_MARGIN for marked in self._marked)
        return near or self._best_window(self._windows, ids)[0] == length

    def snapshot(self) -> Snapshot:
        """Return a copy of what the cache holds."""
        length, held = len(self._tokens), self.sliding_length
        rows = {name: self.buffers[name].numpy()[:, :, :length].copy() for name in self._full}
        windows: list[Window] = []
        if self._sliding:
            older = [
                window for window in self._windows if common_prefix(window.tokens, self._tokens) == len(window.tokens)
            ]
            if len(older) >= _SNAPSHOT_WINDOWS:
                older = [older[0], *older[-(_SNAPSHOT_WINDOWS - 2) :]]
            now = {name: self.buffers[name].numpy()[:, :, :held].copy() for name in self._sliding}
            windows = [*older, Window(self.tokens, self._sliding_start, now)]
        return Snapshot(self.tokens, rows, tuple(windows))

    def restore(self, snapshot: Snapshot) -> None:
        """Put back what :meth:`snapshot` gave.

        Raises:
            OutOfMemoryError: the buffers cannot grow; the cache then is empty.
            ValueError: the snapshot is of another model, or longer than the context.
        """
        length = len(snapshot.tokens)
        now = snapshot.windows[-1] if snapshot.windows else None
        if length > self.context_length or set(snapshot.rows) != set(self._full) or bool(now) != bool(self._sliding):
            raise ValueError("the snapshot does not fit this cache")
        self.clear()
        if length > self.capacity:
            self._grow(min(-(-length // _BLOCK) * _BLOCK, self.context_length))
        for name, rows in snapshot.rows.items():
            self._write_front(name, rows)
        if now is not None:
            held = len(now.tokens) - now.start
            if held > self._sliding_capacity:
                self._grow_sliding(held)
            self._write_sliding(now.rows, held)
            self._sliding_start = now.start
            self._windows = list(snapshot.windows[:-1])
        self._tokens = list(snapshot.tokens)

    def clear(self) -> None:
        """Forget everything, marks too."""
        self._tokens.clear()
        self._windows.clear()
        self._marked.clear()
        self._sliding_start = 0

    def _reaches(self, length: int) -> bool:
        """Return whether the sliding buffers still hold the whole window of position ``length``."""
        return self._sliding_start <= max(0, length - (self._window - 1)) if self._sliding else True

    def _best_window(self, windows: Sequence[Window], ids: Sequence[int]) -> tuple[int, Window | None]:
        """Return how far ``ids``, whose full rows are all there, can be gone on from, and by which window."""
        best: tuple[int, Window | None] = (0, None)
        for window in windows:
            shared = common_prefix(window.tokens, ids)
            if shared > best[0] and window.start <= max(0, shared - (self._window - 1)):
                best = (shared, window)
        return best

    def _of_use(self, ids: Sequence[int]) -> list[Window]:
        """Return the windows that a conversation which begins with ``ids`` may come back to.

        Of those that belong to other conversations only the one with most in common, if it has more than the others.
        """
        own = []
        reached = 0
        best: Window | None = None
        for window in self._windows:
            shared = common_prefix(window.tokens, ids)
            if shared in (len(window.tokens), len(ids)):
                own.append(window)
                reached = max(reached, shared)
        for window in self._windows:
            shared = common_prefix(window.tokens, ids)
            if shared > reached and window.start <= max(0, shared - (self._window - 1)):
                reached, best = shared, window
        windows = own if best is None else [*own, best]
        return sorted(windows, key=lambda window: len(window.tokens))

    def _put_aside(self, before: int) -> None:
        """Copy the rows of those marks that begin before the position ``before``."""
        due = [marked for marked in self._marked if max(self._sliding_start, marked - self._kept) < before]
        self._marked = [marked for marked in self._marked if marked not in due]
        while due:
            # marks near one another share their rows
            first, last = max(self._sliding_start, due[0] - self._kept), due[0]
            while due and due[0] - last <= self._kept:
                last = due.pop(0)
            span = slice(first - self._sliding_start, last - self._sliding_start)
            rows = {name: self.buffers[name].numpy()[:, :, span].copy() for name in self._sliding}
            self._windows.append(Window(tuple(self._tokens[:last]), first, rows))
        self._windows.sort(key=lambda window: len(window.tokens))
        while len(self._windows) > 1 and sum(window.nbytes for window in self._windows) > _WINDOW_BYTES:
            # the shortest is what conversations share, a system prompt say; the longest is where this one goes on
            self._windows.pop(1 if len(self._windows) > 2 else 0)

    def _move_window_to_front(self) -> None:
        length = self.sliding_length
        keep = min(length, self._kept)
        self._put_aside(len(self._tokens) - keep)
        for name in self._sliding:
            self._write_front(name, self.buffers[name].numpy()[:, :, length - keep : length])
        self._sliding_start = len(self._tokens) - keep

    def _write_sliding(self, rows: Mapping[str, NDArray[np.generic]], count: int) -> None:
        for name in self._sliding:
            self._write_front(name, rows[name][:, :, :count])

    def _write_front(self, name: str, rows: NDArray[np.generic]) -> None:
        whole = self.buffers[name].numpy()
        if self._device == "cpu":  # numpy() shares the buffer's memory there
            whole[:, :, : rows.shape[2]] = rows.copy() if np.may_share_memory(whole, rows) else rows
        else:
            whole = whole.copy()
            whole[:, :, : rows.shape[2]] = rows
            self.buffers[name].update_inplace(whole)

    def _grow(self, capacity: int) -> None:
        """Replace the buffers of full layers by larger ones."""
        self._replace(self._full, capacity, len(self._tokens))
        self.capacity = capacity

    def _grow_sliding(self, capacity: int) -> None:
        self._replace(self._sliding, capacity, self.sliding_length)
        self._sliding_capacity = capacity

    def _replace(self, names: Sequence[str], capacity: int, length: int) -> None:
        """Replace buffers one after the other, so that no more than one is there twice."""
        self._check_room(names, capacity)
        self.generation += 1
        for release in self.before_replacing:
            release()
        self._views.clear()
        for name in names:
            spec = self.specs[name]
            try:
                # zeros that nobody has touched take no memory yet
                grown = np.zeros((1, spec.heads, capacity, spec.size), spec.dtype)
                if length:
                    grown[:, :, :length] = self.buffers[name].numpy()[:, :, :length]
                self.buffers[name] = onnxruntime.OrtValue.ortvalue_from_numpy(grown, self._device, 0)
            except Exception as error:
                if self._device == "cpu" and not isinstance(error, MemoryError):
                    raise
                raise OutOfMemoryError(_NO_ROOM) from error

    def _check_room(self, names: Sequence[str], capacity: int) -> None:
        """Ask the system before memory is taken that it promises to everybody and has not: sizes come from files."""
        room = available_bytes() if self._device == "cpu" else None
        specs = (self.specs[name] for name in names)
        wanted = sum(spec.heads * capacity * spec.size * np.dtype(spec.dtype).itemsize for spec in specs)
        held = sum(buffer.tensor_size_in_bytes() for name, buffer in self.buffers.items() if name in names)
        if room is not None and wanted - held > room:
            raise OutOfMemoryError(_NO_ROOM)
