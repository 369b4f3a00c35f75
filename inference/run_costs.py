"""What a run of the decoder costs by number of rows, and a draft: learnt from the runs themselves.

On a processor bound by memory eight rows cost little more than one, on one bound by arithmetic nearly eight times as
much. So the figures are of one machine and one model; they are kept in the user's cache folder for the next start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

MOST_ROWS = 17
"""Rows of one verification at most."""

_FIRST_SLOPE = 0.25
"""What a further row is taken to cost before anything was measured."""
_FIRST_DRAFT = 0.1
_RECENT = 9
"""Runs whose median says how fast the machine is just now."""
_LASTING = 31
"""Runs whose median says what more rows cost: more, so that a change of the machine's speed is over before it counts
as one of these ratios."""
_KNOWN = 4
"""Runs after which a ratio is known well enough to tell the speed by; as many stand for an earlier session."""


class RunCosts:
    """Costs relative to a run of one row, by medians over recent runs.

    Args:
        rows: costs by number of rows, from an earlier session.
        draft: cost of a draft, from an earlier session.
    """

    def __init__(self, rows: Mapping[int, float] | None = None, draft: float | None = None) -> None:
        self._ratios: dict[int, deque[float]] = {}
        for count, ratio in (rows or {}).items():
            self._ratios[count] = deque([ratio] * _KNOWN, _LASTING)
        self._single: deque[float] = deque(maxlen=_RECENT)
        """Recent seconds of one row: measured, or runs of more rows divided by what these cost."""
        self._draft_ratios: deque[float] = deque([] if draft is None else [draft] * _KNOWN, _LASTING)
        self._curve = self._fit()

    @property
    def seconds(self) -> float:
        """What one row takes just now; 0 before the first run."""
        return median(self._single) if self._single else 0.0

    @property
    def draft(self) -> float:
        """Cost of a draft."""
        return median(self._draft_ratios) if self._draft_ratios else _FIRST_DRAFT

    @property
    def measured(self) -> dict[int, float]:
        """Costs by number of rows, as far as they were measured."""
        return {count: median(ratios) for count, ratios in sorted(self._ratios.items())}

    def __getitem__(self, rows: int) -> float:
        """Cost of a run of ``rows`` rows, 1 to 17: measured, or read off between and beyond what was measured."""
        return float(self._curve[rows])

    @property
    def curve(self) -> NDArray[np.float64]:
        """Float64 [18], cost by number of rows; the first one stands for none and means nothing."""
        return self._curve

    def add_run(self, rows: int, seconds: float) -> None:
        """Take note of a run."""
        if seconds <= 0 or not 1 <= rows <= MOST_ROWS:
            return
        known = len(self._ratios.get(rows, ())) >= _KNOWN
        if rows > 1 and self._single:
            self._ratios.setdefault(rows, deque(maxlen=_LASTING)).append(seconds / self.seconds)
            self._curve = self._fit()
        if rows == 1 or known:
            self._single.append(seconds / self[rows])

    def add_draft(self, seconds: float) -> None:
        """Take note of a draft."""
        if seconds > 0 and self._single:
            self._draft_ratios.append(seconds / self.seconds)

    def _fit(self) -> NDArray[np.float64]:
        measured = {1: 1.0, **self.measured}
        counts = np.array(sorted(measured), np.float64)
        # noise must not make more rows look cheaper
        ratios = np.maximum.accumulate([max(1.0, measured[int(count)]) for count in counts])
        last, highest = counts[-1], ratios[-1]
        slope = (highest - 1) / (last - 1) if last > 1 else _FIRST_SLOPE
        every = np.arange(MOST_ROWS + 1, dtype=np.float64)
        curve: NDArray[np.float64] = np.interp(every, counts, ratios)
        beyond = every > last
        curve[beyond] = highest + slope * (every[beyond] - last)
        return curve


class CostFile:
    """Keeps the costs of one machine and model from start to start. Whatever goes wrong is as if there were none.

    Args:
        graph: the decoder's file; another one, or one that was written anew, has costs of its own.
        runs_on: whatever else makes runs slower or faster, such as provider and number of threads.
        folder: where to keep it; None is the user's cache folder.
    """

    def __init__(self, graph: Path, runs_on: str, folder: Path | None = None) -> None:
        self._path: Path | None = None
        with contextlib.suppress(OSError):
            about = graph.stat()
            machine = (platform.machine(), _processor(), str(os.cpu_count()), runs_on)
            key = "|".join((*machine, str(graph.resolve()), str(about.st_size), str(about.st_mtime_ns)))
            folder = folder or platformdirs.user_cache_path("larimar", appauthor=False) / "speculation"
            self._path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        self._saved: dict[int, float] = {}

    def load(self) -> RunCosts:
        """Return what is known."""
        try:
            content: Any = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
            rows = {int(count): float(ratio) for count, ratio in content["rows"].items()}
            draft = None if content["draft"] is None else float(content["draft"])
            if not all(1 < count <= MOST_ROWS and 0.1 < ratio < 1000 for count, ratio in rows.items()):
                raise ValueError
            if draft is not None and not 0 < draft < 1000:
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return RunCosts()
        self._saved = rows
        return RunCosts(rows, draft)

    def save(self, costs: RunCosts) -> None:
        """Write what was measured, if it says more than the file or something else."""
        rows = costs.measured
        same = rows.keys() == self._saved.keys() and all(abs(rows[n] / self._saved[n] - 1) < 0.1 for n in rows)
        if self._path is None or not rows or same:
            return
        temporary = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=self._path.parent, suffix=".tmp", delete=False
            ) as file:
                temporary = Path(file.name)
                json.dump({"rows": rows, "draft": costs.draft}, file)
            temporary.replace(self._path)
            self._saved = rows
        except OSError:
            self._path = None  # a full or read-only disk: no use in trying again
            if temporary is not None:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
