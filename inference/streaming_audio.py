"""Encodes a recording while it is being made, so that little is left to do when the speaker stops."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import MediaError
from inference.graphs.audio import AudioState
from inference.media.audio import (
    SAMPLE_RATE,
    AudioClip,
    PauseSplitter,
    audio_features,
    samples_of_tokens,
)
from inference.media.log_mel import MAX_TOKENS, frame_count
from inference.media.preparation import audio_item, check_length
from inference.media.recording import FULL_SCALE, as_16_bits, recording_of
from inference.media.streaming import feature_stream
from inference.media_encoders import EncodedMedia, MediaEncoders
from inference.messages import Audio

_BLOCK: Final = 12
"""Soft tokens encoded at a time, half a second: one block of the models' attention. Fewer cost more each."""
_SMALL_BLOCK: Final = 4
"""The same at the beginning of a clip, so that little is left of a short one that ends just before the next block."""
_SHORT: Final = 240
"""Soft tokens, ten seconds, after which what is left is little beside the clip anyway."""
_EASY: Final = 0.3
"""Share of the time that the sound lasts, above which encoding it in small blocks is too much work …"""
_TOO_SLOW: Final = 3
"""… if so many in a row take longer: one may have been held up by something else."""
_EARLIEST_CUT: Final = MAX_TOKENS // 2
"""Soft tokens; clips are cut in their second half."""
_BETWEEN_MARKS: Final = 4 * _BLOCK
"""Soft tokens between states that are kept in case that the clip is cut behind them."""


class StreamingAudioEncoder:
    """Takes the sound of a microphone in pieces of any size.

    What it has heard is a :attr:`recording` of 16 bits, and the soft tokens are those of that recording. One that is
    longer than a clip may be is cut at a pause as any other, once it has become too long; what was spoken since the
    pause is then encoded again.

    For one thread at a time.

    Args:
        encoders: of the model. They remember the result, so that a turn with the recording finds it encoded.
    """

    def __init__(self, encoders: MediaEncoders) -> None:
        self._encoders = encoders
        self._splitter = PauseSplitter()
        self._recorded: list[NDArray[np.int16]] = []
        self._cuts: list[AudioClip] = []  # clips that are cut but not encoded to their ends
        self._done: list[tuple[AudioClip, NDArray[np.float32]]] = []
        self._clip = _Clip(encoders)

    def feed(self, samples: NDArray[np.float32], cancel: CancelToken | None = None) -> None:
        """Take the next samples, and encode what they complete.

        Args:
            samples: float32 [n], 16 kHz mono, from -1 to 1; see :class:`inference.media.audio.MonoResampler`.
            cancel: ends the encoding early; the samples are kept all the same, and the next call goes on.

        Raises:
            MediaError: the recording has become longer than half an hour.
            RunCancelled: ``cancel`` was set.
            OutOfMemoryError: there is not enough memory.
        """
        rounded = as_16_bits(samples)
        heard = np.divide(rounded, FULL_SCALE, dtype=np.float32)
        self._recorded.append(rounded)
        self._clip.hear(heard)
        self._cuts += self._splitter.push(heard)
        self._work(cancel or CancelToken())

    @property
    def soft_tokens(self) -> NDArray[np.float32]:
        """Soft tokens so far, float32 [n, H], those of all clips one after the other."""
        return np.concatenate([*(tokens for _, tokens in self._done), self._clip.tokens])

    @property
    def recording(self) -> Audio:
        """All that was heard, as a WAV file in memory."""
        return recording_of(self._recorded)

    def so_far(self) -> Audio | None:
        """Return the recording up to the last soft token, which the encoders then know; ``None`` before the first.

        The prompt of the whole recording begins with all these soft tokens, so that the language model can read them
        while the speaker goes on.
        """
        encoded, tokens = list(self._done), self._clip.tokens
        length = sum(len(clip.samples) for clip, _ in encoded)
        if len(tokens):
            samples = self._clip.samples[: samples_of_tokens(len(tokens), self._encoders.layout)]
            encoded.append((AudioClip(samples, length / SAMPLE_RATE), tokens))
            length += len(samples)
        if not encoded:
            return None
        recording = recording_of(self._recorded, length)
        self._remember(recording, encoded)
        return recording

    def finish(self, cancel: CancelToken | None = None) -> EncodedMedia:
        """Encode what is left; the encoders then know the soft tokens of :attr:`recording`.

        Args:
            cancel: ends the encoding early; another call goes on.

        Returns:
            What the encoders make of the recording, but for rounding.

        Raises:
            MediaError: less than a hundredth of a second was heard, or more than half an hour.
            RunCancelled: ``cancel`` was set.
            OutOfMemoryError: there is not enough memory.
        """
        self._cuts += self._splitter.finish()
        self._work(cancel or CancelToken())
        if not self._done:
            raise MediaError("The recording is empty: nothing was heard. Check the microphone.")
        return self._remember(self.recording, self._done)

    def _work(self, cancel: CancelToken) -> None:
        while self._cuts:
            clip = self._cuts[0]
            check_length(clip)
            if frame_count(len(clip.samples)) == 0:
                raise MediaError("The recording is shorter than a hundredth of a second. Speak longer.")
            self._done.append((clip, self._clip.finish(clip.samples, cancel)))
            rest = self._clip.samples[len(clip.samples) :]
            self._clip = _Clip(self._encoders)
            self._clip.hear(rest)
            del self._cuts[0]
        self._clip.encode(cancel)

    def _remember(self, recording: Audio, encoded: list[tuple[AudioClip, NDArray[np.float32]]]) -> EncodedMedia:
        items = tuple(audio_item(clip, self._encoders.layout, self._encoders.hears_ahead) for clip, _ in encoded)
        media = EncodedMedia(items, tuple(tokens for _, tokens in encoded))
        self._encoders.keep(recording, media)
        return media


