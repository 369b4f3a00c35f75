"""Speech to text in the terminal: ``transcribe`` for files, ``listen`` for the microphone. No Qt here.

Standard output carries what was said and nothing else; progress and errors go to standard error.
"""

from __future__ import annotations

import contextlib
import queue
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.devices.audio_source import AudioSource
from app.hearing.recording import Recording
from app.terminal import EXIT_INTERRUPTED, EngineThread, cancel_on_interrupt, next_of, say
from app.terminal_output import ProgressLine, printable
from inference.cancellation import CancelToken
from inference.errors import LarimarError, UnsupportedInputError
from inference.graphs.voice_activity import VoiceActivityModel
from inference.media.voice_activity import Judge, SpeechBegun, SpeechEnded, SpeechEvent, SpeechSound
from inference.messages import Done, Text
from inference.transcript import as_srt, as_text, clock
from inference.transcription import (
    Progress,
    TranscriptionOptions,
    Utterance,
    loops,
    read_transcription,
    transcribe,
    transcription_reply,
    transcription_turns,
)

if TYPE_CHECKING:
    from inference.streaming_audio import StreamingAudioEncoder

_PARTIAL_SECONDS = 0.5


def transcribe_files(
    thread: EngineThread,
    files: Sequence[Path],
    options: TranscriptionOptions,
    *,
    subtitles: bool = False,
    times: bool = False,
    output: Path | None = None,
) -> int:
    """Write down what is said in ``files``, to standard output or to ``output``, which is a folder for several.

    Returns the exit code: 0, 1 when a file could not be read, or 130 when Ctrl+C stopped it. Raises
    :class:`LarimarError`.
    """
    for file in files:
        if not file.is_file():
            raise UnsupportedInputError(f"There is no file {file}.")
    failed = False
    with thread as engine:
        _require_ears(engine)
        for file in files:
            target = _target(output, file, subtitles, several=len(files) > 1)
            try:
                finished = _transcribe_file(engine, file, options, target, subtitles, times, heading=len(files) > 1)
            except LarimarError as error:
                if len(files) == 1:
                    raise
                say(str(error))
                failed = True
                continue
            if not finished:
                say("Stopped.")
                return EXIT_INTERRUPTED
    return 1 if failed else 0


def listen(
    thread: EngineThread,
    options: TranscriptionOptions,
    source: Callable[[], AudioSource],
    *,
    times: bool = False,
    judge: Callable[[], Judge] = VoiceActivityModel,
) -> int:
    """Write down what is said into the microphone until Ctrl+C, a line for each utterance.

    Returns the exit code: 0, or 1 when the microphone was lost. Raises :class:`LarimarError` when it, or the model,
    cannot be used.
    """
    with thread as engine:
        _require_ears(engine)
        hearer = _TerminalHearer()
        recording = Recording(source, judge, hearer)
        stop = CancelToken()
        recording.start()
        try:
            with cancel_on_interrupt(stop), stop.terminating(recording.stop):
                writer = _LiveWriter(engine, options, times)
                while (events := next_of(hearer.events)) is not None:
                    for event in events:
                        writer.take(event)
                    if hearer.events.empty():
                        writer.write_partial(hearer.events.empty)
        finally:
            recording.cut()
            recording.join(2.0)
    if hearer.sentence and not hearer.name:  # it never recorded
        raise LarimarError(hearer.sentence)
    if hearer.sentence:
        say(hearer.sentence)
    return 1 if hearer.sentence else 0


def _require_ears(engine: EngineThread) -> None:
    if "audio" not in engine.modalities:
        raise UnsupportedInputError(f"{engine.name} does not understand sound. Choose another model with --model.")


def _target(output: Path | None, file: Path, subtitles: bool, *, several: bool) -> Path | None:
    if output is None or not several:
        return output
    output.mkdir(parents=True, exist_ok=True)
    return output / f"{file.stem}{'.srt' if subtitles else '.txt'}"


