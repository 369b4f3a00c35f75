"""What the tests of the session share: asking, and what arrives of the answers."""

from __future__ import annotations

from collections.abc import Callable

from pytestqt.qtbot import QtBot

from app.session import Frame, Session, SessionState
from inference.messages import ReplyOptions, Turn

QUESTION = (Turn.of("user", "Who are you?"),)
MakeSession = Callable[..., Session]


def collect(session: Session) -> list[Frame]:
    """Return a list that grows with every frame."""
    frames: list[Frame] = []
    session.frame.connect(frames.append)
    return frames


def ask(session: Session) -> int:
    """Ask a question; return its number."""
    return session.submit(QUESTION, ReplyOptions())


def finish(qtbot: QtBot, session: Session, frames: list[Frame]) -> None:
    """Wait for the end of a reply."""
    qtbot.waitUntil(lambda: bool(frames) and frames[-1].last and session.state is SessionState.READY)


def ends(frames: list[Frame]) -> list[int]:
    """Return the numbers of the questions whose answers have ended, in order."""
    return [frame.turn for frame in frames if frame.last]
