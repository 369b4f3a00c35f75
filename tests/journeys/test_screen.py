"""Asking about the screen as a person does: keys in any program, a region drawn with the pointer, an answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from journeys.desktop import Desktop, Seen, desktop, missing
from journeys.program import Program

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs an X server of its own"),
]
LEFT, TOP, WIDTH, HEIGHT = 640, 180, 400, 300
"""Where the other program's window lies."""


@pytest.fixture
def screen(child_environment: dict[str, str]) -> Iterator[Desktop]:
    if absent := missing():
        pytest.skip(f"{absent} not installed")
    with desktop({name: value for name, value in child_environment.items() if name != "LD_LIBRARY_PATH"}) as running:
        yield running


@contextmanager
def other_program(screen: Desktop, file: Path) -> Iterator[None]:
    """Let another program show a picture."""
    command = [sys.executable, str(Path(__file__).with_name("picture_window.py")), str(file), str(LEFT), str(TOP)]
    process = subprocess.Popen(command, env=screen.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        screen.xdotool("search", "--sync", "--onlyvisible", "--name", "^picture$")
        yield
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def test_what_the_pointer_drew_is_what_the_model_gets(screen: Desktop, tmp_path: Path) -> None:
    pixels = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "noise.png")
    with (
        Program("--verbose", environment=screen.environment) as program,
        other_program(screen, tmp_path / "noise.png"),
    ):
        program.wait_for("The session is ready")
        screen.keys("ctrl+alt+s")
        screen.wait_for_name("Pick a part of the screen")
        corner, opposite = (LEFT + 50, TOP + 40), (LEFT + 289, TOP + 199)
        screen.xdotool("mousemove", *map(str, corner), "mousedown", "1")
        screen.xdotool("mousemove", *map(str, (corner[0] + 20, corner[1] + 20)), "mousemove", *map(str, opposite))
        screen.xdotool("mouseup", "1")
        screen.wait_for("the small window", lambda seen: seen.name == "What was picked")
        screen.click("Describe")
        program.wait_for("The session is generating")
        program.wait_for("The session is ready")
        screen.wait_for("an answer", lambda seen: seen.name == "Continue in chat" and seen.enabled)
        screen.click("Continue in chat")
        screen.wait_for_name("You: (attached: picture) Describe what you see.")
        screen.click("Message")
        screen.keys("ctrl+q")
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
    (kept,) = Path(screen.environment["XDG_DATA_HOME"]).rglob("picture.png")
    sent = np.asarray(PIL.Image.open(kept).convert("RGB"))
    assert np.array_equal(sent, pixels[40:200, 50:290])


def test_a_second_start_asks_a_click_takes_a_window_and_esc_leaves_no_trace(screen: Desktop, tmp_path: Path) -> None:
    PIL.Image.new("RGB", (WIDTH, HEIGHT), "teal").save(tmp_path / "teal.png")
    with Program("--verbose", environment=screen.environment) as program, other_program(screen, tmp_path / "teal.png"):
        program.wait_for("The session is ready")
        with Program("--ask-screen", environment=screen.environment) as second:
            status, _ = second.wait()
        assert status == 0
        screen.wait_for_name("Pick a part of the screen")

        def on_the_window(seen: Seen) -> bool:
            """Whether Tab has led to the other program's window; pressed again, since it has only one."""
            if not seen.name.startswith("Pick"):
                return False
            if not seen.description.startswith(f"{WIDTH} × {HEIGHT}"):
                screen.keys("Tab")  # the first may come before the keyboard is ours
                return False
            return True

        screen.wait_for("a window", on_the_window)
        screen.xdotool("mousemove", str(LEFT + 30), str(TOP + 30), "click", "1")
        picked = screen.wait_for("the small window", lambda seen: seen.name == "What was picked")
        assert picked.description == f"{WIDTH} × {HEIGHT}"
        screen.keys("Escape")
        screen.wait_for_name("Message")
        assert not any(seen.name == "What was picked" for seen in screen.tree())
        screen.click("Message")
        screen.keys("ctrl+q")
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
    for place in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        assert not list(Path(screen.environment[place]).rglob("*.png"))
