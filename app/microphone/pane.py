"""The microphone pane: speak and it is written down, or let recordings be written down."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSize, QStandardPaths, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QFont,
    QGuiApplication,
    QKeyEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.background import Background
from app.devices.audio_microphone import MicrophoneInfo, microphones
from app.devices.audio_watch import AudioWatch
from app.hearing.file_transcriber import FileJob, FileTranscriber
from app.hearing.listener import Listener, ListenerState, ListeningOptions
from app.live_senses import LiveSenses
from app.microphone.record_button import RecordButton
from app.microphone.transcript_model import TranscriptModel
from app.microphone.transcript_view import TranscriptView
from app.microphone.waveform import Waveform
from app.session import Session
from app.spoken_languages import languages
from app.theme import GRID, Theme
from app.widgets.choice import Choice
from app.widgets.leading import leading
from app.widgets.notice import Notice
from inference.transcript import clock
from inference.transcription import Utterance, read_phrases

_COLUMN_AT_MOST = 860
_PHRASES_HEIGHT = 92
_PATTERNS = (
    "*.wav *.mp3 *.m4a *.m4b *.aac *.flac *.ogg *.oga *.opus *.wma *.aif *.aiff *.amr *.caf *.ac3 *.mka "
    "*.mp4 *.m4v *.mov *.mkv *.webm *.avi *.mpg *.mpeg *.wmv *.3gp *.ts"
)
"""What the dialog offers first; anything that FFmpeg reads can be opened."""
_PERCENT = 1000  # steps of the progress bar


class MicrophonePane(QWidget):
    """Records only while the button, the status and the window's indicator say so; no sound is kept."""

    send_requested = Signal(str)
    """The user wants the text in the chat."""
    options_changed = Signal(object)
    """The user chose otherwise; carries :class:`~app.hearing.listener.ListeningOptions`."""

    def __init__(
        self,
        session: Session,
        theme: Theme,
        background: Background,
        senses: LiveSenses,
        parent: QWidget | None = None,
        *,
        listener: Listener | None = None,
        transcriber: FileTranscriber | None = None,
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._theme = theme
        self._background = background
        self._options = ListeningOptions()
        self._name = ""
        self._section = ""
        self._seconds = 0.0
        self._above = False
        self.list_microphones: Callable[[], list[MicrophoneInfo]] = microphones
        self.choose_files: Callable[[], Sequence[Path]] = self._ask_for_files
        self.choose_target: Callable[[str], Path | None] = self._ask_for_target
        self.listener = listener or Listener(session, senses, self)
        self.transcriber = transcriber or FileTranscriber(session, self)
        self.watch = AudioWatch(self)
        self.setAcceptDrops(True)
        self._title = leading(QLabel(self.tr("Microphone"), self))
        self._title.setObjectName("title")
        self.devices = Choice(theme, self.tr("Which microphone"), self)
        self.devices.setMaximumWidth(240)
        self.devices.hide()
        self.language = Choice(theme, self.tr("Language that is spoken"), self)
        self.target = Choice(theme, self.tr("Translate into"), self)
        self.phrases_button = QPushButton(self.tr("Spelling"), self)
        self.phrases = QPlainTextEdit(self)
        self.model = TranscriptModel(self)
        self.view = TranscriptView(theme, self.model, self)
        self.invitation = Notice(theme, "microphone", self.tr("Speak, and it is written down"), parent=self)
        self._pages = QStackedWidget(self)
        self.file_name = leading(QLabel(self))
        self.file_progress = QProgressBar(self)
        self.file_cancel = QPushButton(self.tr("Cancel"), self)
        self.said = leading(QLabel(self))
        self.said.setObjectName("said")
        self.said.setWordWrap(True)
        self.waveform = Waveform(theme, self)
        self.time = QLabel(self)
        self.time.setObjectName("said")
        self.state = leading(QLabel(self))
        self.state.setObjectName("said")
        self.record = RecordButton(theme, self)
        self.open_button = QPushButton(self.tr("Open recordings…"), self)
        self.copy = QPushButton(self.tr("Copy"), self)
        self.save = QPushButton(self.tr("Save…"), self)
        self.to_chat = QPushButton(self.tr("Send to chat"), self)
        self.forget = QPushButton(self.tr("Clear"), self)
        self._second = QTimer(self)
        self._second.setInterval(250)
        self._fill()
        self._arrange()
        self._connect()
        self._restyle()
        self._refresh()

    # --- what others may do ---

    @property
    def options(self) -> ListeningOptions:
        """How it listens."""
        return self._options

    def set_options(self, options: ListeningOptions) -> None:
        """Listen so from now on; nothing is told."""
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

    def stops(self) -> tuple[QWidget, ...]:
        """Return the places between which F6 moves."""
        return (self.record,) if self.model.rowCount() == 0 else (self.view, self.record)

    def add_files(self, paths: Sequence[Path]) -> None:
        """Write these recordings down."""
        self._say("")
        self.transcriber.add(paths, self._options.transcription)
        self._refresh()

    def shut_down(self) -> None:
        """Give the microphone back before the program ends."""
        self.listener.close()
        self.transcriber.close()

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
        self.invitation.set_text(
            self.tr(
                "Hold the button while you speak, or press once to begin and once to end. Recordings and videos can "
                "be dropped here. No sound is kept, and nothing leaves this computer."
            )
        )
        self.file_progress.setRange(0, _PERCENT)
        self.file_progress.setTextVisible(False)
        self.file_progress.setAccessibleName(self.tr("Progress"))
        for button in (self.open_button, self.copy, self.save, self.to_chat, self.forget, self.file_cancel):
            button.setAccessibleName(button.text())
        self.file_cancel.setAccessibleName(self.tr("Cancel this recording"))

    def _arrange(self) -> None:
        header = QFrame(self)
        header.setObjectName("header")
        lines = QVBoxLayout(header)
        lines.setContentsMargins(2 * GRID, GRID, 2 * GRID, GRID)
        lines.setSpacing(GRID)
        self._head, self._second_head = QHBoxLayout(), QHBoxLayout()
        for line in (self._head, self._second_head):
            line.setSpacing(GRID)
            lines.addLayout(line)
        self._head.addWidget(self._title, 1)
        for widget in (self.phrases_button, self.devices, self.language, self.target):
            self._head.addWidget(widget)
        self._pages.addWidget(self.invitation)
        self._pages.addWidget(self.view)
        self._file_row = QFrame(self)
        self._file_row.setObjectName("card")
        file = QHBoxLayout(self._file_row)
        file.setContentsMargins(2 * GRID, GRID, GRID, GRID)
        file.setSpacing(2 * GRID)
        file.addWidget(self.file_name)
        file.addWidget(self.file_progress, 1)
        file.addWidget(self.file_cancel)
        self.file_cancel.setProperty("kind", "flat")
        about = QHBoxLayout()
        about.addWidget(self.state, 1)
        about.addWidget(self.time)
        self._dock = QWidget(self)
        dock = QVBoxLayout(self._dock)
        dock.setContentsMargins(0, 0, 0, 0)
        dock.setSpacing(GRID // 2)
        dock.addWidget(self.waveform)
        dock.addLayout(about)
        left = QHBoxLayout()
        left.addWidget(self.open_button)
        left.addStretch(1)
        self._keeping = QWidget(self)
        keeping = QHBoxLayout(self._keeping)
        keeping.setContentsMargins(0, 0, 0, 0)
        keeping.setSpacing(0)
        keeping.addStretch(1)
        for button in (self.copy, self.save, self.to_chat, self.forget):
            button.setProperty("kind", "flat")
            keeping.addWidget(button)
        tools = self._tools = QGridLayout()
        tools.setHorizontalSpacing(GRID)
        tools.setVerticalSpacing(0)
        tools.addLayout(left, 1, 0)
        tools.addWidget(self.record, 1, 1)
        tools.addWidget(self._keeping, 1, 2)
        tools.setColumnStretch(0, 1)
        tools.setColumnStretch(2, 1)
        inside = QWidget(self)
        inside.setMaximumWidth(_COLUMN_AT_MOST)
        column = QVBoxLayout(inside)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self.phrases)
        column.addWidget(self._pages, 1)
        column.addWidget(self._file_row)
        column.addWidget(self.said)
        column.addWidget(self._dock)
        column.addLayout(tools)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(inside, 1000)
        row.addStretch(1)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(0)
        outside.addWidget(header)
        outside.addLayout(row, 1)

    def _connect(self) -> None:
        listener, transcriber = self.listener, self.transcriber
        self.record.start_requested.connect(self.start)
        self.record.stop_requested.connect(listener.stop)
        listener.state_changed.connect(self._state_changed)
        listener.opened.connect(self._opened)
        listener.level.connect(self.record.show_level)
        listener.waveform.connect(self.waveform.add)
        listener.speech_started.connect(lambda: self.waveform.set_speech(True))
        listener.speech_ended.connect(lambda: self.waveform.set_speech(False))
        listener.partial.connect(self._partial)
        listener.utterance.connect(self._utterance)
        listener.failed.connect(self._failed)
        listener.finished.connect(self._finished)
        transcriber.started.connect(self._file_started)
        transcriber.progressed.connect(self._file_progressed)
        transcriber.utterance.connect(lambda _job, utterance: self._utterance(utterance))
        transcriber.finished.connect(self._file_finished)
        transcriber.idle.connect(self._refresh)
        self.language.activated.connect(lambda _: self._chosen())
        self.target.activated.connect(lambda _: self._chosen())
        self.devices.activated.connect(lambda _: self._chosen())
        self.phrases.textChanged.connect(self._chosen)
        self.phrases_button.toggled.connect(self._show_phrases)
        self.open_button.clicked.connect(lambda _checked=False: self._open())
        self.copy.clicked.connect(lambda _checked=False: self._copy())
        self.view.copy_requested.connect(self._copy)
        self.save.clicked.connect(lambda _checked=False: self._save())
        self.to_chat.clicked.connect(lambda _checked=False: self.send_requested.emit(self.model.text()))
        self.forget.clicked.connect(lambda _checked=False: self._forget())
        self.file_cancel.clicked.connect(lambda _checked=False: self._cancel_file())
        self.watch.changed.connect(self._look_for_devices)
        self._second.timeout.connect(self._tick)
        self._session.state_changed.connect(lambda _: self._refresh())
        self._theme.changed.connect(self._restyle)

    # --- coming, dropping, keys ---

    def showEvent(self, event: QShowEvent) -> None:
        """Look for microphones, and be ready for the space bar."""
        super().showEvent(event)
        self._look_for_devices()
        if not event.spontaneous():
            self.record.setFocus(Qt.FocusReason.OtherFocusReason)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put what does not fit into a line of its own."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room = self.width() - 4 * GRID
        choices = (self.language, self.target)
        head = (self._title, self.phrases_button, self.devices, *choices)
        tight = sum(widget.sizeHint().width() + GRID for widget in head if not widget.isHidden()) > room
        line, other = (self._second_head, self._head) if tight else (self._head, self._second_head)
        for choice in choices:
            if other.indexOf(choice) >= 0:
                other.removeWidget(choice)
                line.addWidget(choice, 1 if tight else 0)
        beside = self._keeping.sizeHint().width() + self.record.sizeHint().width() / 2 + GRID
        above = 2 * beside > min(room, _COLUMN_AT_MOST) - 4 * GRID
        if (self._tools.indexOf(self._keeping) >= 0) and above != self._above:
            self._above = above
            self._tools.removeWidget(self._keeping)
            self._tools.addWidget(self._keeping, *((0, 0, 1, 3) if above else (1, 2, 1, 1)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Stop with Esc: the recording first, then the file."""
        if event.key() == Qt.Key.Key_Escape:
            if self.listener.state is ListenerState.RECORDING:
                self.listener.stop()
            elif self.transcriber.jobs:
                self._cancel_file()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()
            self._say(self.tr("Drop to write it down"))

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Take the hint away."""
        self._say("")

    def dropEvent(self, event: QDropEvent) -> None:
        """Write the files down."""
        event.acceptProposedAction()
        self.add_files([Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()])

    # --- recording ---

    def start(self) -> None:
        """Begin to listen."""
        self._say("")
        title = self.tr("Microphone, {time}").format(time=datetime.datetime.now().strftime("%H:%M"))
        if self.listener.start(self._options):
            self._begin_section(title)
            self.waveform.clear()

    def _begin_section(self, title: str) -> None:
        self._section = title
        self.model.begin(title)

    def _state_changed(self, state: ListenerState) -> None:
        self.record.show_state(state)
        if state is ListenerState.RECORDING:
            self._name, self._seconds = "", 0.0
            self.time.setText(clock(0))
            self._announce(self.tr("Recording"))
        else:
            self._second.stop()
            self.waveform.set_speech(False)
        self._refresh()

    def _opened(self, name: str) -> None:
        self._name = name
        self._second.start()
        self._refresh()

    def _tick(self) -> None:
        self._seconds += self._second.interval() / 1000
        self.time.setText(clock(self._seconds))

    def _partial(self, text: str) -> None:
        self.model.set_partial(text)
        self._refresh()

    def _utterance(self, utterance: Utterance) -> None:
        self.model.add(utterance)
        self._refresh()
        self._announce(utterance.translation or utterance.text)

    def _failed(self, sentence: str) -> None:
        self._say(sentence, alarming=True)

    def _finished(self, text: str) -> None:
        self.model.set_partial("")
        if not text and not self.said.text():
            self._say(self.tr("Nothing was understood. Speak closer to the microphone, or choose another one."))
        if self.model.empty:
            self.model.clear()
        self._refresh()

    # --- recordings from files ---

    def _open(self) -> None:
        paths = self.choose_files()
        if paths:
            self.add_files(paths)

    def _file_started(self, job: FileJob) -> None:
        self._begin_section(job.path.name)
        self.file_progress.setRange(0, 0)
        self._refresh()

    def _file_progressed(self, job: FileJob, share: float) -> None:
        self.file_progress.setRange(0, _PERCENT if share >= 0 else 0)
        if share >= 0:
            self.file_progress.setValue(round(share * _PERCENT))

    def _file_finished(self, job: FileJob, sentence: str) -> None:
        if sentence:
            self._say(sentence, alarming=True)
        elif not job.cancel.cancelled:
            if any(title == job.path.name for title, _ in self.model.sections()):
                self._announce(self.tr("{name} is written down.").format(name=job.path.name))
            else:
                self._say(self.tr("Nobody speaks in {name}.").format(name=job.path.name))
        if self.model.empty:
            self.model.clear()
        self._refresh()

    def _cancel_file(self) -> None:
        jobs = self.transcriber.jobs
        if jobs:
            self.transcriber.cancel(jobs[0])

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

    def _look_for_devices(self) -> None:
        self._background.run(self.list_microphones, self._show_devices, lambda _: self._show_devices([]))

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

    # --- keeping ---

    def _copy(self) -> None:
        chosen = self.view.chosen if self.view.hasFocus() else []
        text = self.model.text(chosen) if chosen else self.model.text()
        QGuiApplication.clipboard().setText(text.rstrip("\n"))
        self._say(self.tr("Copied."))

    def _save(self) -> None:
        title = self._section.replace(":", ".")
        path = self.choose_target(f"{Path(title).stem or self.tr('Transcript')}.txt")
        if path is None:
            return
        texts = self.model.subtitles() if path.suffix.lower() == ".srt" else [self.model.text(times=True)]
        paths = [path if len(texts) == 1 else path.with_stem(f"{path.stem} {n}") for n in range(1, len(texts) + 1)]

        def write() -> None:
            for each, text in zip(paths, texts, strict=True):
                each.write_text(text, encoding="utf-8")

        self._background.run(
            write,
            lambda _: self._say(self.tr("Saved as {name}.").format(name=", ".join(each.name for each in paths))),
            lambda _: self._say(
                self.tr("{name} could not be written. Choose another folder.").format(name=path.name), alarming=True
            ),
        )

    def _forget(self) -> None:
        self.model.clear()
        self.waveform.clear()
        self._say("")
        if self.listener.state is not ListenerState.IDLE or self.transcriber.jobs:
            self.model.begin(self._section)
        self._refresh()
        self.record.setFocus(Qt.FocusReason.OtherFocusReason)

    def _ask_for_files(self) -> Sequence[Path]:
        start = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MusicLocation)
        kinds = f"{self.tr('Recordings and videos')} ({_PATTERNS});;{self.tr('All files')} (*)"
        chosen, _ = QFileDialog.getOpenFileNames(self, self.tr("Open recordings"), start or str(Path.home()), kinds)
        return [Path(each) for each in chosen]

    def _ask_for_target(self, name: str) -> Path | None:
        documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
        start = str(Path(documents or Path.home()) / name)
        kinds = {f"{self.tr('Text')} (*.txt)": ".txt", f"{self.tr('Subtitles')} (*.srt)": ".srt"}
        chosen, kind = QFileDialog.getSaveFileName(self, self.tr("Save what was said"), start, ";;".join(kinds))
        if not chosen:
            return None
        path = Path(chosen)
        return path if path.suffix.lower() in kinds.values() else path.with_name(path.name + kinds.get(kind, ".txt"))

    # --- how it looks ---

    def _refresh(self) -> None:
        state, model = self.listener.state, self._session.model
        rows = self.model.rowCount() > 0
        recording = state is ListenerState.RECORDING
        self._pages.setCurrentWidget(self.view if rows else self.invitation)
        jobs = self.transcriber.jobs
        self._file_row.setVisible(bool(jobs))
        if jobs:
            more = self.tr(" and {count} more").format(count=len(jobs) - 1) if len(jobs) > 1 else ""
            self.file_name.setText(jobs[0].path.name + more)
        deaf = model is not None and "audio" not in model.modalities
        words = ""
        if recording:
            words = self.tr("Listening: {name}").format(name=self._name) if self._name else self.tr("Opening …")
        elif state is ListenerState.PROCESSING:
            words = self.tr("Writing down …")
        elif deaf and model is not None:
            words = self.tr("{model} does not understand sound. Choose a model that does.").format(model=model.name)
        self.state.setText(words)
        self.time.setVisible(state is not ListenerState.IDLE)
        self._dock.setVisible(state is not ListenerState.IDLE or bool(words))
        self.waveform.setVisible(state is not ListenerState.IDLE)
        self.record.setEnabled(not deaf or recording)
        self.open_button.setEnabled(not deaf)
        for button in (self.copy, self.save, self.to_chat):
            button.setEnabled(not self.model.empty)
            button.setVisible(rows)
        self.forget.setVisible(rows)
        self.forget.setEnabled(not self.model.empty)

    def _say(self, sentence: str, *, alarming: bool = False) -> None:
        self.said.setText(sentence)
        self.said.setProperty("alarming", "yes" if alarming else "no")
        self.said.style().unpolish(self.said)
        self.said.style().polish(self.said)
        self.said.setVisible(bool(sentence))
        if sentence:
            self._announce(sentence)

    def _announce(self, sentence: str) -> None:
        if QAccessible.isActive():
            QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(self, sentence))

    def _restyle(self) -> None:
        colours = self._theme.colours
        title = self._theme.body_font
        title.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(title)
        count = len(self._options.phrases)
        self.phrases_button.setText(self.tr("Spelling ({count})").format(count=count) if count else self.tr("Spelling"))
        self.open_button.setIcon(self._theme.icon("folder", colours.muted, 18))
        self.copy.setIcon(self._theme.icon("copy", colours.muted, 16))
        self.to_chat.setIcon(self._theme.icon("chat", colours.muted, 16))
        for button in (self.open_button, self.copy, self.to_chat):
            button.setIconSize(QSize(16, 16))
        for label in (self.said, self.state, self.time, self.file_name):
            label.setFont(self._theme.small_font)
        self._fit()
        self.said.setVisible(bool(self.said.text()))
