"""What becomes of the text: copied, saved as text or subtitles, sent to the chat, or forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QSize, QStandardPaths, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from app.background import Background
from app.microphone.transcript_model import TranscriptModel
from app.microphone.transcript_view import TranscriptView
from app.paths import home_folder
from app.theme import Theme
from app.widgets.save_dialog import ask_where_to_save
from inference.output_files import write_file


class Keeping(QWidget):
    """The buttons under the text, and what they do with it. Nothing is kept unless one of them is pressed."""

    send_requested = Signal(str)
    """The user wants the text in the chat."""
    forgotten = Signal()
    """The user wants the text gone; whoever else shows something of it should forget that too."""
    said = Signal(str, bool)
    """Carries a sentence about what was done, and whether it is alarming."""

    def __init__(
        self,
        theme: Theme,
        background: Background,
        model: TranscriptModel,
        view: TranscriptView,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme = theme
        self._background = background
        self._model = model
        self._view = view
        self.section = ""
        """What the newest part of the text is called; a file is named after it."""
        self.choose_target: Callable[[str], Path | None] = self._ask_for_target
        self.copy = QPushButton(self.tr("Copy"), self)
        self.save = QPushButton(self.tr("Save…"), self)
        self.to_chat = QPushButton(self.tr("Send to chat"), self)
        self.forget = QPushButton(self.tr("Clear"), self)
        self._buttons = (self.copy, self.save, self.to_chat, self.forget)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(0)
        line.addStretch(1)
        for button in self._buttons:
            button.setProperty("kind", "flat")
            button.setAccessibleName(button.text())
            button.setText(f" {button.text()}")  # Qt leaves too little room beside an icon
            line.addWidget(button)
        self.copy.clicked.connect(lambda _checked=False: self._copy())
        view.copy_requested.connect(self._copy)
        self.save.clicked.connect(lambda _checked=False: self._save())
        self.to_chat.clicked.connect(lambda _checked=False: self.send_requested.emit(model.text()))
        self.forget.clicked.connect(lambda _checked=False: self.forgotten.emit())
        theme.changed.connect(self._restyle)
        self._restyle()
        self.refresh()

    def refresh(self) -> None:
        """Offer what can be done with the text that there is now."""
        for button in self._buttons:
            button.setVisible(self._model.rowCount() > 0)
            button.setEnabled(not self._model.empty)

    def _copy(self) -> None:
        chosen = self._view.chosen if self._view.hasFocus() else []
        text = self._model.text(chosen) if chosen else self._model.text()
        QGuiApplication.clipboard().setText(text.rstrip("\n"))
        self.said.emit(self.tr("Copied."), False)

    def _save(self) -> None:
        title = self.section.replace(":", ".")
        path = self.choose_target(f"{Path(title).stem or self.tr('Transcript')}.txt")
        if path is None:
            return
        subtitles = path.suffix.lower() == ".srt"
        texts = self._model.subtitles() if subtitles else [self._model.text(times=True)]
        several = len(texts) > 1
        paths = [path.with_stem(f"{path.stem} {n}") if several else path for n in range(1, len(texts) + 1)]

        def write() -> str:
            # of several files the user named none
            written = [write_file(each, text, replace=not several) for each, text in zip(paths, texts, strict=True)]
            return ", ".join(each.name for each in written)

        failure = self.tr("{name} could not be written. Choose another folder.").format(name=path.name)
        self._background.run(
            write,
            lambda names: self.said.emit(self.tr("Saved as {name}.").format(name=names), False),
            lambda _: self.said.emit(failure, True),
        )

    def _ask_for_target(self, name: str) -> Path | None:
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        start = str(Path(documents or home_folder()) / name)
        kinds = {f"{self.tr('Text')} (*.txt)": ".txt", f"{self.tr('Subtitles')} (*.srt)": ".srt"}
        return ask_where_to_save(self, self.tr("Save what was said"), Path(start), kinds)

    def _restyle(self) -> None:
        for button, icon in ((self.copy, "copy"), (self.to_chat, "chat")):
            button.setIcon(self._theme.icon(icon, self._theme.colours.muted, 16))
            button.setIconSize(QSize(16, 16))
