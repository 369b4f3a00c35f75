"""Listens to somebody and writes down what is said, while it is said."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal

from app.devices.audio_source import AudioSource, audio_source
from app.hearing.recorder import Recorder
from app.live_senses import LiveSenses, Sense
from app.reply_frame import Frame
from app.session import Session, SessionState
from app.sound_stream import SoundStream
from inference.media.log_mel import SAMPLE_RATE
from inference.media.voice_activity import Judge, SpeechBegun, SpeechEnded, SpeechEvent, SpeechSound
from inference.messages import Audio, Text, Turn
from inference.transcript import joined_text
from inference.transcription import (
    TranscriptionOptions,
    Utterance,
    loops,
    read_transcription,
    transcription_prompt,
    transcription_reply,
    transcription_turns,
)

__all__ = ["Listener", "ListenerState", "ListeningOptions", "Utterance"]

PARTIAL_MS = 500
"""How often what is being said is written down, while the engine has time."""
_SLOW_PARTIAL = 0.8  # seconds
_SLOWER = 2.0
"""After a text that took longer than that, the model only reads for so many times as long."""
_JOIN_SECONDS = 5.0
_KEPT_SECONDS = 0.5


class ListenerState(Enum):
    """What the listener does."""

    IDLE = "idle"
    RECORDING = "recording"
    PROCESSING = "processing"
    """The device is closed or about to be; the last texts are still being made."""


@dataclass(frozen=True, slots=True)
class ListeningOptions:
    """How to listen."""

    language: str = ""
    """English name of the language that is spoken; empty leaves it to the model."""
    translate_to: str = ""
    """English name of the language to translate into as well; empty for none."""
    phrases: tuple[str, ...] = ()
    """Names and terms whose spelling the model is told."""
    device: str = ""
    """Name of the microphone; empty for the one that the system prefers."""
    partial: bool = True
    """Whether texts are wanted while somebody speaks; they cost the engine time."""

    @property
    def transcription(self) -> TranscriptionOptions:
        """What is wanted of the text."""
        return TranscriptionOptions(self.language, self.translate_to, self.phrases)


@dataclass(slots=True)
class _Said:
    """One utterance on its way to being a text."""

    stream: SoundStream
    utterance: Utterance
    turn: int = 0
    """The session's number of the question under way, for the part so far or for the whole; 0 for none."""
    whole: bool = False
    answer: str = ""
    shown: str = ""
    """What was told of it last."""
    silent: bool = False
    """Whether the question under way only lets the model read what was heard."""
    asked_at: float = 0.0
    partial_after: float = 0.0
    """When the next text of a part may be asked for, by the monotonic clock, as is ``asked_at``."""
    done: bool = False
    recent: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """The end of what was heard of it, float32 [n], 16 kHz."""
    seconds: float = 0.0
    """How much was heard of it."""


