"""The microphone pane: speak and it is written down, or let recordings be written down."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QSize, QStandardPaths, Qt, QTimer, Signal
from PySide6.QtGui import (
    QAccessible,
    QAccessibleAnnouncementEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QKeyEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QFileDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.background import Background
from app.hearing.file_transcriber import FileJob, FileTranscriber
from app.hearing.listener import Listener, ListenerState, ListeningOptions
from app.live_senses import LiveSenses
from app.microphone.file_row import FileRow
from app.microphone.keeping import Keeping
from app.microphone.listening_header import ListeningHeader
from app.microphone.record_button import RecordButton
from app.microphone.transcript_model import TranscriptModel
from app.microphone.transcript_view import TranscriptView
from app.microphone.waveform import Waveform
from app.paths import home_folder
from app.session import Session
from app.theme import GRID, Theme
from app.widgets.leading import leading
from app.widgets.middle_column import middle_column
from app.widgets.notice import Notice
from inference.media.kinds import ENDINGS
from inference.transcript import clock
from inference.transcription import Utterance

_COLUMN_AT_MOST = 860
_PATTERNS = " ".join(f"*.{ending}" for kind in ("audio", "video") for ending in ENDINGS[kind])
"""What the dialog offers first; anything that FFmpeg reads can be opened."""


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
        self._name = ""
        self._seconds = 0.0
        self._above = False
        self.choose_files: Callable[[], Sequence[Path]] = self._ask_for_files
        self.listener = listener or Listener(session, senses, self)
        self.transcriber = transcriber or FileTranscriber(session, self)
        self.setAcceptDrops(True)
        self.header = ListeningHeader(theme, background, self)
        self.model = TranscriptModel(self)
        self.view = TranscriptView(theme, self.model, self)
        self.invitation = Notice(theme, "microphone", self.tr("Speak, and it is written down"), parent=self)
        self._pages = QStackedWidget(self)
        self.file_row = FileRow(theme, self)
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
        self.keeping = Keeping(theme, background, self.model, self.view, self)
        self._second = QTimer(self)
        self._second.setInterval(250)
        self._arrange()
        self._connect()
        self._restyle()
        self._refresh()

    # --- what others may do ---

    @property
    def options(self) -> ListeningOptions:
        """How it listens."""
        return self.header.options

    def set_options(self, options: ListeningOptions) -> None:
        """Listen so from now on; nothing is told."""
        self.header.set_options(options)

    def stops(self) -> tuple[QWidget, ...]:
        """Return the places between which F6 moves."""
        return (self.record,) if self.model.rowCount() == 0 else (self.view, self.record)

    def add_files(self, paths: Sequence[Path]) -> None:
        """Write these recordings down."""
        self._say("")
        self.transcriber.add(paths, self.header.options.transcription)
        self._refresh()

    def shut_down(self) -> None:
        """Give the microphone back before the program ends."""
        self.listener.close()
        self.transcriber.close()

    # --- set-up ---

    def _arrange(self) -> None:
        self.invitation.set_text(
            self.tr(
                "Hold the button while you speak, or press once to begin and once to end. Recordings and videos can "
                "be dropped here. No sound is kept, and nothing leaves this computer."
            )
        )
        self._open_words = self.open_button.text()
        self.open_button.setAccessibleName(self._open_words)
        self.open_button.setToolTip(self._open_words)
        self._pages.addWidget(self.invitation)
        self._pages.addWidget(self.view)
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
        tools = self._tools = QGridLayout()
        tools.setHorizontalSpacing(GRID)
        tools.setVerticalSpacing(0)
        tools.addLayout(left, 1, 0)
        tools.addWidget(self.record, 1, 1)
        tools.addWidget(self.keeping, 1, 2)
        tools.setColumnStretch(0, 1)
        tools.setColumnStretch(2, 1)
        inside = QWidget(self)
        column = QVBoxLayout(inside)
        column.setContentsMargins(3 * GRID, 2 * GRID, 3 * GRID, GRID)
        column.setSpacing(GRID)
        column.addWidget(self.header.phrases)
        column.addWidget(self._pages, 1)
        column.addWidget(self.file_row)
        column.addWidget(self.said)
        column.addWidget(self._dock)
        column.addLayout(tools)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(0, 0, 0, 0)
        outside.setSpacing(0)
        outside.addWidget(self.header)
        outside.addLayout(middle_column(inside, _COLUMN_AT_MOST), 1)

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
        self.header.options_changed.connect(self.options_changed)
        self.open_button.clicked.connect(lambda _checked=False: self._open())
        self.keeping.send_requested.connect(self.send_requested)
        self.keeping.forgotten.connect(self._forget)
        self.keeping.said.connect(lambda sentence, alarming: self._say(sentence, alarming=alarming))
        self.file_row.cancel_requested.connect(self._cancel_file)
        self._second.timeout.connect(self._tick)
        self._session.state_changed.connect(lambda _: self._refresh())
        self._theme.changed.connect(self._restyle)

    # --- coming, dropping, keys ---

    def showEvent(self, event: QShowEvent) -> None:
        """Look for microphones, and be ready for the space bar."""
        super().showEvent(event)
        self.header.look_for_devices()
        if not event.spontaneous():
            self.record.setFocus(Qt.FocusReason.OtherFocusReason)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the buttons beside the round one where there is room, else over it."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room = min(self.width() - 4 * GRID, _COLUMN_AT_MOST) - 4 * GRID
        beside = self.keeping.sizeHint().width() + self.record.sizeHint().width() / 2 + GRID
        above = 2 * beside > room
        # with its words this button would push the round one out of the middle
        self.open_button.setText("" if above else f" {self._open_words}")
        if above != self._above:
            self._above = above
            self._tools.removeWidget(self.keeping)
            self._tools.addWidget(self.keeping, *((0, 0, 1, 3) if above else (1, 2, 1, 1)))

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
        if self.listener.start(self.header.options):
            self._begin_section(title)
            self.waveform.clear()

    def _begin_section(self, title: str) -> None:
        self.keeping.section = title
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
        self.file_row.show_share(-1.0)
        self._refresh()

    def _file_progressed(self, job: FileJob, share: float) -> None:
        self.file_row.show_share(share)

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

    def _forget(self) -> None:
        self.model.clear()
        self.waveform.clear()
        self._say("")
        if self.listener.state is not ListenerState.IDLE or self.transcriber.jobs:
            self.model.begin(self.keeping.section)
        self._refresh()
        self.record.setFocus(Qt.FocusReason.OtherFocusReason)

    def _ask_for_files(self) -> Sequence[Path]:
        start = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.MusicLocation)
        kinds = f"{self.tr('Recordings and videos')} ({_PATTERNS});;{self.tr('All files')} (*)"
        chosen, _ = QFileDialog.getOpenFileNames(self, self.tr("Open recordings"), start or str(home_folder()), kinds)
        return [Path(each) for each in chosen]

    # --- how it looks ---

    def _refresh(self) -> None:
        state, model = self.listener.state, self._session.model
        rows = self.model.rowCount() > 0
        recording = state is ListenerState.RECORDING
        self._pages.setCurrentWidget(self.view if rows else self.invitation)
        jobs = self.transcriber.jobs
        if jobs:
            self.file_row.show_file(jobs[0].path.name, len(jobs) - 1)
        else:
            self.file_row.hide()
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
        self.keeping.refresh()

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
        self.open_button.setIcon(self._theme.icon("folder", self._theme.colours.muted, 18))
        self.open_button.setIconSize(QSize(16, 16))
        for label in (self.said, self.state, self.time):
            label.setFont(self._theme.small_font)
        self._fit()
        self.said.setVisible(bool(self.said.text()))
