"""Somebody speaks into a microphone, and it stands in the terminal and on the microphone's page."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from inference.media.audio import SAMPLE_RATE, load_audio
from journeys import desktop as desktops
from journeys.desktop import Desktop, desktop
from journeys.program import DEADLINE_SECONDS, ROOT, Program
from journeys.sound import Sound, write_recording

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a sound server of its own"),
]


@pytest.fixture
def spoken(shared_data: Path, tmp_path: Path) -> Path:
    """A recording of a person: four digits, a pause, three digits."""
    noise = np.random.default_rng(0).normal(0, 3e-4, round(1.2 * SAMPLE_RATE)).astype(np.float32)
    parts = [noise[: SAMPLE_RATE // 2]]
    for digits in ((3, 7, 1, 9), (2, 4, 8)):
        for digit in digits:
            parts += [load_audio(shared_data / "fsdd" / f"{digit}_george_0.wav"), noise[: SAMPLE_RATE // 10]]
        parts.append(noise)
    return write_recording(tmp_path / "spoken.wav", parts)


def test_listen_writes_down_the_microphone_until_ctrl_c(heard: Sound, hearing_model: Path, spoken: Path) -> None:
    command = [sys.executable, str(ROOT / "main.py"), "listen", "--language", "en", "--times"]
    with subprocess.Popen(
        [*command, "--model", str(hearing_model)],
        env=heard.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert "Listening to" in process.stderr.readline()
            heard.play(spoken)
            lines = [process.stdout.readline() for _ in range(2)]
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=DEADLINE_SECONDS)
        finally:
            process.kill()  # or a test that fails would wait for a program that listens on
    assert process.returncode == 0, errors
    assert rest == ""
    assert all(line.startswith("[0:0") for line in lines)
    digits = ["".join(letter for letter in line.partition("] ")[2] if letter.isdigit()) for line in lines]
    assert _right("3719", digits[0]) + _right("248", digits[1]) >= 5, digits
    assert "Traceback" not in errors


def test_the_page_shows_what_is_said(heard: Sound, hearing_model: Path, spoken: Path) -> None:
    if absent := desktops.missing():
        pytest.skip(f"{absent} not installed")
    with (
        desktop(heard.environment) as screen,
        Program("--verbose", "--model", str(hearing_model), environment=screen.environment) as program,
    ):
        program.wait_for("The session is ready")
        _press_record(screen)
        screen.wait_for_name("Listening:")
        heard.play(spoken)
        first = screen.wait_for("the first utterance", lambda seen: _is_row(seen.role, seen.name)).name
        screen.keys("Escape")
        screen.wait_for("the button at rest", lambda seen: seen.name == "Record" and seen.enabled)
        rows = [seen.name for seen in screen.tree() if _is_row(seen.role, seen.name)]
        assert rows[0] == first
        assert len(rows) == 2
        assert not any(seen.name == "Stop recording" for seen in screen.tree())
        digits = ["".join(letter for letter in row.partition(" ")[2] if letter.isdigit()) for row in rows]
        assert _right("3719", digits[0]) + _right("248", digits[1]) >= 5, digits
        screen.keys("ctrl+q")
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
    assert first.partition(" ")[2] not in said, "what is said never stands in the log"


def _press_record(screen: Desktop) -> None:
    window = screen.xdotool("search", "--sync", "--onlyvisible", "--name", "^Larimar$").splitlines()[-1]
    screen.xdotool("windowactivate", "--sync", window)
    screen.click("Microphone")
    screen.wait_for("the button", lambda seen: seen.name == "Record" and seen.focused)
    screen.keys("space")


def _is_row(role: str, name: str) -> bool:
    return role == "list item" and name.startswith("0:")


def _right(expected: str, heard: str) -> int:
    """Return how many digits of ``expected`` were heard in their place, leaving out as few as possible."""
    best = [0] * (len(heard) + 1)
    for digit in expected:
        row = [0]
        for number, other in enumerate(heard):
            row.append(max(best[number + 1], row[number], best[number] + (digit == other)))
        best = row
    return best[-1]