def _transcribe_file(
    engine: EngineThread,
    file: Path,
    options: TranscriptionOptions,
    target: Path | None,
    subtitles: bool,
    times: bool,
    *,
    heading: bool,
) -> bool:
    """Return whether it came to its end."""
    said: list[Utterance] = []
    live = target is None and not subtitles
    if live and heading:
        _print(f"# {file.name}")
    cancel = CancelToken()
    stage = f"Listening to {file.name}"
    with ProgressLine() as progress, cancel_on_interrupt(cancel):
        progress.show(stage)
        with contextlib.closing(transcribe(engine, file, options, cancel)) as found:
            for item in found:
                if isinstance(item, Progress):
                    fraction = min(item.seconds / item.total, 1.0) if item.total else None
                    progress.show(stage, fraction, "" if item.total else clock(item.seconds))
                    continue
                said.append(item)
                if live:
                    progress.clear()
                    _print(as_text([item], times=times).removesuffix("\n"))
    if not live:
        text = as_srt(said, translated=True) if subtitles else as_text(said, times=times)
        if target is None:
            print(text, end="", flush=True)
        else:
            _write(target, text)
    if not said and not cancel.cancelled:
        say(f"Nobody speaks in {file.name}.")
    return not cancel.cancelled


def _write(target: Path, text: str) -> None:
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise LarimarError(f"The file {target} cannot be written: {error.strerror or error}.") from error


def _print(text: str) -> None:
    print(printable(text) if sys.stdout.isatty() else text, flush=True)


class _TerminalHearer:
    """Hands over what the audio thread tells."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[list[SpeechEvent] | None] = queue.SimpleQueue()
        self.name = ""
        self.sentence = ""

    def opened(self, name: str) -> None:
        self.name = name
        say(f"Listening to {name}. Ctrl+C ends.")

    def heard(self, level: float, peaks: NDArray[np.float32]) -> None:
        pass

    def speech(self, events: list[SpeechEvent]) -> None:
        self.events.put(events)

    def lost(self, sentence: str) -> None:
        self.sentence = sentence or "Something went wrong inside Larimar while it was recording. Please try again."

    def closed(self) -> None:
        self.events.put(None)


class _LiveWriter:
    """Turns speech into lines, and shows on a terminal what is being said."""

    def __init__(self, engine: EngineThread, options: TranscriptionOptions, times: bool) -> None:
        self._engine = engine
        self._options = options
        self._times = times
        self._encoder: StreamingAudioEncoder | None = None
        self._start = 0.0
        self._shown = 0.0
        self._live = sys.stderr.isatty()

    def take(self, event: SpeechEvent) -> None:
        match event:
            case SpeechBegun(start):
                self._encoder = self._engine.call(lambda engine: engine.listen())
                self._start = start
            case SpeechSound(samples) if self._encoder is not None:
                encoder = self._encoder
                self._engine.call(lambda _: encoder.feed(samples))
            case SpeechEnded(end) if self._encoder is not None:
                encoder, self._encoder = self._encoder, None
                self._engine.call(lambda _: encoder.finish())
                recording = encoder.recording
                self._clear()
                answer = ""
                turns = transcription_turns(recording, self._options)
                reply = transcription_reply(self._options, end - self._start + 1)
                cancel = CancelToken()
                for piece in self._engine.reply(turns, reply, cancel):
                    answer += piece.text if isinstance(piece, Text) else ""
                    if loops(answer):
                        cancel.cancel()
                text, translation = read_transcription(answer, self._options)
                if text or translation:
                    utterance = Utterance(self._start, end, text, translation)
                    _print(as_text([utterance], times=self._times).removesuffix("\n"))

    def write_partial(self, idle: Callable[[], bool]) -> None:
        """Show what was said so far, as long as there is nothing else to do."""
        if not self._live or self._encoder is None or time.monotonic() - self._shown < _PARTIAL_SECONDS:
            return
        recording = self._encoder.so_far()
        if recording is None:
            return
        answer, cancel = "", CancelToken()
        turns = transcription_turns(recording, self._options)
        with contextlib.closing(self._engine.reply(turns, transcription_reply(self._options), cancel)) as pieces:
            for piece in pieces:
                if isinstance(piece, Text):
                    answer += piece.text
                if isinstance(piece, Done):
                    text, translation = read_transcription(answer, self._options)
                    self._show(translation or text)
                if not idle():
                    cancel.cancel()
        self._shown = time.monotonic()

    def _show(self, text: str) -> None:
        width = 78
        shown = printable(text)[-width:]
        sys.stderr.write(f"\r\x1b[2K\x1b[2m{shown}\x1b[0m")
        sys.stderr.flush()

    def _clear(self) -> None:
        if self._live:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
