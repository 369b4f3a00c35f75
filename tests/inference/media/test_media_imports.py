"""What importing costs: numpy and Pillow, and nothing that a picture does not need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("torch", "transformers", "onnxruntime", "PySide6", "av", "soxr", "pi_heif", "cv2", "tokenizers", "jinja2")


def test_importing_is_light() -> None:
    modules = sorted(f"inference.media.{file.stem}" for file in (ROOT / "inference" / "media").glob("[a-z]*.py"))
    assert len(modules) > 10
    program = f"import sys, {', '.join(modules)}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


def test_a_picture_needs_no_sound_library() -> None:
    program = (
        "import io, sys, numpy as np; from PIL import Image; from inference.media.image import *;"
        "stream = io.BytesIO(); Image.new('RGB', (9, 9)).save(stream, 'PNG');"
        "image_features(load_image(stream.getvalue()));"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
