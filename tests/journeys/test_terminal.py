"""Asking in the terminal, with the demo model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from journeys.program import DEADLINE_SECONDS, ROOT

pytestmark = pytest.mark.journey


def larimar(*arguments: str, environment: dict[str, str], standard_input: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "main.py"), *arguments],
        env=environment,
        input=standard_input,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def test_a_question_is_answered(child_environment: dict[str, str]) -> None:
    result = larimar("ask", "Who are you?", "--temperature", "0", environment=child_environment)
    assert result.returncode == 0, result.stderr
    assert "Larimar" in result.stdout
    assert result.stdout.endswith("\n")
    assert result.stderr == ""


def test_nothing_is_left_behind(child_environment: dict[str, str]) -> None:
    larimar("ask", "Hello!", environment=child_environment)
    home = Path(child_environment["HOME"])
    left = [path for path in home.parent.rglob("*") if path.is_file()]
    # what runs and drafts cost on this machine, in numbers
    costs = [path for path in left if path.match("larimar/speculation/*.json")]
    assert left == costs, "neither what was said nor a library's identity of this machine"
    for path in costs:
        assert "Hello" not in path.read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_answer(child_environment: dict[str, str]) -> None:
    answers = {
        larimar("ask", "-", "--seed", "7", environment=child_environment, standard_input="Hello!\n").stdout
        for _ in range(2)
    }
    assert len(answers) == 1
    assert answers != {""}


def test_a_limit_of_tokens_is_kept(child_environment: dict[str, str]) -> None:
    result = larimar("ask", "Who are you?", "--max-tokens", "2", environment=child_environment)
    assert result.returncode == 0
    assert "cut off at the limit" in result.stderr


def test_two_questions_through_a_pipe(child_environment: dict[str, str]) -> None:
    result = larimar(environment=child_environment, standard_input="Hello!\nWho are you?\n")
    assert result.returncode == 0, result.stderr
    assert result.stderr == "There is no display for a window. The chat goes on here in the terminal.\n"
    assert len(result.stdout.splitlines()) >= 2
    assert "Larimar" in result.stdout


def test_a_picture_for_a_text_model_is_refused(child_environment: dict[str, str]) -> None:
    picture = ROOT / "resources" / "icons"
    icon = next(path for path in sorted(picture.iterdir()) if path.is_file())
    result = larimar("ask", "What is this?", "--image", str(icon), environment=child_environment)
    assert result.returncode == 1
    assert result.stderr.startswith("larimar: ")
    assert "Traceback" not in result.stderr


def test_the_doctor_finds_nothing_wrong(child_environment: dict[str, str]) -> None:
    result = larimar("doctor", environment=child_environment)
    assert result.returncode == 0, result.stdout
    assert "Larimar can run here." in result.stdout
