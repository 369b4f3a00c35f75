"""What it costs that the engine has a process of its own; not a test.

    python tests/measure_engine_process.py [--folder MODEL] [--rounds 7] [--starts 7]

Measures the engine in the window's process (“here”) and in its own (“apart”) in turn, and prints medians of both:

- the program as ``main.py --ask`` starts it, offscreen and with empty settings, until the window is shown, the model is
  ready, and the answer is complete;
- the session in a real window: loading, first text, tokens a second as they arrive, the longest gap and the share of
  late turns of the event loop while the model speaks, from the last sample of a recording until it is encoded, and the
  memory of all processes (proportional set size, Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

MOMENTS = ("The window is shown", "The session is ready", "The session is generating", "The session is ready")
START = """
import sys
sys.path.insert(0, {root!r})
sys.argv = ["main.py", "--verbose", "--ask", "Who are you?", *{model!r}]
import app.engine_opening
if {here}:
    import app.running
    import app.engine_process.launching
    app.running.open_engine = app.engine_opening.open_engine_here
    app.engine_process.launching.SPARE.begin = lambda: None
import main
sys.exit(main.main())
"""


def start(here: bool, model: Path | None) -> dict[str, float]:
    """Start the program; return the seconds until each moment."""
    program = START.format(root=str(ROOT), here=here, model=["--model", str(model)] if model else [])
    with tempfile.TemporaryDirectory() as home:
        surroundings = {**os.environ, "HOME": home, "PYTHONUNBUFFERED": "1"}
        for name in [name for name in surroundings if name.startswith("XDG_")]:
            del surroundings[name]
        begun = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", program], env=surroundings, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        moments: list[float] = []
        for line in process.stderr:
            if MOMENTS[len(moments)] in line:
                moments.append(time.perf_counter() - begun)
                if len(moments) == len(MOMENTS):
                    break
        process.terminate()
        process.communicate()
    shown, ready, _, answered = moments
    return {"start to window, s": shown, "start to model ready, s": ready, "start to first answer, s": answered}


def proportional(pid: int | str) -> float:
    """Return a process's share of memory in MB; pages that several have count for each in part."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def one(here: bool, model: Path | None, rounds: int) -> dict[str, list[float]]:
    """Measure a session in a window, in this process."""
    import numpy as np
    from PySide6.QtCore import QEventLoop, QTimer

    from app.application import Larimar, Options
    from app.engine_opening import open_engine, open_engine_here
    from app.engine_process.launching import SPARE
    from app.qt_application import make_qapplication
    from app.running import _renew_spare
    from app.session import SessionState
    from inference.messages import Audio, ReplyOptions, Text, Turn

    app = make_qapplication(["larimar"])
    found: dict[str, list[float]] = {}
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 400, "maxItems": 400}

    def until(condition: Callable[[], bool]) -> None:
        while not condition():
            app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents, 20)

    with tempfile.TemporaryDirectory() as folder:
        larimar = Larimar(app, Options(model, Path(folder)), open_engine_here if here else open_engine)
        session = larimar.session
        if not here:
            SPARE.prepare()
            session.state_changed.connect(_renew_spare)
        frames: list[tuple[float, Any]] = []
        session.frame.connect(lambda frame: frames.append((time.perf_counter(), frame)))
        larimar.window.resize(1080, 760)
        larimar.window.show()

        def asked(turns: Any, options: ReplyOptions) -> tuple[float, float, float, Any]:
            frames.clear()
            begun = time.perf_counter()
            session.submit(turns, options)
            until(lambda: bool(frames) and frames[-1][1].last)
            first = next((at for at, frame in frames if frame.text), begun)
            return begun, first, frames[-1][0], frames[-1][1].done

        for load in range(rounds):
            begun = time.perf_counter()
            session.wake() if load else larimar.start()
            until(lambda: session.state is SessionState.READY)
            if load:
                found.setdefault("loading again, s", []).append(time.perf_counter() - begun)
            plain = ReplyOptions(temperature=0, max_tokens=60)
            asked([Turn.of("user", f"Good morning {load}!")], plain)
            begun, first, _, _ = asked([Turn.of("user", f"Who are you, number {load}?")], plain)
            found.setdefault("question to first text, ms", []).append(1000 * (first - begun))
            gaps: list[float] = []
            last = [time.perf_counter()]

            def turned(last: list[float] = last, gaps: list[float] = gaps) -> None:
                now = time.perf_counter()
                gaps.append(now - last[0])
                last[0] = now

            timer = QTimer()
            timer.timeout.connect(turned)
            timer.start(1)
            options = ReplyOptions(temperature=0, json_schema=schema, drafts=0)
            _, first, end, done = asked([Turn.of("user", f"Numbers please {load}.")], options)
            timer.stop()
            found.setdefault("tokens/s, inside the engine", []).append(done.stats.tokens_per_second)
            found.setdefault("tokens/s, as they arrive", []).append((done.stats.generated_tokens - 1) / (end - first))
            found.setdefault("event loop while speaking: longest gap, ms", []).append(1000 * max(gaps))
            found.setdefault("event loop while speaking: 99th centile, ms", []).append(
                1000 * sorted(gaps)[int(0.99 * len(gaps))]
            )
            sound = np.random.default_rng(load).normal(0, 0.1, 80_000).astype(np.float32)
            stream = session.listen()
            for at in range(0, len(sound), 1600):
                stream.feed(sound[at : at + 1600])
                app.processEvents()
                time.sleep(0.02)

            def write(recording: Audio) -> list[Turn]:
                return [Turn("user", (Text("Write it down."), recording))]

            begun, first, _, done = asked(stream.turns(write, whole=True), ReplyOptions(temperature=0, max_tokens=1))
            found.setdefault("last sample to end of a one-token answer, ms", []).append(1000 * (frames[-1][0] - begun))
            stream.close()
            pids: list[int | str] = ["self"]
            if not here:
                pids.append(session._worker._engine.pid)  # type: ignore[union-attr]
            for name, pid in zip(("window", "engine"), pids, strict=False):
                found.setdefault(f"memory loaded, {name}, MB", []).append(proportional(pid))
            found.setdefault("memory loaded, all, MB", []).append(sum(map(proportional, pids)))
            session.unload()
            until(lambda: session.state is SessionState.UNLOADED and session._jobs_under_way == 0)
            time.sleep(2)  # until the spare process has imported everything
            spare = [SPARE._process.pid] if SPARE._process is not None else []
            found.setdefault("memory unloaded, all, MB", []).append(sum(map(proportional, ["self", *spare])))
        larimar.window.close()
        larimar.close()
        SPARE.close()
    return found


