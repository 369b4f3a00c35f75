"""A list of rows of very different heights, of which most are never looked at.

A QListView, for what screen readers know of lists, with a geometry of its own: heights are estimates until a row comes
into sight, the row that the reader looks at stays where it is when estimates turn out wrong, and a change of the last
row costs the same however long the list is. The view follows the end only while the reader is there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPoint, QRect, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QRegion, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QPushButton, QStyle, QStyleOptionViewItem, QWidget

from app.chat.model import Index
from app.chat.row_heights import RowHeights
from app.style_sheet import SCROLL_BAR_WIDTH

_AT_THE_END = 24  # pixels from the end that still count as the end
_TOP = 12  # space above the first row


class RowList(QListView):
    """Where the rows are; what is in them is the delegate's business."""

    start_near = Signal()
    """The reader comes near the first row; whoever has earlier ones may put them before it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.keyboard_focus = False
        """Whether the current row shows a focus ring."""
        self._heights = RowHeights()
        self._follow = True
        self._anchor = (0, 0)  # the row at the top of the window and how far it is scrolled out
        self._arranging = False
        self._start_timer = QTimer(self)  # not from within a layout: what is put before the first row changes it
        self._start_timer.setSingleShot(True)
        self._start_timer.timeout.connect(self.start_near)
        self._jump = QPushButton(self.tr("Jump to latest"), self)
        self._jump.setProperty("kind", "jump")
        self._jump.setAccessibleName(self._jump.text())
        self._jump.clicked.connect(self.jump_to_latest)
        self._jump.hide()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # Always there, so that the width never changes under the text; as much room at the other side keeps the
        # column in the middle. An idle bar is disabled and the style hides it.
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setViewportMargins(SCROLL_BAR_WIDTH, 0, 0, 0)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.verticalScrollBar().setSingleStep(24)

    @property
    def following(self) -> bool:
        """Whether the view stays at the end as the list grows."""
        return self._follow

    @property
    def jump_button(self) -> QPushButton:
        """The button that is there while the reader is elsewhere than at the end."""
        return self._jump

    def jump_to_latest(self) -> None:
        """Go to the end and stay there."""
        self._follow = True
        self._arrange()

    def hold_place(self) -> None:
        """Keep what the reader sees where it is while rows come and go, even at the end."""
        if self._follow:
            self._anchor_here()
            self._follow = False

    @abstractmethod
    def estimate(self, row: int) -> int:
        """Return roughly how high a row is; must be quick."""

    @abstractmethod
    def measure(self, row: int) -> int:
        """Return exactly how high a row is in the present width."""

    def forget_heights(self) -> None:
        """Measure everything again when it comes into sight."""
        self._heights.forget()
        self._arrange()
        self.viewport().update()

    def row_changed(self, row: int, *, keep_in_place: bool = False) -> None:
        """Measure a row again. ``keep_in_place``: hold what the reader sees rather than the end."""
        self._heights.unmeasure(row)
        if keep_in_place:
            self.hold_place()
        self._arrange()
        self.viewport().update()

    def rows_reset(self) -> None:
        """Begin anew with whatever the model holds now."""
        self._heights.clear()
        self._follow = True
        for row in range(self.model().rowCount()):
            self._heights.append(self.estimate(row))
        self._arrange()
        self.viewport().update()

    # --- what Qt asks ---

    def doItemsLayout(self) -> None:
        """Find out where the rows are."""
        self._arrange()

    def updateGeometries(self) -> None:
        """Set the scroll bar after a change of the rows."""
        self._arrange()

    def visualRect(self, index: Index) -> QRect:
        """Return where a row is in the viewport."""
        if not index.isValid() or index.row() >= len(self._heights):
            return QRect()
        y = _TOP + self._heights.top(index.row()) - self.verticalOffset()
        return QRect(0, y, self.viewport().width(), self._heights.height(index.row()))

    def indexAt(self, point: QPoint) -> QModelIndex:
        """Return the row under ``point``."""
        y = point.y() + self.verticalOffset() - _TOP
        if not 0 <= y < self._heights.total:
            return QModelIndex()
        return self.model().index(self._heights.row_at(y), 0)

    def verticalOffset(self) -> int:
        """Return how far the list is scrolled, in pixels."""
        return self.verticalScrollBar().value()

    def horizontalOffset(self) -> int:
        """Return 0: the list never scrolls sideways."""
        return 0

    def scrollTo(
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        """Bring a row into sight."""
        if not index.isValid() or index.row() >= len(self._heights):
            return
        row, bar = index.row(), self.verticalScrollBar()
        self._measure(row)
        self._arrange()
        top, height = self._heights.top(row), self._heights.height(row) + _TOP
        if hint is QAbstractItemView.ScrollHint.PositionAtTop or top < bar.value():
            bar.setValue(top)
        elif top + height > bar.value() + self.viewport().height():
            bar.setValue(min(top, top + height - self.viewport().height()))

    def moveCursor(self, action: QAbstractItemView.CursorAction, modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Return the row that a key leads to."""
        rows = self.model().rowCount()
        if rows == 0:
            return QModelIndex()
        moves = QAbstractItemView.CursorAction
        current = self.currentIndex().row() if self.currentIndex().isValid() else rows
        if action in (moves.MoveUp, moves.MovePrevious, moves.MoveLeft):
            row = current - 1
        elif action in (moves.MoveDown, moves.MoveNext, moves.MoveRight):
            row = current + 1
        elif action is moves.MoveHome:
            row = 0
        elif action is moves.MoveEnd:
            row = rows - 1
        else:
            step = self.viewport().height() * (-1 if action is moves.MovePageUp else 1)
            row = self._heights.row_at(self._heights.top(min(current, rows - 1)) + step)
        return self.model().index(max(0, min(rows - 1, row)), 0)

    def visualRegionForSelection(self, selection: object) -> QRegion:
        """Return nothing: rows are not selected."""
        return QRegion()

    def setSelection(self, rect: QRect, flags: object) -> None:
        """Do nothing: rows are not selected."""

    def minimumSizeHint(self) -> QSize:
        """Return a size in which a conversation can still be read."""
        return QSize(240, 120)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out what is in sight for the new size."""
        if event.size().width() != event.oldSize().width():
            self._heights.forget()
        self._arrange()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Remember what the reader looks at, and measure what has come into sight."""
        if not self._arranging:
            bar = self.verticalScrollBar()
            self._follow = bar.value() >= bar.maximum() - _AT_THE_END
            self._anchor_here()
            self._arrange()
        self.viewport().update()

    def rowsInserted(self, parent: Index, start: int, end: int) -> None:
        """Make room for new rows; they come at the end, or before the first one."""
        estimates = [self.estimate(row) for row in range(start, end + 1)]
        if start == 0 and len(self._heights):
            self._heights.prepend(estimates)
            self._anchor = (self._anchor[0] + len(estimates), self._anchor[1])
        else:
            for estimate in estimates:
                self._heights.append(estimate)
        super().rowsInserted(parent, start, end)
        self._arrange()
        self.viewport().update()

    def rowsAboutToBeRemoved(self, parent: Index, start: int, end: int) -> None:
        """Forget rows; they go from the end only."""
        super().rowsAboutToBeRemoved(parent, start, end)
        self._heights.cut(start)
        self._arrange()
        self.viewport().update()

    def dataChanged(self, top_left: Index, bottom_right: Index, roles: Sequence[int] = ()) -> None:
        """Measure changed rows again."""
        for row in range(top_left.row(), min(bottom_right.row() + 1, len(self._heights))):
            self._heights.unmeasure(row)
        self._arrange()
        super().dataChanged(top_left, bottom_right, list(roles))
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows in sight."""
        if not len(self._heights):
            return
        painter = QPainter(self.viewport())
        painter.setClipRect(event.rect())  # tells the delegate what of a long row it need not paint
        option = QStyleOptionViewItem()
        self.initViewItemOption(option)
        bottom = self.viewport().height()
        for row in range(self._heights.row_at(self.verticalOffset() - _TOP), len(self._heights)):
            index = self.model().index(row, 0)
            option.rect = self.visualRect(index)
            if option.rect.top() > bottom:
                break
            option.state &= ~QStyle.StateFlag.State_HasFocus
            if self.keyboard_focus and index == self.currentIndex():
                option.state |= QStyle.StateFlag.State_HasFocus
            self.itemDelegate().paint(painter, option, index)

    # --- where things are ---

    def _measure(self, row: int) -> None:
        if not self._heights.measured(row):
            self._heights.set(row, self.measure(row))

    def _anchor_here(self) -> None:
        y = self.verticalScrollBar().value() - _TOP
        row = max(0, self._heights.row_at(y))
        self._anchor = (row, y - self._heights.top(row))

    def _arrange(self) -> None:
        """Measure the rows in sight, then set the scroll bar so that the reader sees what they saw before."""
        if self._arranging:
            return
        self._arranging = True
        try:
            rows, room = len(self._heights), self.viewport().height()
            anchor, inside = min(self._anchor[0], max(0, rows - 1)), self._anchor[1]
            if not self._follow:
                self._measure_from(anchor, 1, room + inside)
            if self._follow or self._heights.total - self._heights.top(anchor) < room + inside:
                self._measure_from(rows - 1, -1, room)
            end = max(0, _TOP + self._heights.total - room)
            bar = self.verticalScrollBar()
            bar.setPageStep(room)
            bar.setRange(0, end)
            bar.setEnabled(end > 0)
            bar.setValue(end if self._follow else _TOP + self._heights.top(anchor) + inside)
            self._place_jump(end > 0 and not self._follow)
            if rows and bar.value() < 2 * room:
                self._start_timer.start(0)
        finally:
            self._arranging = False

    def _measure_from(self, row: int, step: int, room: int) -> None:
        while 0 <= row < len(self._heights) and room > 0:
            self._measure(row)
            room -= self._heights.height(row)
            row += step

    def _place_jump(self, visible: bool) -> None:
        self._jump.setVisible(visible)
        if visible:
            size = self._jump.sizeHint()
            x = (self.width() - size.width()) // 2
            self._jump.setGeometry(x, self.viewport().height() - size.height() - 12, size.width(), size.height())
            self._jump.raise_()
