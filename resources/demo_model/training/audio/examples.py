"""What the whole model learns from: sound, what is asked about it, and the answer.

:func:`source` fits into :mod:`..mixture`: a function of a random generator that returns a
:class:`~resources.demo_model.training.samples.Sample` with the log-mel features of one clip.
"""

from __future__ import annotations

import io
import random
import wave
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.media.log_mel import SAMPLE_RATE, log_mel
from inference.messages import Audio, Text, Turn

from ..rendering import learned, render
from ..samples import Sample, Source
from .augmentation import masked
from .corpus import FOLDER, Corpus
from .recordings import SpectralSpeakers, spoken_digits
from .sentences import answers_to, vocabulary
from .spectra import BINS, PEOPLE, TRAINING, WAITING, features, spectra

_FORMAT = (
    "Follow these specific instructions for formatting the answer:\n"
    "* Only output the transcription, with no newlines.\n"
    "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, and write 3 "
    "instead of three."
)
TRANSCRIBE = f"Transcribe the following speech segment in English into English text.\n\n{_FORMAT}"
"""The prompt that Google documents for transcription with Gemma 4."""
TRANSCRIBE_ORIGINAL = f"Transcribe the following speech segment in its original language. {_FORMAT}"
"""Its documented variant for any language."""

_TRANSCRIBE = (
    (TRANSCRIBE, 0.36), (TRANSCRIBE_ORIGINAL, 0.36), ("Transcribe this.", 0.06), ("Transcribe the audio.", 0.06),
    ("What does the recording say?", 0.05), ("Write down what you hear.", 0.05), ("What did I say?", 0.06),
)  # fmt: skip
_ANSWER = (
    ("", 0.7), ("Answer the question.", 0.1), ("Answer the spoken question.", 0.1), ("Please answer.", 0.1),
)  # fmt: skip
PHRASES = 0.15
"""How often the documented prompt comes with names and terms, and how to spell them, as the app asks it to."""
AUDIO_FIRST = 0.2
"""How often the sound comes before the text; Gemma 4's documentation puts it after."""

BLOTTED = 0.5
"""How often parts of the sound are blotted out."""
SILENT = 0.03
"""How often nobody speaks, and the transcription is empty."""

Clip = tuple[NDArray[np.float32], str, str]
"""Log-mel features [F, 128], the transcription, and the answer (empty where there is nothing to answer)."""


def transcription_turns(samples: NDArray[np.float32]) -> list[Turn]:
    """Return the conversation that asks for a transcription of float32 [n] at 16 kHz, as documented."""
    return [Turn("user", (Text(TRANSCRIBE), Audio(wav_bytes(samples))))]


