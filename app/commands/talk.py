"""``ask`` and ``chat``: questions and answers in the terminal."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.commands.arguments import add_engine_options, add_provider_option, not_empty, number

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers
    from inference.messages import Part, ReplyOptions


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

    text = sys.stdin.read().strip() if options.text == "-" else (options.text or "").strip()
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
    return ask(engine, parts, system=options.system, options=_reply_options(options))


def run_chat(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Chat until the user leaves."""
    from app.terminal import EngineThread, chat

    engine = EngineThread(options.model, options.provider)
    return chat(engine, system=options.system, options=_reply_options(options))


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
        stop=tuple(options.stop),
        json_schema=None if options.json_schema is None else _json_schema(options.json_schema),
        thinking=options.think,
    )


def _json_schema(path: Path) -> dict[str, Any]:
    import json

    from inference.errors import SchemaError

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SchemaError(f"The file {path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise SchemaError(f"{path} is no JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise SchemaError(f"{path} holds no JSON schema: that begins with a brace.")
    return schema
