"""The list of the sidebar: what pointer and keyboard do with it."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QCoreApplication, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QFocusEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QMenu, QWidget

from app.history.delegate import HistoryDelegate
from app.history.model import Heading, HistoryModel, HistoryRole, Row
from app.history_store import Entry, Hit
from app.theme import Theme

translate = QCoreApplication.translate  # the name that lupdate looks for

Index = QModelIndex | QPersistentModelIndex

EXPORT_FORMATS: tuple[str, ...] = ("markdown", "html", "pdf", "json")


class HistoryList(QListView):
    """Shows a :class:`~app.history.model.HistoryModel`."""

    open_requested = Signal(str, str)
    """Carries the id of a conversation, and of a message in it or nothing."""
    pin_requested = Signal(str, bool)
    delete_requested = Signal(str)
    export_requested = Signal(str, str)
    """Carries the id of a conversation and one of ``EXPORT_FORMATS``."""
    clicked_open = Signal()
    """A row was opened with the pointer."""
    left_upwards = Signal()
    """Up was pressed in the first row."""

    def __init__(self, model: HistoryModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._rows = HistoryDelegate(theme, self)
        self.setModel(model)
        self.setItemDelegate(self._rows)
        self.setAccessibleName(self.tr("Conversations"))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setMouseTracking(True)
        self.setUniformItemSizes(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setTabKeyNavigation(False)
        self.viewport().setAutoFillBackground(False)
        theme.changed.connect(self._restyle)

    def set_current(self, conversation_id: str) -> None:
        """Mark the conversation that is open."""
        self._rows.current = conversation_id
        self.viewport().update()

    def row_at(self, index: Index) -> Row | None:
        """Return what is listed at ``index``."""
        row: Row | None = index.data(HistoryRole.ROW) if index.isValid() else None
        return row

    def choose(self, row: int) -> None:
        """Make a row the current one; headings pass it on."""
        rows = self._model().rows
        while 0 <= row < len(rows) and isinstance(rows[row], Heading):
            row += 1
        if 0 <= row < len(rows):
            self.setCurrentIndex(self.model().index(row, 0))

    def row_menu(self, row: Row) -> QMenu:
        """Return what can be done with a row."""
        menu = QMenu(self)
        if isinstance(row, Hit):
            menu.addAction(self.tr("Open"), lambda: self._open(row))
            return menu
        if isinstance(row, Heading):
            return menu
        menu.addAction(self.tr("Open"), lambda: self._open(row))
        menu.addAction(self.tr("Rename\tF2"), lambda: self._rename(row))
        pin = self.tr("Unpin") if row.pinned else self.tr("Pin")
        menu.addAction(pin, lambda: self.pin_requested.emit(row.id, not row.pinned))
        export = menu.addMenu(self.tr("Export"))
        for form in EXPORT_FORMATS:
            export.addAction(format_words(form), partial(self.export_requested.emit, row.id, form))
        menu.addSeparator()
        menu.addAction(self.tr("Delete\tDel"), lambda: self.delete_requested.emit(row.id))
        return menu

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open, delete, or move."""
        self._rows.keyboard_focus = True
        row = self.row_at(self.currentIndex())
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and row is not None:
            if self.state() is not QAbstractItemView.State.EditingState:
                self._open(row)
        elif event.key() == Qt.Key.Key_Delete and isinstance(row, Entry):
            self.delete_requested.emit(row.id)
        elif event.key() == Qt.Key.Key_Up and self.currentIndex().row() <= self._first():
            self.left_upwards.emit()
        else:
            super().keyPressEvent(event)
        self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Open what was clicked."""
        super().mouseReleaseEvent(event)
        index = self.indexAt(event.position().toPoint())
        row = self.row_at(index)
        if event.button() is not Qt.MouseButton.LeftButton or row is None or isinstance(row, Heading):
            return
        if index == self.currentIndex() and self.state() is not QAbstractItemView.State.EditingState:
            self._open(row)
            self.clicked_open.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Show no focus ring."""
        self._rows.keyboard_focus = False
        super().mousePressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Have a current row, and show it when the keyboard led here."""
        super().focusInEvent(event)
        self._rows.keyboard_focus = event.reason() not in (
            Qt.FocusReason.MouseFocusReason,
            Qt.FocusReason.ActiveWindowFocusReason,
            Qt.FocusReason.PopupFocusReason,
        )
        if not self.currentIndex().isValid():
            self.choose(max(0, self._model().row_of(self._rows.current)))
        self.viewport().update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what can be done with a row."""
        by_keyboard = event.reason() is QContextMenuEvent.Reason.Keyboard
        index = self.currentIndex() if by_keyboard else self.indexAt(event.pos())
        row = self.row_at(index)
        if row is None or isinstance(row, Heading):
            return
        where = self.visualRect(index).center() if by_keyboard else event.pos()
        menu = self.row_menu(row)
        menu.exec(self.viewport().mapToGlobal(where))
        menu.deleteLater()

    def _open(self, row: Row) -> None:
        if isinstance(row, Entry):
            self.open_requested.emit(row.id, "")
        elif isinstance(row, Hit):
            self.open_requested.emit(row.conversation_id, row.message_id or "")

    def _rename(self, row: Entry) -> None:
        index = self.model().index(self._model().row_of(row.id), 0)
        if index.isValid():
            self.setCurrentIndex(index)
            self.edit(index)

    def _first(self) -> int:
        return next((n for n, row in enumerate(self._model().rows) if not isinstance(row, Heading)), 0)

    def _model(self) -> HistoryModel:
        model = self.model()
        assert isinstance(model, HistoryModel)
        return model

    def _restyle(self) -> None:
        self.doItemsLayout()
        self.viewport().update()


def format_words(form: str) -> str:
    """Return what to call a format of export in a menu."""
    return {
        "markdown": translate("ExportFormats", "Markdown…"),
        "html": translate("ExportFormats", "Web page (HTML)…"),
        "pdf": translate("ExportFormats", "PDF…"),
        "json": translate("ExportFormats", "Larimar archive (JSON with media)…"),
    }[form]
