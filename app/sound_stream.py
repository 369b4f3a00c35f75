"""Sound on its way from a microphone to the engine: encoded while somebody speaks, asked about at any time.

The window's side feeds a :class:`SoundStream`; the engine's thread takes what has come and lets the model's audio
encoder work on it, also between two words of a reply to somebody else. A :class:`Heard` stands for the turns of a
question about the sound; they are written when its turn has come, with all that was heard by then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import UnsupportedInputError
from inference.messages import Audio, Turn


class SoundEncoder(Protocol):
    """The part of :class:`inference.streaming_audio.StreamingAudioEncoder` that is used here."""

    @property
    def recording(self) -> Audio:
        """All that was heard."""

    def feed(self, samples: NDArray[np.float32], cancel: CancelToken | None = None) -> None:
        """Take float32 [n], 16 kHz mono."""

    def so_far(self) -> Audio | None:
        """The recording as far as it is encoded."""

    def finish(self, cancel: CancelToken | None = None) -> object:
        """Encode the rest."""


@runtime_checkable
class HearingEngine(Protocol):
    """An engine that can encode sound while it comes in."""

    def listen(self) -> SoundEncoder:
        """Return an encoder for one recording."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The turns of a question about what was heard."""

    stream: SoundStream
    write: Callable[[Audio], Sequence[Turn]]
    """Called on the engine's thread, with the recording."""
    whole: bool
    """Whether the recording is complete; else the question is about what is encoded of it, without further work."""


class SoundStream:
    """One recording. :meth:`feed` and :meth:`close` are for any thread, the rest for the engine's.

    What was heard is kept until :meth:`close`, so that another model can hear it again.
    """

    def __init__(self, wake: Callable[[SoundStream], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._blocks: list[NDArray[np.float32]] = []
        self._encoded = 0
        self._engine: object = None
        self._encoder: SoundEncoder | None = None
        self._closed = CancelToken()

    def feed(self, samples: NDArray[np.float32]) -> None:
        """Take the next sound, float32 [n], 16 kHz mono, and have it encoded soon."""
        with self._lock:
            if self._closed.cancelled:
                return
            self._blocks.append(samples)
        self._wake(self)

    def turns(self, write: Callable[[Audio], Sequence[Turn]], *, whole: bool) -> Heard:
        """Return what stands for the turns that ``write`` makes of the recording; see :class:`Heard`."""
        return Heard(self, write, whole)

    def close(self) -> None:
        """Forget the sound, and end the work on it."""
        self._closed.cancel()
        with self._lock:
            self._blocks.clear()

    def encode(self, engine: object) -> None:
        """Let ``engine`` encode what came in; ends early when the stream is closed.

        Raises:
            UnsupportedInputError: the engine cannot hear.
            MediaError, OutOfMemoryError: see :meth:`StreamingAudioEncoder.feed`.
            RunCancelled: the stream was closed.
        """
        encoder = self._of(engine)
        with self._lock:
            new = self._blocks[self._encoded :]
            self._encoded = len(self._blocks)
        if new:
            encoder.feed(np.concatenate(new), self._closed)

    def recording(self, engine: object, whole: bool, cancel: CancelToken) -> Audio | None:
        """Return the recording, known to ``engine``; ``None`` when nothing of it is encoded yet. Raises as above."""
        self.encode(engine)
        encoder = self._of(engine)
        if not whole:
            return encoder.so_far()
        encoder.finish(cancel)
        return encoder.recording

    def _of(self, engine: object) -> SoundEncoder:
        if self._encoder is None or self._engine is not engine:
            if not isinstance(engine, HearingEngine):
                raise UnsupportedInputError("This model does not understand sound. Choose another model.")
            self._engine, self._encoder = engine, engine.listen()
            with self._lock:
                self._encoded = 0
        return self._encoder
