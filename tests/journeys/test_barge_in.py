"""Barge-in, rehearsed in a room with an echo: our own voice never interrupts, a recorded one does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.sound import echoing_room, missing

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs PulseAudio"),
]
_SECONDS = 200


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="lrm-"))  # pytest's own paths are too long for a socket
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize("cancels_echo", [True, False], ids=["canceller", "louder"])
def test_only_somebody_else_interrupts(child_environment: dict[str, str], folder: Path, cancels_echo: bool) -> None:
    if absent := missing(voice=True):
        pytest.skip(f"{absent} not installed")
    interruption = folder / "interruption.wav"
    loud = ["-a", "100" if cancels_echo else "190"]
    subprocess.run(
        ["espeak-ng", "-v", "en-us+f3", *loud, "-w", interruption, "Please stop now. I have a question."],
        check=True,
    )
    loudness = 80 if cancels_echo else 50
    with echoing_room(child_environment, folder, cancels_echo=cancels_echo, loudness=loudness) as room:
        script = Path(__file__).with_name("barge_in_rehearsal.py")
        done = subprocess.run(
            [sys.executable, script, interruption],
            env=room.environment | {"QT_QPA_PLATFORM": "offscreen"},
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    if os.environ.get("LARIMAR_SHOW"):
        print(done.stderr, done.stdout)
    assert done.returncode == 0, done.stderr + done.stdout
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["problems"] == []
    assert said["device"] == ("cancelled" if cancels_echo else "default")
    assert said["undisturbed"]["said_to_the_end"]
    assert said["undisturbed"]["asked"] == []
    assert said["first_question"][0].startswith("please stop now")
    assert said["interrupted"]
    assert len(said["asked"]) == 1
    assert said["asked"][0].startswith("please stop now"), "once for each utterance of the recording"
