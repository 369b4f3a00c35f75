"""Lines that do not grow too long to read: a column in the middle of a wide window."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QWidget

_ALL_BUT_A_LITTLE = 1000
"""So many times as eager as the room beside it, the column grows first."""


def middle_column(column: QWidget, at_most: int | None = None, parent: QWidget | None = None) -> QHBoxLayout:
    """Return a row, without margins, that keeps ``column`` in its middle: as wide as there is room.

    Args:
        column: what is shown.
        at_most: its largest width in pixels, unless it has one already.
        parent: what the row lays out; without one, another layout must take it.
    """
    if at_most is not None:
        column.setMaximumWidth(at_most)
    row = QHBoxLayout() if parent is None else QHBoxLayout(parent)
    row.setContentsMargins(0, 0, 0, 0)
    row.addStretch(1)
    row.addWidget(column, _ALL_BUT_A_LITTLE)
    row.addStretch(1)
    return row
