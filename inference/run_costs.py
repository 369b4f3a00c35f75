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
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

MOST_ROWS = 13
"""Rows of one verification at most: so many come to the same bits as one by one, see
:mod:`inference.graphs.folded_attention`."""

_FIRST_SLOPE = 0.25
"""What a further row is taken to cost before anything was measured."""
_FIRST_DRAFT = 0.1
_RECENT = 9
"""Runs that are looked back at, for each number of rows."""
_BASE = 5
"""The same for one row, which everything is compared with: fewer, so that it follows the machine's speed."""
_ENOUGH = 3
"""Runs without which the lower of measured and expected is believed: one run that something else on the machine held
up must not rule a number of rows out for good."""


class RunCosts:
    """Costs relative to a run of one row, by the quicker ones of recent runs.

    Args:
        rows: costs by number of rows, from an earlier session.
        draft: cost of a draft, from an earlier session.
    """

    def __init__(self, rows: Mapping[int, float] | None = None, draft: float | None = None) -> None:
        self._expected = dict(rows or {})
        self._expected_draft = _FIRST_DRAFT if draft is None else draft
        self._runs: dict[int, deque[float]] = {1: deque(maxlen=_BASE)}
        self._drafts: deque[float] = deque(maxlen=_RECENT)
        self._seconds = 0.0
        self._draft = self._expected_draft
        self._curve = self._fit()

    @property
    def ready(self) -> bool:
        """Whether one row was measured, which all else is compared with."""
        return len(self._runs[1]) > 1

    @property
    def seconds(self) -> float:
        """What one row takes just now; 0 before the first run."""
        return self._seconds

    @property
    def draft(self) -> float:
        """Cost of a draft."""
        return self._draft

    @property
    def measured(self) -> dict[int, float]:
        """Costs by number of rows, as far as they were measured, now or earlier."""
        if not self.ready:
            return dict(sorted(self._expected.items()))
        now = {
            rows: _typical(runs) / self._seconds
            for rows, runs in self._runs.items()
            if rows > 1 and len(runs) >= _ENOUGH
        }
        return dict(sorted({**self._expected, **now}.items()))

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
        self._runs.setdefault(rows, deque(maxlen=_RECENT)).append(seconds)
        if rows == 1:
            self._seconds = _typical(self._runs[1])
        if rows > 1 or len(self._runs) > 1:
            self._curve = self._fit()

    def add_draft(self, seconds: float) -> None:
        """Take note of a draft."""
        if seconds > 0:
            self._drafts.append(seconds)
            if self.ready:
                self._draft = _typical(self._drafts) / self._seconds

    def _fit(self) -> NDArray[np.float64]:
        curve = _through({1: 1.0, **self.measured})
        if not self.ready:
            return curve
        rare = {
            rows: min(_typical(runs) / self._seconds, float(curve[rows]))
            for rows, runs in self._runs.items()
            if rows > 1 and len(runs) < _ENOUGH and rows not in self._expected
        }
        return _through({1: 1.0, **self.measured, **rare}) if rare else curve


def _typical(seconds: Collection[float]) -> float:
    """Return the lower quartile: what else goes on in the machine only ever makes runs slower."""
    return sorted(seconds)[len(seconds) // 4]


def _through(known: Mapping[int, float]) -> NDArray[np.float64]:
    """Return the costs of 0 to 17 rows, given those of some numbers of rows."""
    counts = np.array(sorted(known), np.float64)
    # noise must not make more rows look cheaper
    costs = np.maximum.accumulate([max(1.0, known[int(count)]) for count in counts])
    last, highest = counts[-1], costs[-1]
    slope = (highest - 1) / (last - 1) if last > 1 else _FIRST_SLOPE
    every = np.arange(MOST_ROWS + 1, dtype=np.float64)
    curve: NDArray[np.float64] = np.interp(every, counts, costs)
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
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
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
