"""The sidebar: a search field, the list of conversations, and what was just deleted.

It shows what it is told and asks for what the user wants; what happens is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent, QAction, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QMenu, QToolButton, QVBoxLayout, QWidget

from app.history.list_view import EXPORT_FORMATS, HistoryList, format_words
from app.history.model import Heading, HistoryModel
from app.history.progress_bar import ProgressFoot
from app.history.undo_bar import UndoBar
from app.history_store import Entry, Hit
from app.theme import GRID, Theme

WIDTH = 264
_SAID_MS = 8000


class HistoryPane(QFrame):
    """The conversations beside the one that is open."""

    open_requested = Signal(str, str)
    """Carries the id of a conversation, and of a message in it or nothing."""
    searched = Signal(str)
    """The user searches for something; empty at the end of a search."""
    rename_requested = Signal(str, str)
    pin_requested = Signal(str, bool)
    delete_requested = Signal(str)
    undo_requested = Signal()
    undo_expired = Signal()
    export_requested = Signal(str, str)
    """Carries the id of a conversation, or nothing for all, and one of ``EXPORT_FORMATS``."""
    import_requested = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("history")
        self.setFixedWidth(WIDTH)
        self._theme = theme
        self.model = HistoryModel(self)
        self.list = HistoryList(self.model, theme, self)
        self.search = QLineEdit(self)
        self.search.setPlaceholderText(self.tr("Search"))
        self.search.setAccessibleName(self.tr("Search all conversations"))
        self.search.setToolTip(self.tr("Search all conversations (Ctrl+F)"))
        self.search.setClearButtonEnabled(True)
        self._glass = QAction(self)
        self.search.addAction(self._glass, QLineEdit.ActionPosition.LeadingPosition)
        self.more = QToolButton(self)
        self.more.setAccessibleName(self.tr("Export and import"))
        self.more.setToolTip(self.tr("Export and import"))
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.more.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.menu = self._menu()
        self.more.setMenu(self.menu)
        self.note = QLabel(self)
        self.note.setObjectName("history_note")
        self.note.setWordWrap(True)
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self.undo = UndoBar(theme, self)
        self.progress = ProgressFoot(theme, self)
        self.message = QLabel(self)
        self.message.setObjectName("history_message")
        self.message.setWordWrap(True)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.hide()
        self._silence = QTimer(self)
        self._silence.setSingleShot(True)
        self._silence.setInterval(_SAID_MS)
        self._silence.timeout.connect(self.message.hide)
        self._problem = ""
        self._words = ""
        self._arrange()
        self._connect()
        self._refresh()
        self._restyle()

    @property
    def words(self) -> str:
        """What is searched for."""
        return self._words

    def stops(self) -> tuple[QWidget, ...]:
        """Return the places between which F6 moves."""
        return (self.search,) if self.isVisible() else ()

    def show_entries(self, entries: Sequence[Entry]) -> None:
        """List conversations, unless a search is shown."""
        if not self._words:
            self._keep_place(lambda: self.model.show_entries(entries))
            self._refresh()

    def show_hits(self, words: str, hits: Sequence[Hit]) -> None:
        """List what was found, if that is still searched for."""
        if words == self._words:
            self.model.show_hits(hits)
            self.list.choose(0)
            self._refresh()

    def show_problem(self, sentence: str) -> None:
        """Say in the place of the list why there is none."""
        self._problem = sentence
        self._refresh()

    def say(self, words: str, *, alarming: bool = False) -> None:
        """Say below the list what was done, for a while, or what went wrong, until something else is said."""
        self.message.setText(words)
        self.message.setAccessibleName(words)
        self.message.setProperty("alarming", "yes" if alarming else "no")
        self.message.style().unpolish(self.message)
        self.message.style().polish(self.message)
        self.message.show()
        self._silence.stop()
        if not alarming:
            self._silence.start()
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, words))

    def set_current(self, conversation_id: str) -> None:
        """Mark the conversation that is open."""
        self.list.set_current(conversation_id)

    def focus_search(self) -> None:
        """Put the cursor into the search field."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Go from the search field into the list with Down, open the first result with Enter, end with Esc."""
        if watched is self.search and isinstance(event, QKeyEvent) and event.type() is QEvent.Type.KeyPress:
            if event.key() == Qt.Key.Key_Down:
                self.list.setFocus(Qt.FocusReason.TabFocusReason)
                return True
            if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._words:
                row = self.list.row_at(self.list.currentIndex())
                if isinstance(row, Hit):
                    self.open_requested.emit(row.conversation_id, row.message_id or "")
                return True
            if event.key() == Qt.Key.Key_Escape and self.search.text():
                self.search.clear()
                return True
        return super().eventFilter(watched, event)

    # --- how ---

    def _arrange(self) -> None:
        line = QHBoxLayout()
        line.setContentsMargins(GRID, GRID, GRID, GRID // 2)
        line.setSpacing(4)
        line.addWidget(self.search, 1)
        line.addWidget(self.more)
        below = QVBoxLayout()
        below.setSpacing(GRID // 2)
        below.setContentsMargins(GRID, GRID // 2, GRID, GRID)
        below.addWidget(self.progress)
        below.addWidget(self.message)
        below.addWidget(self.undo)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(line)
        column.addWidget(self.note)
        column.addWidget(self.list, 1)
        column.addLayout(below)

    def _connect(self) -> None:
        self.search.installEventFilter(self)
        self.search.textChanged.connect(self._text_changed)
        self.list.open_requested.connect(self.open_requested)
        self.list.pin_requested.connect(self.pin_requested)
        self.list.delete_requested.connect(self.delete_requested)
        self.list.export_requested.connect(self.export_requested)
        self.list.left_upwards.connect(self.focus_search)
        self.model.renamed.connect(self.rename_requested)
        self.undo.undo_requested.connect(self.undo_requested)
        self.undo.expired.connect(self.undo_expired)
        self._theme.changed.connect(self._restyle)

    def _menu(self) -> QMenu:
        menu = QMenu(self.tr("Conversations"), self)
        export = menu.addMenu(self.tr("Export all conversations"))
        for form in EXPORT_FORMATS:
            export.addAction(format_words(form), partial(self.export_requested.emit, "", form))
        menu.addAction(self.tr("Import a Larimar archive…"), self.import_requested.emit)
        return menu

    def _text_changed(self, text: str) -> None:
        words = text.strip()
        if words != self._words:
            self._words = words
            self.searched.emit(words)

    def _keep_place(self, change: Callable[[], object]) -> None:
        row = self.list.row_at(self.list.currentIndex())
        place = self.list.verticalScrollBar().value()
        change()
        if isinstance(row, Entry) and (now := self.model.row_of(row.id)) >= 0:
            self.list.setCurrentIndex(self.model.index(now))
        self.list.verticalScrollBar().setValue(place)

    def _refresh(self) -> None:
        empty = not any(not isinstance(row, Heading) for row in self.model.rows)
        words = self._problem
        if not words and empty:
            words = self.tr("Nothing found") if self._words else self.tr("Your conversations will be listed here.")
        self.note.setText(words)
        self.note.setVisible(bool(words))
        self.note.setProperty("alarming", "yes" if self._problem else "no")

    def _restyle(self) -> None:
        colours = self._theme.colours
        self._glass.setIcon(self._theme.icon("search", colours.muted, 16))
        self.more.setIcon(self._theme.icon("down", colours.muted, 18))
        self.more.setIconSize(QSize(18, 18))
        self.note.setFont(self._theme.small_font)
        self.message.setFont(self._theme.small_font)
        self.search.setFont(self._theme.body_font)
