"""Speech to text, and to text in another language: the model's documented prompts, and files of any length.

A recording is cut into what was said between two pauses; each of these utterances is asked about by itself, so that a
recording may be as long as it likes and every text has its times.
"""

from __future__ import annotations

import io
import wave
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from inference.cancellation import CancelToken
from inference.errors import LarimarError
from inference.isolation import CallCancelled
from inference.media.audio import SAMPLE_RATE
from inference.media.isolated import decode_audio, probe_audio
from inference.media.source import Source
from inference.media.voice_activity import Judge, SpeechBegun, SpeechEnded, SpeechFinder, SpeechSound
from inference.messages import Audio, Done, ReplyEvent, ReplyOptions, Text, Turn

_LANGUAGES: Final = {
    "ar": "Arabic", "bn": "Bengali", "bg": "Bulgarian", "ca": "Catalan", "zh": "Chinese", "hr": "Croatian",
    "cs": "Czech", "da": "Danish", "nl": "Dutch", "en": "English", "et": "Estonian", "fi": "Finnish", "fr": "French",
    "de": "German", "el": "Greek", "he": "Hebrew", "hi": "Hindi", "hu": "Hungarian", "id": "Indonesian",
    "it": "Italian", "ja": "Japanese", "ko": "Korean", "lv": "Latvian", "lt": "Lithuanian", "no": "Norwegian",
    "fa": "Persian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sr": "Serbian",
    "sk": "Slovak", "sl": "Slovenian", "es": "Spanish", "sv": "Swedish", "th": "Thai", "tr": "Turkish",
    "uk": "Ukrainian", "vi": "Vietnamese",
}  # fmt: skip
"""By their codes in ISO 639-1."""
LANGUAGES: Final = tuple(_LANGUAGES.values())
"""Languages to choose from, by the names that the prompts use; the model knows more, and takes any name."""

