"""Heights of the rows of a long list, of which most are estimates until somebody looks at them."""

from __future__ import annotations

from bisect import bisect_right


class RowHeights:
    """Heights in pixels and where each row begins. Changing the last row costs the same however long the list is."""

    def __init__(self) -> None:
        self._heights: list[int] = []
        self._measured: list[bool] = []
        self._tops: list[int] = [0]  # one more than rows; right up to and including index _right
        self._right = 0

    def __len__(self) -> int:
        return len(self._heights)

    def append(self, estimate: int) -> None:
        """Add a row at the end."""
        self._heights.append(estimate)
        self._measured.append(False)
        self._tops.append(0)

    def prepend(self, estimates: list[int]) -> None:
        """Add rows before the first."""
        self._heights[:0] = estimates
        self._measured[:0] = [False] * len(estimates)
        self._tops = [0] * (len(self._heights) + 1)
        self._right = 0

    def cut(self, row: int) -> None:
        """Take away ``row`` and all after it."""
        del self._heights[row:], self._measured[row:], self._tops[row + 1 :]
        self._right = min(self._right, row)

    def clear(self) -> None:
        """Forget all rows."""
        self._heights.clear()
        self._measured.clear()
        self._tops = [0]
        self._right = 0

    def forget(self) -> None:
        """Keep the heights, but as estimates."""
        self._measured = [False] * len(self._heights)

    def unmeasure(self, row: int) -> None:
        """Keep the height of ``row``, but as an estimate."""
        self._measured[row] = False

    def set(self, row: int, height: int) -> None:
        """Give ``row`` its measured height."""
        self._measured[row] = True
        if self._heights[row] != height:
            self._heights[row] = height
            self._right = min(self._right, row)

    def measured(self, row: int) -> bool:
        """Whether the height of ``row`` is more than an estimate."""
        return self._measured[row]

    def height(self, row: int) -> int:
        """Return the height of ``row``."""
        return self._heights[row]

    def top(self, row: int) -> int:
        """Return where ``row`` begins; for ``row`` one past the end, the total."""
        while self._right < row:
            self._tops[self._right + 1] = self._tops[self._right] + self._heights[self._right]
            self._right += 1
        return self._tops[row]

    @property
    def total(self) -> int:
        """The height of all rows."""
        return self.top(len(self._heights))

    def row_at(self, y: int) -> int:
        """Return the row that covers ``y``, the nearest when none does; -1 when there are no rows."""
        if not self._heights:
            return -1
        total = self.total  # makes all tops right
        if y >= total:
            return len(self._heights) - 1
        return max(0, bisect_right(self._tops, max(0, y), 0, len(self._heights)) - 1)
