"""Sound to what the audio encoders take; see :mod:`inference.media.streaming` for sound that is still coming in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.errors import MediaError
from inference.media.audio_decoding import AudioInfo, decode_audio, load_audio, probe_audio
from inference.media.container import subject_of
from inference.media.image import Layout
from inference.media.log_mel import MAX_TOKENS, SAMPLE_RATE, frame_count, log_mel, soft_token_count
from inference.media.resampling import MonoResampler, to_mono_16k
from inference.media.source import Source
from inference.media.splitting import MAX_CLIP_SECONDS, AudioClip, PauseSplitter

__all__ = [
    "FRAME_SAMPLES",
    "MAX_CLIP_SAMPLES",
    "MAX_CLIP_SECONDS",
    "SAMPLE_RATE",
    "AudioClip",
    "AudioFeatures",
    "AudioInfo",
    "MonoResampler",
    "PauseSplitter",
    "audio_features",
    "audio_prefixes",
    "audio_soft_tokens",
    "load_audio",
    "load_clips",
    "probe_audio",
    "samples_of_tokens",
    "to_mono_16k",
]

MAX_CLIP_SAMPLES: Final = int(MAX_CLIP_SECONDS * SAMPLE_RATE)
FRAME_SAMPLES: Final = 640
"""Samples of one soft token of the 12B Unified: 40 ms."""


@dataclass(frozen=True)
class AudioFeatures:
    """What an audio encoder takes, for one clip or for the next part of one."""

    values: NDArray[np.float32]
    """Log-mel frames [F, 128], or raw frames [T, 640] for the unified layout."""
    mask: NDArray[np.bool_]
    """[F] or [T]: which frames are sound; the others are padding."""
    soft_tokens: int
    """Number of embeddings that the encoder makes of it."""

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take."""
        return self.values.nbytes + self.mask.nbytes


def audio_soft_tokens(samples: int, layout: Layout = "tower") -> int:
    """Return how many soft tokens a clip of so many samples takes, at most 750; below 10 ms it may be none."""
    return soft_token_count(samples) if layout == "tower" else min(-(-samples // FRAME_SAMPLES), MAX_TOKENS)


def samples_of_tokens(tokens: int, layout: Layout = "tower") -> int:
    """Return how long a clip must be for its first soft tokens not to depend on what comes later.

    The inverse of :func:`audio_soft_tokens`, up to 749 tokens: so long a clip has just these.
    """
    # the features ask for one sample more than they use
    return tokens * FRAME_SAMPLES + (1 if layout == "tower" and tokens else 0)


def audio_prefixes(samples: NDArray[np.float32], layout: Layout = "tower") -> tuple[str, ...]:
    """Return, for each soft token of a clip, what tells the sound that it is made of from other sound.

    Soft tokens depend on nothing that comes later, so the same text means the same embedding.
    """
    digest, done, keys = blake2b(digest_size=16), 0, []
    content = np.ascontiguousarray(samples, np.float32)
    for token in range(audio_soft_tokens(len(samples), layout)):
        end = samples_of_tokens(token + 1, layout)
        digest.update(content[done:end].data)
        keys.append(digest.hexdigest())
        done = end
    return tuple(keys)


def audio_features(samples: NDArray[np.float32], layout: Layout = "tower") -> AudioFeatures:
    """Compute what the encoder takes.

    Args:
        samples: float32 [n], 16 kHz mono, at most 30 seconds.
        layout: for which encoder.

    Raises:
        ValueError: the array is of another kind, or longer than a clip may be.
    """
    if samples.dtype != np.float32 or samples.ndim != 1:
        raise ValueError(f"expected float32 [n], not {samples.dtype} {list(samples.shape)}")
    if len(samples) > MAX_CLIP_SAMPLES:
        raise ValueError(f"a clip lasts at most {MAX_CLIP_SECONDS:g} seconds; split longer sound")
    count = audio_soft_tokens(len(samples), layout)
    if layout == "tower":
        return AudioFeatures(*log_mel(samples), count)
    values = np.zeros(count * FRAME_SAMPLES, np.float32)
    values[: len(samples)] = samples
    return AudioFeatures(values.reshape(count, FRAME_SAMPLES), np.ones(count, np.bool_), count)


def load_clips(source: Source, *, max_seconds: float = MAX_CLIP_SECONDS) -> Iterator[AudioClip]:
    """Decode a recording of any length into clips that end at pauses, as they become complete.

    Raises:
        MediaError: it cannot be read, holds no sound, or is too short to hear anything.
    """
    splitter = PauseSplitter(max_seconds)
    for block in decode_audio(source):
        yield from splitter.push(block)
    for clip in splitter.finish():
        if frame_count(len(clip.samples)) == 0:  # only a recording that is not cut can be that short
            raise MediaError(f"{subject_of(source, 'recording')} is shorter than a hundredth of a second.")
        yield clip
