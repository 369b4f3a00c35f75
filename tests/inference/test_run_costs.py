"""Costs by number of rows: learnt, and kept from start to start without ever making anything fail."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from inference.run_costs import MOST_ROWS, CostFile, RunCosts


def test_before_anything_is_known() -> None:
    costs = RunCosts()
    assert costs[1] == 1
    assert costs.seconds == 0
    assert costs.measured == {}
    assert (np.diff(costs.curve[1:]) > 0).all()
    costs.add_draft(0.5)
    assert costs.draft < 0.5, "nothing to compare it with yet"
    assert not costs.ready


def test_costs_are_relative_to_one_row() -> None:
    costs = RunCosts()
    for _ in range(5):
        costs.add_run(1, 0.2)
        costs.add_run(3, 0.5)
        costs.add_draft(0.01)
    assert costs.seconds == pytest.approx(0.2)
    assert costs.measured == {3: pytest.approx(2.5)}
    assert costs[2] == pytest.approx(1.75), "between what was measured"
    assert costs[5] == pytest.approx(4.0), "beyond it"
    assert costs.draft == pytest.approx(0.05)


def test_an_outlier_changes_little() -> None:
    costs = RunCosts()
    for index in range(20):
        costs.add_run(1, 0.1 if index != 10 else 30.0)
        costs.add_run(2, 0.12 if index != 12 else 30.0)
    assert costs[2] == pytest.approx(1.2)


def test_a_slower_machine_is_noticed_by_one_row() -> None:
    costs = RunCosts()
    for _ in range(9):
        costs.add_run(1, 0.1)
        costs.add_run(3, 0.2)
    for _ in range(9):
        costs.add_run(1, 0.3)
        costs.add_run(3, 0.6)
    assert costs[3] == pytest.approx(2.0)
    assert costs.seconds == pytest.approx(0.3)


def test_one_run_that_was_held_up_rules_nothing_out() -> None:
    costs = RunCosts()
    for _ in range(2):
        costs.add_run(1, 0.1)
    costs.add_run(3, 5.0)
    assert costs[3] < 2
    for _ in range(2):
        costs.add_run(3, 0.14)
    assert costs[3] == pytest.approx(1.4)


def test_more_rows_never_look_cheaper() -> None:
    costs = RunCosts({2: 1.5, 3: 1.2, 8: 0.7})
    assert (np.diff(costs.curve[1:]) >= 0).all()


def test_what_cannot_be_is_not_counted() -> None:
    costs = RunCosts()
    costs.add_run(1, 0.0)
    costs.add_run(0, 1.0)
    costs.add_run(MOST_ROWS + 1, 1.0)
    assert costs.seconds == 0


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    file = tmp_path / "decoder.onnx"
    file.write_bytes(b"graph")
    return file


def measured() -> RunCosts:
    costs = RunCosts()
    for _ in range(5):
        costs.add_run(1, 0.1)
        costs.add_run(2, 0.13)
        costs.add_draft(0.005)
    return costs


def test_costs_are_kept(graph: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "speculation"
    file = CostFile(graph, "CPU 2", folder)
    assert file.load().measured == {}
    file.save(measured())
    again = CostFile(graph, "CPU 2", folder).load()
    assert again.measured == {2: pytest.approx(1.3)}
    assert again.draft == pytest.approx(0.05)
    assert CostFile(graph, "CUDA None", folder).load().measured == {}, "another provider has its own"
    graph.write_bytes(b"another graph")
    assert CostFile(graph, "CPU 2", folder).load().measured == {}, "so has another model"


def test_nothing_new_is_not_written(graph: Path, tmp_path: Path) -> None:
    file = CostFile(graph, "CPU 2", tmp_path / "cache")
    file.save(RunCosts())
    assert not (tmp_path / "cache").exists()
    file.save(measured())
    (written,) = (tmp_path / "cache").iterdir()
    written.unlink()
    file.save(measured())
    assert not any((tmp_path / "cache").iterdir())


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no JSON",
        "[]",
        "{}",
        json.dumps({"rows": {"2": -1.0}, "draft": 0.1}),
        json.dumps({"rows": {"2": "x"}, "draft": 0.1}),
        json.dumps({"rows": {"99": 2.0}, "draft": 0.1}),
        json.dumps({"rows": {"2": 1.2}, "draft": float("nan")}),
    ],
)
def test_a_damaged_file_is_as_none(graph: Path, tmp_path: Path, content: str) -> None:
    folder = tmp_path / "cache"
    CostFile(graph, "CPU 2", folder).save(measured())
    (written,) = folder.iterdir()
    written.write_text(content)
    costs = CostFile(graph, "CPU 2", folder).load()
    assert costs.measured == {}
    assert costs.draft == RunCosts().draft


def test_nowhere_to_write(graph: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    file = CostFile(graph, "CPU 2", blocked / "speculation")
    assert file.load().measured == {}
    file.save(measured())
    file.save(measured())
    missing = CostFile(tmp_path / "no such graph", "CPU 2", tmp_path / "cache")
    missing.save(missing.load())
    missing.save(measured())
    assert not (tmp_path / "cache").exists()
