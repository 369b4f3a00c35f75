"""Larimar's command line: reads the arguments and hands over; nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
from collections.abc import Sequence

from app.commands.private_text import hide_private_text

_CHILD = "--isolated-child"
"""With this alone a frozen program becomes a child of itself; see :mod:`inference.isolation`."""

_ENGINE_PROCESS = "--engine-process"
"""With this alone a frozen program becomes the process of its engine; see :mod:`app.engine_process`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Larimar and return its exit code: 0 done, 1 a problem (said in one sentence), 2 usage, 130 interrupted."""
    if arguments is None:
        hide_private_text(sys.argv[1:])  # before anything else: other users see it until then
    multiprocessing.freeze_support()
    if arguments is None and sys.argv[1:] in ([_CHILD], [_ENGINE_PROCESS]) and not _started_by_larimar():
        print(f"larimar: {sys.argv[1]} is for Larimar's own use; start it without.", file=sys.stderr)
        return 2
    if arguments is None and sys.argv[1:] == [_CHILD]:
        from inference.isolation.child import main as be_child

        be_child()
    if arguments is None and sys.argv[1:] == [_ENGINE_PROCESS]:
        from app.engine_process.child import main as be_engine

        be_engine()
    from app.commands import streams

    streams.prepare()
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()  # a full disk shows here, or nowhere
    except OSError as error:
        sentence = streams.lost_output(error)
        if not sentence:
            raise
        # (`larimar ask … | head -1`, or a full disk)
        streams.abandon()
        streams.remark(f"larimar: {sentence}")
        return 1


def _started_by_larimar() -> bool:
    """Return whether this may be a child of Larimar's: those are asked through pipes, users type and read."""
    return not any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _run(arguments: Sequence[str] | None) -> int:
    parser = build_parser()
    options = parser.parse_args(arguments)
    options.command_line = list(sys.argv[1:] if arguments is None else arguments)
    if options.verbose:
        _log_to_stderr()
    from app.commands.streams import remark
    from inference.errors import LarimarError

    try:
        return int(options.run(options, parser))
    except LarimarError as error:
        logging.getLogger("main").debug("The cause:", exc_info=error)
        remark(f"larimar: {error}")
        return 1
    except KeyboardInterrupt:
        remark("")
        return 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; ``run`` in what it parses is the function to call with the options and the parser."""
    from app.commands import bench, care, convert, describe, hearing, talk, window
    from app.commands.arguments import Parser, add_engine_options
    from inference.version import __version__

    parser = Parser(
        prog="larimar",
        description="A desktop assistant that sees, hears and answers, wholly on your own machine.",
        epilog="Without a command the window opens; where there is no display, the chat runs in the terminal.",
    )
    parser.add_argument("--version", action="version", version=f"Larimar {__version__}")
    add_engine_options(parser, top=True)
    window.add_options(parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for group in (talk, describe, hearing, convert, care, bench):
        group.add_to(commands)
    return parser


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    for name in ("main", "app", "inference"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)


if __name__ == "__main__":
    sys.exit(main())
