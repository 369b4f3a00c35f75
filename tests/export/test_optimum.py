"""Optimum finds the exporter: its task manager, its input generators, its command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from fixtures_checkpoints import build_checkpoint

pytest.importorskip("optimum.exporters.tasks", reason="these tests need the export extra")

from optimum.exporters.tasks import TasksManager

from inference.export.optimum_tasks import BACKEND, Gemma4LarimarConfig, exporter_config, register

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint(tmp_path_factory.mktemp("optimum") / "checkpoint", "e2b")


def _optimum_cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    # as installed: the namespace package lies on the path
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "packaging")])}
    command = [sys.executable, "-m", "optimum.commands.optimum_cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=300)


@pytest.mark.parametrize("model_type", ["gemma4", "gemma4_text", "gemma4_unified", "gemma4_unified_text"])
def test_the_task_manager_knows_every_family(model_type: str) -> None:
    register()
    tasks = TasksManager.get_supported_tasks_for_model_type(model_type, BACKEND, library_name="transformers")
    assert {"text-generation", "text-generation-with-past"} <= set(tasks)
    assert ("image-text-to-text" in tasks) == (not model_type.endswith("_text"))


def test_the_command_line_converts_and_the_description_fits_the_graph(checkpoint: Path, tmp_path: Path) -> None:
    result = _optimum_cli("export", "larimar", "--model", checkpoint, "--precision", "fp32", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    session = onnxruntime.InferenceSession(tmp_path / "out" / "onnx" / "decoder_model_merged.onnx")
    config = exporter_config(checkpoint)
    assert isinstance(config, Gemma4LarimarConfig)
    assert set(config.inputs) == {node.name for node in session.get_inputs()}
    assert set(config.outputs) == {node.name for node in session.get_outputs()} - {"last_hidden_state"}
    inputs = {name: tensor.numpy() for name, tensor in config.generate_dummy_inputs(framework="pt").items()}
    for name, axes in config.inputs.items():
        shape = next(node.shape for node in session.get_inputs() if node.name == name)
        assert {axis for axis, size in enumerate(shape) if isinstance(size, str)} == set(axes)
    (logits,) = session.run(["logits"], inputs)
    assert np.isfinite(logits).all()


def test_a_checkpoint_of_another_kind_gets_a_sentence(checkpoint: Path, tmp_path: Path) -> None:
    result = _optimum_cli("export", "larimar", "--model", checkpoint, "--task", "fill-mask", tmp_path / "out")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("larimar: ")
    assert "fill-mask" in result.stderr
    assert "Traceback" not in result.stderr
