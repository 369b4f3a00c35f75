"""Which room may import what: the contracts of pyproject.toml, and what only a running interpreter can show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = Path(__file__).resolve().parent.parent


def loaded_after(statement: str) -> set[str]:
    """Return the top-level modules that a fresh interpreter holds after ``statement``."""
    script = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def test_contracts_are_kept() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_program_starts_without_torch() -> None:
    loaded = loaded_after("import app.running, inference.engine")
    assert "PySide6" in loaded
    assert not loaded & {"torch", "transformers", "optimum", "onnx", "onnxscript", "onnx_ir", "safetensors"}


def test_terminal_chat_needs_no_qt() -> None:
    loaded = loaded_after("import main, app.terminal, app.display, inference.engine, inference.doctor")
    assert "PySide6" not in loaded
    assert "shiboken6" not in loaded


def test_opencv_brings_no_second_qt() -> None:
    script = (
        "import os\n"
        "os.environ.pop('QT_QPA_PLATFORM_PLUGIN_PATH', None)\n"
        "import cv2\n"
        "assert 'QT_QPA_PLATFORM_PLUGIN_PATH' not in os.environ\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
