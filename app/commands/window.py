"""The window, which opens without a command, and what a second start tells it."""

from __future__ import annotations

import argparse
import sys

from app.commands import talk
from app.commands.arguments import not_empty


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what may be given without a command."""
    window = parser.add_argument_group("the window", "One window is open at a time: a second start tells the first.")
    window.add_argument("--new-chat", action="store_true", help="begin another conversation")
    window.add_argument("--ask", metavar="TEXT", type=not_empty, help="ask this in a new conversation")
    window.add_argument("--quit", action="store_true", help="close the window that is open")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Open the window; where there is no display, chat in the terminal."""
    from app.display import window_problem

    problem = window_problem()
    if problem is not None:
        if options.ask:
            return talk.run_ask(parser.parse_args(["ask", options.ask], namespace=options), parser)
        print(f"{problem} The chat goes on here in the terminal.", file=sys.stderr)
        return talk.run_chat(parser.parse_args(["chat"], namespace=options), parser)
    if sys.platform == "win32":
        # Qt brings an older C++ runtime; loaded first, it keeps ONNX Runtime's library from starting.
        import onnxruntime  # noqa: F401
    from app.application import run
    from app.single_instance import Wishes

    return run(options.model, wishes=Wishes(options.new_chat, options.ask or "", options.quit))
