"""Renders every screen into a folder, to be looked at: ``python tests/gui/screenshots.py FOLDER [--model DIR]``.

Each run of this program shows one colour scheme and one scale, because Qt reads both at its start; without
``--one`` it starts itself once for each. With ``--model`` the real engine answers instead of a script.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

VARIANTS = (("light", "1"), ("dark", "1"), ("light", "2"), ("dark", "2"))
QUESTION = "How do I read a large CSV file in Python without filling the memory?"
THOUGHT = (
    "The user wants to read a large file piece by piece. The csv module is a good answer, since its reader is an "
    "iterator. I can show a short example and compare the ways in a table."
)
ANSWER = """Read it **row by row** instead of all at once. The `csv` module does that by itself:

```python
import csv

with open("measurements.csv", newline="", encoding="utf-8") as file:
    for row in csv.DictReader(file):
        if float(row["value"]) > 10:
            print(row["time"], row["value"])
```

### Which way when

| Way | Memory | Good for |
|-----|-------:|----------|
| `csv.DictReader` | a few kB | simple filters and sums |
| `pandas` with `chunksize` | a chunk | statistics by groups |
| DuckDB | as it needs | joins and large sorts |

A few hints:

1. Open the file with `newline=""`, so that line breaks inside quotes survive.
2. Convert only the columns that you need:
   - numbers with `float()`
   - dates with `datetime.fromisoformat()`
3. Write results as you go.

> If the file does not fit on the disk twice, do not copy it first.

The details are in the [documentation](https://docs.python.org/3/library/csv.html)."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--one", action="store_true", help="only the scheme and scale of the environment")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.one:
        return shoot(options.folder, options.model)
    for scheme, scale in VARIANTS:
        environment = {**os.environ, "LARIMAR_COLOR_SCHEME": scheme, "QT_SCALE_FACTOR": scale}
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--one"], env=environment, check=True)
    return 0


def shoot(folder: Path, model: Path | None) -> int:
    from fakes.engine import FakeEngine, missing
    from PySide6.QtCore import QEventLoop, QTimer

    from app.application import Larimar, Options, make_qapplication, open_engine
    from app.session import SessionState
    from inference.messages import Done, Prefill, ReplyStats, Text, Thought

    app = make_qapplication(["larimar"])
    variant = f"{os.environ.get('LARIMAR_COLOR_SCHEME', 'system')}-{os.environ.get('QT_SCALE_FACTOR', '1')}x"

    def wait(condition: Callable[[], bool]) -> None:
        loop, timer = QEventLoop(), QTimer()
        timer.setInterval(10)
        timer.timeout.connect(lambda: condition() and loop.quit())
        timer.start()
        loop.exec()

    def frames(count: int = 6) -> None:
        left = [count]

        def passed() -> bool:
            left[0] -= 1
            return left[0] < 0

        wait(passed)

    def pieces(text: str) -> list[Text]:
        return [Text(text[start : start + 4]) for start in range(0, len(text), 4)]

    reading, thinking, halfway = threading.Event(), threading.Event(), threading.Event()
    cut = ANSWER.index("### Which")
    script = [
        *(Prefill(done, 250) for done in (0, 50, 100)),
        reading,
        Prefill(250, 250),
        Thought(THOUGHT),
        thinking,
        *pieces(ANSWER[:cut]),
        halfway,
        *pieces(ANSWER[cut:]),
        Done("stop", ReplyStats(250, 0, 312, 0.42, 8.6, context_length=8192)),
    ]

    with tempfile.TemporaryDirectory() as data:

        def start(name: str, factory: Callable[..., object], model: Path | None = None) -> Larimar:
            larimar = Larimar(app, Options(model, Path(data, name)), factory)  # type: ignore[arg-type]
            larimar.window.resize(1080, 760)
            larimar.start()
            return larimar

        def save(larimar: Larimar, name: str) -> None:
            frames()
            larimar.window.grab().save(str(folder / f"{name}-{variant}.png"))

        if model is not None:
            larimar = start("real", open_engine, model)
            wait(lambda: larimar.session.state is not SessionState.LOADING)
            save(larimar, "real-empty")
            for number, button in enumerate(list(larimar.window.chat.greeting.buttons)):
                larimar.window.chat.ask(button.text())
                wait(lambda: larimar.session.state is not SessionState.GENERATING)
                save(larimar, f"real-answer-{number}")
            larimar.window.close()
            return 0

        engine = FakeEngine([script], name="Larimar demo")
        larimar = start("fake", lambda path: engine)
        wait(lambda: larimar.session.state is SessionState.READY)
        save(larimar, "empty")
        chat = larimar.window.chat
        chat.ask(QUESTION)
        wait(lambda: chat.model.messages[-1].prefill == (100, 250))
        save(larimar, "reading")
        reading.set()
        wait(lambda: bool(chat.model.messages[-1].thought))
        chat.view.toggle_thought(1)
        save(larimar, "thinking")
        chat.view.toggle_thought(1)
        thinking.set()
        wait(lambda: len(chat.model.messages[-1].text) >= cut)
        save(larimar, "streaming")
        halfway.set()
        wait(lambda: larimar.session.state is SessionState.READY)
        chat.view.toggle_thought(1)
        chat.view.jump_to_latest()
        chat.composer.edit.setPlainText("And with gzip?\nThe file is compressed.")
        save(larimar, "finished-end")
        chat.view.verticalScrollBar().setValue(0)
        save(larimar, "finished-top")
        larimar.window.resize(520, 700)
        save(larimar, "narrow")
        larimar.window.resize(1080, 760)
        for number, name in ((1, "webcam"), (2, "microphone")):
            larimar.window.rail.choose(number)
            save(larimar, name)
        larimar.window.close()

        larimar = start("error", missing, Path("/home/me/models/gemma-4"))
        wait(lambda: larimar.session.state is SessionState.FAILED)
        save(larimar, "error")
        larimar.window.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
