"""What the whole model learns from: sound, what is asked about it, and the answer.

:func:`source` fits into :mod:`..mixture`: a function of a random generator that returns a
:class:`~resources.demo_model.training.samples.Sample` with the log-mel features of one clip.
"""

from __future__ import annotations

import io
import random
import wave
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from inference.media.log_mel import SAMPLE_RATE, log_mel, soft_token_count
from inference.messages import Audio, Text, Turn

from ..rendering import learned, render
from ..samples import Sample, Source
from .augmentation import JOINT, PEOPLE, Conditions, masked, nothing, recorded
from .corpus import FOLDER, Corpus
from .recordings import DigitSpeakers, spoken_digits
from .sentences import vocabulary

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

SILENT = 0.03
"""How often nobody speaks, and the transcription is empty."""

Clip = tuple[NDArray[np.float32], str, str]
"""Samples float32 [n] at 16 kHz, the transcription, and the answer (empty where there is nothing to answer)."""


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

    def __init__(
        self,
        *,
        people: float = 0.34,
        leave_out: str | None = None,
        conditions: Conditions = JOINT,
        folder: Path = FOLDER,
    ) -> None:
        """Open the data; ``people`` is the share of digits, mostly by people. Raises ``FileNotFoundError``."""
        self._corpus = Corpus(folder, "training")
        self._speakers = DigitSpeakers([one for one in spoken_digits() if not one.is_test and one.speaker != leave_out])
        self._questions = [at for at, line in enumerate(self._corpus.lines) if line.sentence.answer]
        self._digits = [at for at, line in enumerate(self._corpus.lines) if line.sentence.kind == "digits"]
        self._people, self._conditions = people, conditions

    def transcription(self, rng: random.Random) -> Clip:
        """Return something to write down."""
        noise = np.random.default_rng(rng.getrandbits(64))
        if rng.random() < SILENT:
            return nothing(noise, self._conditions), "", ""
        if rng.random() < self._people:
            if rng.random() < 0.15:
                return self._said(rng.choice(self._digits), noise)
            text = "".join(
                rng.choices("0123456789", k=rng.randint(1, 8) if rng.random() < 0.85 else rng.randint(9, 12))
            )
            conditions = PEOPLE if self._conditions is JOINT else self._conditions
            return recorded(self._speakers.say(text, noise), noise, conditions), text, ""
        return self._said(rng.randrange(len(self._corpus)), noise)

    def question(self, rng: random.Random) -> Clip:
        """Return a spoken question that the model has an answer to."""
        return self._said(rng.choice(self._questions), np.random.default_rng(rng.getrandbits(64)))

    def _said(self, index: int, noise: np.random.Generator) -> Clip:
        sentence = self._corpus.lines[index].sentence
        samples = recorded(self._corpus.samples(index), noise, self._conditions)
        return samples, sentence.written, sentence.answer


def encode_clip(
    samples: NDArray[np.float32],
    text: str,
    answer: str,
    tokenizer: Tokenizer,
    *,
    audio_first: bool,
    written: str | None = None,
    blot: np.random.Generator | None = None,
) -> Sample:
    """Return one exchange: the user sends ``text`` (perhaps empty) with the sound, the model says ``answer``.

    ``written`` is the transcription where the answer is another; ``blot`` blots out parts of the sound, at random.
    """
    parts: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    parts.insert(0 if audio_first else len(parts), {"type": "audio"})
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]
    prompt = render(messages).replace(
        "<|audio|>", "<|audio>" + "<|audio|>" * soft_token_count(len(samples)) + "<audio|>"
    )
    ids = tokenizer.encode(prompt, add_special_tokens=False).ids
    features, mask = log_mel(samples)
    heard = masked(features[mask], blot) if blot else features[mask]
    said = tuple(tokenizer.encode(answer if written is None else written, add_special_tokens=False).ids)
    return Sample(ids, learned(ids, tokenizer.token_to_id("model"), last_only=False), sounds=(heard,), said=(said,))


def source(tokenizer: Tokenizer, *, questions: float = 0.2, clips: Clips | None = None) -> Source:
    """Return a maker of samples, of which the share ``questions`` are spoken questions to be answered."""
    return partial(_sample, tokenizer=tokenizer, clips=clips or Clips(), questions=questions)


def _sample(rng: random.Random, tokenizer: Tokenizer, clips: Clips, questions: float) -> Sample:
    if rng.random() < questions:
        samples, written, answer = clips.question(rng)
        text = rng.choices([text for text, _ in _ANSWER], [share for _, share in _ANSWER])[0]
    else:
        samples, written, _ = clips.transcription(rng)
        answer = written
        text = rng.choices([text for text, _ in _TRANSCRIBE], [share for _, share in _TRANSCRIBE])[0]
        if text in (TRANSCRIBE, TRANSCRIBE_ORIGINAL) and rng.random() < PHRASES:
            terms = rng.choices(vocabulary(), k=rng.randint(1, 6))
            text += f"\n* These names and terms may occur; spell them like this: {', '.join(terms)}."
    first, blot = rng.random() < AUDIO_FIRST, np.random.default_rng(rng.getrandbits(64)) if rng.random() < 0.7 else None
    return encode_clip(samples, text, answer, tokenizer, audio_first=first, written=written, blot=blot)