class _Clip:
    """One clip, whose end is not known yet."""

    def __init__(self, encoders: MediaEncoders) -> None:
        self._encoder = encoders.audio
        self._layout = encoders.layout
        self._heard: list[NDArray[np.float32]] = []
        self._unread: list[NDArray[np.float32]] = []
        self._features = feature_stream(self._layout)
        self._frames = np.zeros((0, self._encoder.frame_values), np.float32)  # not encoded yet
        self._tokens = [np.zeros((0, self._encoder.hidden_size), np.float32)]
        self._state: AudioState | None = None
        self._marks: list[AudioState] = []
        self._slow = 0
        """How many of the last blocks took long beside the time that they last."""

    def hear(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, float32 [n]; nothing is computed yet."""
        self._heard.append(samples)
        self._unread.append(samples)

    @property
    def samples(self) -> NDArray[np.float32]:
        """All that was heard, float32 [n]."""
        self._heard = [np.concatenate([np.zeros(0, np.float32), *self._heard])]
        return self._heard[0]

    @property
    def tokens(self) -> NDArray[np.float32]:
        """The soft tokens so far, float32 [n, H]."""
        self._tokens = [np.concatenate(self._tokens)]
        return self._tokens[0]

    def encode(self, cancel: CancelToken) -> None:
        """Encode the blocks that are complete."""
        if not self._encoder.streams or not self._unread:
            return
        values = self._features.push(np.concatenate(self._unread)).values
        self._unread = []
        self._frames = np.concatenate([self._frames, values])
        done = 0 if self._state is None else self._state.tokens
        small = self._slow < _TOO_SLOW and done < _SHORT
        block, each = _SMALL_BLOCK if small else _BLOCK, self._encoder.frames_per_token
        ready = each * ((done + len(self._frames) // each) // block * block - done)
        if ready > 0:
            started = time.perf_counter()
            tokens, self._state = self._encoder.encode_next(self._frames[:ready], self._state, cancel)
            if small and done:  # the first run of all prepares much
                lasted = samples_of_tokens(len(tokens), self._layout) / SAMPLE_RATE
                self._slow = self._slow + 1 if time.perf_counter() - started > _EASY * lasted else 0
            self._tokens.append(tokens)
            self._frames = self._frames[ready:]
            self._mark(self._state)

    def finish(self, samples: NDArray[np.float32], cancel: CancelToken) -> NDArray[np.float32]:
        """Return the soft tokens, float32 [n, H], of the clip that ends after these samples, float32 [m]."""
        features = audio_features(samples, self._layout)
        if not self._encoder.streams:
            return self._encoder(features.values[None], features.mask[None], cancel)[0]
        frames, each = features.values[features.mask], self._encoder.frames_per_token
        states = [state for state in (*self._marks, self._state) if state and state.tokens <= len(frames) // each]
        state = states[-1] if states else None
        kept = state.tokens if state else 0
        rest = frames[kept * each :]
        if not len(rest):
            return self.tokens[:kept]
        return np.concatenate([self.tokens[:kept], self._encoder.encode_next(rest, state, cancel)[0]])

    def _mark(self, state: AudioState) -> None:
        """Keep a state now and then, since the clip may turn out to end before the last one."""
        if state.tokens <= _EARLIEST_CUT:
            self._marks = [state]
        elif not self._marks or state.tokens - self._marks[-1].tokens >= _BETWEEN_MARKS:
            self._marks.append(state)
