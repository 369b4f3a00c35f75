"""Writes down what is said in files, one after the other, behind everything else that is asked of the model."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.error_report import describe
from app.reply_frame import Frame
from app.session import Session
from inference.cancellation import CancelToken
from inference.errors import LarimarError
from inference.media.audio import SAMPLE_RATE
from inference.media.voice_activity import Judge
from inference.transcription import (
    Progress,
    Speech,
    TranscriptionOptions,
    Utterance,
    find_speech,
    loops,
    read_transcription,
    transcription_reply,
    transcription_turns,
)

log = logging.getLogger(__name__)

_AHEAD = 2  # utterances that are in memory while another one is with the model
_JOIN_SECONDS = 5.0


@dataclass(eq=False, slots=True)
class FileJob:
    """A file that is or will be written down."""

    path: Path
    options: TranscriptionOptions
    cancel: CancelToken = field(default_factory=CancelToken)
    room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AHEAD))
    waiting: list[Speech] = field(default_factory=list)
    asked: Speech | None = None
    turn: int = 0
    answer: str = ""
    total: float | None = None
    """Seconds that the file lasts, if it says so."""
    read: bool = False
    """Whether the whole file was listened to."""
    sentence: str = ""
    """What went wrong."""


class FileTranscriber(QObject):
    """All of it is for the GUI thread; files are decoded on one of its own."""

    started = Signal(object)
    """A file's turn has come; carries its :class:`FileJob`."""
    progressed = Signal(object, float)
    """Carries the job and how much of it is done, 0 to 1; less than 0 while that is not known."""
    utterance = Signal(object, object)
    """Carries the job and an :class:`~inference.transcription.Utterance`, in order."""
    finished = Signal(object, str)
    """A file is done, was cancelled, or failed; carries the job, and a sentence in the last case."""
    idle = Signal()
    """All files are done."""

    _found = Signal(object, object)
    _read = Signal(object, str)

    def __init__(
        self, session: Session, parent: QObject | None = None, *, judge: Callable[[], Judge] | None = None
    ) -> None:
        super().__init__(parent)
        self._session = session
        self._judge = judge or _silero
        self._jobs: list[FileJob] = []
        self._to_read: queue.SimpleQueue[FileJob | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        session.frame.connect(self._frame_arrived)
        self._found.connect(self._take)
        self._read.connect(self._file_read)

    @property
    def jobs(self) -> tuple[FileJob, ...]:
        """The file under way, and those that wait."""
        return tuple(self._jobs)

    def add(self, paths: Sequence[Path], options: TranscriptionOptions) -> None:
        """Write these files down too, when those before are done."""
        self._jobs += [FileJob(path, options) for path in paths]
        if len(self._jobs) == len(paths):
            self._begin()

    def cancel(self, job: FileJob | None = None) -> None:
        """Give up ``job``, or all files; what was written down stays."""
        for each in [job] if job is not None else reversed(self.jobs):
            each.cancel.cancel()
            each.room.release()
            if each.turn:
                self._session.withdraw(each.turn)
            if each in self._jobs[1:]:
                self._jobs.remove(each)
                self.finished.emit(each, "")
        self._go_on()

    def close(self) -> None:
        """Give up all files and end the thread."""
        for job in self._jobs:
            job.cancel.cancel()
            job.room.release()
        self._jobs = []
        if self._thread is not None:
            self._to_read.put(None)
            self._thread.join(_JOIN_SECONDS)

    # --- how ---

    def _begin(self) -> None:
        if not self._jobs:
            self.idle.emit()
            return
        job = self._jobs[0]
        self.started.emit(job)
        model = self._session.model
        if model is not None and "audio" not in model.modalities:
            sentence = self.tr("{model} does not understand sound. Choose a model that does.")
            job.read, job.sentence = True, sentence.format(model=model.name)
            self._go_on()
            return
        self._session.wake()
        if self._thread is None:
            self._thread = threading.Thread(target=self._read_files, name="larimar-transcriber", daemon=True)
            self._thread.start()
        self._to_read.put(job)

    def _take(self, job: FileJob, found: Speech | Progress) -> None:
        if job.cancel.cancelled:
            return
        if isinstance(found, Speech):
            job.waiting.append(found)
            self._go_on()
            return
        job.total = found.total
        if not job.waiting and job.asked is None:
            self._tell_progress(job, found.seconds)

    def _file_read(self, job: FileJob, sentence: str) -> None:
        job.read, job.sentence = True, sentence
        self._go_on()

    def _go_on(self) -> None:
        """Ask about the next utterance of the first file, or begin the next file."""
        if not self._jobs:
            return
        job = self._jobs[0]
        if job.turn:
            return
        if job.waiting and not job.cancel.cancelled:
            speech = job.asked = job.waiting.pop(0)
            job.room.release()
            length = len(speech.samples) / SAMPLE_RATE
            job.answer = ""
            job.turn = self._session.submit(
                transcription_turns(speech.recording, job.options),
                transcription_reply(job.options, length),
                background=True,
            )
        elif job.read:
            self._jobs.pop(0)
            self.finished.emit(job, "" if job.cancel.cancelled else job.sentence)
            self._begin()

    def _frame_arrived(self, frame: Frame) -> None:
        job = self._jobs[0] if self._jobs else None
        if job is None or job.turn != frame.turn:
            return
        job.answer += frame.text
        if frame.text and not frame.last and loops(job.answer):
            self._session.withdraw(job.turn)
        if not frame.last:
            return
        speech, job.asked, job.turn = job.asked, None, 0
        if frame.error:
            job.sentence = job.sentence or frame.error
            job.cancel.cancel()
            job.room.release()
            job.waiting.clear()
            self._jobs.pop(0)
            self.finished.emit(job, frame.error)
            self._begin()
            return
        if speech is not None and not job.cancel.cancelled:
            self._tell_progress(job, speech.end)
            text, translation = read_transcription(job.answer, job.options)
            if text or translation:
                self.utterance.emit(job, Utterance(speech.start, speech.end, text, translation))
        self._go_on()

    def _tell_progress(self, job: FileJob, seconds: float) -> None:
        self.progressed.emit(job, min(seconds / job.total, 1.0) if job.total else -1.0)

    # --- on the thread ---

    def _read_files(self) -> None:
        judge: Judge | None = None
        while (job := self._to_read.get()) is not None:
            sentence = ""
            try:
                judge = self._judge()  # a new one remembers nothing of the file before
                for found in find_speech(job.path, judge, job.cancel):
                    if isinstance(found, Speech):
                        job.room.acquire()
                    if job.cancel.cancelled:
                        break
                    self._found.emit(job, found)
            except LarimarError as error:
                sentence = str(error)
            except BaseException as error:
                log.error("Unexpected while reading a recording: %s", describe(error))
                sentence = "Something went wrong inside Larimar while it was reading this file."
            self._read.emit(job, sentence)


def _silero() -> Judge:
    from inference.graphs.voice_activity import VoiceActivityModel

    return VoiceActivityModel()
