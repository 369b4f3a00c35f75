"""Shows the log and the reports of crashes, which stay on this computer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app.background import Background
from app.theme import GRID, Theme

_MOST_BYTES = 200_000


class LogDialog(QDialog):
    """The end of each file; read in the background."""

    def __init__(self, folder: Path, theme: Theme, background: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Log"))
        self.setMinimumSize(520, 360)
        self.resize(820, 560)
        self._folder = folder
        self._background = background
        self.open_folder: Callable[[QUrl], object] = QDesktopServices.openUrl
        about = QLabel(
            self.tr("Kept in {folder}. Nothing of it is sent anywhere, and it never holds what was said.").format(
                folder=folder
            ),
            self,
        )
        about.setObjectName("hint")
        about.setWordWrap(True)
        self.tabs = QTabWidget(self)
        self.tabs.setDocumentMode(True)
        self.tabs.setAccessibleName(self.tr("Log and crash reports"))
        self.views: dict[str, QPlainTextEdit] = {}
        for name, title in (("larimar.log", self.tr("Log")), ("crash.log", self.tr("Crash reports"))):
            view = QPlainTextEdit(self)
            view.setReadOnly(True)
            view.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
            view.setFont(theme.code_font)
            view.setAccessibleName(title)
            view.setTabChangesFocus(True)
            self.views[name] = view
            self.tabs.addTab(view, title)
        self.refresh_button = self._button(self.tr("Refresh"), self.refresh)
        self.copy_button = self._button(self.tr("Copy"), self._copy)
        self.folder_button = self._button(self.tr("Open the folder"), self._open)
        close = self._button(self.tr("Close"), self.reject)
        line = QHBoxLayout()
        for button in (self.refresh_button, self.copy_button, self.folder_button):
            line.addWidget(button)
        line.addStretch(1)
        line.addWidget(close)
        column = QVBoxLayout(self)
        column.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
        column.setSpacing(GRID)
        column.addWidget(about)
        column.addWidget(self.tabs, 1)
        column.addLayout(line)
        self.refresh()

    def refresh(self) -> None:
        """Read the files again."""
        for name in self.views:
            self._background.run(partial(end_of, self._folder / name), partial(self._show, name))

    def _show(self, name: str, text: str) -> None:
        view = self.views[name]
        view.setPlainText(text or self.tr("Nothing yet."))
        view.verticalScrollBar().setValue(view.verticalScrollBar().maximum())

    def _copy(self) -> None:
        view = self.tabs.currentWidget()
        if isinstance(view, QPlainTextEdit):
            QGuiApplication.clipboard().setText(view.toPlainText())

    def _open(self) -> None:
        self.open_folder(QUrl.fromLocalFile(str(self._folder)))

    def _button(self, words: str, pressed: Callable[[], object]) -> QPushButton:
        button = QPushButton(words, self)
        button.setAccessibleName(words)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked=False: pressed())
        return button


def end_of(file: Path) -> str:
    """Return the last lines of a file; nothing when it is not there."""
    try:
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - _MOST_BYTES))
            text = opened.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return text if size <= _MOST_BYTES else text.partition("\n")[2]