_FORMAT: Final = (
    "Follow these specific instructions for formatting the answer:\n"
    "* Only output the transcription, with no newlines.\n"
    "* When transcribing numbers, write the digits, i.e. write 1.7 and not one point seven, and write 3 instead of "
    "three."
)
_SPELLING: Final = "* These names and terms may occur; spell them like this: {phrases}."
_TOKENS_PER_SECOND: Final = 16
"""More than anybody can say in any script; a model that repeats itself without end is stopped there."""
_PROGRESS_SECONDS: Final = 5.0
_LONGEST_LOOP: Final = 40  # characters
_LOOPS: Final = 10
_LOOP_LENGTH: Final = 30  # characters in all


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """What is wanted of the text."""

    language: str = ""
    """English name of the language that is spoken; empty leaves it to the model."""
    translate_to: str = ""
    """English name of the language to translate into as well; empty for none."""
    phrases: tuple[str, ...] = ()
    """Names and terms whose spelling the model is told."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said between two pauses."""

    start: float
    """Seconds from the beginning of the recording, as is ``end``."""
    end: float
    text: str
    translation: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file is."""

    seconds: float
    """How much of it was listened to."""
    total: float | None
    """How long it says it is; ``None`` when it does not."""


@dataclass(frozen=True, slots=True)
class Speech:
    """The sound of one utterance."""

    start: float
    end: float
    samples: NDArray[np.float32]
    """float32 [n], 16 kHz mono, less than 30 seconds."""

    @property
    def recording(self) -> Audio:
        """The sound as a WAV file in memory."""
        content = io.BytesIO()
        with wave.open(content, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE)
            scaled = np.clip(np.rint(self.samples * 32768), -32768, 32767)
            file.writeframes(scaled.astype("<i2").tobytes())
        return Audio(content.getvalue())


class AnsweringEngine(Protocol):
    """The part of :class:`inference.engine.Engine` that is used here."""

    def reply(
        self, turns: Sequence[Turn], options: ReplyOptions | None = None, cancel: CancelToken | None = None
    ) -> Generator[ReplyEvent]:
        """Answer."""


def transcription_prompt(options: TranscriptionOptions) -> str:
    """Return what the model is asked to do with the recording that follows."""
    phrases = [" ".join(phrase.split()) for phrase in options.phrases if phrase.strip()]
    spelling = _SPELLING.format(phrases=", ".join(phrases)) if phrases else ""
    source, target = options.language, options.translate_to
    if target:
        spoken = f"in {source}" if source else "in its original language"
        written = source or "the original language"
        prompt = (
            f"Transcribe the following speech segment {spoken}, then translate it into {target}.\n"
            f"When formatting the answer, first output the transcription in {written}, then one newline, then output "
            f"the string '{target}: ', then the translation in {target}."
        )
    elif source:
        prompt = f"Transcribe the following speech segment in {source} into {source} text.\n\n{_FORMAT}"
    else:
        prompt = f"Transcribe the following speech segment in its original language. {_FORMAT}"
    return f"{prompt}\n{spelling}" if spelling else prompt


def transcription_turns(recording: Audio, options: TranscriptionOptions) -> tuple[Turn, ...]:
    """Return the conversation that asks for the text of a recording of less than 30 seconds."""
    # sound behind the text, as Gemma 4's documentation has it; the prompt is then read once for all recordings
    return (Turn("user", (Text(transcription_prompt(options)), recording)),)


def transcription_reply(options: TranscriptionOptions, seconds: float = 30.0) -> ReplyOptions:
    """Return how to answer for a recording of so many seconds: what is most likely, and not without end."""
    most = 32 + int(seconds * _TOKENS_PER_SECOND) * (2 if options.translate_to else 1)
    return ReplyOptions(temperature=0, max_tokens=most)


def read_transcription(answer: str, options: TranscriptionOptions) -> tuple[str, str]:
    """Return the transcription and the translation in an answer, which may be the beginning of one."""
    answer = _without_loop(answer)
    if not options.translate_to:
        return " ".join(answer.split()), ""
    text, found, translation = answer.partition(f"{options.translate_to}:")
    if not found:  # a model that forgets the label still puts the translation on a line of its own
        text, _, translation = answer.strip().partition("\n")
    return " ".join(text.split()), " ".join(translation.split())


def loops(answer: str) -> bool:
    """Return whether a model says the same thing again and again, and should be stopped."""
    return _loop(answer) > 0


def _loop(answer: str) -> int:
    """Return the length of what an answer repeats at its end; 0 when it does not."""
    for size in range(1, _LONGEST_LOOP + 1):
        times = max(_LOOPS, -(-_LOOP_LENGTH // size))
        if size * times <= len(answer) and answer.endswith(answer[-size:] * times):
            return size
    return 0


def _without_loop(answer: str) -> str:
    """Return an answer with what it repeats at its end said once."""
    size = _loop(answer)
    if not size:
        return answer
    unit = answer[-size:]
    while answer.endswith(unit * 2):
        answer = answer[:-size]
    return answer


def find_speech(
    source: Source, judge: Judge, cancel: CancelToken | None = None
) -> Generator[Speech | Progress, None, None]:
    """Yield what is spoken in a recording of any length and format, and now and then how far it is.

    Only one utterance is in memory at a time.

    Args:
        source: the file.
        judge: finds voices, see :class:`inference.graphs.voice_activity.VoiceActivityModel`.
        cancel: ends the work early.

    Raises:
        MediaError: it cannot be read, or holds no sound.
    """
    cancel = cancel or CancelToken()
    try:
        yield from _found(source, judge, cancel)
    except CallCancelled:
        return


def _found(source: Source, judge: Judge, cancel: CancelToken) -> Generator[Speech | Progress, None, None]:
    info = probe_audio(source, cancel=cancel)
    total = info.seconds if info else None
    finder, collector = SpeechFinder(judge), SpeechCollector()
    heard, told = 0, 0.0
    with closing(decode_audio(source, cancel=cancel)) as blocks:
        for block in blocks:
            heard += len(block)
            for event in finder.push(block):
                yield from collector.take(event)
            if heard / SAMPLE_RATE - told >= _PROGRESS_SECONDS:
                told = heard / SAMPLE_RATE
                yield Progress(told, total)
    for event in finder.finish():
        yield from collector.take(event)
    seconds = heard / SAMPLE_RATE
    yield Progress(seconds, seconds)


class SpeechCollector:
    """Puts the events of a :class:`SpeechFinder` together to whole utterances."""

    def __init__(self) -> None:
        self._start = 0.0
        self._sound: list[NDArray[np.float32]] = []

    def take(self, event: SpeechBegun | SpeechSound | SpeechEnded) -> Iterator[Speech]:
        """Take the next event; yield the utterance that it ends."""
        match event:
            case SpeechBegun(start):
                self._start, self._sound = start, []
            case SpeechSound(samples):
                self._sound.append(samples)
            case SpeechEnded(end):
                yield Speech(self._start, end, np.concatenate(self._sound))
                self._sound = []


def transcribe(
    engine: AnsweringEngine,
    source: Source,
    options: TranscriptionOptions | None = None,
    cancel: CancelToken | None = None,
    *,
    judge: Judge | None = None,
) -> Generator[Utterance | Progress, None, None]:
    """Yield the utterances of a recording of any length as they are understood, and now and then how far it is.

    Args:
        engine: of a model that hears.
        source: the file: any format, any length.
        options: what is wanted.
        cancel: ends the work early; the utterance under way is not yielded.
        judge: see :func:`find_speech`; ``None`` opens the one that ships with the program.

    Raises:
        MediaError: the file cannot be read, or holds no sound.
        LarimarError: as :meth:`inference.engine.Engine.reply`.
    """
    options, cancel = options or TranscriptionOptions(), cancel or CancelToken()
    if judge is None:
        from inference.graphs.voice_activity import VoiceActivityModel

        judge = VoiceActivityModel()
    for found in find_speech(source, judge, cancel):
        if isinstance(found, Progress):
            yield found
            continue
        answer = ""
        length = len(found.samples) / SAMPLE_RATE
        turns = transcription_turns(found.recording, options)
        with closing(engine.reply(turns, transcription_reply(options, length), cancel)) as events:
            for event in events:
                if isinstance(event, Text):
                    answer += event.text
                    if loops(answer):
                        break
                elif isinstance(event, Done) and event.reason == "cancelled":
                    return
        text, translation = read_transcription(answer, options)
        if text or translation:
            yield Utterance(found.start, found.end, text, translation)


def read_phrases(text: str) -> tuple[str, ...]:
    """Return the phrases of a list with one in each line; what follows a # is a remark."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if line))


def language_name(name: str) -> str:
    """Return a language as the prompts call it: “german” or “de” becomes “German”; unknown names stay as they are.

    Raises:
        LarimarError: it is no name at all.
    """
    wanted = name.strip()
    if not wanted or len(wanted) > 40 or not all(letter.isalpha() or letter in " -()" for letter in wanted):
        raise LarimarError(f"“{name}” is not the name of a language. Write it in English, such as German.")
    return _LANGUAGES.get(wanted.lower(), wanted if wanted != wanted.lower() else wanted.title())
