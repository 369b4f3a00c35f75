"""A while with the program, almost by keyboard alone: ask, let the model be unloaded, search, export, load another."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from journeys.desktop import Desktop, desktop, missing
from journeys.program import ROOT, Program
from journeys.test_conversation import activate

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs an X server of its own"),
]


@pytest.fixture
def screen(child_environment: dict[str, str]) -> Iterator[Desktop]:
    if absent := missing():
        pytest.skip(f"{absent} not installed")
    second = Path(child_environment["XDG_DATA_HOME"], "larimar", "models", "Second")
    shutil.copytree(ROOT / "resources" / "demo_model", second, ignore=shutil.ignore_patterns("training"))
    record = json.loads((second / "larimar.json").read_text())
    (second / "larimar.json").write_text(json.dumps(record | {"name": "Second", "demo": False}))
    settings = Path(child_environment["XDG_CONFIG_HOME"], "larimar", "settings.ini")
    settings.parent.mkdir()
    settings.write_text("[model]\nunload_after=0\n")
    with desktop({name: value for name, value in child_environment.items() if name != "LD_LIBRARY_PATH"}) as running:
        yield running


def test_ask_search_export_and_switch_models(screen: Desktop, tmp_path: Path) -> None:
    with Program("--verbose", environment=screen.environment) as program:
        program.wait_for("The session is ready")
        activate(screen)
        screen.type("What is 2 plus 2?")
        screen.keys("Return")
        program.wait_for("The session is generating")
        program.wait_for("The session is unloaded")
        screen.wait_for_name("Unloaded to save memory")
        answer = screen.wait_for_name("Larimar: ").name
        assert "4" in answer

        screen.keys("ctrl+f")
        screen.type("plus")
        for _ in "plus":  # a search for each letter
            program.wait_for("A search found")
        screen.keys("Down", "Down", "Return")  # the title comes before the message
        program.wait_for("A message that was searched for is shown")
        screen.keys("ctrl+f", "Escape", "Down", "Menu")
        screen.wait_for_name("Export")
        screen.keys("Down", "Down", "Down", "Down", "Right", "Return")  # Markdown
        screen.wait_for(
            "the question for a file", lambda seen: seen.role == "dialog" and seen.name.startswith("Export")
        )
        target = tmp_path / "conversation.md"
        screen.type(str(target))
        screen.wait_for(
            "the name in the dialog", lambda seen: seen.role == "text" and seen.name.startswith("File name")
        )
        screen.keys("Return")
        screen.wait_for("the file", lambda _: target.exists())
        assert "What is 2 plus 2?" in target.read_text()

        screen.keys("ctrl+4")
        screen.click("Load Second")
        program.wait_for("The session is ready")
        screen.wait_for_name("Model: Second")
        screen.keys("ctrl+1", "ctrl+n")
        screen.wait_for("the cursor in an empty chat", lambda seen: seen.name == "Message" and seen.focused)
        screen.type("What is 3 plus 4?")
        screen.keys("Return")
        program.wait_for("The session is generating")
        program.wait_for("The session is unloaded")
        screen.wait_for("the sum", lambda seen: seen.name.startswith("Larimar: ") and "7" in seen.name)
        screen.keys("ctrl+q")
        status, said = program.wait()
    assert status == 0
    assert "Traceback" not in said
    assert str(target) not in said
