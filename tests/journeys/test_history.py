"""Conversations outlive the program, however it ends."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from app.conversation import MessageStatus
from app.store.sqlite_store import SqliteStore
from journeys import test_window
from journeys.program import DEADLINE_SECONDS, Program
from journeys.test_window import on_screen

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs an X server of its own"),
]
virtual_display = test_window.virtual_display
environment = test_window.environment


def keyboard_to_the_window(environment: dict[str, str]) -> None:
    window = on_screen(environment, "xdotool", "search", "--sync", "--onlyvisible", "--name", "^Larimar$")
    on_screen(environment, "xdotool", "windowfocus", "--sync", window)  # there is no window manager that would


def wait_until_kept(environment: dict[str, str]) -> None:
    """Return when the reply has begun in the database's log, behind its question: some milliseconds after that."""
    log = Path(environment["XDG_DATA_HOME"], "larimar", "conversations.sqlite-wal")
    end = time.monotonic() + DEADLINE_SECONDS
    begun = MessageStatus.STREAMING.value.encode()
    while begun not in log.read_bytes():  # the program alone may read the database
        assert time.monotonic() < end, "the question was never written down"


def test_a_question_is_found_again_after_a_kill_in_the_middle_of_the_reply(environment: dict[str, str]) -> None:
    with Program("--verbose", environment=environment) as program:
        program.wait_for("The session is ready")
        keyboard_to_the_window(environment)
        on_screen(environment, "xdotool", "type", "Tell me about the kingfisher, please")
        on_screen(environment, "xdotool", "key", "Return")
        program.wait_for("The session is generating")
        wait_until_kept(environment)
        # leaving the block kills the program
    with Program("--verbose", environment=environment) as program:
        program.wait_for("The session is ready")
        keyboard_to_the_window(environment)
        on_screen(environment, "xdotool", "key", "ctrl+f")
        on_screen(environment, "xdotool", "type", "kingf")
        for _ in "kingf":
            program.wait_for("A search found")
        on_screen(environment, "xdotool", "key", "Down")
        on_screen(environment, "xdotool", "key", "Down")
        on_screen(environment, "xdotool", "key", "Return")
        program.wait_for("is shown")
        on_screen(environment, "xdotool", "key", "F6")
        on_screen(environment, "xdotool", "key", "ctrl+c")
        assert (
            on_screen(environment, "xclip", "-selection", "clipboard", "-o") == "Tell me about the kingfisher, please"
        )
        on_screen(environment, "xdotool", "key", "ctrl+q")
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
    store = SqliteStore(Path(environment["XDG_DATA_HOME"], "larimar"))
    try:
        (entry,) = store.entries().result()
        question, reply = store.path(entry.id).result()
    finally:
        store.close()
    assert question.text == entry.title == "Tell me about the kingfisher, please"
    assert reply.status in (MessageStatus.STOPPED, MessageStatus.COMPLETE)
