"""What several commands share in their arguments."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.streams import printable, tell

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXPORT_PACKAGES = frozenset({"torch", "transformers", "optimum", "onnx", "onnxscript", "onnx_ir", "safetensors"})
"""What the ``export`` extra installs, by import name."""

EXPORT_COMMAND = 'pip install -c packaging/constraints.txt -e ".[export]"'


def add_engine_options(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    """Add ``--model`` and ``--verbose``; ``top`` is the parser above the commands."""
    # An option of a command must not set back to its default what was given before the command.
    unset = None if top else argparse.SUPPRESS
    parser.add_argument("--model", metavar="DIR", type=Path, default=unset, help="model folder to load")
    add_verbose_option(parser, top=top)


def add_verbose_option(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    """Add ``--verbose``."""
    parser.add_argument(
        "--verbose",
        action="store_true",
        default=False if top else argparse.SUPPRESS,
        help="log what happens to standard error; never what you or the model say",
    )


def add_provider_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--provider``."""
    parser.add_argument(
        "--provider", choices=("auto", "cpu", "cuda"), default="auto", help="what to compute on (default: %(default)s)"
    )


def number(kind: type[int] | type[float], range_words: str, valid: Callable[[float], bool]) -> Callable[[str], float]:
    """Return a reader of one number for argparse that says which range it takes."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not valid(value):
            whole = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {whole} {range_words}")
        return value

    return read


def not_empty(text: str) -> str:
    """Return ``text``; for argparse."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def unicode_text(text: str) -> str:
    """Return an argument as text: what the terminal did not write in its own encoding becomes U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


class Parser(argparse.ArgumentParser):
    """Writes what it has to say so that nothing in the arguments steers the terminal, and a full disk is told."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is None or file is sys.stderr:
            tell(sys.stderr, printable(message))
        elif message and sys.stdout is not None:
            sys.stdout.write(printable(message))
            sys.stdout.flush()


def lacks_export_extra(error: ModuleNotFoundError) -> bool:
    """Return whether what could not be imported comes with the ``export`` extra."""
    return (error.name or "").partition(".")[0] in EXPORT_PACKAGES
