"""A recording whose thread tells the window by signals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from app.devices.audio_source import AudioSource
from app.hearing.recording import Recording
from inference.media.voice_activity import Judge, SpeechEvent


class Recorder(QObject):
    """One recording, see :class:`Recording`.

    The signals come on the audio thread, so connect them to methods of objects that live on the GUI's. The first thing
    that each carries is the recorder itself.
    """

    opened = Signal(object, str)
    """The device records; carries its name."""
    heard = Signal(object, float, object)
    """Sound came in; carries how loud it is, 0 to 1, and its waveform: float32 [n], the peak of each 10 ms."""
    speech = Signal(object, object)
    """Carries a list of :data:`inference.media.voice_activity.SpeechEvent`."""
    lost = Signal(object, str)
    """The device cannot be used, or no longer; carries a sentence, empty for an error that nobody foresaw."""
    closed = Signal(object)
    """The device is closed; the last signal, always."""

    def __init__(
        self, source: Callable[[], AudioSource], judge: Callable[[], Judge], parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        recording = self._recording = Recording(source, judge, _Teller(self))
        self.start = recording.start
        self.stop = recording.stop
        self.cut = recording.cut
        self.join = recording.join


class _Teller:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def opened(self, name: str) -> None:
        self._recorder.opened.emit(self._recorder, name)

    def heard(self, level: float, peaks: NDArray[np.float32]) -> None:
        self._recorder.heard.emit(self._recorder, level, peaks)

    def speech(self, events: list[SpeechEvent]) -> None:
        self._recorder.speech.emit(self._recorder, events)

    def lost(self, sentence: str) -> None:
        self._recorder.lost.emit(self._recorder, sentence)

    def closed(self) -> None:
        self._recorder.closed.emit(self._recorder)
