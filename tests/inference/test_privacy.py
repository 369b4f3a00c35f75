"""The inference layer leaves no trace of its own on the machine, and none that the runtime would send home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_onnxruntime_gathers_nothing_about_the_machine(project_root: Path, tmp_path: Path) -> None:
    """Whoever imports the inference layer, in a home that is as good as new."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "ORT_", "HF_")) and key != "HOME"
    }
    program = (
        "import inference.graphs.session as session, onnxruntime, numpy as np\n"
        "onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(1)); onnxruntime.SessionOptions()"
    )
    subprocess.run(
        [sys.executable, "-B", "-c", program],
        cwd=project_root,
        env={**environment, "HOME": str(home)},
        check=True,
        timeout=120,
    )
    assert [path for path in home.rglob("*") if path.is_file()] == []
