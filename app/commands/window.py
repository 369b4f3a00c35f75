"""The window, which opens without a command, and what a second start tells it."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator

from app.commands import talk
from app.commands.arguments import not_empty
from app.commands.streams import remark


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add what may be given without a command."""
    window = parser.add_argument_group("the window", "One window is open at a time: a second start tells the first.")
    window.add_argument("--new-chat", action="store_true", help="begin another conversation")
    window.add_argument("--ask", metavar="TEXT", type=not_empty, help="ask this in a new conversation")
    window.add_argument("--quit", action="store_true", help="close the window that is open")
    from_keys = parser.add_argument_group(
        "from keys of the desktop", "What its keyboard settings can run; Larimar is told, and no window comes forward."
    )
    deeds = from_keys.add_mutually_exclusive_group()
    for deed, words in (
        ("dictate", "begin to dictate into the program in front, or end it and insert the text"),
        ("dictate-start", "begin to dictate"),
        ("dictate-stop", "end it and insert the text"),
        ("cancel", "forget what is being dictated"),
        ("paste-last", "insert the last dictation again"),
        ("ask-screen", "ask about a part of the screen"),
    ):
        deeds.add_argument(f"--{deed}", dest="do", action="store_const", const=deed, default="", help=words)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Open the window; where there is no display, chat in the terminal."""
    from app.display import window_problem

    problem = window_problem()
    if problem is not None:
        if options.do:
            remark(f"{problem} Larimar cannot be told anything from here.")
            return 1
        if options.ask:
            return talk.run_ask(parser.parse_args(["ask", options.ask], namespace=options), parser)
        remark(f"{problem} The chat goes on here in the terminal.")
        return talk.run_chat(parser.parse_args(["chat"], namespace=options), parser)
    from app.engine_process.launching import SPARE
    from app.paths import Paths

    try:
        if not (options.quit or options.do or Paths.of_user().lock.exists()):
            SPARE.begin()  # nobody seems to be running: the engine's process starts while the window is imported
        return _run(options)
    finally:
        SPARE.close()


@contextlib.contextmanager
def interrupts_later() -> Iterator[None]:
    """Let Ctrl+C wait for the end of the block: within the first import of Qt it would abort the process."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt


def _run(options: argparse.Namespace) -> int:
    with interrupts_later():
        import PySide6.QtCore  # noqa: F401

    from app.single_instance import Wishes, tell

    wishes = Wishes(options.new_chat, options.ask or "", options.quit, options.do)
    if options.do:
        # The keys should act at once: the program itself, which takes a moment to import, is not needed for it.
        from app.paths import Paths

        if tell(Paths.of_user().config, wishes):
            return 0
        if options.do in ("dictate-stop", "cancel", "paste-last"):
            remark("Larimar is not running.")
            return 0
    if sys.platform == "win32":
        # Qt brings an older C++ runtime; loaded first, it keeps ONNX Runtime's library from starting.
        import onnxruntime  # noqa: F401
    from app.running import run

    return run(options.model, wishes=wishes)
