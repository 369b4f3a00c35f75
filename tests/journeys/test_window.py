"""The real window on a virtual display, driven with keys as a person would."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from journeys.program import DEADLINE_SECONDS, Program

TOOLS = ("Xvfb", "xdotool", "xclip")

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs an X server of its own"),
]


@pytest.fixture(scope="module")
def virtual_display() -> Iterator[str]:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing and not os.environ.get("CI"):
        pytest.skip(f"{', '.join(missing)} not installed")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=[writer],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as numbers:
        number = numbers.readline().strip()
    try:
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def environment(child_environment: dict[str, str], virtual_display: str) -> dict[str, str]:
    return child_environment | {"DISPLAY": virtual_display}


def on_screen(environment: dict[str, str], *command: str) -> str:
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS, check=False
    )
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return result.stdout.strip()


def test_a_question_typed_into_the_window_is_answered(environment: dict[str, str]) -> None:
    with Program("--verbose", environment=environment) as program:
        window = on_screen(environment, "xdotool", "search", "--sync", "--onlyvisible", "--name", "^Larimar$")
        program.wait_for("The session is ready")
        # There is no window manager that would give the window the keyboard.
        on_screen(environment, "xdotool", "windowfocus", "--sync", window)
        on_screen(environment, "xdotool", "type", "Who are you?")
        on_screen(environment, "xdotool", "key", "Return")
        program.wait_for("The session is generating")
        program.wait_for("The session is ready")
        on_screen(environment, "xdotool", "key", "shift+F6")
        on_screen(environment, "xdotool", "key", "ctrl+c")
        assert "Larimar" in on_screen(environment, "xclip", "-selection", "clipboard", "-o")
        on_screen(environment, "xdotool", "key", "ctrl+q")
        status, said = program.wait()
    assert status == 0
    assert "Who are you" not in said
    assert "Traceback" not in said


def test_missing_model_leaves_the_window_open(environment: dict[str, str]) -> None:
    with Program("--verbose", "--model", "/nowhere", environment=environment) as program:
        window = on_screen(environment, "xdotool", "search", "--sync", "--onlyvisible", "--name", "^Larimar$")
        program.wait_for("The session is failed")
        on_screen(environment, "xdotool", "windowfocus", "--sync", window)
        on_screen(environment, "xdotool", "key", "ctrl+q")
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
