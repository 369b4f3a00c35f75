"""Memory of the running program before a model is loaded, with it, and after it was unloaded.

    python tests/measure_unloading.py [--folder MODEL] [--cycles 5]

Prints JSON, megabytes of anonymous resident memory (Linux): at the start, and of each cycle loaded (after an answer)
and unloaded. The first cycle also pays for libraries, which stay.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QEventLoop, QTimer

from app.application import Larimar, Options
from app.engine_opening import open_engine
from app.qt_application import make_qapplication
from app.session import SessionState
from inference.memory import resident_bytes

TEXT = "Please tell me, as well as you can, what the sum of twelve and thirty is."


def until(condition: Callable[[], bool]) -> None:
    """Run the event loop until ``condition``."""
    loop, timer = QEventLoop(), QTimer()
    timer.timeout.connect(lambda: loop.quit() if condition() else None)
    timer.start(20)
    loop.exec()


def megabytes(larimar: Larimar) -> float:
    """Return anonymous resident memory, that of the engine's process included."""
    engine = larimar.session._worker._engine
    anonymous = resident_bytes()["anonymous"]
    if engine is not None:
        lines = Path(f"/proc/{engine.pid}/status").read_text().splitlines()  # type: ignore[attr-defined]
        anonymous += next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))
    return round(anonymous / 1e6, 1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--cycles", type=int, default=5)
    wanted = parser.parse_args()
    app = make_qapplication(["larimar"])
    with tempfile.TemporaryDirectory() as folder:
        larimar = Larimar(app, Options(wanted.folder, Path(folder)), open_engine)
        larimar.window.show()
        result: dict[str, object] = {"before": megabytes(larimar)}
        cycles: list[dict[str, float]] = []
        for _ in range(wanted.cycles):
            larimar.session.wake() if cycles else larimar.start()
            until(lambda: larimar.session.state is SessionState.READY)
            larimar.window.chat.ask(TEXT)
            until(lambda: bool((last := larimar.window.chat.model.last) and (last.text or not last.under_way)))
            larimar.window.chat.controller.stop()
            until(lambda: larimar.session.state is SessionState.READY)
            loaded = megabytes(larimar)
            larimar.session.unload()
            until(lambda: larimar.session._jobs_under_way == 0)
            cycles.append({"loaded": loaded, "unloaded": megabytes(larimar)})
        result["cycles"] = cycles
        larimar.window.close()
        larimar.close()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
