"""A conversation without hands: listen, let the model answer aloud, listen again; speaking interrupts it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from PySide6.QtCore import QElapsedTimer, QObject, QTimer, Signal, SignalInstance

from app.hearing.listener import ListenerState, ListeningOptions, Utterance
from app.voice.echo import EchoGate
from app.voice.spoken_reply import SpokenReply

log = logging.getLogger(__name__)

PATIENCE_MS = 500
"""How long a pause after an utterance lasts that ends what somebody wanted to say."""
_ECHO_TAIL_MS = 400
"""How long after our last word its echo may still come in."""
_LOUDER_MS = 300
"""How long before speech is found in a sound its loudness may have been noticed."""


class Hears(Protocol):
    """What is needed of :class:`app.hearing.listener.Listener`."""

    accepts: Callable[[], bool]
    state_changed: SignalInstance
    waveform: SignalInstance
    speech_started: SignalInstance
    speech_ended: SignalInstance
    partial: SignalInstance
    utterance: SignalInstance
    nothing_said: SignalInstance
    finished: SignalInstance
    failed: SignalInstance

    @property
    def state(self) -> ListenerState:
        """What it does now."""

    def start(self, options: ListeningOptions | None = None) -> bool:
        """Begin to listen."""

    def begin_anew(self) -> None:
        """Forget what is being said but for the end of it."""

    def cancel(self) -> None:
        """Stop at once and forget."""


class Talks(Protocol):
    """The conversation on the screen, as far as it is needed."""

    @property
    def busy(self) -> bool:
        """Whether a reply is under way."""

    def ask(self, text: str) -> bool:
        """Ask; return whether that was possible."""

    def stop(self) -> None:
        """End the reply under way."""


class Phase(Enum):
    """Whose turn it is."""

    OFF = "off"
    LISTENING = "listening"
    """Nobody speaks."""
    HEARING = "hearing"
    """The user speaks, or what was said is being understood."""
    THINKING = "thinking"
    """The model reads or thinks, and nothing of the answer can be heard yet."""
    SPEAKING = "speaking"


class HandsFree(QObject):
    """Owns whose turn it is. All of it is for the GUI thread.

    Args:
        listener: of its own, not shared with anything.
        reply: reads replies aloud; is fed elsewhere.
        talk: the conversation.
    """

    phase_changed = Signal(object)
    """Carries the new :class:`Phase`."""
    heard = Signal(str)
    """What the user is saying, as far as it is understood."""
    advised = Signal(str)
    """Carries advice, as a sentence: our own voice comes back through the microphone."""
    failed = Signal(str)
    """It ended by itself; carries why."""

    def __init__(self, listener: Hears, reply: SpokenReply, talk: Talks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._listener = listener
        self._reply = reply
        self._talk = talk
        self._phase = Phase.OFF
        self._cancels_echo = False
        self._gate = EchoGate()
        self._silent_since = QElapsedTimer()
        self._louder_since = QElapsedTimer()
        self._in_speech = False
        self._own = False  # what the microphone hears now began as our own voice
        self._texts: list[str] = []
        self._question = ""
        self._interrupted = False
        self._advised = False
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._all_said)
        listener.accepts = self._is_for_us
        listener.waveform.connect(self._waveform)
        listener.speech_started.connect(self._speech_started)
        listener.speech_ended.connect(self._speech_ended)
        listener.partial.connect(self._partial)
        listener.utterance.connect(self._utterance)
        listener.nothing_said.connect(self._nothing_said)
        listener.failed.connect(self._failed)
        listener.finished.connect(self._finished)
        reply.speaking_changed.connect(self._speaking_changed)
        reply.ended.connect(self._reply_said)

    @property
    def phase(self) -> Phase:
        """Whose turn it is."""
        return self._phase

    @property
    def active(self) -> bool:
        """Whether a conversation without hands is going on."""
        return self._phase is not Phase.OFF

    def start(self, options: ListeningOptions, *, cancels_echo: bool) -> bool:
        """Begin to listen; return whether that was possible. ``cancels_echo``: the device takes our own voice out."""
        if self.active:
            return True
        self._texts, self._question, self._own, self._in_speech = [], "", False, False
        self._interrupted = self._advised = False
        self._cancels_echo, self._gate = cancels_echo, EchoGate()
        self._silent_since.invalidate()
        self._louder_since.invalidate()
        self._set(Phase.LISTENING)
        if not self._listener.start(options):
            self._set(Phase.OFF)
            return False
        log.info("A conversation without hands began, echo cancelled: %s", cancels_echo)
        return True

    def end(self) -> None:
        """Stop listening and speaking, and the reply under way."""
        if not self.active:
            return
        self._set(Phase.OFF)
        self._patience.stop()
        self._listener.cancel()
        self._reply.stop()
        self._talk.stop()

    # --- who speaks ---

    def _set(self, phase: Phase) -> None:
        if phase is not self._phase:
            self._phase = phase
            self.phase_changed.emit(phase)

    @property
    def _we_are_heard(self) -> bool:
        """Whether our own voice can come in through the microphone now."""
        recently = self._silent_since.isValid() and self._silent_since.elapsed() < _ECHO_TAIL_MS
        return self._reply.speaking or recently

    def _waveform(self, peaks: object) -> None:
        if not self._we_are_heard:
            if self._in_speech and not self._own:
                self._gate.learn(peaks)  # type: ignore[arg-type]
            return
        if self._gate.heard(peaks):  # type: ignore[arg-type]
            self._louder_since.start()
            if self._in_speech and self._own and self._reply.speaking:
                self._own = False
                self._listener.begin_anew()  # what it heard until now was mostly ours
                self._interrupt()

    def _speech_started(self) -> None:
        self._in_speech = True
        louder = self._louder_since.isValid() and self._louder_since.elapsed() < _LOUDER_MS
        self._own = self._we_are_heard and not louder
        if self._own:
            self._advise()
        else:
            self._interrupt()

    def _speech_ended(self) -> None:
        self._in_speech = False

    def _is_for_us(self) -> bool:
        return not self._own

    def _interrupt(self) -> None:
        """Let the user speak: whatever we were doing ends, within milliseconds."""
        if not self.active:
            return
        self._patience.stop()
        self._interrupted = self._interrupted or self._reply.speaking
        self._reply.stop()
        self._talk.stop()
        self._set(Phase.HEARING)

    def _advise(self) -> None:
        if not self._advised and not self._cancels_echo:
            self._advised = True
            self.advised.emit(
                self.tr(
                    "The microphone hears Larimar’s own voice. To interrupt it, speak louder than it does, or use "
                    "headphones."
                )
            )

    # --- what was said ---

    def _partial(self, text: str) -> None:
        if self._phase is Phase.HEARING:
            self.heard.emit(" ".join([*self._texts, text]))

    def _utterance(self, utterance: Utterance) -> None:
        if not self.active:
            return
        self._texts.append(utterance.text)
        self.heard.emit(" ".join(self._texts))
        if not self._in_speech or self._own:
            self._patience.start()

    def _nothing_said(self) -> None:
        """Take up what was interrupted by a cough."""
        if self._phase is not Phase.HEARING or self._texts or self._in_speech:
            return
        if self._interrupted and self._reply.resume():
            self._set(Phase.SPEAKING)
        else:
            self._set(Phase.LISTENING)
        self._interrupted = False

    def _all_said(self) -> None:
        self._interrupted = False
        self._question, self._texts = " ".join(self._texts), []
        self.ask_soon()

    def ask_soon(self) -> None:
        """Ask what was said, or wait until the reply that was interrupted has ended; call it again then."""
        if not self.active or not self._question or self._talk.busy:
            return
        question, self._question = self._question, ""
        self._set(Phase.THINKING)
        if not self._talk.ask(question):
            self._set(Phase.LISTENING)

    # --- our own voice ---

    def _speaking_changed(self, speaking: bool) -> None:
        if speaking:
            self._silent_since.invalidate()
            self._gate.forget()
            if self._phase is Phase.THINKING:
                self._set(Phase.SPEAKING)
        else:
            self._silent_since.start()

    def _reply_said(self) -> None:
        if self._phase in (Phase.SPEAKING, Phase.THINKING):
            self._set(Phase.LISTENING)

    # --- the listener ---

    def _failed(self, sentence: str) -> None:
        if self.active:
            self.end()
            self.failed.emit(sentence)

    def _finished(self, _text: str) -> None:
        if self.active:  # somebody stopped the microphone from outside
            self.end()
