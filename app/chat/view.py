"""The conversation on the screen: what pointer and keyboard do with it."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QTextCursor,
)
from PySide6.QtWidgets import QMenu, QToolTip, QWidget

from app.chat.delegate import MessageDelegate
from app.chat.highlighting import Highlighter
from app.chat.layout import Action, Button, MessageLayout, PieceKind
from app.chat.media_tiles import MediaTiles
from app.chat.model import ChatModel, MessageRole
from app.chat.row_list import RowList
from app.chat.shown_message import ShownMessage
from app.chat.thumbnails import Thumbnails
from app.conversation import Message
from app.theme import Theme

_COPIED_MS = 1500
_CODE_IN_MENU = 20
"""Blocks of code of one message that its menu offers."""
_COMMANDS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
_KEYS: dict[tuple[int, Qt.KeyboardModifier], Action] = {
    (Qt.Key.Key_F2, Qt.KeyboardModifier.NoModifier): Action.EDIT,
    (Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier): Action.REGENERATE,
    (Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier): Action.PREVIOUS_BRANCH,
    (Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier): Action.NEXT_BRANCH,
    (Qt.Key.Key_L, Qt.KeyboardModifier.ControlModifier): Action.READ_ALOUD,
}
"""What keys do with the message that has the focus ring."""


class ChatView(RowList):
    """Shows a :class:`~app.chat.model.ChatModel`."""

    link_activated = Signal(str)
    """A link was clicked; the address has not been checked."""
    typed = Signal(str)
    """Letters were typed here that belong into the composer."""

    edit_requested = Signal(str)
    """The user wants to ask something else in the place of a question; carries its id."""
    regenerate_requested = Signal(str)
    """The user wants another reply in the place of one; carries its id."""
    branch_requested = Signal(str, int)
    """The user wants another version of a message; carries its id and the number of steps to it."""
    read_aloud_requested = Signal(str)
    """The user wants to hear a reply, or no more of it; carries its id."""
    media_activated = Signal(object)
    """An attachment was clicked."""

    def __init__(
        self,
        model: ChatModel,
        theme: Theme,
        thumbnails: Thumbnails,
        highlighter: Highlighter,
        *,
        speaks: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._speaks = speaks
        self._pressed = False
        self._delegate = MessageDelegate(theme, MediaTiles(theme, thumbnails), highlighter, speaks=speaks, parent=self)
        highlighter.ready.connect(self._colours_ready)
        thumbnails.ready.connect(lambda _: self.viewport().update())
        self.setItemDelegate(self._delegate)
        self.setMouseTracking(True)
        self.setAccessibleName(self.tr("Conversation"))
        self.setAccessibleDescription(
            self.tr(
                "Up and Down move between messages. Space unfolds a thought, Ctrl+C copies, F2 edits a question, "
                "Ctrl+R asks for another reply, Alt+Left and Alt+Right show other versions, Ctrl+L reads aloud, "
                "the menu key offers everything."
            )
        )
        self._copied_timer = QTimer(self)
        self._copied_timer.setSingleShot(True)
        self._copied_timer.setInterval(_COPIED_MS)
        self._copied_timer.timeout.connect(self._forget_copied)
        self.setModel(model)
        model.modelReset.connect(self._model_reset)
        theme.changed.connect(self._theme_changed)
        self._theme_changed()

    def layout_of(self, row: int) -> MessageLayout:
        """Return the layout of a row in the present width."""
        return self._delegate.layout_of(self._shown(row), self.viewport().width())

    def estimate(self, row: int) -> int:
        """Return roughly how high a row is."""
        return self._delegate.estimate(self._shown(row), self.viewport().width())

    def measure(self, row: int) -> int:
        """Return exactly how high a row is."""
        return self.layout_of(row).height

    def selected_text(self) -> str:
        """Return the text that is marked with the pointer."""
        row = self._row_of(self._delegate.selection.message_id)
        return self._delegate.selection.text(self.layout_of(row)) if row >= 0 else ""

    def copy(self) -> None:
        """Copy the marked text, or else the current message, or else the last one."""
        text = self.selected_text()
        if not text and self.model().rowCount():
            row = self.currentIndex().row() if self.currentIndex().isValid() else self.model().rowCount() - 1
            text = self._message(row).text
        if text:
            QGuiApplication.clipboard().setText(text)

    def set_read_aloud(self, message_id: str) -> None:
        """Show which message is being read aloud; empty for none."""
        self._delegate.read_aloud = message_id
        self.viewport().update()

    def message_menu(self, row: int, point: QPoint | None = None) -> QMenu:
        """Return what can be done with a message, and with the link at ``point``."""
        shown, selected = self._shown(row), self.selected_text()
        message = shown.message
        menu = QMenu(self)
        if selected:
            self._offer_copy(menu, self.tr("Copy"), selected)
        self._offer_copy(menu, self.tr("Copy message"), message.text)
        buttons = self.layout_of(row).buttons
        for button in [button for button in buttons if button.action is Action.COPY_CODE][:_CODE_IN_MENU]:
            start = button.payload[:200].strip().partition("\n")[0][:40]
            self._offer_copy(menu, self.tr("Copy code: {start}").format(start=start), button.payload)
        for button in buttons:
            if button.action in (Action.EDIT, Action.REGENERATE, Action.PREVIOUS_BRANCH, Action.NEXT_BRANCH):
                action = menu.addAction(button.label, partial(self._act, shown, button))
                action.setEnabled(button.enabled)
            elif button.action is Action.READ_ALOUD:
                reading = self._delegate.read_aloud == message.id
                words = self.tr("Stop reading aloud") if reading else button.label
                menu.addAction(words, partial(self._act, shown, button))
            elif button.action is Action.OPEN_MEDIA:
                menu.addAction(button.label, partial(self._act, shown, button))
            elif button.action is Action.SHOW_MORE:
                menu.addAction(button.label, lambda: self._show_more(row))
        if message.thought:
            folded = message.id not in self._delegate.unfolded
            words = self.tr("Show the thought") if folded else self.tr("Hide the thought")
            menu.addAction(words, lambda: self.toggle_thought(row))
        if point is not None and (address := self._link_at(row, point)):
            menu.addSeparator()
            menu.addAction(self.tr("Open link"), lambda: self.link_activated.emit(address))
            self._offer_copy(menu, self.tr("Copy link"), address)
        return menu

    def toggle_thought(self, row: int) -> None:
        """Fold or unfold the thought of a reply."""
        message = self._message(row)
        if message.thought:
            self._delegate.unfolded ^= {message.id}
            self._delegate.selection.clear()
            # The reader of a finished thought wants it to stay where it is, not the end of the conversation.
            self.row_changed(row, keep_in_place=not message.under_way)

    def _show_more(self, row: int) -> None:
        self._delegate.show_more(self._shown(row).id)
        self._delegate.selection.clear()
        self.row_changed(row, keep_in_place=True)

    @staticmethod
    def _offer_copy(menu: QMenu, words: str, text: str) -> None:
        def copy() -> None:
            QGuiApplication.clipboard().setText(text)

        menu.addAction(words, copy).setEnabled(bool(text))

    def _colours_ready(self) -> None:
        self._delegate.colour_again()
        self.viewport().update()

    def _model_reset(self) -> None:
        self._delegate.selection.clear()
        self._delegate.unfolded.clear()
        self._delegate.forget_budgets()
        self._delegate.forget_layouts()
        self.rows_reset()

    def _theme_changed(self) -> None:
        self._delegate.forget_layouts()
        self.jump_button.setIcon(self._theme.icon("down", self._theme.colours.accent, 16))
        self.forget_heights()

    # --- pointer ---

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to mark text."""
        if event.button() is not Qt.MouseButton.LeftButton:
            return
        point = event.position().toPoint()
        self._pressed = True
        self._delegate.selection.clear()
        row = self.indexAt(point).row()
        if row >= 0:
            self._delegate.selection.start(self._message(row).id, self._place(row, point))
        self.viewport().update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Mark text, or show what can be clicked."""
        point = event.position().toPoint()
        if not self._pressed:
            self._hover(point)
            return
        row = self._row_of(self._delegate.selection.message_id)
        if row >= 0:
            self._delegate.selection.end = self._place(row, point)
            self.viewport().update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Click, when no text was marked."""
        if event.button() is not Qt.MouseButton.LeftButton or not self._pressed:
            return
        self._pressed = False
        point = event.position().toPoint()
        row = self.indexAt(point).row()
        if row < 0 or not self._delegate.selection.empty:
            return
        number = self._button_at(row, point)
        if number is not None:
            self._press(row, number)
        elif address := self._link_at(row, point):
            self.link_activated.emit(address)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Mark a word."""
        point = event.position().toPoint()
        row = self.indexAt(point).row()
        if row < 0 or self._button_at(row, point) is not None:
            return
        layout = self.layout_of(row)
        number, position = self._place(row, point)
        document = layout.pieces[number].document if layout.pieces else None
        if document is None:
            return
        cursor = QTextCursor(document)
        cursor.setPosition(min(position, document.characterCount() - 1))
        cursor.select(QTextCursor.SelectionType.WordUnderCursor)
        self._delegate.selection.start(self._message(row).id, (number, cursor.selectionStart()))
        self._delegate.selection.end = (number, cursor.selectionEnd())
        self.viewport().update()

    def leaveEvent(self, event: QEvent) -> None:
        """Show nothing as clickable any more."""
        self._hover(None)

    def viewportEvent(self, event: QEvent) -> bool:
        """Say what a button does that has no words."""
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            row = self.indexAt(event.pos()).row()
            number = self._button_at(row, event.pos()) if row >= 0 else None
            words, where = "", self.rect()
            if number is not None:
                button = self.layout_of(row).buttons[number]
                words = "" if button.words else button.label
                where = button.rect.toRect().translated(self.visualRect(self.model().index(row, 0)).topLeft())
            elif row >= 0:
                words = self._note_at(row, event.pos())
            QToolTip.showText(event.globalPos(), words, self.viewport(), where)
            return True
        return super().viewportEvent(event)

    def _note_at(self, row: int, point: QPoint) -> str:
        where = self._inside(row, point)
        notes = (p.label for p in self.layout_of(row).pieces if p.kind is PieceKind.NOTE and p.rect.contains(where))
        return next(notes, "")

    def _hover(self, point: QPoint | None) -> None:
        hovered, attended = None, ""
        shape = Qt.CursorShape.ArrowCursor
        if point is not None and (row := self.indexAt(point).row()) >= 0:
            attended = self._shown(row).id
            number = self._button_at(row, point)
            if number is not None:
                hovered = (attended, number)
            if number is not None or self._link_at(row, point):
                shape = Qt.CursorShape.PointingHandCursor
            elif self._over_text(row, point):
                shape = Qt.CursorShape.IBeamCursor
        self.viewport().setCursor(shape)
        if hovered != self._delegate.hovered or attended != self._delegate.attended:
            self._delegate.hovered, self._delegate.attended = hovered, attended
            self.viewport().update()

    def _press(self, row: int, number: int) -> None:
        button, shown = self.layout_of(row).buttons[number], self._shown(row)
        if button.action is Action.FOLD_THOUGHT:
            self.toggle_thought(row)
        elif button.action is Action.SHOW_MORE:
            self._show_more(row)
        elif button.action in (Action.COPY_CODE, Action.COPY_MESSAGE):
            text = button.payload if button.action is Action.COPY_CODE else shown.message.text
            QGuiApplication.clipboard().setText(text)
            self._delegate.just_copied = (shown.id, number)
            self._copied_timer.start()
        else:
            self._act(shown, button)
        self.viewport().update()

    def _act(self, shown: ShownMessage, button: Button) -> None:
        if not button.enabled:
            return
        if button.action is Action.EDIT:
            self.edit_requested.emit(shown.id)
        elif button.action is Action.REGENERATE:
            self.regenerate_requested.emit(shown.id)
        elif button.action is Action.READ_ALOUD:
            self.read_aloud_requested.emit(shown.id)
        elif button.action is Action.PREVIOUS_BRANCH:
            self.branch_requested.emit(shown.id, -1)
        elif button.action is Action.NEXT_BRANCH:
            self.branch_requested.emit(shown.id, 1)
        elif button.action is Action.OPEN_MEDIA:
            self.media_activated.emit(button.media)

    def _forget_copied(self) -> None:
        self._delegate.just_copied = None
        self.viewport().update()

    # --- what is where ---

    def _inside(self, row: int, point: QPoint) -> QPointF:
        return QPointF(point - self.visualRect(self.model().index(row, 0)).topLeft())

    def _button_at(self, row: int, point: QPoint) -> int | None:
        where = self._inside(row, point)
        buttons = self.layout_of(row).buttons
        return next((n for n, button in enumerate(buttons) if button.enabled and button.rect.contains(where)), None)

    def _link_at(self, row: int, point: QPoint) -> str:
        where = self._inside(row, point)
        for piece in self.layout_of(row).pieces:
            if piece.document is not None and piece.rect.contains(where):
                return piece.document.documentLayout().anchorAt(where - piece.origin)
        return ""

    def _over_text(self, row: int, point: QPoint) -> bool:
        where = self._inside(row, point)
        return any(piece.document and piece.rect.contains(where) for piece in self.layout_of(row).pieces)

    def _place(self, row: int, point: QPoint) -> tuple[int, int]:
        layout, where = self.layout_of(row), self._inside(row, point)
        number = layout.piece_at(where)
        piece = layout.pieces[number] if number >= 0 else None
        if piece is None or piece.document is None:
            return (0, 0)
        accuracy = Qt.HitTestAccuracy.FuzzyHit
        return number, max(0, piece.document.documentLayout().hitTest(where - piece.origin, accuracy))

    def _shown(self, row: int) -> ShownMessage:
        shown: ShownMessage = self.model().index(row, 0).data(MessageRole.MESSAGE)
        return shown

    def _message(self, row: int) -> Message:
        return self._shown(row).message

    def _row_of(self, message_id: str) -> int:
        model = self.model()
        assert isinstance(model, ChatModel)
        return model.row_of(message_id) if message_id else -1

    # --- keyboard ---

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show which message is the current one, when the keyboard led here."""
        self.keyboard_focus = event.reason() not in (
            Qt.FocusReason.MouseFocusReason,
            Qt.FocusReason.ActiveWindowFocusReason,
            Qt.FocusReason.PopupFocusReason,
        )
        if self.keyboard_focus and not self.currentIndex().isValid() and self.model().rowCount():
            self.setCurrentIndex(self.model().index(self.model().rowCount() - 1, 0))
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show no current message any more."""
        self.keyboard_focus = False
        self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Do something with the current message, or move to another one."""
        row = self.currentIndex().row() if self.currentIndex().isValid() else -1
        action = _KEYS.get((event.key(), event.modifiers() & _COMMANDS))
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter) and row >= 0:
            self.toggle_thought(row)
        elif action is not None:
            button = next((b for b in self.layout_of(row).buttons if b.action is action), None) if row >= 0 else None
            if button is not None:
                self._act(self._shown(row), button)
        elif event.text().isprintable() and event.text().strip() and not event.modifiers() & _COMMANDS:
            self.typed.emit(event.text())
        else:
            self.keyboard_focus = True
            super().keyPressEvent(event)
            self.viewport().update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what can be done with a message."""
        by_keyboard = event.reason() is QContextMenuEvent.Reason.Keyboard
        index = self.currentIndex() if by_keyboard else self.indexAt(event.pos())
        if index.isValid():
            where = self.visualRect(index).center() if by_keyboard else event.pos()
            menu = self.message_menu(index.row(), None if by_keyboard else event.pos())
            menu.exec(self.viewport().mapToGlobal(where))
            menu.deleteLater()
