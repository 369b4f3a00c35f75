"""The measurement of the window measures something."""

from __future__ import annotations

import time

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app import gui_bench
from app.gui_bench import Figure, GapProbe, measure_gui, pieces


def test_the_figures_come_one_after_the_other(
    qtbot: QtBot, qapp: QApplication, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gui_bench, "MESSAGES", 120)
    monkeypatch.setattr(gui_bench, "_SCROLL_STEPS", 3)
    monkeypatch.setattr(gui_bench, "TOKENS", 260)
    monkeypatch.setattr(gui_bench, "TOKENS_PER_SECOND", 5000.0)
    figures = list(measure_gui(1))
    assert len(figures) == 9
    assert all(figure.milliseconds > 0 for figure in figures)


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