class Listener(QObject):
    """One microphone at a time. All of it is for the GUI thread.

    ``finished`` comes exactly once for each start, after a ``failed`` too, unless :meth:`cancel` was called.

    Args:
        session: the model.
        senses: is told while the microphone is open.
        source: makes the source for the name of a device.
        judge: makes what tells voices from other sounds; ``None`` takes the model that ships with the program.
    """

    state_changed = Signal(object)
    """Carries the new :class:`ListenerState`."""
    opened = Signal(str)
    """The device records now; carries its name."""
    level = Signal(float)
    """How loud it is, 0 to 1, some twenty times a second."""
    waveform = Signal(object)
    """What came in since the last one: float32 [n], the peak of each 10 ms, 0 to 1."""
    speech_started = Signal()
    """Somebody has been speaking for 130 ms."""
    speech_ended = Signal()
    """Nobody has spoken for half a second."""
    partial = Signal(str)
    """What was understood so far of what is being said; replaces the one before."""
    utterance = Signal(object)
    """Carries an :class:`~inference.transcription.Utterance`: what was said between two pauses, in order."""
    nothing_said = Signal()
    """What sounded like speech had no words in it, or was not wanted."""
    finished = Signal(str)
    """All is written down; carries the whole text (the translation, where one was wanted)."""
    failed = Signal(str)
    """Something does not work; carries a sentence. What was said before is kept, and ``finished`` follows."""

    def __init__(
        self,
        session: Session,
        senses: LiveSenses,
        parent: QObject | None = None,
        *,
        source: Callable[[str], AudioSource] = audio_source,
        judge: Callable[[], Judge] | None = None,
    ) -> None:
        super().__init__(parent)
        self.accepts: Callable[[], bool] = lambda: True
        """Asked while somebody speaks, and at the end: whether it is to be written down."""
        self._session = session
        self._senses = senses
        self._source = source
        self._judge = judge or _silero
        self._state = ListenerState.IDLE
        self._options = ListeningOptions()
        self._recorder: Recorder | None = None
        self._live: dict[Recorder, int] = {}  # those whose device is or may be open
        self._said: list[_Said] = []
        self._utterances: list[Utterance] = []
        self._broken = False
        self._partials = QTimer(self)
        self._partials.setInterval(PARTIAL_MS)
        self._partials.timeout.connect(self._ask_partial)
        session.frame.connect(self._frame_arrived)

    @property
    def state(self) -> ListenerState:
        """What it does now."""
        return self._state

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """What was said since the last start."""
        return tuple(self._utterances)

    @property
    def text(self) -> str:
        """The same as one text."""
        return joined_text(self._utterances, translated=True)

    def start(self, options: ListeningOptions | None = None) -> bool:
        """Begin to listen; return whether that was possible: it is not while the last texts are being made.

        Listening does not wait for the model: what is said while it loads or answers something else is written down
        afterwards.
        """
        if self._state is not ListenerState.IDLE:
            return False
        self._options = options or ListeningOptions()
        self._said, self._utterances, self._broken = [], [], False
        self._set_state(ListenerState.RECORDING)
        model = self._session.model
        if model is not None and "audio" not in model.modalities:
            self._fail(self.tr("{model} does not understand sound. Choose a model that does.").format(model=model.name))
            QTimer.singleShot(0, self, self._finish_if_done)
            return True
        self._session.wake()
        device = self._options.device
        recorder = self._recorder = Recorder(lambda: self._source(device), self._judge, self)
        recorder.opened.connect(self._opened)
        recorder.heard.connect(self._heard)
        recorder.speech.connect(self._speech)
        recorder.lost.connect(self._lost)
        recorder.closed.connect(self._closed)
        self._live[recorder] = self._senses.begin(Sense.MICROPHONE, self.cut)
        recorder.start()
        # what comes before the sound is the same for all utterances, and can be read before the first
        wanted = self._options.transcription
        before = Turn("user", (Text(transcription_prompt(wanted)),))
        self._session.prepare((before,), transcription_reply(wanted))
        return True

    def stop(self) -> None:
        """Stop recording in a moment, so that the last word is whole, and write down what is left."""
        self._end(lambda recorder: recorder.stop())

    def cut(self) -> None:
        """Stop recording at once, and write down what was said until now."""
        self._end(lambda recorder: recorder.cut())

    def begin_anew(self) -> None:
        """Forget what is being said but for the last half second: it was somebody else's."""
        if self._recorder is None or not self._said or self._said[-1].whole:
            return
        old = self._said.pop()
        start = old.utterance.start + old.seconds - len(old.recent) / SAMPLE_RATE
        self._drop(old)
        said = _Said(self._session.listen(), Utterance(start, start, ""))
        said.stream.feed(old.recent)
        said.seconds, said.recent = len(old.recent) / SAMPLE_RATE, old.recent
        self._said.append(said)

    def cancel(self) -> None:
        """Stop at once and forget what was said and is not written down; nothing more is told."""
        if self._state is ListenerState.IDLE:
            return
        recorder, self._recorder = self._recorder, None
        if recorder is not None:
            recorder.cut()
        for said in self._said:
            self._drop(said)
        self._said = []
        self._partials.stop()
        self._set_state(ListenerState.IDLE)

    def close(self) -> None:
        """Stop for ever, and wait for the device to be closed."""
        self.cancel()
        for recorder, live in self._live.items():
            recorder.join(_JOIN_SECONDS)
            self._senses.end(live)
        self._live.clear()

    # --- how ---

    def _obstacle(self) -> str:
        """Return why listening would be in vain, in a sentence."""
        if self._session.state is SessionState.FAILED:
            return self._session.failure
        model = self._session.model
        if model is not None and "audio" not in model.modalities:
            return self.tr("{model} does not understand sound. Choose a model that does.").format(model=model.name)
        return ""

    def _set_state(self, state: ListenerState) -> None:
        if state is not self._state:
            self._state = state
            self.state_changed.emit(state)

    def _end(self, how: Callable[[Recorder], None]) -> None:
        if self._recorder is not None:
            how(self._recorder)
            self._set_state(ListenerState.PROCESSING)

    def _opened(self, recorder: Recorder, name: str) -> None:
        if recorder is self._recorder:
            self.opened.emit(name)

    def _heard(self, recorder: Recorder, level: float, peaks: object) -> None:
        if recorder is self._recorder:
            self.level.emit(level)
            self.waveform.emit(peaks)

    def _speech(self, recorder: Recorder, events: list[SpeechEvent]) -> None:
        if recorder is not self._recorder:
            return
        for event in events:
            match event:
                case SpeechBegun(start):
                    self._said.append(_Said(self._session.listen(), Utterance(start, start, "")))
                    if self._options.partial:
                        self._partials.start()
                    self.speech_started.emit()
                case SpeechSound(samples):
                    said = self._said[-1]
                    said.stream.feed(np.ascontiguousarray(samples))
                    said.seconds += len(samples) / SAMPLE_RATE
                    said.recent = np.concatenate([said.recent, samples])[-int(_KEPT_SECONDS * SAMPLE_RATE) :]
                case SpeechEnded(end):
                    wanted = self.accepts()
                    if wanted:
                        self._ask_whole(self._said[-1], end)
                    else:
                        self._partials.stop()
                        self._drop(self._said.pop())
                    self.speech_ended.emit()
                    if not wanted:
                        self.nothing_said.emit()

    def _lost(self, recorder: Recorder, sentence: str) -> None:
        if recorder is self._recorder:
            self._fail(
                sentence or self.tr("Something went wrong inside Larimar while it was recording. Please try again.")
            )

    def _closed(self, recorder: Recorder) -> None:
        self._senses.end(self._live.pop(recorder, 0))
        recorder.deleteLater()
        if recorder is self._recorder:
            self._recorder = None
            self._set_state(ListenerState.PROCESSING)
            self._finish_if_done()

    def _ask_partial(self) -> None:
        """Ask what was said so far, if nothing else is to be done.

        A slow model mostly only reads meanwhile, or it would still be writing a part when the whole is complete.
        """
        said = self._said[-1] if self._said else None
        if said is None or said.whole or said.turn or not self._session.idle:
            return
        said.answer, said.asked_at = "", time.monotonic()
        said.silent = said.asked_at < said.partial_after
        options = transcription_reply(self._options.transcription)
        if said.silent:
            options = replace(options, max_tokens=1)
        said.turn = self._session.submit(said.stream.turns(self._turns, whole=False), options)

    def _ask_whole(self, said: _Said, end: float) -> None:
        self._partials.stop()
        if said.turn:
            self._session.withdraw(said.turn)
        said.utterance = replace(said.utterance, end=end)
        said.whole, said.silent, said.answer = True, False, ""
        options = transcription_reply(self._options.transcription, end - said.utterance.start + 1)
        said.turn = self._session.submit(said.stream.turns(self._turns, whole=True), options)

    def _turns(self, recording: Audio) -> tuple[Turn, ...]:
        return transcription_turns(recording, self._options.transcription)

    def _frame_arrived(self, frame: Frame) -> None:
        said = next((said for said in self._said if said.turn == frame.turn), None)
        if said is None:
            return
        if not said.silent:
            said.answer += frame.text
        if frame.text and not frame.last and loops(said.answer):
            self._session.withdraw(said.turn)
        text, translation = read_transcription(said.answer, self._options.transcription)
        self._tell_partial(said, translation or text, frame.last)
        if not frame.last:
            return
        said.turn = 0
        if not said.whole:
            now = time.monotonic()
            took = now - said.asked_at
            if not said.silent and took > _SLOW_PARTIAL:
                said.partial_after = now + _SLOWER * took
            return
        said.done = True
        said.stream.close()
        said.utterance = replace(said.utterance, text=text, translation=translation)
        if frame.error:
            self._fail(frame.error)
        self._tell_done()

    def _tell_partial(self, said: _Said, text: str, complete: bool) -> None:
        """Tell what is understood, but do not let a text that is known grow again from its first word."""
        first = said is self._said[0]  # else the texts before it come first
        if first and text and text != said.shown and (complete or len(text) >= len(said.shown)):
            said.shown = text
            self.partial.emit(text)

    def _tell_done(self) -> None:
        while self._said and self._said[0].done:
            utterance = self._said.pop(0).utterance
            if utterance.text or utterance.translation:
                self._utterances.append(utterance)
                self.utterance.emit(utterance)
            else:
                self.nothing_said.emit()
        self._finish_if_done()

    def _fail(self, sentence: str) -> None:
        if self._broken or self._state is ListenerState.IDLE:
            return
        self._broken = True  # one sentence is enough; what follows mostly says the same
        self.failed.emit(sentence)
        self.cut()

    def _finish_if_done(self) -> None:
        if self._recorder is None and not self._said and self._state is not ListenerState.IDLE:
            self._partials.stop()
            self._set_state(ListenerState.IDLE)
            self.finished.emit(self.text)

    def _drop(self, said: _Said) -> None:
        if said.turn:
            self._session.withdraw(said.turn)
        said.stream.close()


def _silero() -> Judge:
    from inference.graphs.voice_activity import VoiceActivityModel

    return VoiceActivityModel()
