"""Speech to text in the terminal: ``transcribe`` for files, ``listen`` for the microphone. No Qt here.

Standard output carries what was said and nothing else; progress and errors go to standard error.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.commands.streams import is_terminal, printable, tell
from app.devices.audio_source import AudioSource
from app.hearing.recording import Recording
from app.terminal import EXIT_INTERRUPTED, EngineThread, cancel_on_interrupt, next_of, prepare_decoding, require_file
from app.terminal_output import ProgressLine, say
from inference.cancellation import CancelToken
from inference.errors import LarimarError, UnsupportedInputError
from inference.foreign_names import display_name
from inference.graphs.voice_activity import VoiceActivityModel
from inference.media.voice_activity import Judge, SpeechBegun, SpeechEnded, SpeechEvent, SpeechSound
from inference.messages import Done, Text
from inference.output_files import check_output, distinct_names, make_output_folder, write_file
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
    into_folder: bool = False,
    also_read: Sequence[Path] = (),
) -> int:
    """Write down what is said in ``files``, to standard output or to ``output``.

    ``output`` is a folder for several files, with ``into_folder``, or where it is one already: there nothing is ever
    replaced. Where nobody speaks, nothing is written; what was heard until it was stopped or failed is kept beside, as
    unfinished. ``output`` never takes the place of ``files``, nor of what was ``also_read`` for the options.

    Returns the exit code: 0, 1 when a file could not be read or written, or 130 when Ctrl+C stopped it. Raises
    :class:`LarimarError`.
    """
    for file in files:
        require_file(file)
    several = len(files) > 1
    targets = _targets(output, files, subtitles, into_folder=into_folder or several, also_read=also_read)
    failed = False
    prepare_decoding()
    with thread as engine:
        _require_ears(engine)
        for file, target in zip(files, targets, strict=True):
            try:
                finished = _transcribe_file(engine, file, options, target, subtitles, times, heading=several)
            except LarimarError as error:
                if not several:
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


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a transcript goes."""

    path: Path
    named: bool
    """Whether the user named this very file, which may then be replaced."""
    inputs: Sequence[Path]

    def write(self, text: str, file: Path) -> None:
        """Write the transcript of ``file``."""
        written = write_file(self.path, text, inputs=self.inputs, replace=self.named)
        if not self.named and written.stem != file.stem:
            say(f"{file.name} is written down in {written}.")

    def keep_unfinished(self, text: str) -> None:
        """Keep what there is of a transcript, beside what is there."""
        place = self.path.resolve() if self.path.is_symlink() else self.path
        written = write_file(place.with_stem(f"{place.stem} (unfinished)"), text, replace=False)
        say(f"What was heard so far is in {written}.")


def _targets(
    output: Path | None, files: Sequence[Path], subtitles: bool, *, into_folder: bool, also_read: Sequence[Path]
) -> Sequence[_Target | None]:
    """Return where each transcript goes; ``None`` for standard output. Raises before anything is read."""
    if output is None:
        return [None] * len(files)
    inputs = [*files, *also_read]
    if not into_folder and not os.path.isdir(output):  # Path.is_dir raises where a name is too long
        check_output(output, inputs)
        return [_Target(output, True, inputs)]
    make_output_folder(output)
    names = distinct_names(files, ".srt" if subtitles else ".txt")
    return [_Target(output / name, False, files) for name in names]


def _transcribe_file(
    engine: EngineThread,
    file: Path,
    options: TranscriptionOptions,
    target: _Target | None,
    subtitles: bool,
    times: bool,
    *,
    heading: bool,
) -> bool:
    """Return whether it came to its end."""
    said: list[Utterance] = []
    live = target is None and not subtitles
    if live and heading:
        _print(f"# {display_name(file.name)}")
    cancel = CancelToken()

    def text() -> str:
        return as_srt(said, translated=True) if subtitles else as_text(said, times=times)

    try:
        with ProgressLine() as progress, cancel_on_interrupt(cancel):
            _hear(engine, file, options, said, progress, cancel, _printer(progress, times) if live else None)
    except BaseException:
        if said and target is not None:
            with contextlib.suppress(LarimarError):  # the first failure is the one to tell
                target.keep_unfinished(text())
        raise
    if target is not None and said and cancel.cancelled:
        target.keep_unfinished(text())
    elif target is not None and said:
        target.write(text(), file)
    elif not live and target is None:
        _print(text().removesuffix("\n"))
    if not said and not cancel.cancelled:
        say(f"Nobody speaks in {file.name}." + (" Nothing was written." if target is not None else ""))
    return not cancel.cancelled


def _hear(
    engine: EngineThread,
    file: Path,
    options: TranscriptionOptions,
    said: list[Utterance],
    progress: ProgressLine,
    cancel: CancelToken,
    show: Callable[[Utterance], None] | None,
) -> None:
    """Collect in ``said`` what is said in a file."""
    stage = f"Listening to {file.name}"
    progress.show(stage)
    with contextlib.closing(transcribe(engine, file, options, cancel)) as found:
        for item in found:
            if isinstance(item, Progress):
                fraction = min(item.seconds / item.total, 1.0) if item.total else None
                progress.show(stage, fraction, "" if item.total else clock(item.seconds))
                continue
            said.append(item)
            if show is not None:
                show(item)


def _printer(progress: ProgressLine, times: bool) -> Callable[[Utterance], None]:
    def show(utterance: Utterance) -> None:
        progress.clear()
        _print(as_text([utterance], times=times).removesuffix("\n"))

    return show


def _print(text: str) -> None:
    if text:
        print(printable(text) if is_terminal(sys.stdout) else text, flush=True)


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
        self._live = is_terminal(sys.stderr)

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
        shown = " ".join(printable(text).split())[-width:]
        tell(sys.stderr, f"\r\x1b[2K\x1b[2m{shown}\x1b[0m")

    def _clear(self) -> None:
        if self._live:
            tell(sys.stderr, "\r\x1b[2K")
