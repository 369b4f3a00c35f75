"""What a room, a microphone and the world around them do to a voice: all of it synthetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.media.log_mel import SAMPLE_RATE

Samples = NDArray[np.float32]
_LONGEST_ROOM: Final = 4_800


@dataclass(frozen=True, slots=True)
class Conditions:
    """How far sound is changed; each range is drawn from evenly."""

    speed: tuple[float, float] = (0.87, 1.16)
    """Faster and higher, or slower and lower, as a tape: it also changes the apparent size of the speaker."""
    signal_to_noise: tuple[float, float] = (8.0, 45.0)
    """Decibels."""
    level: tuple[float, float] = (-38.0, -12.0)
    """Decibels of full scale, of the voice's mean power."""
    room: float = 0.5
    """How often there is an echo."""
    narrow: float = 0.25
    """How often everything above about 4 kHz is lost, as on a telephone."""
    margins: tuple[float, float] = (0.05, 0.45)
    """Seconds of no speech before and after."""


TRAINING: Final = Conditions()
QUIET: Final = Conditions((1.0, 1.0), (35.0, 45.0), (-26.0, -20.0), room=0.0, narrow=0.0, margins=(0.15, 0.3))
"""A good microphone in a quiet place."""
NOISY: Final = Conditions((1.0, 1.0), (12.0, 20.0), (-30.0, -18.0), room=1.0, narrow=0.0, margins=(0.15, 0.3))
"""A room with an echo, and something that hums or rustles."""


def recorded(voice: Samples, rng: np.random.Generator, conditions: Conditions = TRAINING) -> Samples:
    """Return float32 [m] at 16 kHz: the voice as it would be recorded, in [-1, 1]."""
    speed = rng.uniform(*conditions.speed)
    if speed != 1.0:
        voice = np.interp(np.arange(0, len(voice) - 1, speed), np.arange(len(voice)), voice).astype(np.float32)
    before, after = (int(rng.uniform(*conditions.margins) * SAMPLE_RATE) for _ in range(2))
    padded = np.concatenate([np.zeros(before, np.float32), voice, np.zeros(after, np.float32)])
    changed = _through_room_and_microphone(padded, rng, conditions)
    power = float(np.mean(voice**2)) if len(voice) else 1.0
    level = 10 ** (rng.uniform(*conditions.level) / 20)
    changed *= np.float32(level / max(np.sqrt(power), 1e-5))
    noise = _noise(len(changed), rng)
    changed += noise * np.float32(level * 10 ** (-rng.uniform(*conditions.signal_to_noise) / 20))
    return np.clip(changed, -1, 1).astype(np.float32)


def _through_room_and_microphone(sound: Samples, rng: np.random.Generator, conditions: Conditions) -> Samples:
    """Return the sound with an echo and a coloured frequency response, as long as before."""
    size = _fast_size(len(sound) + _LONGEST_ROOM)
    spectrum = np.fft.rfft(sound, size)
    if rng.random() < conditions.room:
        spectrum *= np.fft.rfft(_room(rng), size)
    if conditions.speed != (1.0, 1.0):
        spectrum *= _response(len(spectrum), rng, rng.random() < conditions.narrow)
    return np.fft.irfft(spectrum, size)[: len(sound)].astype(np.float32)


def _room(rng: np.random.Generator) -> Samples:
    """Return an impulse response: the direct sound, and noise that dies away in 0.08 to 0.3 s by 30 dB."""
    seconds = rng.uniform(0.08, 0.3)
    time = np.arange(_LONGEST_ROOM) / SAMPLE_RATE
    tail = rng.standard_normal(_LONGEST_ROOM) * 10 ** (-1.5 * time / seconds)
    tail[: int(rng.uniform(0.001, 0.006) * SAMPLE_RATE)] = 0
    tail *= np.sqrt(10 ** (-rng.uniform(0, 12) / 10) / np.sum(tail**2))
    tail[0] = 1.0
    return (tail / np.sqrt(np.sum(tail**2))).astype(np.float32)


def _response(bins: int, rng: np.random.Generator, narrow: bool) -> Samples:
    """Return a smooth frequency response within some decibels, perhaps cut off above 3.4 to 4 kHz."""
    frequency = np.linspace(0, SAMPLE_RATE / 2, bins)
    corners = np.array([0, 150, 500, 1000, 2000, 4000, 8000], float)
    decibels = np.interp(frequency, corners, rng.normal(0, 3, len(corners)))
    response = 10 ** (decibels / 20)
    if narrow:
        response *= 1 / (1 + (frequency / rng.uniform(3400, 4000)) ** 24)
    return response.astype(np.float32)


def _noise(length: int, rng: np.random.Generator) -> Samples:
    """Return noise of mean power 1: white to brown, now and then with a hum of the mains."""
    size = _fast_size(length)
    bins = size // 2 + 1
    shape = 1 / np.maximum(np.arange(bins) / bins * 100, 0.3) ** rng.uniform(0, 1.3)
    spectrum = (rng.standard_normal(bins) + 1j * rng.standard_normal(bins)) * shape
    noise = np.fft.irfft(spectrum, size)[:length]
    noise /= max(float(np.sqrt(np.mean(noise**2))), 1e-9)
    if rng.random() < 0.2:
        hum = rng.choice((50.0, 60.0, 100.0, 120.0)) * 2 * np.pi / SAMPLE_RATE
        noise = 0.7 * noise + np.sin(np.arange(length) * hum)
    return noise.astype(np.float32)


def _fast_size(length: int) -> int:
    """Return a size not below ``length`` that Fourier transforms are quick at."""
    step = 1 << max(length.bit_length() - 4, 0)
    return -(-length // step) * step


def masked(features: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Return log-mel features [F, 128] with some bands and moments blotted out, so that no single one is relied on."""
    features = features.copy()
    quiet = features.mean()
    for _ in range(2):
        width = int(rng.integers(0, 18))
        at = int(rng.integers(0, 128 - width))
        features[:, at : at + width] = quiet
    for _ in range(int(len(features) / 80)):
        width = int(rng.integers(0, 9))
        at = int(rng.integers(0, max(len(features) - width, 1)))
        features[at : at + width] = quiet
    return features