def overhead(events: int = 20_000) -> float:
    """Return microseconds that one event takes to be written, carried, read and checked."""
    from app.engine_process import launching
    from app.engine_process.proxy import EngineProcess

    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from app.engine_process.child import Child\n"
        "from app.engine_process.wire import Opened, Finished\n"
        "from inference.messages import Text\n"
        "child = Child(os.dup(1)); sys.stdin.buffer.read(8)\n"
        f"for _ in range({events}): child.send(Text(' word'))\n"
        "child.send(Finished())\n"
    )
    launching.child_command = lambda: [sys.executable, "-c", program, str(ROOT)]
    process = launching.ChildProcess()
    engine = EngineProcess(process, None)
    replies = engine.reply(())
    next(replies)
    begun = time.perf_counter()
    count = sum(1 for _ in replies)
    taken = time.perf_counter() - begun
    process.end()
    return 1e6 * taken / count


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--one", choices=("here", "apart"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.one:
        print(json.dumps(one(wanted.one == "here", wanted.folder, wanted.rounds)))
        return
    found: dict[str, dict[str, list[float]]] = {"here": {}, "apart": {}}
    for round_ in range(wanted.starts + 1):
        for name in found:
            for key, value in start(name == "here", wanted.folder).items():
                if round_:  # the first start of each only warms the file cache
                    found[name].setdefault(key, []).append(value)
    for _ in range(3):
        for name in found:
            command = [sys.executable, __file__, "--one", name, "--rounds", str(wanted.rounds)]
            command += ["--folder", str(wanted.folder)] if wanted.folder else []
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            for key, values in json.loads(done.stdout.splitlines()[-1]).items():
                found[name].setdefault(key, []).extend(values)
    print("| | here | apart |\n|---|---:|---:|")
    for key in dict.fromkeys([*found["here"], *found["apart"]]):
        cells = (f"{median(found[name][key]):.3g}" if key in found[name] else "" for name in found)
        print(f"| {key} | {' | '.join(cells)} |")
    print(f"\none event: {median(overhead() for _ in range(5)):.1f} µs")


if __name__ == "__main__":
    main()
