"""``transcribe`` and ``listen``: speech to text in the terminal."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.arguments import add_engine_options, add_provider_option, not_empty

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers
    from inference.transcription import TranscriptionOptions


_LARGEST_PHRASES = 1 << 20


def add_to(commands: Subparsers) -> None:
    """Add both commands."""
    transcribe = commands.add_parser(
        "transcribe",
        help="write down what is said in recordings and videos",
        description="Write down what is said in recordings and videos of any length.",
    )
    transcribe.add_argument("files", metavar="FILE", nargs="+", type=Path, help="a recording, or a video with sound")
    _add_transcription_options(transcribe)
    transcribe.add_argument(
        "--format", choices=("text", "srt"), default="text", help="text, or subtitles (default: %(default)s)"
    )
    transcribe.add_argument(
        "--output",
        metavar="PATH",
        type=not_empty,
        help="write to this file; with several recordings, into this folder, where nothing is replaced",
    )
    transcribe.set_defaults(run=run_transcribe)

    listen = commands.add_parser(
        "listen",
        help="write down what is said into the microphone",
        description="Write down what is said into the microphone, until Ctrl+C.",
    )
    listen.add_argument("--device", metavar="NAME", default="", help="microphone; --device list names them")
    _add_transcription_options(listen)
    listen.set_defaults(run=run_listen)


def run_transcribe(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Write down recordings."""
    subtitles = options.format == "srt"
    if subtitles and len(options.files) > 1 and options.output is None:
        parser.error("subtitles of several recordings need --output with the name of a folder")
    from app.terminal import EngineThread
    from app.terminal_hearing import transcribe_files

    return transcribe_files(
        EngineThread(options.model, options.provider),
        options.files,
        _transcription(options),
        subtitles=subtitles,
        times=options.times,
        output=None if options.output is None else Path(options.output),
        into_folder=options.output is not None and options.output.endswith(("/", os.sep)),
        also_read=() if options.phrases is None else (options.phrases,),
    )


def run_listen(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Write down what the microphone hears, or name the microphones."""
    from app.devices.audio_source import audio_source

    if options.device == "list":
        from app.devices.audio_microphone import microphones
        from inference.foreign_names import display_name

        for microphone in microphones():
            print(display_name(microphone.name))
        return 0
    from app.terminal import EngineThread
    from app.terminal_hearing import listen

    return listen(
        EngineThread(options.model, options.provider),
        _transcription(options),
        lambda: audio_source(options.device),
        times=options.times,
    )


def _add_transcription_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--language",
        metavar="NAME",
        type=not_empty,
        help="language that is spoken, such as German or de; without it the model finds out",
    )
    parser.add_argument("--translate-to", metavar="NAME", type=not_empty, help="translate into this language as well")
    parser.add_argument(
        "--phrases", metavar="FILE", type=Path, help="names and terms, one in each line, and how they are spelled"
    )
    parser.add_argument("--times", action="store_true", help="put the time before each line")
    add_provider_option(parser)
    add_engine_options(parser)


def _transcription(options: argparse.Namespace) -> TranscriptionOptions:
    from inference.foreign_files import read_text
    from inference.transcription import TranscriptionOptions, language_name, read_phrases

    phrases: tuple[str, ...] = ()
    if options.phrases is not None:
        phrases = read_phrases(read_text(options.phrases, _LARGEST_PHRASES))
    return TranscriptionOptions(
        language_name(options.language) if options.language else "",
        language_name(options.translate_to) if options.translate_to else "",
        phrases,
    )
