"""The measurements run and are complete; what they measure is never asserted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from inference import bench
from inference.errors import ModelFolderError


def test_a_model_is_measured(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_READ_BYTES", 1 << 20)
    lines = list(bench.table(bench.measure_model(project_root / "resources" / "demo_model", runs=1)))
    names = [line.split("|")[1].strip() for line in lines[2:]]
    assert names[:3] == ["memory, read", "load, second time", "prefill of 256 tokens on CPU"]
    assert {"decoding at depth 32", "decoding at depth 1000", "second turn: 15 new tokens after 1000"} <= set(names)


def test_a_missing_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError):
        list(bench.measure_model(tmp_path / "nothing", runs=1))


def test_the_command_line_takes_a_number_of_runs(project_root: Path) -> None:
    command = [sys.executable, "main.py", "bench", "--runs", "0"]
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "at least 1" in done.stderr
