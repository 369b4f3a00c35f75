"""Finds what was spoken in a stream of sound, so that silence never reaches a model.

How likely each frame holds a voice is judged by a model, see :mod:`inference.graphs.voice_activity`; here is what turns
these judgements into utterances: an onset that must last, patience at pauses, some sound before and after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.media.log_mel import SAMPLE_RATE

FRAME: Final = 512
"""Samples that are judged at a time: 32 ms."""

Judge = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Float32 [n * 512], 16 kHz mono, to float32 [n], 0 to 1: how likely each frame holds a voice."""


def _frames(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE / FRAME)


_VOICE: Final = 0.5
"""From here on a frame begins speech …"""
_NO_VOICE: Final = 0.35
"""… and below it a frame may end it; in between all stays as it is."""
_WEAK_VOICE: Final = 0.25
"""An onset goes on in frames that are at least so likely: short words dip in the middle."""
_ONSET: Final = _frames(0.13)
"""Frames of voice until speech is believed: a click or a cough is over by then."""
_PRE_ROLL: Final = _frames(0.3)
"""Frames before the onset that belong to an utterance: soft consonants are no voice yet."""
_TAIL: Final = _frames(0.5)
"""Frames without voice that end an utterance; they belong to it."""
_SHORTER_TAILS: Final = ((_frames(27.0), 1), (_frames(22.0), 3), (_frames(15.0), 6))
"""An utterance that is (frames) long already ends at a pause of (frames): no model takes more than 30 seconds."""
_LONGEST: Final = _frames(29.0)


@dataclass(frozen=True, slots=True)
class SpeechBegun:
    """Somebody speaks."""

    start: float
    """Since when, in seconds from the beginning of the stream."""


@dataclass(frozen=True, slots=True)
class SpeechSound:
    """The next sound of the utterance."""

    samples: NDArray[np.float32]
    """float32 [n], 16 kHz mono."""


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The utterance is over: at a pause, or because it would become too long."""

    end: float
    """When the last voice was heard, in seconds from the beginning of the stream."""


SpeechEvent = SpeechBegun | SpeechSound | SpeechEnded


class SpeechFinder:
    """Takes sound in blocks of any size; each utterance is a :class:`SpeechBegun`, its sound, a :class:`SpeechEnded`.

    An utterance lasts less than 30 seconds. No sample belongs to two of them.

    Args:
        judge: how likely frames hold a voice.
    """

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._rest = np.zeros(0, np.float32)  # less than a frame
        self._now = 0  # frames judged
        self._before: list[NDArray[np.float32]] = []  # the last frames outside of speech
        self._voiced = 0  # frames of voice in a row, outside of speech
        self._speaking = False
        self._begun = 0  # frame at which the utterance's sound begins
        self._last_voice = 0  # frame behind the last voice

    @property
    def speaking(self) -> bool:
        """Whether an utterance has begun and not ended."""
        return self._speaking

    @property
    def quiet(self) -> bool:
        """Whether no utterance is under way, and none may be beginning."""
        return not self._speaking and not self._voiced

    def push(self, samples: NDArray[np.float32]) -> list[SpeechEvent]:
        """Take float32 [n] at 16 kHz mono; return what happened."""
        samples = np.concatenate([self._rest, samples])
        count = len(samples) // FRAME
        self._rest = samples[count * FRAME :]
        events: list[SpeechEvent] = []
        if count:
            whole = samples[: count * FRAME]
            for frame, likely in zip(whole.reshape(count, FRAME), self._judge(whole), strict=True):
                self._take(frame, float(likely), events)
        return _joined(events)

    def finish(self) -> list[SpeechEvent]:
        """End the utterance under way, as at the end of a file; the next one begins anew."""
        events: list[SpeechEvent] = []
        if self._speaking:
            if len(self._rest):
                events.append(SpeechSound(self._rest))
            self._end(events)
        self._rest = np.zeros(0, np.float32)
        self._before, self._voiced = [], 0
        return events

    def _take(self, frame: NDArray[np.float32], likely: float, events: list[SpeechEvent]) -> None:
        self._now += 1
        if self._speaking:
            events.append(SpeechSound(frame))
            if likely >= _NO_VOICE:
                self._last_voice = self._now
            length = self._now - self._begun
            if self._now - self._last_voice >= _tail(length):
                self._end(events)
            elif length >= _LONGEST:
                self._end(events)
                self._begin(self._now, [], events)
            return
        self._before.append(frame)
        if likely >= _VOICE or (self._voiced and likely >= _WEAK_VOICE):
            self._voiced += 1
        else:
            self._voiced = 0
        if self._voiced >= _ONSET:
            self._begin(self._now - self._voiced, self._before[-_PRE_ROLL - self._voiced :], events)
        elif len(self._before) > 2 * (_PRE_ROLL + _ONSET):
            del self._before[: -_PRE_ROLL - _ONSET]

    def _begin(self, onset: int, sound: list[NDArray[np.float32]], events: list[SpeechEvent]) -> None:
        self._speaking = True
        self._begun = self._now - len(sound)
        self._last_voice = self._now
        self._before, self._voiced = [], 0
        events.append(SpeechBegun(onset * FRAME / SAMPLE_RATE))
        events.extend(SpeechSound(frame) for frame in sound)

    def _end(self, events: list[SpeechEvent]) -> None:
        self._speaking = False
        events.append(SpeechEnded(self._last_voice * FRAME / SAMPLE_RATE))


def _tail(length: int) -> int:
    return next((tail for least, tail in _SHORTER_TAILS if length >= least), _TAIL)


def _joined(events: list[SpeechEvent]) -> list[SpeechEvent]:
    """Return the events with neighbouring pieces of sound as one."""
    joined: list[SpeechEvent] = []
    frames: list[NDArray[np.float32]] = []

    def flush() -> None:
        if frames:
            joined.append(SpeechSound(np.concatenate(frames)))
            frames.clear()

    for event in events:
        if isinstance(event, SpeechSound):
            frames.append(event.samples)
        else:
            flush()
            joined.append(event)
    flush()
    return joined
