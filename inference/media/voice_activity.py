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
"""An onset has a frame that is at least so likely …"""
_NO_VOICE: Final = 0.35
"""… and speech ends with frames below this one; in between all stays as it is."""
_WEAK_VOICE: Final = 0.25
"""All frames of an onset are at least so likely: short words are hardly more."""
_ONSET: Final = _frames(0.13)
"""Frames of voice until speech is believed: a click or a cough is over by then."""
_HINT: Final = 0.15
"""What was at least so likely shortly before an onset was speech too …"""
_HINT_GAP: Final = _frames(0.26)
"""… if no more frames than these lie between one hint and the next."""
_REMEMBERED: Final = _frames(1.2)
"""Frames outside of speech that are kept to be searched for hints."""
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
        self._before: list[NDArray[np.float32]] = []  # the last frames outside of speech …
        self._likely: list[float] = []  # … and how likely each holds a voice
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
        self._forget()
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
        self._likely.append(likely)
        self._voiced = self._voiced + 1 if likely >= _WEAK_VOICE else 0
        if self._voiced >= _ONSET and max(self._likely[-self._voiced :]) >= _VOICE:
            length = self._length_of_onset()
            self._begin(self._now - length, self._before[-_PRE_ROLL - length :], events)
        elif len(self._before) > 2 * _REMEMBERED:
            del self._before[:-_REMEMBERED], self._likely[:-_REMEMBERED]

    def _length_of_onset(self) -> int:
        """Return how many frames ago speech began: a quiet first syllable alone would not have been believed."""
        length = self._voiced
        for ago in range(self._voiced + 1, len(self._likely) + 1):
            if ago - length > _HINT_GAP:
                break
            if self._likely[-ago] >= _HINT:
                length = ago
        return length

    def _begin(self, onset: int, sound: list[NDArray[np.float32]], events: list[SpeechEvent]) -> None:
        self._speaking = True
        self._begun = self._now - len(sound)
        self._last_voice = self._now
        self._forget()
        events.append(SpeechBegun(onset * FRAME / SAMPLE_RATE))
        events.extend(SpeechSound(frame) for frame in sound)

    def _forget(self) -> None:
        self._before, self._likely, self._voiced = [], [], 0

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
