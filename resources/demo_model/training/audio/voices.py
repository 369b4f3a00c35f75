"""Free synthesisers as speakers: espeak-ng, flite and festival, run as programs.

Only sound made with them is used; nothing of them is shipped. espeak-ng is GPL-3.0-or-later (which does not reach what
it says); flite and its voices, and festival's voices kal, ked and slt, are under the free licences of Carnegie Mellon
University and the University of Edinburgh (BSD-like).
"""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.media.resampling import to_mono_16k

PROGRAMS = ("espeak-ng", "flite", "festival")
_ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc", "en-gb-scotland")
_VARIANTS = ("", "+m1", "+m2", "+m3", "+m4", "+m6", "+m7", "+f1", "+f2", "+f3", "+f5", "+klatt2", "+klatt4", "+Alicia",
             "+Andrea", "+linda", "+steph", "+Mike", "+adam", "+victor")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks, and how."""

    program: str
    name: str
    speed: float = 1.0
    """Of what the voice does by itself."""
    pitch: float = 1.0
    """Of the voice's own."""

    @property
    def speaker(self) -> str:
        """The voice apart from how it speaks, such as ``flite/slt``."""
        return f"{self.program}/{self.name}"


HELD_OUT_SPEAKER = "flite/rms"
"""A synthetic voice that is never trained on: statistical, made from the recordings of a man."""
HELD_OUT_ESPEAK = ("+m5", "+f4")
"""Variants of espeak-ng that are never trained on either."""


def missing_programs() -> list[str]:
    """Return the synthesisers that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


def training_voice(rng: random.Random) -> Voice:
    """Return a random voice of those that may be trained on."""
    speed, pitch = rng.uniform(0.8, 1.3), rng.uniform(0.8, 1.25)
    program = rng.choices(PROGRAMS, (0.36, 0.38, 0.26))[0]
    if program == "espeak-ng":
        name = rng.choice(_ACCENTS) + rng.choice(_VARIANTS)
    elif program == "flite":
        name = rng.choices(("slt", "awb", "kal16"), (0.4, 0.35, 0.25))[0]
    else:
        name = rng.choices(("cmu_us_slt_arctic_hts", "kal_diphone", "ked_diphone"), (0.3, 0.3, 0.4))[0]
    return Voice(program, name, speed, pitch)


def held_out_voice(rng: random.Random, program: str = "flite") -> Voice:
    """Return the voice, or one of the espeak-ng voices, that training never hears."""
    speed, pitch = rng.uniform(0.85, 1.2), rng.uniform(0.9, 1.15)
    if program == "espeak-ng":
        return Voice(program, rng.choice(_ACCENTS) + rng.choice(HELD_OUT_ESPEAK), speed, pitch)
    return Voice("flite", HELD_OUT_SPEAKER.partition("/")[2], speed, pitch)


def speak(lines: Iterable[tuple[Voice, str]]) -> list[NDArray[np.float32]]:
    """Return each line as float32 [n] at 16 kHz, without the silence around it.

    Raises:
        RuntimeError: a synthesiser is not installed, or said nothing.
    """
    if missing := missing_programs():
        raise RuntimeError(f"these speech synthesisers are not installed: {', '.join(missing)}")
    todo = list(lines)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.wav" for number in range(len(todo))]
        festival = [
            (voice, text, path) for (voice, text), path in zip(todo, paths, strict=True) if voice.program == "festival"
        ]
        if festival:
            script = "\n".join(_festival(*line) for line in festival)
            subprocess.run(["festival", "--pipe"], input=script, text=True, check=True, capture_output=True)
        for (voice, text), path in zip(todo, paths, strict=True):
            if voice.program != "festival":
                subprocess.run(_command(voice, text, path), check=True, capture_output=True)
        return [_read(path) for path in paths]


def _command(voice: Voice, text: str, path: Path) -> list[str]:
    if voice.program == "espeak-ng":
        speed, pitch = round(165 * voice.speed), round(min(max(50 * voice.pitch**2, 5), 95))
        return ["espeak-ng", "-v", voice.name, "-s", str(speed), "-p", str(pitch), "-w", str(path), text]
    settings = {"duration_stretch": 1 / voice.speed}
    if voice.name == "kal16":
        settings["int_f0_target_mean"] = 105 * voice.pitch
    else:
        settings["f0_shift"] = voice.pitch
    options = [word for name, value in settings.items() for word in ("--setf", f"{name}={value:.3f}")]
    return ["flite", "-voice", voice.name, *options, "-t", text, "-o", str(path)]


def _festival(voice: Voice, text: str, path: Path) -> str:
    """Return the lines of Scheme that write one sentence to a file."""
    mean = 105 * voice.pitch
    return (
        f"(voice_{voice.name}) (Parameter.set 'Duration_Stretch {1 / voice.speed:.3f}) "
        f"(set! int_lr_params '((target_f0_mean {mean:.0f}) (target_f0_std 14) (model_f0_mean 170) (model_f0_std 34))) "
        f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" \'riff)'
    )


def _read(path: Path) -> NDArray[np.float32]:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
        return trimmed(to_mono_16k(samples, file.getframerate()))


def trimmed(samples: NDArray[np.float32], floor: float = 0.01) -> NDArray[np.float32]:
    """Return the sound from a little before it is first louder than ``floor`` of its peak to a little after its last.

    Raises:
        RuntimeError: it is silent.
    """
    loud = np.flatnonzero(np.abs(samples) > floor * np.abs(samples).max(initial=0.0))
    if not len(loud):
        raise RuntimeError("a synthesiser said nothing")
    margin = 400  # 25 ms
    return samples[max(loud[0] - margin, 0) : loud[-1] + margin]
