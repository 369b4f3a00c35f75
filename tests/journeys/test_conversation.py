"""A conversation as a person has it: real keys and pointer on a desktop, judged by what a screen reader finds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import PIL.ImageDraw
import pytest

from journeys.desktop import Desktop, desktop, missing
from journeys.program import ROOT, Program

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs an X server of its own"),
]


@pytest.fixture
def screen(child_environment: dict[str, str]) -> Iterator[Desktop]:
    if absent := missing():
        pytest.skip(f"{absent} not installed")
    # the bindings of the system's Python belong to its own libraries
    with desktop({name: value for name, value in child_environment.items() if name != "LD_LIBRARY_PATH"}) as running:
        yield running


def activate(screen: Desktop) -> None:
    window = screen.xdotool("search", "--sync", "--onlyvisible", "--name", "^Larimar$").splitlines()[-1]
    screen.xdotool("windowactivate", "--sync", window)


def test_ask_stop_edit_and_go_back_to_the_first_version(screen: Desktop) -> None:
    with Program("--verbose", environment=screen.environment) as program:
        program.wait_for("The session is ready")
        activate(screen)
        nameless = [seen for seen in screen.tree() if seen.focusable and not seen.name and seen.role != "application"]
        assert nameless == []
        screen.type("Who are you?")
        screen.keys("Return")
        program.wait_for("The session is generating")
        program.wait_for("The session is ready")
        answer = screen.wait_for_name("Larimar: ")
        assert "Larimar" in answer.name.removeprefix("Larimar: ")

        screen.type("What can you do?")
        screen.keys("Return", "Escape")
        program.wait_for("The session is generating")
        program.wait_for("The session is ready")
        screen.wait_for_name("Send")

        screen.keys("Up")  # in the empty field: the last question comes back
        screen.wait_for_name("You are editing a message.")
        screen.keys("ctrl+a")
        screen.type("What is 2 plus 2?")
        screen.keys("Return")
        program.wait_for("The session is generating")
        program.wait_for("The session is ready")
        screen.wait_for_name("You: What is 2 plus 2?", "(version 2 of 2)")

        screen.keys("shift+F6", "Up", "alt+Left")  # to the conversation, from the answer to its question
        screen.wait_for_name("You: What can you do?", "(version 1 of 2)")
        screen.keys("ctrl+q")
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
    assert "2 plus 2" not in said


def test_drop_a_picture_and_ask(screen: Desktop, tmp_path: Path) -> None:
    picture = tmp_path / "circle.png"
    drawn = PIL.Image.new("RGB", (448, 448), "white")
    PIL.ImageDraw.Draw(drawn).ellipse((110, 110, 340, 340), fill=(220, 30, 30))
    drawn.save(picture)
    source_script = str(ROOT / "tests" / "journeys" / "drag_source.py")
    with Program("--verbose", environment=screen.environment) as program:
        program.wait_for("The session is ready")
        activate(screen)
        x, y = screen.wait_for_name("Message").centre
        source = subprocess.Popen(
            [sys.executable, source_script, str(picture), "0", "0"], env=screen.environment, stdout=subprocess.PIPE
        )
        try:
            assert source.stdout is not None
            assert source.stdout.readline() == b"ready\n"
            window = screen.xdotool("search", "--sync", "--onlyvisible", "--name", "^drag source$").splitlines()[-1]
            place = dict(
                line.split("=") for line in screen.xdotool("getwindowgeometry", "--shell", window).splitlines()
            )
            from_x, from_y = int(place["X"]) + 60, int(place["Y"]) + 30
            screen.xdotool("mousemove", str(from_x), str(from_y), "mousedown", "1")
            for step in range(1, 11):
                at = (from_x + (x - from_x) * step // 10, from_y + (y - from_y) * step // 10)
                screen.xdotool("mousemove", str(at[0]), str(at[1]))
            screen.xdotool("mouseup", "1")
            screen.wait_for_name("Remove circle.png")
        finally:
            source.kill()
            source.communicate()
        activate(screen)
        screen.click("Message")
        screen.type("What is this?")
        screen.keys("Return")
        program.wait_for("The session is generating")
        program.wait_for("The session is ready")
        screen.wait_for_name("You: (attached: picture) What is this?")
        answer = screen.wait_for_name("Larimar: ").name.casefold()
        assert "red" in answer
        assert "circle" in answer
        screen.keys("ctrl+q")
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
    assert os.fspath(picture) not in said, "the log names no file of the user"
