"""The text field of the composer."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QImage, QKeyEvent
from PySide6.QtWidgets import QWidget

from app.widgets.plain_edit import PlainEdit

_LINES_AT_MOST = 8


class MessageEdit(PlainEdit):
    """A text field in which Enter sends and Shift+Enter begins a new line; files and pictures are passed on."""

    submitted = Signal()
    stopped = Signal()
    focused = Signal(bool)
    files_given = Signal(object)
    """Files were pasted; carries a list of paths."""
    picture_given = Signal(object)
    """A picture was pasted; carries a QImage."""
    recall_requested = Signal()
    """Up was pressed in the empty field."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTabChangesFocus(True)
        self.setAcceptDrops(False)  # the whole pane takes them
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(4)
        self.document().documentLayout().documentSizeChanged.connect(self._grow)
        self._grow()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Send with Enter, break with Shift+Enter, stop with Esc, go back to the last question with Up."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self.insertPlainText("\n")
                self.ensureCursorVisible()
            else:
                self.submitted.emit()
        elif event.key() == Qt.Key.Key_Escape:
            self.stopped.emit()
        elif event.key() == Qt.Key.Key_Up and self.document().isEmpty():
            self.recall_requested.emit()
        else:
            super().keyPressEvent(event)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Whether something can be pasted."""
        return bool(given_files(source)) or source.hasImage() or super().canInsertFromMimeData(source)

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Paste text; pass files and pictures on."""
        if files := given_files(source):
            self.files_given.emit(files)
        elif source.hasImage() and not source.hasText():  # cells of a table come as a picture too
            image = source.imageData()
            if isinstance(image, QImage):
                self.picture_given.emit(image)
        elif source.hasText():
            self.insertPlainText(source.text())

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Tell the frame."""
        super().focusInEvent(event)
        self.focused.emit(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Tell the frame."""
        super().focusOutEvent(event)
        self.focused.emit(False)

    def changeEvent(self, event: QEvent) -> None:
        """Grow with the font."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.FontChange:
            self._grow()

    def sizeHint(self) -> QSize:
        """Return a size for the lines that are there."""
        return QSize(320, self.height())

    def _grow(self) -> None:
        lines = max(1, round(self.document().size().height()))  # QPlainTextEdit counts its height in lines
        shown = min(lines, _LINES_AT_MOST)
        margin = 2 * round(self.document().documentMargin())
        self.setFixedHeight(shown * self.fontMetrics().lineSpacing() + margin + 2)
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(
            policy.ScrollBarAsNeeded if lines > _LINES_AT_MOST else policy.ScrollBarAlwaysOff
        )


def given_files(data: QMimeData) -> list[Path]:
    """Return the local files that are pasted or dropped."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data.hasUrls() else []
