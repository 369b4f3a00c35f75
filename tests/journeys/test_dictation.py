"""Dictation as a person does it: hold the keys in another program, speak into the microphone, and the text is there."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from inference.media.audio import SAMPLE_RATE, load_audio
from journeys import desktop as desktops
from journeys.desktop import Desktop, desktop
from journeys.program import ROOT, Program
from journeys.sound import Sound, write_recording

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs an X server of its own"),
]
FORMER = "what was copied before: ünï 日本"


@pytest.fixture
def spoken(shared_data: Path, tmp_path: Path) -> Path:
    """A recording of a person: three, seven, one, nine."""
    pause = np.random.default_rng(0).normal(0, 3e-4, SAMPLE_RATE).astype(np.float32)
    parts = [pause[: SAMPLE_RATE // 2]]
    for digit in (3, 7, 1, 9):
        parts += [load_audio(shared_data / "fsdd" / f"{digit}_george_0.wav"), pause[: SAMPLE_RATE // 10]]
    return write_recording(tmp_path / "spoken.wav", [*parts, pause[: SAMPLE_RATE // 2]])


@pytest.fixture
def screen(heard: Sound) -> Iterator[Desktop]:
    if absent := desktops.missing():
        pytest.skip(f"{absent} not installed")
    with desktop(heard.environment) as running:
        yield running


class Target:
    """The second program; ``text`` is what its field holds."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.text = ""
        self.changed = threading.Condition()
        self._lines = process.stdout
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self._lines or ():
            with self.changed:
                self.text = json.loads(line)
                self.changed.notify_all()

    def wait_for(self, digits: str) -> None:
        """Wait until the field holds these digits, however the model sets them apart, and then a space."""
        with self.changed:
            there = self.changed.wait_for(lambda: self._digits() == digits and self.text.endswith(" "), 30)
            assert there, f"{self.text!r} in place of {digits}"

    def _digits(self) -> str:
        return "".join(letter for letter in self.text if letter.isdigit())


@contextmanager
def second_program(screen: Desktop) -> Iterator[Target]:
    script = str(ROOT / "tests" / "dictation" / "paste_target.py")
    with subprocess.Popen(
        [sys.executable, script, "Paste Target"], env=screen.environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        window = screen.xdotool("search", "--sync", "--onlyvisible", "--name", "^Paste Target$").splitlines()[-1]
        screen.xdotool("windowactivate", "--sync", window)
        target = Target(process)
        try:
            yield target
        finally:
            process.kill()
            target.reader.join()


def clipboard(screen: Desktop, *arguments: str, data: bytes | None = None) -> str:
    result = subprocess.run(
        ["xclip", "-selection", "clipboard", *arguments],
        env=screen.environment,
        input=data,
        stdout=subprocess.PIPE if data is None else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=30,
    )
    return (result.stdout or b"").decode()


def told(screen: Desktop, option: str) -> None:
    """Start Larimar again, which tells the one that runs."""
    result = subprocess.run([sys.executable, str(ROOT / "main.py"), option], env=screen.environment, check=False)
    assert result.returncode == 0


def test_dictate_into_another_program(screen: Desktop, heard: Sound, hearing_model: Path, spoken: Path) -> None:
    environment = screen.environment | {"LARIMAR_MODEL": str(hearing_model)}
    with Program("--verbose", environment=environment) as program:
        program.wait_for("The session is ready")
        with second_program(screen) as target:
            clipboard(screen, data=FORMER.encode())

            # held keys
            screen.xdotool("keydown", "ctrl", "keydown", "alt", "keydown", "d")
            program.wait_for("The microphone is open")
            screen.xdotool("search", "--sync", "--onlyvisible", "--name", "^Dictation$")
            heard.play(spoken)
            assert screen.xdotool("getwindowfocus", "getwindowname") == "Paste Target", "the overlay took the keyboard"
            screen.xdotool("keyup", "d", "keyup", "alt", "keyup", "ctrl")
            program.wait_for("A text was inserted")
            program.wait_for("The clipboard has its former content")
            target.wait_for("3719")
            assert clipboard(screen, "-o") == FORMER

            # Esc forgets what was said
            screen.xdotool("keydown", "ctrl", "keydown", "alt", "keydown", "d")
            program.wait_for("The microphone is open")
            heard.play(spoken)
            screen.xdotool("key", "Escape", "keyup", "d", "keyup", "alt", "keyup", "ctrl")
            program.wait_for("Dictation is idle")

            # the same from the keyboard settings of a desktop
            told(screen, "--dictate")
            program.wait_for("The microphone is open")
            heard.play(spoken)
            told(screen, "--dictate")
            program.wait_for("A text was inserted")
            program.wait_for("The clipboard has its former content")
            target.wait_for("3719" * 2)
            told(screen, "--paste-last")
            program.wait_for("The clipboard has its former content")
            target.wait_for("3719" * 3)
            assert clipboard(screen, "-o") == FORMER
        told(screen, "--quit")
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
    assert "3719" not in said.replace(" ", "")
