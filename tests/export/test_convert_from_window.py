"""The conversion that the window starts, with the real child process and a tiny checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures_checkpoints import FULL, SLIDING, build_checkpoint
from pytestqt.qtbot import QtBot

from app.conversion_report import Stage
from app.models.checkpoints import look_at_checkpoint
from app.models.conversions import Conversions, Order
from inference.installed_models import look_at

_CHILD_MS = 120_000  # it imports PyTorch, on a machine that may have other things to do


@pytest.mark.usefixtures("child_environment")
def test_the_child_converts_and_says_how_far_it_is(qtbot: QtBot, tmp_path: Path) -> None:
    checkpoint = build_checkpoint(tmp_path / "tiny", "31b", num_hidden_layers=2, layer_types=[SLIDING, FULL])
    assert look_at_checkpoint(checkpoint).problem == ""
    out = tmp_path / "models" / "tiny"
    conversions = Conversions()
    stages: list[Stage] = []
    conversions.progressed.connect(stages.append)
    try:
        with qtbot.waitSignal(conversions.finished, timeout=_CHILD_MS):
            conversions.start(Order(checkpoint, out))
    finally:
        conversions.close()
    assert any(stage.fraction for stage in stages)
    model = look_at(out, "ours")
    assert (model.problem, model.precision) == ("", "4 bit")
