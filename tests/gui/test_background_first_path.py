"""Two background threads may be the first to show PySide a path, at the same moment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import faulthandler, sys, threading
faulthandler.dump_traceback_later(20, exit=True)
sys.setswitchinterval(1e-6)
from pathlib import Path
from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QImage
from app.background import Background

app = QCoreApplication([])
background, gate, done = Background(), threading.Barrier(2), []

def look():
    gate.wait()
    QImage(Path())

def count(_):
    done.append(1)
    if len(done) == 2:
        app.quit()

for _ in range(2):
    background.run(look, count)
app.exec()
background.close()
"""


def test_neither_waits_for_the_other_for_ever() -> None:
    root = Path(__file__).parents[2]
    for _ in range(3):  # without precautions, each hung in 7 of 12 tries
        subprocess.run([sys.executable, "-c", SCRIPT], cwd=root, check=True, capture_output=True, timeout=60)
