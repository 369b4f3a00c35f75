"""``ask`` and ``chat``: questions and answers in the terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.commands.arguments import add_engine_options, add_provider_option, not_empty, number, unicode_text

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers
    from inference.messages import Part, ReplyOptions

_LONGEST_QUESTION = 1 << 23
"""Bytes of standard input; more than the longest context holds."""
_LARGEST_SCHEMA = 1 << 22


def add_to(commands: Subparsers) -> None:
    """Add both commands."""
    ask = commands.add_parser("ask", help="answer one question in the terminal")
    ask.add_argument("text", nargs="?", help="the question; - reads it from standard input")
    for medium in ("image", "audio", "video"):
        ask.add_argument(f"--{medium}", metavar="FILE", type=Path, action="append", default=[], help=f"attach {medium}")
    _add_reply_options(ask)
    add_engine_options(ask)
    ask.set_defaults(run=run_ask)

    chat = commands.add_parser("chat", help="chat in the terminal")
    _add_reply_options(chat)
    add_engine_options(chat)
    chat.set_defaults(run=run_chat)


def run_ask(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Answer one question."""
    from inference.messages import Audio, Image, Text, Video

    text = (_standard_input() if options.text == "-" else unicode_text(options.text or "")).strip()
    # Media come before the text that asks about them, as Gemma was trained.
    parts: list[Part] = [Image(path) for path in options.image]
    parts += [Video(path) for path in options.video]
    parts += [Audio(path) for path in options.audio]
    if text:
        parts.append(Text(text))
    if not parts:
        parser.error("ask needs a question, or - to read it from standard input")
    from app.terminal import EngineThread, ask

    engine = EngineThread(options.model, options.provider)
    return ask(engine, parts, system=_system(options), options=_reply_options(options))


def _standard_input() -> str:
    """Return all of standard input. Raises :class:`LarimarError` where that is no text, or without end."""
    from inference.errors import ForeignFileError
    from inference.foreign_files import decoded

    source = "Standard input"
    if sys.stdin is None:
        raise ForeignFileError(source, "is closed, so there is no question")
    try:
        stream = getattr(sys.stdin, "buffer", sys.stdin)
        content = stream.read(_LONGEST_QUESTION + 1)
    except (OSError, ValueError) as error:
        raise ForeignFileError(source, f"cannot be read: {error}") from error
    if len(content) > _LONGEST_QUESTION:
        raise ForeignFileError(source, "holds more than any question can be long")
    text = content if isinstance(content, str) else decoded(content, source)
    if "\0" in text:
        raise ForeignFileError(source, "holds no text")
    return text


def run_chat(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Chat until the user leaves."""
    from app.terminal import EngineThread, chat

    engine = EngineThread(options.model, options.provider)
    return chat(engine, system=_system(options), options=_reply_options(options))


def _system(options: argparse.Namespace) -> str | None:
    return None if options.system is None else unicode_text(options.system)


def _add_reply_options(parser: argparse.ArgumentParser) -> None:
    add_provider_option(parser)
    parser.add_argument("--think", action="store_true", help="let the model think before it answers")
    parser.add_argument("--system", metavar="TEXT", help="system prompt")
    sampling = parser.add_argument_group("sampling", "Where one is not given, the model's own setting applies.")
    sampling.add_argument(
        "--temperature",
        metavar="T",
        type=number(float, "0 or more", lambda value: 0 <= value < float("inf")),
        help="0 always takes the likeliest token",
    )
    sampling.add_argument(
        "--top-k", metavar="K", type=number(int, "0 or more", lambda value: value >= 0), help="0 switches it off"
    )
    sampling.add_argument(
        "--top-p",
        metavar="P",
        type=number(float, "above 0, at most 1", lambda value: 0 < value <= 1),
        help="1 switches it off",
    )
    sampling.add_argument(
        "--min-p",
        metavar="P",
        type=number(float, "0 or more, at most 1", lambda value: 0 <= value <= 1),
        help="never draw what is less likely than this share of the likeliest; 0 switches it off",
    )
    sampling.add_argument(
        "--seed",
        metavar="N",
        type=number(int, "0 or more", lambda value: value >= 0),
        help="makes an answer repeatable",
    )
    sampling.add_argument(
        "--max-tokens",
        metavar="N",
        type=number(int, "1 or more", lambda value: value >= 1),
        help="longest answer, in tokens",
    )
    parser.add_argument(
        "--stop",
        metavar="TEXT",
        type=not_empty,
        action="append",
        default=[],
        help="end the answer before this text (may be repeated)",
    )
    parser.add_argument(
        "--json-schema", metavar="FILE", type=Path, help="answer in JSON that the schema in this file admits"
    )


def _reply_options(options: argparse.Namespace) -> ReplyOptions:
    from inference.messages import ReplyOptions

    return ReplyOptions(
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        min_p=options.min_p,
        seed=options.seed,
        max_tokens=options.max_tokens,
        stop=tuple(map(unicode_text, options.stop)),
        json_schema=None if options.json_schema is None else _json_schema(options.json_schema),
        thinking=options.think,
    )


def _json_schema(path: Path) -> dict[str, Any]:
    from inference.errors import ForeignFileError, SchemaError
    from inference.foreign_json import JsonLimits, read_json_object

    try:
        return read_json_object(path, JsonLimits(bytes=_LARGEST_SCHEMA))
    except ForeignFileError as error:
        raise SchemaError(f"{error} So there is no JSON schema to answer by.") from error
