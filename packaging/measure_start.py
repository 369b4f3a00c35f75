"""How much slower the frozen program starts than the checkout: ``python packaging/measure_start.py PROGRAM [RUNS]``.

Starts both in turn, offscreen and with empty settings, and takes the time until the window is shown and until the demo
model is loaded; prints medians and their ratio.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

_MOMENTS = ("The window is shown", "The session is ready")


def main(arguments: Sequence[str]) -> None:
    """Measure and print."""
    program = arguments[0]
    runs = int(arguments[1]) if len(arguments) > 1 else 7
    checkout = [sys.executable, str(Path(__file__).resolve().parents[1] / "main.py")]
    times: dict[str, list[tuple[float, ...]]] = {"checkout": [], "frozen": []}
    for run in range(runs + 1):
        for name, command in (("checkout", checkout), ("frozen", [program])):
            measured = _start(command)
            if run:  # the first start of each only warms the file cache
                times[name].append(measured)
    print("| until | checkout, s | frozen, s | ratio |")
    print("|---|---:|---:|---:|")
    for index, moment in enumerate(_MOMENTS):
        ours, frozen = (median(each[index] for each in times[name]) for name in ("checkout", "frozen"))
        print(f"| {moment} | {ours:.2f} | {frozen:.2f} | {frozen / ours:.2f} |")


def _start(command: Sequence[str]) -> tuple[float, ...]:
    """Return the seconds from the start of a process to each of the moments that it tells of."""
    with tempfile.TemporaryDirectory() as home:
        surroundings = {**os.environ, "HOME": home, "QT_QPA_PLATFORM": "offscreen", "PYTHONUNBUFFERED": "1"}
        for name in [name for name in surroundings if name.startswith("XDG_")]:
            del surroundings[name]
        started = time.perf_counter()
        process = subprocess.Popen([*command, "--verbose"], env=surroundings, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        moments: list[float] = []
        for line in process.stderr:
            if _MOMENTS[len(moments)] in line:
                moments.append(time.perf_counter() - started)
                if len(moments) == len(_MOMENTS):
                    break
        process.terminate()
        process.communicate()
    if len(moments) < len(_MOMENTS):
        raise SystemExit(f"{command[0]} ended before it said: {_MOMENTS[len(moments)]}")
    return tuple(moments)


if __name__ == "__main__":
    main(sys.argv[1:])
