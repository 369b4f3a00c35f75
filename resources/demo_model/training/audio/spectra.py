"""Voices as magnitude spectra, which can be changed in many ways for next to nothing.

What :mod:`.augmentation` does to sound, this does to what log-mel features are made of: a clip is transformed once, and
then heard through another throat, faster, elsewhere and in noise each time, at about a tenth of the price. What a
spectrum cannot tell (phases, and echoes with them) is only roughly right; :func:`features` of an unchanged clip is
:func:`inference.media.log_mel.log_mel` but for rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.media.log_mel import HOP, LEFT_PADDING, frame_count, mel_filters

Spectra = NDArray[np.float32]
"""Magnitudes [F, 257], a hundred frames a second; small ones (float16) where many are kept."""

BINS: Final = 257
_WINDOW: Final = 320
_STEPS: Final = 40
"""Throats that are told apart."""


@dataclass(frozen=True, slots=True)
class Changes:
    """How far voices are changed; each range is drawn from evenly (throats and tempos in their logarithms)."""

    throat: tuple[float, float] = (0.8, 1.24)
    """Factor of all frequencies: the size of the speaker, and the pitch."""
    tempo: tuple[float, float] = (0.74, 1.18)
    """Factor of the speed."""
    signal_to_noise: tuple[float, float] = (10.0, 45.0)
    """Decibels."""
    level: tuple[float, float] = (-38.0, -12.0)
    """Decibels of full scale, of the voice's mean power."""
    room: float = 0.3
    """How often there is an echo."""
    narrow: float = 0.1
    """How often everything above about 4 kHz is lost, as on a telephone."""
    margins: tuple[float, float] = (0.05, 0.45)
    """Seconds of no speech before and after."""
    waiting: float = 0.0
    """How often there are up to three times as many seconds before, and likewise after."""


TRAINING: Final = Changes()
PEOPLE: Final = Changes(throat=(0.8, 1.25), tempo=(0.8, 1.25), narrow=0.25)
"""For few people, who must stand for all the others."""
WAITING: Final = 0.15
"""How often the whole model, which must also know when nobody speaks, has to wait."""