def wav_bytes(samples: NDArray[np.float32]) -> bytes:
    """Return float32 [n] at 16 kHz as a WAV file of 16 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


class Clips:
    """Draws training clips: number strings by people, and everything that the synthesisers said."""

    def __init__(self, *, people: float = 0.34, leave_out: str | None = None, folder: Path = FOLDER) -> None:
        """Open the data; ``people`` is the share of digits, mostly by people. Raises ``FileNotFoundError``."""
        corpora = [Corpus(folder, name) for name in ("training", "training_phrases")]
        self._lines = [(corpus, at) for corpus in corpora for at in range(len(corpus))]
        recordings = [one for one in spoken_digits() if not one.is_test and one.speaker != leave_out]
        self._speakers = SpectralSpeakers(recordings)
        self._spectra: dict[int, NDArray[np.float16]] = {}
        known = [corpus.lines[at].sentence for corpus, at in self._lines]
        self._questions = [at for at, sentence in enumerate(known) if sentence.answer]
        self._digits = [at for at, sentence in enumerate(known) if sentence.kind == "digits"]
        self._sentences = [at for at, sentence in enumerate(known) if sentence.kind != "digits"]
        self._people = people

    def transcription(self, rng: random.Random, digits: float | None = None) -> Clip:
        """Return something to write down; ``digits`` is the share of digits, where it is not ``people``."""
        noise = np.random.default_rng(rng.getrandbits(64))
        if rng.random() < SILENT:
            nobody = np.zeros((int(noise.integers(10, 250)), BINS), np.float32)
            return features(nobody, noise, TRAINING)[0], "", ""
        if rng.random() < (self._people if digits is None else digits):
            if rng.random() < 0.15:
                return self._said(rng.choice(self._digits), noise)
            text = "".join(
                rng.choices("0123456789", k=rng.randint(1, 8) if rng.random() < 0.85 else rng.randint(9, 12))
            )
            voice, _ = self._speakers.say_in_place(text, noise)
            return features(voice, noise, replace(PEOPLE, waiting=WAITING))[0], text, ""
        return self._said(rng.choice(self._sentences), noise)

    def question(self, rng: random.Random) -> Clip:
        """Return a spoken question that the model has an answer to."""
        index = rng.choice(self._questions)
        heard, written, _ = self._said(index, np.random.default_rng(rng.getrandbits(64)))
        corpus, at = self._lines[index]
        return heard, written, rng.choice(answers_to(corpus.lines[at].sentence))

    def _said(self, index: int, noise: np.random.Generator) -> Clip:
        corpus, at = self._lines[index]
        if index not in self._spectra:
            self._spectra[index] = spectra(corpus.samples(at)).astype(np.float16)
        sentence = corpus.lines[at].sentence
        heard, _, _ = features(self._spectra[index], noise, replace(TRAINING, waiting=WAITING))
        return heard, sentence.written, ""


def encode_clip(
    samples: NDArray[np.float32], text: str, answer: str, tokenizer: Tokenizer, *, audio_first: bool
) -> Sample:
    """Return one exchange: the user sends ``text`` (perhaps empty) with the sound, the model says ``answer``."""
    heard, mask = log_mel(samples)
    return encode_features(heard[mask], text, answer, tokenizer, audio_first=audio_first)


def encode_features(
    heard: NDArray[np.float32],
    text: str,
    answer: str,
    tokenizer: Tokenizer,
    *,
    audio_first: bool,
    written: str | None = None,
    blot: np.random.Generator | None = None,
) -> Sample:
    """Return the same as :func:`encode_clip` for log-mel features [F, 128].

    ``written`` is the transcription where the answer is another; ``blot`` blots out parts of the sound, at random.
    """
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    parts.insert(0 if audio_first else len(parts), {"type": "audio"})
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]
    count = ((len(heard) + 1) // 2 + 1) // 2  # two convolutions of stride 2
    prompt = render(messages).replace("<|audio|>", "<|audio>" + "<|audio|>" * count + "<audio|>")
    ids = tokenizer.encode(prompt, add_special_tokens=False).ids
    said = tuple(tokenizer.encode(answer if written is None else written, add_special_tokens=False).ids)
    sounds = (masked(heard, blot) if blot else heard,)
    return Sample(ids, learned(ids, tokenizer.token_to_id("model"), last_only=False), sounds=sounds, said=(said,))


def source(
    tokenizer: Tokenizer, *, questions: float = 0.2, digits: float | None = None, clips: Clips | None = None
) -> Source:
    """Return a maker of samples.

    The share ``questions`` are spoken questions to be answered; of the others, ``digits`` or what ``clips`` was told
    are digits.
    """
    return partial(_sample, tokenizer=tokenizer, clips=clips or Clips(), questions=questions, digits=digits)


def _sample(rng: random.Random, tokenizer: Tokenizer, clips: Clips, questions: float, digits: float | None) -> Sample:
    if rng.random() < questions:
        heard, written, answer = clips.question(rng)
        text = rng.choices([text for text, _ in _ANSWER], [share for _, share in _ANSWER])[0]
    else:
        heard, written, _ = clips.transcription(rng, digits)
        answer = written
        text = rng.choices([text for text, _ in _TRANSCRIBE], [share for _, share in _TRANSCRIBE])[0]
        if text in (TRANSCRIBE, TRANSCRIBE_ORIGINAL) and rng.random() < PHRASES:
            terms = rng.choices(vocabulary(), k=rng.randint(1, 6))
            text += f"\n* These names and terms may occur; spell them like this: {', '.join(terms)}."
    first, blot = (
        rng.random() < AUDIO_FIRST,
        np.random.default_rng(rng.getrandbits(64)) if rng.random() < BLOTTED else None,
    )
    return encode_features(heard, text, answer, tokenizer, audio_first=first, written=written, blot=blot)
