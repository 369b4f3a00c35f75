"""The head of the microphone pane: which microphone, which language, what to translate into, how names are spelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from app.background import Background
from app.devices.audio_microphone import MicrophoneInfo, microphones
from app.devices.audio_watch import AudioWatch
from app.hearing.listener import ListeningOptions
from app.spoken_languages import languages
from app.theme import GRID, Theme
from app.widgets.choice import Choice
from app.widgets.leading import leading
from inference.transcription import read_phrases

_PHRASES_HEIGHT = 92
_DEVICE_AT_MOST = 240


class ListeningHeader(QFrame):
    """The title of the pane, and how it listens. In a narrow window the languages get a line of their own."""

    options_changed = Signal(object)
    """The user chose otherwise; carries :class:`~app.hearing.listener.ListeningOptions`."""

    def __init__(self, theme: Theme, background: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("header")
        self._theme = theme
        self._background = background
        self._options = ListeningOptions()
        self.list_microphones: Callable[[], list[MicrophoneInfo]] = microphones
        self._title = leading(QLabel(self.tr("Microphone"), self))
        self._title.setObjectName("title")
        self.devices = Choice(theme, self.tr("Which microphone"), self)
        self.devices.setMaximumWidth(_DEVICE_AT_MOST)
        self.devices.hide()
        self.language = Choice(theme, self.tr("Language that is spoken"), self)
        self.target = Choice(theme, self.tr("Translate into"), self)
        self.phrases_button = QPushButton(self.tr("Spelling"), self)
        self.phrases = QPlainTextEdit(self)
        """Shown by the button; stands where the owner of this header puts it."""
        self._watch = AudioWatch(self)
        self._fill()
        self._arrange()
        for choice in (self.language, self.target, self.devices):
            choice.activated.connect(lambda _: self._chosen())
        self.phrases.textChanged.connect(self._chosen)
        self.phrases_button.toggled.connect(self._show_phrases)
        self._watch.changed.connect(self.look_for_devices)
        theme.changed.connect(self._restyle)
        self._restyle()

    @property
    def options(self) -> ListeningOptions:
        """What is chosen."""
        return self._options

    def set_options(self, options: ListeningOptions) -> None:
        """Show these choices; nothing is told."""
        if options == self._options:
            return
        self._options = options
        for choice, name in ((self.language, options.language), (self.target, options.translate_to)):
            choice.blockSignals(True)
            row = choice.findData(name)
            if row < 0:
                choice.addItem(name, name)
                row = choice.count() - 1
            choice.setCurrentIndex(row)
            choice.blockSignals(False)
        if read_phrases(self.phrases.toPlainText()) != options.phrases:
            self.phrases.blockSignals(True)
            self.phrases.setPlainText("\n".join(options.phrases))
            self.phrases.blockSignals(False)
        self._restyle()

    def look_for_devices(self) -> None:
        """List the microphones anew."""
        self._background.run(self.list_microphones, self._show_devices, lambda _: self._show_devices([]))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put what does not fit into a line of its own."""
        super().resizeEvent(event)
        self._fit()

    # --- set-up ---

    def _fill(self) -> None:
        self.language.addItem(self.tr("Any language"), "")
        self.target.addItem(self.tr("No translation"), "")
        for name, words in languages().items():
            self.language.addItem(words, name)
            self.target.addItem(self.tr("Into {language}").format(language=words), name)
        self.phrases_button.setProperty("kind", "toggle")
        self.phrases_button.setCheckable(True)
        self.phrases_button.setAccessibleName(self.tr("Spelling: names and terms that the model is told"))
        self.phrases.setObjectName("phrases")
        self.phrases.setPlaceholderText(self.tr("Names and terms as they are spelled, one in each line"))
        self.phrases.setAccessibleName(self.tr("Names and terms as they are spelled"))
        self.phrases.setTabChangesFocus(True)
        self.phrases.setFixedHeight(_PHRASES_HEIGHT)
        self.phrases.hide()

    def _arrange(self) -> None:
        lines = QVBoxLayout(self)
        lines.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        lines.setSpacing(GRID)
        self._first_line, self._second_line = QHBoxLayout(), QHBoxLayout()
        for line in (self._first_line, self._second_line):
            line.setSpacing(GRID)
            lines.addLayout(line)
        self._first_line.addWidget(self._title, 1)
        for widget in (self.phrases_button, self.devices, self.language, self.target):
            self._first_line.addWidget(widget)

    # --- choices ---

    def _chosen(self) -> None:
        device = self.devices.currentData()
        options = replace(
            self._options,
            language=self.language.currentData(),
            translate_to=self.target.currentData(),
            phrases=read_phrases(self.phrases.toPlainText()),
            device=self._options.device if device is None else device,
        )
        if options != self._options:
            self._options = options
            self.options_changed.emit(options)
        self._restyle()

    def _show_phrases(self, shown: bool) -> None:
        self.phrases.setVisible(shown)
        if shown:
            self.phrases.setFocus(Qt.FocusReason.OtherFocusReason)

    def _show_devices(self, found: Sequence[MicrophoneInfo]) -> None:
        self.devices.blockSignals(True)
        self.devices.clear()
        self.devices.addItem(self.tr("The system's microphone"), "")
        names = [each.name for each in found if not (each.default and each.name == "default")]
        wanted = self._options.device
        for name in names:
            self.devices.addItem(name, name)
        if wanted and wanted not in names:
            self.devices.addItem(self.tr("{name} (not there)").format(name=wanted), wanted)
        self.devices.setCurrentIndex(max(0, self.devices.findData(wanted)))
        self.devices.setVisible(self.devices.count() > 1)
        self.devices.blockSignals(False)
        self._fit()

    # --- how it looks ---

    def _fit(self) -> None:
        languages_of_ours = (self.language, self.target)
        line = (self._title, self.phrases_button, self.devices, *languages_of_ours)
        needed = sum(widget.sizeHint().width() + GRID for widget in line if not widget.isHidden())
        tight = needed > self.width() - 4 * GRID
        there, other = (self._second_line, self._first_line) if tight else (self._first_line, self._second_line)
        for choice in languages_of_ours:
            if other.indexOf(choice) >= 0:
                other.removeWidget(choice)
                there.addWidget(choice, 1 if tight else 0)

    def _restyle(self) -> None:
        title = self._theme.body_font
        title.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(title)
        count = len(self._options.phrases)
        self.phrases_button.setText(self.tr("Spelling ({count})").format(count=count) if count else self.tr("Spelling"))
        self._fit()