def spectra(samples: NDArray[np.float32]) -> Spectra:
    """Return the magnitudes of float32 [n] at 16 kHz, scaled to a mean power of 1."""
    samples = samples / max(float(np.sqrt(np.mean(samples**2))) if len(samples) else 1.0, 1e-5)
    padded = np.concatenate([np.zeros(LEFT_PADDING, np.float32), samples])
    count = frame_count(len(samples))
    if count <= 0:
        return np.zeros((0, BINS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[: (count - 1) * HOP + 1 : HOP]
    return np.abs(np.fft.rfft(frames * _hann(), 512)).astype(np.float32)


def features(voice: Spectra, rng: np.random.Generator, changes: Changes) -> tuple[NDArray[np.float32], int, int]:
    """Return log-mel features [F, 128] of a voice under other conditions, and from which frame to which it is heard."""
    tempo, throat = (float(np.exp(rng.uniform(*np.log(limits)))) for limits in (changes.tempo, changes.throat))
    voice = _at_tempo(voice.astype(np.float32), tempo)
    before, after = (
        int(rng.uniform(*changes.margins) * (300 if rng.random() < changes.waiting else 100)) for _ in range(2)
    )
    padded = np.zeros((before + len(voice) + after, BINS), np.float32)
    padded[before : before + len(voice)] = voice
    if rng.random() < changes.room:
        _echo(padded, rng)
    response, warped = _response(rng, rng.random() < changes.narrow), _filters(throat)
    level = 10 ** (rng.uniform(*changes.level) / 20)
    padded *= level * response
    noise = _noise(len(padded), rng)
    noise *= level * 10 ** (-rng.uniform(*changes.signal_to_noise) / 20)
    # throats change the voice, not the noise; that both are summed after the filters is close enough
    heard = np.sqrt((padded @ warped) ** 2 + (noise @ _filters(1.0)) ** 2)
    return np.log(heard + np.float32(0.001)), before, before + len(voice)


def _at_tempo(voice: Spectra, tempo: float) -> Spectra:
    if len(voice) < 2 or tempo == 1.0:
        return voice
    places = np.arange(0, len(voice) - 1, tempo)
    whole = places.astype(np.int64)
    part = (places - whole).astype(np.float32)[:, None]
    return voice[whole] * (1 - part) + voice[whole + 1] * part


def _echo(voice: Spectra, rng: np.random.Generator) -> None:
    """Let what was heard before die away, in place: by 30 dB in 0.08 to 0.3 s, sooner where it is high."""
    seconds = rng.uniform(0.08, 0.3) * np.linspace(1.0, 0.6, BINS)
    decay = (10 ** (-3 * 0.01 / seconds)).astype(np.float32)
    share = np.float32(10 ** (-rng.uniform(0, 12) / 10)) * (1 - decay)
    power = voice**2
    tail = np.zeros(BINS, np.float32)
    for row in power:
        before = tail.copy()
        tail = (tail + row) * decay
        row += share / decay * before
    np.sqrt(power, out=voice)


def _response(rng: np.random.Generator, narrow: bool) -> NDArray[np.float32]:
    """Return a smooth frequency response [257] within some decibels, perhaps cut off above 3.4 to 4 kHz."""
    frequency = np.linspace(0, 8000, BINS)
    corners = np.array([0, 150, 500, 1000, 2000, 4000, 8000], float)
    tilt = rng.normal(0, 2) * np.log2(np.maximum(corners, 75) / 600)  # voices differ in it more than microphones do
    decibels = np.interp(frequency, corners, tilt + rng.normal(0, 4, len(corners)))
    response = 10 ** (decibels / 20)
    if narrow:
        response *= 1 / (1 + (frequency / rng.uniform(3400, 4000)) ** 24)
    return response.astype(np.float32)


def _noise(frames: int, rng: np.random.Generator) -> Spectra:
    """Return magnitudes of noise of mean power 1: white to brown, now and then with a hum of the mains."""
    white = _white()
    at = int(rng.integers(len(white) - frames)) if frames < len(white) else 0
    shape = 1 / np.maximum(np.arange(BINS) / BINS * 100, 0.3) ** rng.uniform(0, 1.3)
    shape *= 1 / np.sqrt(np.mean(shape**2))
    noise = np.resize(white[at : at + frames], (frames, BINS)) * shape.astype(np.float32)
    if rng.random() < 0.2:
        noise *= 0.7
        noise[:, int(rng.integers(1, 5))] += _WINDOW / 4
    return noise


@cache
def _white() -> Spectra:
    """Return half a minute of white noise; its mean power is 1."""
    rng = np.random.default_rng(5)
    return spectra(rng.standard_normal(30 * 16_000).astype(np.float32))


@cache
def _hann() -> NDArray[np.float32]:
    return np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


def _filters(throat: float) -> NDArray[np.float32]:
    """Return the mel filters, [257, 128], as they take in a voice whose frequencies are ``throat`` times as high."""
    return _warped(round(np.log(throat) * _STEPS))


@cache
def _warped(step: int) -> NDArray[np.float32]:
    factor = float(np.exp(step / _STEPS))
    filters = mel_filters()
    if step == 0:
        return filters.astype(np.float32)
    # bin b of the voice is heard at b * factor: shared between the two bins around it
    places = np.arange(BINS) * factor
    lower = places.astype(np.int64)
    part = places - lower
    moved = np.zeros((BINS, BINS))
    for bin_, (low, share) in enumerate(zip(lower, part, strict=True)):
        if low + 1 < BINS:
            moved[bin_, low], moved[bin_, low + 1] = 1 - share, share
    return (moved @ filters / factor).astype(np.float32)
