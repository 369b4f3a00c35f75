"""Larimar's command line: reads the arguments and hands over; nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
from collections.abc import Sequence

from app.commands import bench, care, convert, describe, hearing, talk, window
from app.commands.arguments import add_engine_options
from inference.version import __version__

_CHILD = "--isolated-child"
"""With this alone a frozen program becomes a child of itself; see :mod:`inference.isolation`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Larimar and return its exit code: 0 done, 1 a problem (said in one sentence), 2 usage, 130 interrupted."""
    multiprocessing.freeze_support()
    if arguments is None and sys.argv[1:] == [_CHILD]:
        from inference.isolation.child import main as be_child

        be_child()
    parser = build_parser()
    options = parser.parse_args(arguments)
    options.command_line = list(sys.argv[1:] if arguments is None else arguments)
    _use_utf8()
    if options.verbose:
        _log_to_stderr()
    from inference.errors import LarimarError

    try:
        return int(options.run(options, parser))
    except LarimarError as error:
        logging.getLogger("main").debug("The cause:", exc_info=error)
        print(f"larimar: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away (`larimar ask … | head -1`); keep the interpreter from complaining at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; ``run`` in what it parses is the function to call with the options and the parser."""
    parser = argparse.ArgumentParser(
        prog="larimar",
        description="A desktop assistant that sees, hears and answers, wholly on your own machine.",
        epilog="Without a command the window opens; where there is no display, the chat runs in the terminal.",
    )
    parser.add_argument("--version", action="version", version=f"Larimar {__version__}")
    add_engine_options(parser, top=True)
    window.add_options(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for group in (talk, describe, hearing, convert, care, bench):
        group.add_to(commands)
    return parser


def _use_utf8() -> None:
    """Make pipes and old consoles carry every language."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    for name in ("main", "app", "inference"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)


if __name__ == "__main__":
    sys.exit(main())
