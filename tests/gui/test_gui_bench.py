"""The measurement of the window measures something."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from pytestqt.qtbot import QtBot

from app.gui_bench import Figure, GapProbe, pieces

SCRIPT = """
import sys
from PySide6.QtWidgets import QApplication
from app import gui_bench

app = QApplication([])
gui_bench.MESSAGES, gui_bench._SCROLL_STEPS, gui_bench.TOKENS, gui_bench.TOKENS_PER_SECOND = 120, 3, 260, 5000.0
for figure in gui_bench.measure_gui(1):
    print(figure.milliseconds, flush=True)
"""


def test_the_figures_come_one_after_the_other(project_root: Path) -> None:
    """In a process of its own, as the command is: what other tests have left behind is not measured."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=project_root,
        env=os.environ | {"QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    figures = [float(line) for line in done.stdout.splitlines()]
    assert len(figures) == 9, done.stderr
    assert all(milliseconds > 0 for milliseconds in figures)


def test_a_blocked_event_loop_is_seen(qtbot: QtBot) -> None:
    with GapProbe() as probe:
        end = time.perf_counter() + 0.03
        while time.perf_counter() < end:
            pass
    assert probe.longest >= 30


def test_a_figure_above_its_limit_says_so() -> None:
    assert "above the limit" in Figure("x", 51.0, 50).line
    assert "above" not in Figure("x", 49.0, 50).line


def test_tokens_are_cut_out_of_markdown() -> None:
    assert len(pieces(2000)) == 2000
    assert "".join(pieces(2000)).count("```python") > 4
